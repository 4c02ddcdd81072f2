"""Every row of the operation table has a route and a handler in the sandbox, and a client method."""

from __future__ import annotations

import pytest

from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox import Cardholder, Sandbox, app
from frontpay_async.sandbox.handlers import HANDLERS
from tests.support.builders import invoice
from tests.support.sandboxes import NO_RETRY, call, line_of, prepare


def test_every_row_has_a_handler_and_every_handler_a_row() -> None:
    assert HANDLERS.keys() == OPERATIONS.keys()


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
    assert app._routes() is app._routes()
    one, other = Sandbox(), Sandbox()
    async with one.client() as client, other.client() as another:
        created = await client.orders.send_invoice(invoice())
        assert await another.orders.list_statuses() == ()
    assert [len(one.requests), len(other.requests)] == [1, 1]
    assert (list(one.orders), list(other.orders)) == ([created.order_uuid], [])
