"""The pages "Is it safe to retry?" and "The errors" say what the code does."""

from __future__ import annotations

import inspect
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import frontpay_async
import frontpay_async.batch
from docs._ext import error_catalogue, provoked, retry_safety
from frontpay_async import FrontPayError, NotFoundError, OutcomeUnknownError
from frontpay_async._protocol.operations import (
    OPERATIONS,
    ORDER_KINDS,
    RESOURCES,
    Evidence,
    Operation,
    OrderKind,
    Safety,
)
from frontpay_async._protocol.retry_policy import Failure
from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support import builders
from tests.support.fakes import FakeClock
from tests.support.sandboxes import NO_RETRY, call, line_of, prepare

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
READ, IDEMPOTENT, UNSAFE = Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE
# The columns of the page, as the design's table has them.
HARMLESS = ["again · safe", "again · safe", "again · safe", "stops · final"]
CELLS = {
    READ: HARMLESS,
    IDEMPOTENT: HARMLESS,
    UNSAFE: ["again · safe", "again¹ · **look**", "stops · **look**", "stops · final"],
}
ERRORS = {
    each
    for module in (frontpay_async, frontpay_async.batch)
    for name in module.__all__
    if isinstance(each := getattr(module, name), type) and issubclass(each, FrontPayError)
} - {FrontPayError}


@cache
def cells() -> dict[str, list[str]]:
    """The cells of both tables that the page shows, by operation."""
    shown = re.findall(
        r"^```\{retry-safety\} (\w+)$", (DOCS / "retry-safety.md").read_text("utf-8"), re.MULTILINE
    )
    rows = [
        [cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in line.strip("| ").split("|")]
        for resource in shown
        for line in retry_safety.safety_table(resource).splitlines()[2:]
    ]
    return {re.findall(r"resources\.(\w+)\.\w+\.(\w+)>", row[0])[0]: row for row in rows}  # type: ignore[misc]


def test_every_operation_has_its_row() -> None:
    """The page shows each operation once, with its safety class."""
    shown = {f"{resource}.{method}": row[1] for (resource, method), row in cells().items()}
    assert shown == {row.name: f"`{row.safety.name}`" for row in OPERATIONS.values()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_cells_are_the_retry_table(name: str) -> None:
    """What stands in a cell is what the design decided for the operation's safety class."""
    assert cells()[tuple(name.split("."))][2:] == CELLS[OPERATIONS[name].safety]


def test_a_column_whose_examples_are_decided_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell hides that one of its failures is sent again and another is not."""
    mixed = {**retry_safety.FAILURES, "mixed": (*retry_safety.FAILURES["500, 510"], OutcomeUnknownError("x"))}
    monkeypatch.setattr(retry_safety, "FAILURES", mixed)
    with pytest.raises(ValueError, match="decided in more than one way"):
        retry_safety.decide(OPERATIONS["orders.refund"], "mixed")


def test_the_columns_cover_every_kind_of_failure() -> None:
    """Each meaning that a failure can have stands in a column of its own."""
    meant = {
        retry_safety.meaning(OPERATIONS["orders.refund"], example): column
        for column, examples in retry_safety.FAILURES.items()
        for example in examples
    }
    assert set(meant) == set(Failure)
    assert len(set(meant.values())) == len(retry_safety.FAILURES)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_what_must_not_be_repeated_says_where_to_look(row: Operation[object]) -> None:
    """An unsafe operation's docstring says where to look; the row names the read that shows it, if any."""
    assert row.look_at is None or (row.safety is UNSAFE and OPERATIONS[row.look_at].safety is READ)
    assert row.look_at is None or f"`{row.look_at}`" in retry_safety.look(row)
    assert (retry_safety.look(row) == "nothing to check: call again") == (row.safety is not UNSAFE)


async def seen(client: FrontPayClient, operation: str, uuid: str) -> Any:
    """What an operation that only reads tells."""
    try:
        return await call(client, operation, uuid)
    except NotFoundError:
        return None


@pytest.mark.parametrize("fault", ["drop-before", "drop-after"])
@pytest.mark.parametrize("name", [row.name for row in OPERATIONS.values() if row.safety is UNSAFE])
async def test_the_evidence_shows_what_happened(name: str, fault: str) -> None:
    """After a lost answer the place to look at has changed exactly where it was done.

    Where the row says that the API shows nothing, no operation that reads shows it.
    """
    clock = FakeClock().clock()
    sandbox = Sandbox(cardholder=Cardholder(after=None), clock=clock, list_terminal_orders=False)
    async with sandbox.client(retry=NO_RETRY) as client:
        uuid = await prepare(client, sandbox, name)
        place = OPERATIONS[name].look_at
        reads = [place] if place else [r.name for r in OPERATIONS.values() if r.safety is READ]
        before = [await seen(client, each, uuid) for each in reads]
        sandbox.fail(fault, operation=name)
        line = line_of(sandbox, uuid)
        with pytest.raises(OutcomeUnknownError):
            await call(client, name, uuid, line_id=line)
        after = [await seen(client, each, uuid) for each in reads]
    assert (after != before) == (fault == "drop-after" and place is not None)


@pytest.mark.parametrize("kind", ORDER_KINDS.values(), ids=ORDER_KINDS)
async def test_find_recognises_the_create_whose_answer_was_lost(kind: OrderKind[Any]) -> None:
    """The order that the records do not know is the one that was sent."""
    sandbox = Sandbox()
    async with sandbox.client(retry=NO_RETRY) as client:
        known = {
            (await client.orders.send_payment_link(builders.payment_link(reference_no="other"))).order_uuid
        }
        sandbox.fail("drop-after", operation=kind.operation.name)
        order = getattr(builders, kind.name)()
        with pytest.raises(OutcomeUnknownError):
            await getattr(client.orders, kind.operation.name.split(".")[1])(order)
        new = [
            entry.order_uuid for entry in await client.orders.list_statuses() if entry.order_uuid not in known
        ]
        matches = await client.orders.find(order, among=new)
    assert matches.same == tuple(new)
    assert len(new) == 1


def test_every_error_is_in_the_catalogue() -> None:
    """The catalogue has words and a way to it for each public error, and for nothing else."""
    assert set(error_catalogue.classes()) == ERRORS
    assert set(error_catalogue.NEXT) == ERRORS
    assert set(provoked.SITUATIONS) == ERRORS


WAYS = [
    pytest.param(cls, situation, id=f"{cls.__name__}: {situation.words}")
    for cls, situations in provoked.SITUATIONS.items()
    for situation in situations
]


@pytest.mark.parametrize(("cls", "situation"), WAYS)
async def test_a_situation_ends_in_its_error(cls: type[FrontPayError], situation: provoked.Situation) -> None:
    """What the catalogue shows under an error is that very class, with words and no personal data."""
    error = await provoked.provoke(situation)
    assert type(error) is cls
    assert not re.search(r"Kari|kari@|12345678901|Storgata|40000000", str(error))
    assert len(str(error)) > 10


async def test_the_catalogue_names_every_attribute() -> None:
    """Each section has the class, its outcome and the attributes that it adds."""
    sections = re.split(r"^## ", error_catalogue.catalogue(await provoked.raised()), flags=re.MULTILINE)[1:]
    by_name = {section.partition("\n")[0]: section for section in sections}
    assert by_name.keys() == {cls.__name__ for cls in ERRORS}
    assert "| `retry_after` |" in by_name["RateBudgetExceededError"]
    assert "| `reason` |" in by_name["RefundRejectedError"]
    assert "| `UNKNOWN` |" in by_name["OutcomeUnknownError"]
    assert "| `REJECTED` |" not in by_name["OutcomeUnknownError"]
    for cls in ERRORS:
        for name in inspect.get_annotations(cls):
            assert f"| `{name}` |" in by_name[cls.__name__]


def test_the_page_of_operations_has_all_51_rows() -> None:
    """Each resource has its table, whose rows and grades of evidence come from the operation table."""
    page = (DOCS / "operations.md").read_text("utf-8")
    shown = re.findall(r"```{operations} (\w+)", page)
    assert sorted(shown) == sorted(RESOURCES)
    assert sum(len(OPERATIONS.of(resource)) for resource in shown) == 51
    assert all(f"`{grade.value}`" in page for grade in Evidence)
