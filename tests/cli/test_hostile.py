"""Hostile text in every field of every command cannot control the terminal or forge a line."""

from __future__ import annotations

import asyncio
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import click
import httpx
import pytest

from frontpay_async import FrontPayClient
from frontpay_async.cli import output
from frontpay_async.cli.app import root, run
from frontpay_async.sandbox import DEFAULT_ORGANIZATION, DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support import builders, more_builders as more
from tests.support.callbacks import SECRET, query, signed
from tests.support.command import in_process, on_terminal, order_json, session_json, settings
from tests.support.sandboxes import BASE_URL, call, prepare, subscribed

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
    "invoices trust-lists": ["--journal", "j.db", "--account", TYPED, "--yes"],
    "checkout session": ["session.json", "--yes", "--show-url"],
    "checkout invoice-session": ["session.json", "--yes", "--show-url"],
    "checkout hosted-link": ["session.json", "--yes", "--show-url"],
    "company-checks details": ["987654321"],
    "company-checks start": [
        "987654321",
        *("--success-url", TYPED, "--failure-url", TYPED, "--callback-url", TYPED, "--yes", "--show-url"),
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


# What prints members of an answer, and the operation that answers it.
SHOWS = {
    "orders status": "orders.get_status",
    "orders details": "orders.get_details",
    "orders list": "orders.list_statuses",
    "orders invoice-number": "orders.get_invoice_number",
    "terminals list": "terminals.list",
    "checkout session": "checkout.create_session",
    "checkout invoice-session": "checkout.create_invoice_session",
    "checkout hosted-link": "checkout.create_hosted_link",
    "company-checks details": "company_checks.get_details",
    "company-checks start": "company_checks.start",
    "credit-checks list": "credit_checks.list",
    "customers details": "customers.get_details",
    "reservations create-session": "reservations.create_session",
    "reservations submit": "reservations.submit",
    "reservations details": "reservations.get_details",
    "reservations history": "reservations.list_history",
    "subscriptions create-session": "subscriptions.create_session",
    "subscriptions submit": "subscriptions.submit",
    "subscriptions details": "subscriptions.get_details",
    "subscriptions list": "subscriptions.list",
    "subscriptions failed": "subscriptions.list_failed",
    "subscriptions failed-details": "subscriptions.get_failed_details",
}


class Keeping(httpx.AsyncBaseTransport):
    """Keeps the body of the last answer that came through it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.last: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        self.last = json.loads(await response.aread())
        return response


async def success_of(operation: str) -> Any:
    """Return the sandbox's answer to an operation."""
    sandbox = Sandbox(rate_limit=None, cardholder=Cardholder(after=None))
    transport = Keeping(sandbox.transport())
    async with FrontPayClient(DEFAULT_TOKEN, base_url=BASE_URL, transport=transport) as client:
        uuid = await prepare(client, sandbox, operation)
        if operation == "credit_checks.list":
            await call(client, "credit_checks.check_private", uuid)
        if operation == "subscriptions.list_failed":
            await subscribed(client, sandbox, failing=1)
        await call(client, operation, uuid)
    return transport.last


def spoilt(value: Any, uuid: str) -> Any:
    """Return an answer with hostile text in each member, and members of hostile names."""
    if isinstance(value, list):
        return [spoilt(each, uuid) for each in value]
    if not isinstance(value, dict):
        return HOSTILE if isinstance(value, str) or value is None else value
    members = {
        name: uuid if name.lower().endswith("uuid") else spoilt(each, uuid) for name, each in value.items()
    }
    return {**members, HOSTILE: HOSTILE}


def typed(value: Any) -> Any:
    """Return what a person types of an order: nothing that is empty or zero."""
    if isinstance(value, list):
        return [typed(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: typed(each) for name, each in value.items() if each not in (None, "0")}


class Hostile(BaseHTTPRequestHandler):
    """Answers everything with hostile text: successes, or refusals of each kind in turn."""

    refuses = False
    turn = 0
    answers: Any = None

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
        if self.answers is not None:
            uuid = self.path.partition("?")[0].rpartition("/")[2]
            status, body = self.answers["status_code"], spoilt(self.answers, uuid if "0" in uuid else UUID)
            # Without its own message no change is a success.
            body |= {name: self.answers[name] for name in ("status_code", "message")}
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


@pytest.mark.parametrize("form", ["lines", "table"])
@pytest.mark.parametrize("name", SHOWS)
def test_no_member_of_an_answer_gets_through(  # noqa: PLR0917 - fixtures and parameters, by name
    name: str,
    form: str,
    url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The answer of the operation itself, so that its own members are shown, and not an error."""
    operation = SHOWS[name]
    monkeypatch.setattr(Hostile, "answers", asyncio.run(success_of(operation)))
    if form == "table":
        monkeypatch.setattr(output, "_is_terminal", lambda _: True)
    value: Any = more.values().get(operation)
    if "session.json" in COMMANDS[name]:
        (folder / "session.json").write_text(json.dumps(typed(value.to_dict(personal_data=True))), "utf-8")
    arguments = [UUID if each in ("RES1", "SUB1", "CSRT1") else each for each in COMMANDS[name]]
    if operation == "company_checks.start":
        arguments = [builders.CALLBACK_URL if each == TYPED else each for each in arguments]
    ended = in_process(*name.split(), *arguments, env=settings(url), patch=monkeypatch, capsys=capsys)
    assert ended.status == 0, ended.err
    lines = printed(ended.out) + printed(ended.err)
    # Where text is folded, its next line stands below its column, and never at the beginning of a row.
    assert not [line for line in lines if line.startswith(("status: FORGED", "FORGED"))]
    assert "FORGED" in ended.out


async def test_no_table_or_question_on_a_real_terminal_does_either(url: str) -> None:
    """The names of unknown fields among them."""
    async with on_terminal("orders", "details", UUID, env=settings(url)) as screen:
        assert await screen.ended() == 0
        await screen.until("***")
        printed(screen.shown.replace("\r\n", "\n"))
    async with on_terminal("orders", "cancel", UUID, "--note", "x", env=settings(url)) as screen:
        await screen.until("[y/N]")
        printed(screen.shown.replace("\r\n", "\n"))


def test_an_absurdly_long_name_takes_one_line_of_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_is_terminal", lambda _: True)
    output.Output().result({"x" * 500: "y"})
    output.Output().rows([{"uuid": "x" * 500, "status": "PAID"}], ("uuid", "status"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("…")[2].strip() for line in lines] == ["y", "", "PAID"]


def test_what_nobody_expected_is_printed_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message of a chained exception among it: it forges no line."""

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError(HOSTILE) from ValueError(HOSTILE)

    monkeypatch.setattr(root, "main", crash)
    assert run(["orders"]) == 1
    lines = printed(capsys.readouterr().err)
    assert [line.partition(":")[0] for line in lines if "FORGED" in line] == ["ValueError", "RuntimeError"]
    assert "The above exception was the direct cause of the following exception:" in lines


@pytest.mark.parametrize("name", COMMANDS)
def test_nul_is_named_by_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "a\0b"]) == 2
    assert "NUL" in capsys.readouterr().err
