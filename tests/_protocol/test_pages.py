"""Lists in pages: how a page is read, and that no end of a list is made up."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from frontpay_async import FrontPayClient, OutcomeUnknownError
from frontpay_async._protocol.operations.subscriptions import LIST_SUBSCRIPTIONS
from tests.support.wire import read, success

ROW = {"subscriptionUuid": "SUB1", "status": "ONGOING"}


@pytest.mark.parametrize(
    ("more", "number", "last", "has_next"),
    [
        ({}, 1, None, False),
        ({"metaData": {"currentPage": 1, "lastPage": 2}}, 1, 2, True),
        ({"metaData": {"currentPage": "2", "lastPage": "2"}}, 2, 2, False),
        ({"metaData": {"currentPage": 3, "lastPage": 2}}, 3, 2, False),
        ({"metaData": {"lastPage": 1}, "links": {"next": "?page=2"}}, 1, 1, False),
        ({"links": {"next": "?page=2"}}, 1, None, True),
        ({"links": {"next": None}}, 1, None, False),
        ({"links": ["next"]}, 1, None, False),
        ({"metaData": [1], "links": "next"}, 1, None, False),
        ({"metaData": {"currentPage": True, "lastPage": "9" * 5_000}}, 1, None, False),
        ({"metaData": {"currentPage": "\u0663", "lastPage": -1}}, 1, -1, False),
    ],
)
def test_a_page(more: dict[str, Any], number: int, last: int | None, has_next: bool) -> None:
    page = read(LIST_SUBSCRIPTIONS, success(LIST_SUBSCRIPTIONS, [ROW], **more))
    assert (page.number, page.last, page.has_next, len(page.items)) == (number, last, has_next, 1)


def test_a_page_states_its_totals() -> None:
    meta = {"currentPage": 2, "lastPage": 4, "total": "31", "perPage": 10}
    page = read(LIST_SUBSCRIPTIONS, success(LIST_SUBSCRIPTIONS, [ROW], metaData=meta))
    assert (page.number, page.last, page.total, page.per_page, page.has_next) == (2, 4, 31, 10, True)


def answers(*pages: tuple[list[Any], dict[str, Any]]) -> FrontPayClient:
    """Return a client whose requests get these pages."""
    left = list(pages)

    def handle(_: httpx.Request) -> httpx.Response:
        rows, meta = left.pop(0)
        body = {"status_code": 200, "message": LIST_SUBSCRIPTIONS.message, "is_data": True, "data": rows}
        return httpx.Response(200, content=json.dumps({**body, "metaData": meta}).encode())

    return FrontPayClient("token", environment="demo", transport=httpx.MockTransport(handle))


@pytest.mark.parametrize(
    "second",
    [
        ([], {"currentPage": 2, "lastPage": 3}),
        ([ROW], {"currentPage": 1, "lastPage": 3}),
        ([ROW], {"lastPage": 3}),
    ],
    ids=["empty", "the first again", "without a number"],
)
async def test_a_list_that_cannot_be_read_to_its_end_does_not_end(
    second: tuple[list[Any], dict[str, Any]],
) -> None:
    """A caller would take what was read for the whole list."""
    async with answers(([ROW], {"currentPage": 1, "lastPage": 3}), second) as client:
        rows = aiter(client.subscriptions.list())
        for _ in range(1 + len(second[0])):
            assert (await anext(rows)).subscription_uuid == "SUB1"
        with pytest.raises(OutcomeUnknownError, match="page 2 was requested"):
            await anext(rows)


async def test_a_list_whose_last_page_is_empty_has_ended() -> None:
    pages: Any = ([ROW], {"currentPage": 1, "lastPage": 2}), ([], {"currentPage": 2, "lastPage": 2})
    async with answers(*pages) as client:
        assert len([row async for row in client.subscriptions.list()]) == 1
