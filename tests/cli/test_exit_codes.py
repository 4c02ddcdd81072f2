"""The pure parts of ``frontpay``: exit statuses, plain data, order files; and its page of documentation."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyPaidError,
    APIError,
    AuthenticationError,
    BusinessRuleError,
    ConfigurationError,
    FrontPayError,
    InvalidChecksumError,
    InvalidOrderError,
    NotFoundError,
    NotSentError,
    OrderDetails,
    OrderStatus,
    OrderStatusReport,
    Outcome,
    OutcomeUnknownError,
    RateBudgetExceededError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    StaleCallbackError,
    Terminal,
    Violation,
    WatchTimeoutError,
)
from frontpay_async._protocol.to_dict import MASK, plain
from frontpay_async.cli.app import COMMANDS, root
from frontpay_async.cli.doctor import clock_finding
from frontpay_async.cli.exit_codes import Exit, exit_of, money_of, next_step
from frontpay_async.cli.options import LookingCommand, MoneyCommand, PlainCommand
from frontpay_async.cli.output import clean, clock, counted
from frontpay_async.cli.serialise import flat
from frontpay_async.order_files.json_objects import read_terminal_order
from tests.support import builders
from tests.support.command import order_json

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
UUID = builders.ORDER_UUID
CREATE, READ, CANCEL = "orders.send_invoice", "orders.get_status", "orders.cancel"
ON_TERMINAL = "terminals.cancel_payment"


# Exit statuses


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotSentError("x"), Exit.NOT_SENT),
        (ConfigurationError("x"), Exit.USAGE),
        (InvalidOrderError([Violation("a", "b")]), Exit.NOT_SENT),
        (RateBudgetExceededError("x", retry_after=7), Exit.NOT_SENT),
        (RequestRejectedError("x", status=417), Exit.REJECTED),
        (ServerError("x", status=500), Exit.REJECTED),
        (ServerError("x", status=500, outcome=Outcome.UNKNOWN), Exit.UNKNOWN),
        (NotFoundError("x", status=404, outcome=Outcome.UNKNOWN), Exit.UNKNOWN),
        (OutcomeUnknownError("x"), Exit.UNKNOWN),
        (WatchTimeoutError("x", last_status=None), Exit.UNKNOWN),
        (InvalidChecksumError("x"), Exit.FAILED),
        (StaleCallbackError("x"), Exit.FAILED),
    ],
)
def test_the_exit_status_follows_from_the_outcome(error: FrontPayError, status: Exit) -> None:
    assert exit_of(error) is status


def test_every_outcome_has_a_status() -> None:
    statuses = [exit_of(FrontPayError("x", outcome=outcome)) for outcome in Outcome]
    assert statuses == [Exit.NOT_SENT, Exit.REJECTED, Exit.UNKNOWN]


@pytest.mark.parametrize(
    ("error", "money"),
    [
        (OutcomeUnknownError("x", operation=CREATE), "Unknown: it may have been done."),
        (OutcomeUnknownError("x", operation=READ), "None moved: this is a read."),
        (APIError("x", status=400, operation=CREATE), "None moved: the API rejected it."),
        (NotSentError("x", operation=CREATE), "None moved: nothing was done."),
        (
            WatchTimeoutError("x", last_status=None, operation="watch.payment"),
            "Not yet, as far as known: it is not decided, and money may still move.",
        ),
        (InvalidChecksumError("x"), "A rejected callback proves nothing about money."),
        (
            FrontPayError("x", operation="batch.run", outcome=Outcome.UNKNOWN),
            "Orders were sent before; the journal shows which.",
        ),
    ],
)
def test_whether_money_moved_is_said(error: FrontPayError, money: str) -> None:
    assert money_of(error) == money


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (OutcomeUnknownError("x", operation=CANCEL, order_uuid=UUID), f"frontpay orders status {UUID}"),
        (OutcomeUnknownError("x", operation=CREATE), "frontpay orders list"),
        (OutcomeUnknownError("x", operation=READ), "Run it again."),
        (FrontPayError("x", operation="batch.run", outcome=Outcome.UNKNOWN), "frontpay invoices resume"),
        (OutcomeUnknownError("x", operation="watch.payment", order_uuid=UUID), f"cancel {UUID} --terminal"),
        (NotSentError("x"), "frontpay doctor"),
        (OutcomeUnknownError("x", operation=ON_TERMINAL, order_uuid=UUID), f"cancel {UUID} --terminal"),
        (AlreadyPaidError("x", status=400, order_uuid=UUID), f"frontpay orders refund {UUID} --all"),
        (
            AlreadyPaidError("x", status=400, order_uuid=UUID, operation=ON_TERMINAL),
            f"frontpay orders refund {UUID} --terminal --all",
        ),
        (AlreadyCancelledError("x", status=400, order_uuid=UUID), "It is cancelled"),
        (BusinessRuleError("x", status=400, order_uuid=UUID), f"frontpay orders details {UUID}"),
        (ConfigurationError("x"), "Correct the errors above"),
        (AuthenticationError("x", status=401), "FRONTPAY_TOKEN"),
        (NotFoundError("x", status=404), "Check the id"),
        (RateLimitedError("x", status=429, retry_after=30.0), "in 30 s"),
        (RateBudgetExceededError("x", retry_after=7.2), "in 7 s"),
        (InvalidOrderError([Violation("a", "b")]), "Correct the errors above"),
        (ServerError("x", status=500, operation=READ), "Run it again later."),
        (InvalidChecksumError("x"), "Ask the API"),
    ],
)
def test_what_to_do_next_is_said(error: FrontPayError, step: str) -> None:
    assert step in next_step(error)


def test_an_unknown_outcome_is_never_told_to_be_run_again_at_once() -> None:
    """Whatever class it has, a change whose outcome is unknown is looked for first."""
    error = NotFoundError("x", status=404, outcome=Outcome.UNKNOWN, operation=CREATE, order_uuid=UUID)
    assert next_step(error).startswith("Check before you run it again")


# Plain data


def test_plain_data_is_exact_and_json() -> None:
    report = OrderStatusReport(
        order_uuid=UUID, status=OrderStatus("ON HOLD"), order_amount=Decimal("102.00"), refunded_amount=None
    )
    assert json.loads(json.dumps(plain(report))) == {
        "order_uuid": UUID,
        "status": "ON HOLD",
        "order_amount": "102.00",
        "refunded_amount": None,
        "unknown_fields": {},
    }


def test_what_a_repr_masks_is_masked() -> None:
    """The same mark on the field decides, so that a new field cannot be forgotten here."""
    details = OrderDetails(
        order_uuid=UUID,
        status=OrderStatus.PAID,
        order_date=datetime(2026, 5, 1, tzinfo=UTC),
        customer=builders.customer(),
        products=(builders.product(),),
        unknown_fields={"paymentUrl": "https://pay.example/secret"},
    )
    shown = json.dumps(plain(details))
    for secret in (
        builders.NAME,
        builders.EMAIL,
        builders.MSISDN,
        builders.STREET,
        builders.PERSONAL_NUMBER,
        "secret",
    ):
        assert secret not in shown
    assert shown.count(MASK) == 8
    assert '"order_date": "2026-05-01T00:00:00+00:00"' in shown
    assert '"unknown_fields": {"paymentUrl": "***"}' in shown


def test_what_has_no_plain_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="a complex has no plain form"):
        plain(1j)


def test_plain_data_for_people_leaves_out_what_is_empty() -> None:
    terminal = Terminal(uuid="TRML1", name="", status=0)
    data = {"terminal": plain(terminal), "rows": [True, None]}
    assert list(flat(data)) == [("terminal.uuid", "TRML1"), ("terminal.status", "0"), ("rows.0", "yes")]


def test_control_characters_are_spelled_out() -> None:
    assert clean("Hårvask \x1b[2J\r\n\u202e") == r"Hårvask \x1b[2J\r\n\u202e"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0:00"), (59.9, "0:59"), (151, "2:31"), (3751, "1:02:31"), (360000, "100:00:00")],
)
def test_a_stretch_of_time_is_told_as_people_read_it(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_one_is_not_told_as_many() -> None:
    assert [counted(number, "order") for number in (0, 1, 2)] == ["0 orders", "1 order", "2 orders"]


# The order file

TODAY = date(2026, 5, 1)


def test_an_order_file_needs_only_what_cannot_be_known() -> None:
    order = read_terminal_order(order_json(), terminal_uuid=None, today=TODAY)
    assert order.summary.grand_total == Decimal("102.00")
    assert (order.order_date, order.receipt_print, order.send_order_by.email) == (TODAY, True, True)
    assert order.customer.address.zip == "0155"


def test_an_order_file_may_begin_with_a_byte_order_mark() -> None:
    order = read_terminal_order(f"\ufeff{order_json()}", terminal_uuid=None, today=TODAY)
    assert order.summary.grand_total == Decimal("102.00")


def test_an_order_file_may_say_all() -> None:
    text = order_json(
        summary={"sub_total": 81.6, "total_tax": 20.4, "total_discount": 0, "grand_total": "102.00"},
        order_date="2026-05-02T10:00:00+02:00",
        receipt_print=False,
        send_order_by={"sms": True, "email": False},
        invoice_references={"reference_no": "R-1"},
    )
    order = read_terminal_order(text, terminal_uuid="TRML9", today=TODAY)
    assert order.summary.total_tax == Decimal("20.4")
    assert isinstance(order.order_date, datetime)
    assert (order.terminal_uuid, order.send_order_by.sms) == ("TRML9", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the input is not JSON (line 1)"),
        ("[" * 100_000, "the input is not JSON"),
        (" \n", "the input is empty"),
        (
            order_json().replace('"tax": 25', '"rate": 5, "tax": 25'),
            "products.0.rate stands twice",
        ),
        ("[]", "the input must be an object"),
        (order_json(products={}), "products must be a list of objects"),
        (order_json(products=[7]), "products.0 must be an object"),
        (order_json(products=[{"name": "x", "quantity": 1, "tax": 25}]), "products.0.rate is required"),
        (
            order_json(products=[{"name": "x", "quantity": "many", "rate": 1, "tax": 25}]),
            "products.0.quantity must be a plain number",
        ),
        (
            order_json(products=[{"name": "x", "quantity": 1, "rate": 1, "tax": -100}]),
            "summary cannot be computed",
        ),
        (order_json(customer=None), "customer.name is required"),
        (order_json(terminal_uuid=None), "terminal_uuid is required"),
        (order_json(colour="red"), "colour is not known"),
        (order_json(receipt_print="yes"), "receipt_print must be true or false"),
        (order_json(order_date="tomorrow"), "order_date must be a date"),
        (order_json(order_date="2026-05-02T10:00:00"), "order_date must be a date"),
        (order_json(summary=1), "summary must be an object"),
    ],
)
def test_what_is_wrong_in_an_order_file_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        read_terminal_order(text, terminal_uuid=None, today=TODAY)
    assert message in str(caught.value)
    assert caught.value.outcome is Outcome.NOT_SENT


def test_everything_that_is_wrong_in_an_order_file_is_named() -> None:
    text = order_json(
        products=[{"name": "x", "quantity": "many", "rate": 1, "tax": 25}],
        customer={**json.loads(order_json())["customer"], "email": "ola", "msisdn": 40012345},
        colour="red",
    )
    with pytest.raises(InvalidOrderError) as caught:
        read_terminal_order(text, terminal_uuid=None, today=TODAY)
    assert {violation.path for violation in caught.value.violations} == {
        "products.0.quantity",
        "customer.email",
        "customer.msisdn",
        "colour",
    }
    assert caught.value.operation == "terminals.create_order"


def test_money_that_contradicts_itself_in_an_order_file_is_named() -> None:
    text = order_json(summary={"sub_total": 1, "total_tax": 0, "total_discount": 0, "grand_total": 1})
    with pytest.raises(InvalidOrderError, match=r"summary\.grand_total must be the sum"):
        read_terminal_order(text, terminal_uuid=None, today=TODAY)
    assert read_terminal_order(text, terminal_uuid=None, today=TODAY, strict_totals=False)


def test_a_wrong_order_file_does_not_show_personal_data() -> None:
    for field in ("name", "email", "msisdn"):
        customer: dict[str, Any] = json.loads(order_json())["customer"]
        customer["address"] = customer[field]
        with pytest.raises(InvalidOrderError) as caught:
            read_terminal_order(order_json(customer=customer), terminal_uuid=None, today=TODAY)
        assert str(customer[field]) not in str(caught.value)


# The doctor's clock

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


DATE = "Fri, 01 May 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("skew", "result", "detail"),
    [
        (-0.1, "ok", "at most 3 s"),
        (0, "ok", "at most 3 s"),
        (2, "ok", "at most 3 s"),
        (2.4, "ok", "at most 3 s"),
        (59, "ok", "at least 57 s ahead"),
        (63, "failed", "at least 61 s ahead"),
        (-400, "failed", "at least 400 s behind"),
    ],
)
def test_the_clock_may_be_a_minute_off(skew: float, result: str, detail: str) -> None:
    """The header is cut to the second and may lag by another: nothing is claimed that it does not say."""
    asked = NOW + timedelta(seconds=skew)
    finding = clock_finding(DATE, asked, asked + timedelta(seconds=0.05))
    assert finding.result == result
    assert detail in finding.detail


@pytest.mark.parametrize("header", [None, "yesterday", "Fri, 01 May 2026 12:00:00 -0000"])
def test_without_a_date_the_clock_is_not_judged(header: str | None) -> None:
    assert clock_finding(header, NOW, NOW).result == "skipped"


# The page


def commands(group: click.Group, prefix: str = "frontpay") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def rows(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_lists_every_command_and_which_of_them_ask() -> None:
    documented = {name: asks == "yes" for name, _, asks in rows("Commands")}
    asking = {name: any(each.name == "yes" for each in command.params) for name, command in commands(root)}
    assert documented == asking
    assert all(asking[name] for name, command in commands(root) if isinstance(command, MoneyCommand))
    assert [name for name, _, _ in rows("Commands")] == sorted(documented)


def test_the_page_lists_every_exit_status() -> None:
    assert [(int(number), name) for number, name, _ in rows("Exit status")] == [
        (status.value, status.name) for status in Exit
    ]


def test_every_command_has_json_and_quiet_and_help() -> None:
    for name, command in commands(root):
        assert isinstance(command, PlainCommand), name
        assert {"as_json", "quiet"} <= {parameter.name for parameter in command.params}, name
        assert command.help, name
    assert {module.partition(":")[0] for module, _ in COMMANDS.values()}


def test_no_option_takes_a_token_or_a_secret() -> None:
    """Arguments can be read by everybody on the machine."""
    for name, command in commands(root):
        options = {option for parameter in command.params for option in parameter.opts}
        assert not {option for option in options if re.search("token|secret|password", option)}, name


def test_a_command_that_changes_something_asks() -> None:
    """All others only look, or stay on this machine."""
    looking = {"details", "doctor", "failed", "failed-details", "history"}
    looking |= {"invoice-number", "list", "status"}
    for name, command in commands(root):
        if isinstance(command, LookingCommand):
            assert isinstance(command, MoneyCommand) == (name.rpartition(" ")[2] not in looking), name
