"""``frontpay invoices`` as a process: a file in, each order sent once, and a report out."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from frontpay_async.batch import BatchStatus, State
from frontpay_async.batch.encryption import NoCipher
from frontpay_async.batch.schema import distrust_note, notes
from frontpay_async.batch.store import Store
from frontpay_async.cli.app import run
from frontpay_async.cli.batch_progress import _progress, conclusion
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support.chaos_stores import postgres
from tests.support.command import Here, frontpay, in_process, on_terminal, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration

FILES = Path(__file__).parents[2] / "docs" / "batch-files"
CSV, JSONL = str(FILES / "invoices.csv"), str(FILES / "orders.jsonl")
CTRL_C = "\x03"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(cardholder=Cardholder(after=None))


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return lambda *arguments, env: in_process(*arguments, env=env, patch=monkeypatch, capsys=capsys)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


@pytest.mark.parametrize(
    "journal",
    [
        "postgresql://me:hunter2@db/journal",
        "postgresql://:hunter2@db/journal",
        "postgresql://db/journal?user=me&password=hunter2",
        "postgresql://db/journal?PASSWORD=hunter2",
        "postgresql://db/journal?pass%77ord=hunter2",
        "postgresql+psycopg://db/journal?sslpassword=hunter2",
        "sqlite:///journal.db?password=hunter2",
        "host=db password=hunter2",
    ],
)
@pytest.mark.parametrize("command", [["send", CSV, "--yes"], ["resume", "--yes"], ["report"]])
def test_a_password_among_the_arguments_is_refused(here: Here, command: list[str], journal: str) -> None:
    """Everybody on the machine can read them; the variable is the way."""
    done = here("invoices", *command, "--name", "x", "--journal", journal, env=settings("http://127.0.0.1:9"))
    assert done.status == 2
    assert "FRONTPAY_JOURNAL" in done.err
    assert "hunter2" not in done.out + done.err


def test_a_template_is_printed_written_and_an_object(here: Here, tmp_path: Path) -> None:
    """The same file each time; what is there already is not overwritten."""
    printed, shown = here("invoices", "template", env={}), here("invoices", "template", "--json", env={})
    assert json.loads(shown.out) == {"kind": "invoice", "text": printed.out}
    assert (len(shown.out.splitlines()), len(printed.out.splitlines())) == (1, 2)
    path = tmp_path / "new.csv"
    written = here("invoices", "template", "--to", str(path), "--json", env={})
    assert json.loads(written.out) == {"kind": "invoice", "file": str(path)}
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert file.read().split() == printed.out.split()
    assert here("invoices", "template", "--to", str(path), env={}).status == Exit.FAILED


def test_a_template_redirected_to_a_file_is_marked(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Excel takes a file without the byte order mark for another encoding; it is what ``--to`` writes."""
    shown, written = tmp_path / "shown.csv", tmp_path / "written.csv"
    assert here("invoices", "template", "--to", str(written), env={}).status == Exit.OK
    with shown.open("w", encoding="cp1252") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        assert here("invoices", "template", env={}).status == Exit.OK
    assert shown.read_bytes() == written.read_bytes()


def test_what_is_left_is_told_by_the_rate_window() -> None:
    """Not by how fast it went so far."""
    counts = {State.DONE: 60, State.FAILED: 1, State.PENDING: 539}
    asked: list[int] = []

    def estimate(calls: int) -> float:
        asked.append(calls)
        return 134.2

    told = _progress(BatchStatus(name="x", counts=counts), 8, 2.0, estimate)
    assert told.plain == "61/600  60 done  1 failed  539 pending  240/min  2:15 left"
    assert asked == [539]


async def test_a_file_without_orders_is_told_and_leaves_no_journal(
    tmp_path: Path, journal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text((FILES / "invoices.csv").read_text("utf-8").splitlines()[0], "utf-8")
    assert run(["invoices", "validate", str(empty)]) == 0
    assert run(["invoices", "send", str(empty), "--journal", journal, "--name", "x", "--yes"]) == 0
    assert capsys.readouterr().err == "the file has no orders: nothing was sent\n" * 2
    assert names(tmp_path) == ["empty.csv"]


@pytest.mark.parametrize("option", ["--zone=Mars", "--encoding=nonsense", "--delimiter=xx", "--default=a=b"])
def test_a_setting_that_cannot_work_is_2(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert run(["invoices", "validate", CSV, option]) == 2
    assert "Correct the errors above" in capsys.readouterr().err


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_sound_file_is_summed_up_and_nothing_is_sent() -> None:
    ended = await frontpay("invoices", "validate", CSV, "--json", env=settings(token=None))
    assert ended.status == 0
    (said,) = ended.objects
    assert (said["orders"], said["grand_total"], said["violation_count"]) == (3, "10594.00", 0)
    assert said["kinds"]["ehf"] == {"orders": 1, "products": 1, "grand_total": "9375.00"}


async def test_what_is_wrong_in_a_file_is_told_by_its_line(tmp_path: Path, url: str, journal: str) -> None:
    broken = tmp_path / "invoices.csv"
    broken.write_text(
        (FILES / "invoices.csv").read_text("utf-8").replace("kari@example.no", "kari-at-example"), "utf-8"
    )
    checked = await frontpay("invoices", "validate", str(broken), env=settings())
    sent = await frontpay(
        *("invoices", "send", str(broken), "--journal", journal, "--name", "x", "--yes"), env=settings(url)
    )
    as_json = await frontpay("invoices", "validate", str(broken), "--json", env=settings())
    assert (checked.status, sent.status, as_json.status) == (1, 5, 1)
    assert "line 2: customer_email must be" in checked.err
    assert "line 2: customer_email must be" in sent.err
    assert as_json.objects[0]["violations"][0]["column"] == "customer_email"
    assert "kari-at-example" not in checked.out + checked.err + sent.err + as_json.out
    assert names(tmp_path) == ["invoices.csv"]


async def test_a_file_is_sent_once_and_reported(
    sandbox: Sandbox, url: str, journal: str, tmp_path: Path
) -> None:
    batch = ("--journal", journal, "--name", "2026-05")
    first = await frontpay("invoices", "send", CSV, *batch, "--yes", "--json", env=settings(url))
    again = await frontpay("invoices", "send", CSV, *batch, "--yes", "--quiet", env=settings(url))
    assert (first.status, again.status, again.err) == (0, 0, "")
    counts = {state.value: 0 for state in State}
    assert first.objects == [{"name": "2026-05", "total": 3, **counts, "done": 3, "stopped": False}]
    assert "3 of 3: 3 done" in first.err
    assert "\x1b" not in first.err
    assert len(sandbox.orders) == 3
    assert sandbox.duplicates() == ()

    # The journal alone is asked: no token, no environment.
    shown = await frontpay("invoices", "report", *batch, "--json", env=settings(token=None))
    assert [(row["key"], row["state"]) for row in shown.objects] == [
        ("1001", "done"),
        ("1002", "done"),
        ("1003", "done"),
    ]
    assert [row["order_uuid"] for row in shown.objects] == list(sandbox.orders)
    to = tmp_path / "report.jsonl"
    written = await frontpay("invoices", "report", *batch, "--to", str(to), env=settings())
    assert written.status == 0
    assert reported(to) == (0o600, ["1001", "1002", "1003"])


def reported(to: Path) -> tuple[int, list[str]]:
    """Return a report's mode and keys."""
    lines = to.read_text("utf-8").splitlines()
    return stat.S_IMODE(to.stat().st_mode), [json.loads(line)["key"] for line in lines]


async def test_ctrl_c_drains_and_resume_sends_the_rest(sandbox: Sandbox, url: str, journal: str) -> None:
    """What had left gets its answer, and no order is sent twice."""
    batch = ("--journal", journal, "--name", "2026-05", "--concurrency", "1")
    sandbox.fail("latency", operation="orders.send_*", seconds=1)
    async with on_terminal("invoices", "send", CSV, *batch, env=settings(url)) as screen:
        await screen.until("Send 3 orders (1 invoice, 1 efaktura, 1 ehf), 10594.00 in all")
        screen.type("y\n")
        await screen.till(lambda: sandbox.orders)
        screen.type(CTRL_C)
        assert await screen.ended() == 1
        await screen.until(f"To continue: frontpay invoices resume --journal {journal} --name 2026-05")
    assert "Traceback" not in screen.shown
    assert len(sandbox.orders) == 1
    resumed = await frontpay("invoices", "resume", *batch, "--yes", "--json", env=settings(url))
    assert (resumed.status, resumed.objects[0]["done"]) == (0, 3)
    assert len(sandbox.orders) == 3
    assert sandbox.duplicates() == ()


async def test_on_a_terminal_there_are_a_bar_and_a_table(url: str, journal: str) -> None:
    batch = ("--journal", journal, "--name", "x", "--yes")
    async with on_terminal("invoices", "send", JSONL, *batch, env=settings(url)) as screen:
        await screen.until("2/2")
        await screen.until("/min")
        assert await screen.ended() == 0
        await screen.until("total")
    assert re.search(r"state +orders\s+done +2\s+total +2", COLOUR.sub("", screen.shown))
    async with on_terminal("invoices", "resume", *batch, env=settings(url, COLUMNS="40")) as screen:
        await screen.until("2 done")
        assert await screen.ended() == 0
    # What another run has sent says nothing of this one's rate; and narrow, nothing is cut.
    assert [mark for mark in ("/min", "…", "━") if mark in screen.shown] == []


async def test_a_refused_token_ends_the_run_and_tells_how_to_go_on(url: str, journal: str) -> None:
    batch = ("--journal", journal, "--name", "x")
    ended = await frontpay("invoices", "send", JSONL, *batch, "--yes", env=settings(url, token="wrong"))
    assert ended.status == 4
    assert "pending: 2" in ended.out
    assert "money: 0 orders of 2 were sent." in ended.err
    assert f"To continue: frontpay invoices resume --journal {journal} --name x" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["resume", "--journal", "no-such.db", "--name", "x", "--yes"],
            "the journal no-such.db does not exist",
        ),
        (["report", "--journal", "no-such.db", "--name", "x"], "the journal no-such.db does not exist"),
        (["report", "--journal", "x.db", "--name", "x", "--to", "report.txt"], ".csv or .jsonl"),
        (["send", JSONL, "--name", "x", "--yes"], "--journal"),
        (["send", JSONL, "--name", "x", "--journal", "postgresql://me:secret@db/x"], "FRONTPAY_JOURNAL"),
        (["validate", CSV, "--map", "Fakturanr"], "TITLE=COLUMN"),
        (["validate", "no-such.csv"], "no-such.csv"),
    ],
)
def test_a_wrong_command_is_2_and_leaves_no_journal(
    here: Here, tmp_path: Path, arguments: list[str], message: str
) -> None:
    ended = here("invoices", *arguments, env=settings("http://127.0.0.1:9/api/v1/connect"))
    assert ended.status == 2
    assert message in ended.err.replace("\n", " ")
    assert "secret" not in ended.err
    assert names(tmp_path) == []


async def test_a_batch_that_is_not_in_the_journal_is_2(url: str, journal: str) -> None:
    await frontpay("invoices", "send", JSONL, "--journal", journal, "--name", "a", "--yes", env=settings(url))
    ended = await frontpay("invoices", "report", "--journal", journal, "--name", "b", env=settings())
    assert ended.status == 2
    assert "has no batch 'b'" in ended.err


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({State.DONE: 3}, Exit.OK),
        ({}, Exit.OK),
        ({State.DONE: 3, State.FAILED: 1}, Exit.FAILED),
        ({State.PENDING: 1}, Exit.FAILED),
        ({State.FAILED: 1, State.UNKNOWN: 1}, Exit.UNKNOWN),
        ({State.SENDING: 1}, Exit.UNKNOWN),
        ({State.DONE: 3, State.PARKED: 1}, Exit.UNKNOWN),
    ],
)
def test_what_is_in_doubt_decides_the_exit_status(counts: dict[State, int], status: Exit) -> None:
    assert conclusion(counts) is status


async def without_sqlalchemy(*arguments: str) -> tuple[int | None, bytes, bytes]:
    """Run a command of invoices as where SQLAlchemy cannot be imported."""
    script = (
        "import sys; sys.modules['sqlalchemy'] = None;"
        " from frontpay_async.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, "invoices", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize("arguments", [("send", CSV), ("resume",), ("report",)], ids=lambda words: words[0])
async def test_without_the_extra_it_says_what_to_install(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Before it asks whether to send, and before it makes a journal."""
    journal = anyio.Path(tmp_path / "invoices.db")
    status, out, err = await without_sqlalchemy(*arguments, "--journal", str(journal), "--name", "2026-05")
    assert (status, out) == (1, b"")
    assert err == b"Error: this needs an extra: pip install 'frontpay_async[batch]'\n"
    assert not await journal.exists()


async def test_a_file_is_checked_without_the_extra() -> None:
    """Only the journal needs SQLAlchemy."""
    status, out, _ = await without_sqlalchemy("validate", CSV)
    assert status == 0
    assert b"violation_count: 0" in out


@pytest.mark.chaos
async def test_a_database_that_dies_in_the_middle_is_3_and_says_what_was_sent(
    sandbox: Sandbox, url: str
) -> None:
    """Not 5: an order was sent, and only the journal knows which."""
    with postgres() as databases:
        journal = databases.new()
        sandbox.fail("latency", operation="orders.send_*", times=None, seconds=0.3)
        command = (
            "invoices",
            "send",
            CSV,
            "--journal",
            journal,
            "--name",
            "x",
            "--yes",
            "--concurrency",
            "1",
        )
        sending = asyncio.create_task(frontpay(*command, env=settings(url)))
        while not sandbox.orders:
            await anyio.lowlevel.checkpoint()
        databases.crash()
        ended = await sending
        databases.start()
    assert ended.status == Exit.UNKNOWN
    assert "Orders were sent before; the journal shows which." in ended.err
    assert "frontpay invoices resume" in ended.err
    assert 1 <= len(sandbox.orders) < 3


async def test_the_batches_of_all_accounts_are_seen_at_once(
    url: str, sandbox: Sandbox, journal: str, here: Here
) -> None:
    """Two accounts, one journal: each command names the account, and the overview has them all."""
    env = settings(url)
    of_journal = ("--journal", journal, "--json")

    async def send(*arguments: str) -> int:
        return (await frontpay("invoices", "send", CSV, "--yes", *of_journal, *arguments, env=env)).status

    assert await send("--name", "may", "--account", "merchant-1") == Exit.OK
    sent = len(sandbox.orders)
    # The same orders under another name are a mistake, unless it is said that they are not.
    assert await send("--name", "june", "--account", "merchant-1") == Exit.USAGE
    assert len(sandbox.orders) == sent
    again = ("--name", "june", "--account", "merchant-1", "--again", "--no-check-account")
    assert await send(*again) == Exit.OK
    assert len(sandbox.orders) == 2 * sent
    shown = here("invoices", "overview", *of_journal, env={})
    assert [(each["account"], each["name"], each["done"], each["in_hand"]) for each in shown.objects] == [
        ("merchant-1", "may", sent, False),
        ("merchant-1", "june", sent, False),
    ]
    assert here("invoices", "overview", "--open", *of_journal, env={}).objects == []
    named = ("--name", "may", *of_journal)
    assert here("invoices", "report", *named, env={}).status == Exit.USAGE
    reported = here("invoices", "report", "--account", "merchant-1", *named, env={})
    assert len(reported.objects) == sent


def test_lists_are_trusted_again(here: Here, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = Store.open(path, NoCipher())
    store.join("may", "http://localhost", "merchant-1")
    with store.writing() as connection:
        connection.execute(notes.insert().values(name=distrust_note(1), content=b""))
    store.close()
    named = ("invoices", "trust-lists", "--journal", str(path), "--json")
    assert here(*named, "--account", "merchant-1", env={}).status == Exit.USAGE
    assert here(*named, "--account", "merchant-2", "--yes", env={}).status == Exit.USAGE
    for changed in (True, False):
        trusted = here(*named, "--account", "merchant-1", "--yes", env={})
        assert (trusted.status, trusted.objects) == (
            Exit.OK,
            [{"account": "merchant-1", "changed": changed}],
        )


def test_an_overview_makes_no_journal(here: Here, tmp_path: Path) -> None:
    nowhere = tmp_path / "none.db"
    assert here("invoices", "overview", "--journal", str(nowhere), env={}).status == Exit.USAGE
    assert not nowhere.exists()
