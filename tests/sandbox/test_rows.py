"""Every row of the operation table has a route and a handler in the sandbox, and a client method."""

from __future__ import annotations

import re

import pytest
from starlette.routing import Match

from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox import Cardholder, Sandbox, app
from frontpay_async.sandbox.handlers import handler_of
from frontpay_async.sandbox.handlers.context import HANDLERS
from tests.support.builders import invoice
from tests.support.sandboxes import NO_RETRY, call, line_of, prepare


def test_every_row_has_a_handler_and_every_handler_a_row() -> None:
    assert all(map(handler_of, OPERATIONS.values()))
    assert HANDLERS.keys() == OPERATIONS.keys()


def test_the_usual_routes_take_no_request_of_another_resource() -> None:
    """The others are only loaded for a request that has none of the usual paths."""
    for other in app._routes(app._OTHERS):
        path = re.sub(r"{\w+(:path)?}", "ODR1", other.path)
        scope = {"type": "http", "method": "POST", "path": path}
        assert other.matches(scope)[0] is Match.FULL
        assert not [
            usual.path for usual in app._routes(app._USUAL) if usual.matches(scope)[0] is not Match.NONE
        ]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_row_is_reached_by_its_client_method(operation: str) -> None:
    """The method named by the row sends a request that the sandbox takes for that row, and that succeeds."""
    sandbox = Sandbox(cardholder=Cardholder(after=None))
    async with sandbox.client(retry=NO_RETRY) as client:
        uuid = await prepare(client, sandbox, operation)
        line_id = line_of(sandbox, uuid)
        before = len(sandbox.requests)
        await call(client, operation, uuid, line_id=line_id)
    (request,) = sandbox.requests[before:]
    row = OPERATIONS[operation]
    assert (request.operation, request.method, request.status) == (operation, row.method, row.success)


async def test_sandboxes_share_their_routes_and_nothing_else() -> None:
    """The routes are compiled once; each request reaches the sandbox that it was sent to."""
    assert app._routes(app._USUAL) is app._routes(app._USUAL)
    one, other = Sandbox(), Sandbox()
    async with one.client() as client, other.client() as another:
        created = await client.orders.send_invoice(invoice())
        assert await another.orders.list_statuses() == ()
    assert [len(one.requests), len(other.requests)] == [1, 1]
    assert (list(one.orders), list(other.orders)) == ([created.order_uuid], [])
