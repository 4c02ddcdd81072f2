"""The operations beyond the reference on the wire, and where sources disagree about a method or a path."""

from __future__ import annotations

import json
from decimal import Decimal
from posixpath import normpath
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import NotFoundError, Outcome, OutcomeUnknownError, RetryPolicy, ServerError
from frontpay_async._protocol.operations import OPERATIONS, Evidence, Operation
from tests.support import builders, more_builders as more
from tests.support.sandboxes import call
from tests.support.wire_steps import BASE_PATH, answer, close, envelope, failed

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient
    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts=1)
BEYOND = [row for row in OPERATIONS.values() if row.evidence is not Evidence.REFERENCE]
UUIDS = {
    "order_uuid": builders.ORDER_UUID,
    "reservation_uuid": more.RESERVATION_UUID,
    "subscription_uuid": more.SUBSCRIPTION_UUID,
    "customer_uuid": "CSRT3463048878",
    "company_id": "987654321",
    None: "",
}
NO_ROUTE = json.dumps({"message": "The route could not be found."}).encode()


@pytest.mark.parametrize("row", BEYOND, ids=lambda row: row.name)
async def test_an_operation_beyond_the_reference_on_the_wire(
    server: WireServer, connect: Connect, row: Operation[Any]
) -> None:
    """Method, path and body are those of the row; ``client.request`` sends the same bytes."""
    server.otherwise = failed(422)
    client = connect(server, retry=ONCE)
    uuid = UUIDS[row.id_name]
    with pytest.raises(Exception, match="422"):
        await call(client, row.name, uuid)
    (sent,) = server.requests
    path = row.path.replace(f"{{{row.id_name}}}", uuid)
    target, _, query = sent.target.partition("?")
    assert (sent.method, target) == (row.method, normpath(f"{BASE_PATH}/{path}"))
    assert query == ("page=1" if row.paged else "")
    assert (sent.body == b"") == (row.request is None)
    if path.startswith("../") or row.paged:
        return
    body = json.loads(sent.body, parse_float=Decimal) if sent.body else None
    with pytest.raises(Exception, match="422"):
        await client.request(row.method, path, safety=row.safety, json=body)
    again = server.requests[1]
    assert (again.method, again.target, again.body) == (sent.method, sent.target, sent.body)


def _other(client: FrontPayClient, row: Operation[Any]) -> Any:
    return call(client, row.name, UUIDS[row.id_name])


@pytest.mark.parametrize(
    "row", [row for row in OPERATIONS.values() if row.other_path], ids=lambda row: row.name
)
@pytest.mark.parametrize("status", [404, 405])
async def test_another_path_is_found_and_remembered(
    server: WireServer, connect: Connect, row: Operation[Any], status: int
) -> None:
    """After the router's own 404 or 405, once; the next call begins there."""
    server.script(answer(status, NO_ROUTE), failed(422), failed(422))
    client = connect(server, retry=ONCE)
    for _ in range(2):
        with pytest.raises(Exception, match="422"):
            await _other(client, row)
    assert row.other_path is not None
    targets = [request.target.partition("?")[0] for request in server.requests]
    other = f"{BASE_PATH}/{row.other_path}"
    other = other if "//" in other else normpath(other)
    assert targets == [f"{BASE_PATH}/{row.path}", other, other]
    bodies = {request.body for request in server.requests}
    assert len(bodies) == 1


async def test_another_method_is_found_and_remembered(server: WireServer, connect: Connect) -> None:
    """The cancellation of a reservation is a GET on the vendor's page and a POST elsewhere."""
    done = envelope(202, message="cancelledOrderSuccessfully", is_data=False, data=None)
    server.script(answer(405, NO_ROUTE), done, done)
    client = connect(server, retry=ONCE)
    for _ in range(2):
        await client.reservations.cancel(more.RESERVATION_UUID, note="no")
    assert [request.method for request in server.requests] == ["GET", "POST", "POST"]
    assert {request.body for request in server.requests} == {b'{"note":"no"}'}


async def test_an_order_that_does_not_exist_is_not_tried_elsewhere(
    server: WireServer, connect: Connect
) -> None:
    """A 404 in the API's envelope comes from a handler."""
    server.otherwise = failed(404, "orderNotFound")
    with pytest.raises(NotFoundError):
        await connect(server, retry=ONCE).subscriptions.submit(more.subscription())
    assert len(server.requests) == 1


async def test_where_neither_path_is_there_the_first_answer_counts(
    server: WireServer, connect: Connect
) -> None:
    server.otherwise = answer(404, NO_ROUTE)
    client = connect(server, retry=ONCE)
    for _ in range(2):
        with pytest.raises(NotFoundError) as caught:
            await client.subscriptions.submit(more.subscription())
        assert caught.value.outcome is Outcome.REJECTED
    # Nothing was learnt, so the second call begins with the row's path again.
    first, second = (f"{BASE_PATH}/{each}" for each in ("subscriptions/submit", "subscription/submit"))
    assert [request.target for request in server.requests] == [first, second] * 2


async def test_the_other_path_is_never_tried_after_an_attempt_in_doubt(
    server: WireServer, connect: Connect
) -> None:
    """The first attempt may have created it: a second one elsewhere could create it again."""
    server.script(failed(500, "somethingWentWrong"), answer(404, NO_ROUTE))
    with pytest.raises((NotFoundError, ServerError)) as caught:
        await connect(server).subscriptions.submit(more.subscription())
    assert caught.value.outcome is Outcome.UNKNOWN
    assert [request.target for request in server.requests] == [f"{BASE_PATH}/subscriptions/submit"] * 2


@pytest.mark.parametrize(
    "name", ["reservations.capture", "reservations.charge", "subscriptions.refund_cycles"]
)
async def test_money_is_never_sent_again_after_a_lost_answer(
    server: WireServer, connect: Connect, name: str
) -> None:
    server.otherwise = close
    with pytest.raises(OutcomeUnknownError):
        await call(connect(server), name, UUIDS[OPERATIONS[name].id_name])
    assert len(server.requests) == 1
