"""A batch in accounts whose lists and details misbehave: nothing is doubled, nothing false is reported."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import FrontPayError, OrderSummary, RetryPolicy
from frontpay_async.batch import BatchItem, InvoiceBatch, State
from tests.support import builders
from tests.support.accounts import OtherAccount
from tests.support.batches import order
from tests.support.other_api import FORMS, ODD_IDS, Entry, Form, Listing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from frontpay_async.batch import BatchRow

pytestmark = [pytest.mark.integration, pytest.mark.search]

ORDERS = 15
LISTINGS = {
    "cut": Listing(newest=8),
    "late": Listing(lag=7.0),
    "cut and late": Listing(newest=8, lag=3.0),
    "unsorted": Listing(shuffled=True),
    "pages": Listing(page=5),
    "odd ids": Listing(odd=ODD_IDS),
    "rows of junk": Listing(junk=[None, 7, "ODR1", [], {}, {"status": "SENT"}, {"uuid": {}}]),
    "every third hidden": Listing(hidden=lambda entry: int(entry.uuid[-1]) % 3 == 0),
    "all hidden": Listing(hidden=lambda _: True),
    "a gateway": Listing(gateway=True),
}
LOST = {"first": range(3), "in between": (5, 6, 10), "last": (12, 13, 14)}


def items() -> list[BatchItem]:
    """Orders of three lines, two of them identical, with a fraction; every fifth customer has two orders."""
    lines = (
        builders.product(name="  Hårvask ", quantity="1.5", rate="33.33"),
        builders.product(name="Voks", quantity=1, rate="19.90", tax=15),
        builders.product(name="Voks", quantity=1, rate="19.90", tax=15),
    )
    return [
        BatchItem(
            key=f"I-{number}",
            order=order(number - (number % 5 == 1), products=lines, summary=OrderSummary.of(lines)),
        )
        for number in range(ORDERS)
    ]


async def send(account: OtherAccount, journal: Path) -> dict[str, BatchRow]:
    """Run the batch twice, as a person does who sees that something is left."""
    async with account.client(retry=RetryPolicy(attempts=1)) as client:
        for _ in range(2):
            batch = InvoiceBatch(client, journal=journal, name="night")
            batch._journal._clock = account.clock.now
            async with batch:
                await batch.submit(items())
                with suppress(FrontPayError), anyio.move_on_after(8):
                    await batch.run(concurrency=3)
        async with InvoiceBatch(client, journal=journal, name="night") as batch:
            return {row.key: row async for row in batch.rows()}


def assert_true(account: OtherAccount, rows: dict[str, BatchRow], report: pytest.FixtureRequest) -> None:
    """No order is doubled; what is done is in the account under its id; what is not is not called done."""
    wanted = {each.key: each.order.customer.email for each in items()}
    have = Counter(account.emails())
    doubled = have - Counter(wanted.values())
    assert doubled == Counter()
    done = [row for row in rows.values() if row.state is State.DONE]
    assert len({row.order_uuid for row in done}) == len(done)
    for row in done:
        entry = account.api.orders[str(row.order_uuid)]
        assert entry.body["customerDetails"]["email"] == wanted[row.key]
    if all(row.state is State.DONE for row in rows.values()):
        assert have == Counter(wanted.values())
    states = Counter(str(row.state) for row in rows.values())
    report.node.user_properties.append(("states", dict(states)))


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("listing", LISTINGS)
async def test_a_list_that_misbehaves(
    tmp_path: Path, listing: str, lost: str, request: pytest.FixtureRequest
) -> None:
    account = OtherAccount(listing=LISTINGS[listing], lost=frozenset(LOST[lost]))
    assert_true(account, await send(account, tmp_path / "journal.db"), request)


CHOICES: dict[str, Callable[[int], bool]] = {
    "all": lambda _: True,
    "every third": lambda number: number % 3 == 0,
}


@pytest.mark.parametrize(
    ("form", "chosen"),
    [*((form, "every third") for form in FORMS), *((form, "all") for form in list(FORMS)[:3])],
)
async def test_details_that_differ(
    tmp_path: Path, form: str, chosen: str, request: pytest.FixtureRequest
) -> None:
    numbers: dict[str, int] = {}

    def shown(entry: Entry) -> Form | None:
        number = numbers.setdefault(entry.uuid, list(account.api.orders).index(entry.uuid))
        return FORMS[form] if CHOICES[chosen](number) else None

    account = OtherAccount(form=shown, lost=frozenset({0, 3, 9, 12, 14}))
    assert_true(account, await send(account, tmp_path / "journal.db"), request)
