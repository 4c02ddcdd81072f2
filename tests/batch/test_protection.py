"""What protects a journal: the file's mode, encryption, and what happens when it is lost."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from frontpay_async import ConfigurationError, FrontPayClient, Outcome, RateLimit
from frontpay_async.batch import BatchItem, InvoiceBatch, JournalError, State, journal_file
from frontpay_async.batch.encryption import NoCipher, cipher_of
from frontpay_async.batch.schema import open_engine, rows
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import Store
from frontpay_async.batch.transitions import Transition
from tests.support.batches import Night, assert_each_sent_once, item, rows_of
from tests.support.builders import PERSONAL_NUMBER, invoice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = pytest.mark.integration

BASE_URL = "http://localhost/api"


# SQLite's file


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Store.open(path, NoCipher())
    journal.submit(journal.join("night", BASE_URL), [item(1)])
    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == ["journal.db", "journal.db-shm", "journal.db-wal"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    journal.close()


def test_files_that_others_may_read_are_closed_to_them(tmp_path: Path) -> None:
    """Also those that stayed beside it when a process was killed."""
    path = tmp_path / "journal.db"
    dead = Store.open(path, NoCipher())
    dead.submit(dead.join("night", BASE_URL), [item(1)])
    for each in tmp_path.iterdir():
        each.chmod(0o644)
    journal = Store.open(path, NoCipher())
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == dict.fromkeys(
        ("journal.db", "journal.db-wal", "journal.db-shm"), 0o600
    )
    dead.close()
    journal.close()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_umask_changes_nothing(tmp_path: Path, umask: int) -> None:
    script = (
        f"import os; os.umask({umask})\n"
        "from frontpay_async.batch.store import Store\n"
        "from frontpay_async.batch.encryption import NoCipher\n"
        "journal = Store.open('journal.db', NoCipher())\n"
        f"journal.join('night', {BASE_URL!r})\n"
        "print(sorted((each, oct(os.stat(each).st_mode & 0o777)) for each in os.listdir()))"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)  # noqa: S603
    assert run.stdout.count(b"0o600") == 3


def test_sqlite_is_set_up_to_survive(tmp_path: Path) -> None:
    journal = Store.open(tmp_path / "journal.db", NoCipher())
    with journal.reading() as connection:
        names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}
    journal.close()


def test_removed_content_is_not_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Store.open(path, NoCipher())
    batch = journal.join("night", BASE_URL)
    journal.submit(batch, [item(7, reference_no="a-reference-to-look-for")])
    (held,) = journal.lease_rows(batch, "me", 1, 60.0)
    for event in (RowEvent.CLAIM, RowEvent.CONFIRM):
        assert journal.apply([Transition(row=held.id, fence=held.fence, event=event, order_uuid="ODR1")])[0]
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert b"a-reference-to-look-for" not in path.read_bytes()


async def test_when_a_run_has_ended_its_orders_are_in_no_file(tmp_path: Path) -> None:
    """Neither in the journal nor in its log, although the batch is still open."""
    night = Night(tmp_path / "journal.db")
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit([item(number, reference_no="a-reference-to-look-for") for number in range(30)])
        assert b"a-reference-to-look-for" in _bytes_in(tmp_path)
        await batch.run()
        assert b"a-reference-to-look-for" not in _bytes_in(tmp_path)
        assert (await batch.status()).done == 30


def _bytes_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (":memory:", "outlive"),
        ("sqlite://", "outlive"),
        ("mysql://localhost/db", "not supported"),
        ("nonsense://", "not supported"),
        ("://", "path or an SQLAlchemy URL"),
    ],
)
def test_what_cannot_be_a_journal(target: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Store.open(target, NoCipher())


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        Store.open(tmp_path / "nowhere" / "journal.db", NoCipher())


def test_a_file_of_one_byte_is_no_journal(tmp_path: Path) -> None:
    """SQLite would take it for an empty one."""
    path = tmp_path / "journal.db"
    path.write_text("x")
    with pytest.raises(ConfigurationError, match="is not a journal"):
        Store.open(path, NoCipher())
    assert path.read_text() == "x"


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_what_is_left_of_another_database_is_not_removed(tmp_path: Path, ending: str) -> None:
    beside = tmp_path / f"journal.db{ending}"
    beside.write_text("precious")
    with pytest.raises(ConfigurationError, match="moved or deleted"):
        Store.open(tmp_path / "journal.db", NoCipher())
    assert list(tmp_path.iterdir()) == [beside]
    assert beside.read_text() == "precious"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("key,state\n" * 100)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="not a journal"):
        Store.open(path, NoCipher())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["journal.db"]


def test_a_path_that_is_not_a_journals_is_never_changed(tmp_path: Path) -> None:
    folder, target, fifo = tmp_path / "folder", tmp_path / "orders.csv", tmp_path / "fifo"
    folder.mkdir(mode=0o777)
    folder.chmod(0o1777)
    target.write_text("key\n")
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "nowhere")
    os.mkfifo(fifo)
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    loose = tmp_path / "empty.db"
    loose.touch()
    for each in (other, loose):
        each.chmod(0o644)
    before = {each.name: (each.lstat().st_mode, each.lstat().st_size) for each in tmp_path.iterdir()}
    problems = {
        folder: "a directory",
        link: "a symbolic link",
        dangling: "a symbolic link",
        fifo: "not a file",
        target: "is not a journal; choose",
        other: "a database, but not a journal",
        loose: "read by other users",
        Path("/dev/null"): "not a file",
    }
    for path, problem in problems.items():
        with pytest.raises(ConfigurationError, match=problem):
            Store.open(path, NoCipher())
    assert {each.name: (each.lstat().st_mode, each.lstat().st_size) for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("path", ["a\0b.db", "sqlite:///a\0b.db"])
def test_a_nul_in_a_path_is_a_clear_error(path: str) -> None:
    with pytest.raises(ConfigurationError, match="NUL"):
        Store.open(path, NoCipher())


def test_a_file_that_did_not_become_a_journal_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "_set_up", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Store.open(tmp_path / "journal.db", NoCipher())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_process_made_a_journal_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    _, undo = open_engine(path)
    other = Store.open(path, NoCipher())
    undo()
    other.submit(other.join("night", BASE_URL), [item(1)])
    other.close()
    undo()
    assert path.stat().st_size


def test_a_journal_is_known_while_its_pages_are_written(tmp_path: Path) -> None:
    """A checkpoint has written the first page, which counts pages that are not there yet."""
    path = tmp_path / "journal.db"
    writer = Store.open(path, NoCipher())
    writer.submit(writer.join("night", BASE_URL), [item(number) for number in range(20)])
    whole = tmp_path / "whole.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(whole),))
    with path.open("r+b") as file:
        file.write(whole.read_bytes()[:4096])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    open_engine(path)[0].dispose()
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    writer.close()


def test_a_journal_that_changed_while_it_was_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    Store.open(path, NoCipher()).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096])
    monkeypatch.setattr(journal_file, "_read_tables", _completing(path, whole, journal_file._read_tables))  # pyright: ignore[reportPrivateUsage]
    open_engine(path)[0].dispose()
    assert path.read_bytes() == whole


def _completing(
    path: Path, whole: bytes, read: Callable[[str, str], frozenset[str]]
) -> Callable[[str, str], frozenset[str]]:
    """Return a reader during whose first reading another process writes the rest of the file."""

    def completing(name: str, mode: str) -> frozenset[str]:
        try:
            return read(name, mode)
        finally:
            path.write_bytes(whole)

    return completing


def test_a_postgres_that_is_not_there_is_told_without_its_password() -> None:
    with pytest.raises(JournalError) as caught:
        Store.open("postgresql://me:hunter2@127.0.0.1:1/db", NoCipher())
    assert "hunter2" not in str(caught.value)


# Encryption


def test_an_encrypted_journal_holds_nothing_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Store.open(path, cipher_of(Fernet.generate_key().decode()))
    journal.submit(journal.join("night", BASE_URL), [_personal()])
    journal.close()
    assert PERSONAL_NUMBER.encode() not in _bytes_in(tmp_path)
    plain = Store.open(tmp_path / "plain.db", NoCipher())
    plain.submit(plain.join("night", BASE_URL), [_personal()])
    plain.close()
    assert PERSONAL_NUMBER.encode() in (tmp_path / "plain.db").read_bytes()


def _personal() -> Any:
    return BatchItem(key="I-1", order=invoice())


def _protected(key: str | None) -> Callable[[Path], Store]:
    return lambda path: Store.open(path, cipher_of(key))


OLD, NEW = (urlsafe_b64encode(letter * 32).decode() for letter in (b"o", b"n"))


@pytest.mark.parametrize(
    ("made", "opened", "problem"),
    [
        (OLD, NEW, "encrypted with a key that is not"),
        (OLD, None, "is encrypted: set FRONTPAY_JOURNAL_KEY"),
        (None, NEW, "created without encryption"),
    ],
    ids=["another key", "no key", "no encryption"],
)
def test_the_wrong_key_is_a_clear_error(
    tmp_path: Path, made: str | None, opened: str | None, problem: str
) -> None:
    _protected(made)(tmp_path / "journal.db").close()
    with pytest.raises(ConfigurationError, match=problem) as caught:
        _protected(opened)(tmp_path / "journal.db")
    assert OLD not in str(caught.value)
    assert NEW not in str(caught.value)


def test_a_key_may_be_changed(tmp_path: Path) -> None:
    """Opened once with the new and the old, the journal needs the old one no more."""
    old = _protected(OLD)(tmp_path / "journal.db")
    batch = old.join("night", BASE_URL)
    # More than are encrypted anew at a time, and one whose content is gone.
    old.submit(batch, [item(number) for number in range(501)])
    (held,) = old.lease_rows(batch, "me", 1, 60.0)
    old.apply([Transition(row=held.id, fence=held.fence, event=RowEvent.REFUSE, error="no")])
    old.close()
    _protected(f"{NEW}, {OLD}")(tmp_path / "journal.db").close()
    new = _protected(NEW)(tmp_path / "journal.db")
    new.submit(batch, [item(501)])
    opened = [new.cipher.decrypt(held.payload) for held in new.lease_rows(batch, "me", 600, 60.0)]
    assert [b"Customer %d" % number in content for number, content in enumerate(opened, 1)] == [True] * 501
    new.close()
    with pytest.raises(ConfigurationError, match="encrypted with a key that is not"):
        _protected(OLD)(tmp_path / "journal.db")


def test_no_key_at_all_is_told_without_it() -> None:
    with pytest.raises(ConfigurationError, match="not a Fernet key") as caught:
        cipher_of("correct horse battery staple")
    assert "horse" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_the_key_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTPAY_JOURNAL_KEY", OLD)
    night = Night(tmp_path / "journal.db")
    async with night.client() as client:
        async with night.batch(client) as batch:
            await batch.submit([item(1)])
        monkeypatch.delenv("FRONTPAY_JOURNAL_KEY")
        async with night.batch(client) as batch:
            with pytest.raises(ConfigurationError, match="is encrypted"):
                await batch.status()
        async with night.batch(client, key=OLD) as batch:
            assert (await batch.run()).done == 1


async def test_a_damaged_row_fails_alone(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit([item(1), item(2)])
        with sqlite3.connect(tmp_path / "journal.db") as connection:
            connection.execute("UPDATE frontpay_rows SET payload = x'78' WHERE key = 'I-1'")
        connection.close()
        report = await batch.run()
        assert report.counts == {State.FAILED: 1, State.DONE: 1}
        assert "cannot be read" in str((await rows_of(batch))["I-1"].error)


async def test_a_journal_that_is_lost_in_the_middle_stops_the_batch(tmp_path: Path) -> None:
    """What cannot be written down is not sent."""
    night = Night(tmp_path / "journal.db")
    calls = 0
    sent = -1

    class Full(Store):
        def apply(self, transitions: Sequence[Transition]) -> list[bool]:
            nonlocal calls, sent
            calls += 1
            if calls >= 6:
                sent = len(night.sandbox.orders) if sent < 0 else sent
                raise JournalError("the disk is full")
            return Store.apply(self, transitions)

    items = [item(number) for number in range(30)]
    async with night.client() as client:
        async with night.batch(client) as batch:
            batch._journal._store = Full.open(night.journal, NoCipher(), night.time.now)
            await batch.submit(items)
            with pytest.raises(JournalError, match="the disk is full") as raised:
                await batch.run(concurrency=2)
        # Some orders were sent before it.
        assert (raised.value.outcome, raised.value.operation) == (Outcome.UNKNOWN, "batch.run")
        assert 0 < len(night.sandbox.orders) == sent
        async with night.batch(client) as batch:
            await batch.run()
            assert_each_sent_once(night, await rows_of(batch), items)


async def test_a_journal_that_fails_before_anything_left_says_so(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")

    class Full(Store):
        def apply(self, transitions: Sequence[Transition]) -> list[bool]:
            raise JournalError("the disk is full")

    async with night.client() as client, night.batch(client) as batch:
        batch._journal._store = Full.open(night.journal, NoCipher(), night.time.now)
        await batch.submit([item(1)])
        with pytest.raises(JournalError, match="the disk is full") as raised:
            await batch.run()
    assert raised.value.outcome is Outcome.NOT_SENT
    assert night.sandbox.orders == {}


async def test_a_journal_that_fails_after_the_last_order_says_that_orders_were_sent(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")
    lost = False

    class Lost(Store):
        def counts(self, batch: int) -> dict[State, int]:
            nonlocal lost
            lost = Store.counts(self, batch).get(State.DONE) == 1
            raise JournalError("the database is gone")

    async with night.client() as client, night.batch(client) as batch:
        batch._journal._store = Lost.open(night.journal, NoCipher(), night.time.now)
        await batch.submit([item(1)])
        with pytest.raises(JournalError, match="the database is gone") as raised:
            await batch.run()
    assert (raised.value.outcome, raised.value.operation) == (Outcome.UNKNOWN, "batch.run")
    assert lost


def test_a_batch_needs_no_path_object(tmp_path: Path) -> None:
    client = FrontPayClient("token", base_url="http://localhost", rate_limit=RateLimit.unlimited())
    odd = tmp_path / "d %41?mode=memory#ø.db"
    for target in (tmp_path / "a.db", str(tmp_path / "b.db"), f"sqlite:///{tmp_path}/c.db", odd):
        batch = InvoiceBatch(client, journal=target, name="night")
        assert anyio.run(_total, batch) == 0
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["a.db", "b.db", "c.db", odd.name]


async def _total(batch: InvoiceBatch) -> int:
    async with batch:
        return (await batch.status()).total


def test_opening_a_journal_once_more_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """Two batches of one process on one file: SQLite's locks are the process's, and easily dropped."""
    path = tmp_path / "journal.db"
    first = Store.open(path, NoCipher())
    with first.reading() as connection:
        connection.execute(select(rows.c.id)).all()
        open_engine(path)[0].dispose()
        # It takes the file for itself, which nobody may while somebody else reads.
        grab = (
            "import sqlite3; sqlite3.connect('journal.db', timeout=0).execute('PRAGMA journal_mode=DELETE')"
        )
        run = subprocess.run(  # noqa: S603
            [sys.executable, "-c", grab], cwd=tmp_path, check=False, capture_output=True, text=True
        )
    first.close()
    assert "database is locked" in run.stderr
