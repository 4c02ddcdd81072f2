"""Hostile text in every field of every command cannot control the terminal or forge a line."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import click
import pytest

from frontpay_async.cli import output
from frontpay_async.cli.app import root, run
from frontpay_async.sandbox import DEFAULT_ORGANIZATION
from tests.support.callbacks import SECRET, query, signed
from tests.support.command import in_process, on_terminal, order_json, session_json, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.search]

UUID = "ODR2210048815"
# A title, a hyperlink, a cleared screen, C1 controls, a forged line, a direction, a tab, DEL, half a pair.
HOSTILE = (
    "PAID\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\click\x1b[2J\x9b31m\x85\r\n"
    "status: FORGED\u202e\t\x7f\ud800x"
)
# As a process can get it in its arguments and files.
TYPED = HOSTILE.encode("utf-8", "replace").decode().replace("\n", "")
# What a terminal could obey, or take for another line or column, wherever it stands.
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ROW = {
    "uuid": UUID,
    "orderUuid": UUID,
    "status": HOSTILE,
    "name": HOSTILE,
    "type": HOSTILE,
    "organization_uuid": HOSTILE,
    "invoiceNumber": HOSTILE,
    "orderDate": HOSTILE,
    "paymentLinkDueDate": HOSTILE,
    "productList": [
        {
            "id": 1,
            "name": HOSTILE,
            "productId": HOSTILE,
            "quantity": 1,
            "rate": 1,
            "tax": 0,
            "amount": 1,
            HOSTILE: 1,
        }
    ],
    "customerDetails": {"name": HOSTILE, "address": {"street": HOSTILE, HOSTILE: HOSTILE}, HOSTILE: HOSTILE},
    HOSTILE: HOSTILE,
}


COMMANDS: dict[str, list[str]] = {
    "orders status": [UUID],
    "orders details": [UUID],
    "orders list": [],
    "orders invoice-number": [UUID],
    "orders cancel": [UUID, "--note", TYPED, "--yes"],
    "orders charge": [UUID, "--yes"],
    "orders resend": [UUID, "--email", "kari@example.com", "--yes"],
    "orders refund": [UUID, "--all", "--yes"],
    "terminals list": [DEFAULT_ORGANIZATION],
    "terminals pay": ["order.json", "--yes", "--wait", "0.2"],
    "invoices template": ["--to", f"{TYPED}.csv"],
    "invoices validate": ["hostile.csv"],
    "invoices send": ["hostile.csv", "--journal", "j.db", "--name", TYPED, "--yes"],
    "invoices resume": ["--journal", "j.db", "--name", TYPED, "--yes"],
    "invoices report": ["--journal", "j.db", "--name", TYPED],
    "invoices overview": ["--journal", "j.db"],
    "checkout session": ["session.json", "--yes", "--show-url"],
    "checkout invoice-session": ["session.json", "--yes", "--show-url"],
    "checkout hosted-link": ["session.json", "--yes", "--show-url"],
    "company-checks details": ["987654321"],
    "company-checks start": [
        "987654321",
        *("--success-url", TYPED, "--failure-url", TYPED, "--callback-url", TYPED, "--yes"),
    ],
    "credit-checks corporate": [TYPED, "--yes"],
    "credit-checks list": [],
    "credit-checks private": ["person.json", "--yes"],
    "customers update-corporate": ["CSRT1", "session.json", "--yes"],
    "customers update-private": ["CSRT1", "session.json", "--yes"],
    "reservations charge": ["RES1", "charge.json", "--yes"],
    "reservations create-session": ["session.json", "--yes", "--show-url"],
    "reservations resend": ["RES1", "--email", "kari@example.com", "--yes"],
    "reservations submit": ["session.json", "--yes", "--show-url"],
    "subscriptions create-session": ["session.json", "--yes", "--show-url"],
    "subscriptions failed": ["--status", "paid", "--subscription", TYPED],
    "subscriptions failed-details": [UUID],
    "subscriptions resend": ["SUB1", "--order", TYPED, "--email", "kari@example.com", "--yes"],
    "subscriptions submit": ["session.json", "--yes", "--show-url"],
    "reservations details": ["RES1"],
    "reservations history": [],
    "reservations capture": ["RES1", "--line", "1=10", "--yes"],
    "reservations refund": [
        *("RES1", "--line", "1=10", "--source", "captured"),
        *("--reference", TYPED, "--yes"),
    ],
    "reservations complete": ["RES1", "--note", TYPED, "--yes"],
    "reservations cancel": ["RES1", "--note", TYPED, "--yes"],
    "subscriptions details": ["SUB1"],
    "subscriptions list": ["--status", "ONGOING"],
    "subscriptions refund": ["SUB1", "--cycle", TYPED, "--amount", "10", "--yes"],
    "subscriptions cancel": ["SUB1", "--note", TYPED, "--yes"],
    "customers details": ["CSRT1"],
    "callbacks resend": [TYPED],
    "callbacks verify": [query({**signed(), "status": TYPED}), "--any-age"],
    "doctor": [],
    "listen": ["--forward-to", TYPED],
    "sandbox": ["--fault", TYPED],
    "demo": ["--cardholder-after", TYPED],
    "completion": [TYPED],
}


def commands(group: click.Group = root, prefix: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def test_every_command_is_tried() -> None:
    assert set(commands()) == set(COMMANDS)


class Hostile(BaseHTTPRequestHandler):
    """Answers everything with hostile text: successes, or refusals of each kind in turn."""

    refuses = False
    turn = 0

    def do_GET(self) -> None:
        is_list = self.path.partition("?")[0].endswith("/orders/status") or "organization" in self.path
        status = 200
        body: dict[str, Any] = {
            "status_code": 200,
            "status_message": HOSTILE,
            "message": HOSTILE,
            "is_data": True,
            "data": [ROW, ROW] if is_list else ROW,
            "order_status": HOSTILE,
            "refund_status": HOSTILE,
            HOSTILE: HOSTILE,
        }
        if self.refuses:
            Hostile.turn += 1
            status = (400, 404, 417, 510, 403)[self.turn % 5]
            body = {"message": HOSTILE, "errors": [HOSTILE, {HOSTILE: [HOSTILE]}], "is_error": True}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-request-id", "\x1b]0;owned\x07")
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api/v1/connect"
        server.shutdown()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.json").write_text(order_json(), "utf-8")
    (tmp_path / "session.json").write_text(session_json(**{TYPED: 1}), "utf-8")
    (tmp_path / "person.json").write_text(json.dumps({"personal_id": TYPED}), "utf-8")
    charge = {"grand_total": "1.00", "products": [{"name": TYPED, "rate": "1.00", "tax": 25}]}
    (tmp_path / "charge.json").write_text(json.dumps(charge), "utf-8")
    kinds = f'key,kind,{TYPED}\n"{TYPED}","{TYPED}","{TYPED}"\n'
    (tmp_path / "hostile.csv").write_text(kinds, "utf-8", newline="")
    return tmp_path


def printed(text: str) -> list[str]:
    """The lines that were printed; fails where a terminal could be controlled."""
    found = UNSAFE.findall(COLOURS.sub("", text))
    assert found == []
    return text.splitlines()


# A refusal has no table.
@pytest.mark.parametrize(
    ("refuses", "form"),
    [(False, "lines"), (False, "table"), (False, "json"), (True, "lines"), (True, "json")],
    ids=["answers-lines", "answers-table", "answers-json", "refusals-lines", "refusals-json"],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_lets_outside_text_through(  # noqa: PLR0917 - fixtures and parameters, by name
    name: str,
    form: str,
    refuses: bool,
    url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Hostile, "refuses", refuses)
    if form == "table":
        monkeypatch.setattr(output, "_is_terminal", lambda _: True)
    words = [*name.split(), *COMMANDS[name], *(["--json"] if form == "json" else [])]
    env = settings(url, FRONTPAY_CALLBACK_SECRET=SECRET)
    ended = in_process(*words, env=env, patch=monkeypatch, capsys=capsys)
    lines = printed(ended.out) + printed(ended.err)
    assert lines, "it said something"
    assert not [line for line in lines if line.startswith("status: FORGED")], "no line is forged"
    if form == "json":
        for line in ended.out.splitlines():
            json.loads(line)


async def test_no_table_or_question_on_a_real_terminal_does_either(url: str) -> None:
    """The names of unknown fields among them."""
    async with on_terminal("orders", "details", UUID, env=settings(url)) as screen:
        assert await screen.ended() == 0
        await screen.until("***")
        printed(screen.shown.replace("\r\n", "\n"))
    async with on_terminal("orders", "cancel", UUID, "--note", "x", env=settings(url)) as screen:
        await screen.until("[y/N]")
        printed(screen.shown.replace("\r\n", "\n"))


def test_what_nobody_expected_is_printed_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr(root, "main", crash)
    assert run(["orders"]) == 1
    assert "RuntimeError" in "".join(printed(capsys.readouterr().err))


@pytest.mark.parametrize("name", COMMANDS)
def test_nul_is_named_by_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "a\0b"]) == 2
    assert "NUL" in capsys.readouterr().err
