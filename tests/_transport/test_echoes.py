"""A server that says back what was sent: no error shows it."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

from frontpay_async import FrontPayError, RetryPolicy
from tests.support.builders import invoice
from tests.support.fakes import TOKEN
from tests.support.wire_steps import answer

if TYPE_CHECKING:
    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Exchange

pytestmark = pytest.mark.integration

LINK = "pay.frontpayment.no/session/bankid-s3cr3t"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 417, 500, 510, 502])
@pytest.mark.parametrize("where", ["message", "errors", "names", "headers"])
async def test_no_error_shows_what_was_sent(
    server: WireServer, connect: Connect, status: int, where: str
) -> None:
    order = invoice()
    customer = order.customer
    secrets = [
        *(
            TOKEN,
            TOKEN.upper(),
            LINK,
            customer.name,
            customer.address.street,
            customer.email,
            customer.msisdn,
        ),
        *(customer.address.city, customer.address.zip, customer.personal_number, order.callback_url),
    ]
    sent = [each for each in secrets if each]
    said = f"no such customer ({', '.join(sent)})"
    body = {
        "message": {"message": said, "is_error": True},
        "errors": {"message": "x", "is_error": True, "errors": [said, {"deep": said}]},
        "names": {"message": "x", "is_error": True, "errors": {said: 1}},
        "headers": {"message": "x", "is_error": True},
    }[where]
    headers = [("X-Request-Id", f"r-{TOKEN}-{customer.name}".encode("ascii", "replace").decode())]
    if where == "headers":
        headers.append(("Content-Language", TOKEN))
    server.otherwise = answer(status, json.dumps(body).encode(), *headers)
    with pytest.raises(FrontPayError) as caught:
        await connect(server, retry=RetryPolicy(attempts=1)).orders.send_invoice(order)
    error = caught.value
    shown = "\n".join(
        [
            *(str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))),
            "".join(traceback.TracebackException.from_exception(error).format()),
        ]
    )
    assert [each for each in sent if each in shown] == []
    assert "bankid" not in shown


@pytest.mark.parametrize(
    "said",
    [
        f"HTTP/1.1 400 {TOKEN}\r\nX-Echo: {TOKEN}\r\nSet-Cookie: a={TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}",
        f"HTTP/1.1 {TOKEN}\r\n\r\n",
        f"HTTP/1.1 400 X\r\n{TOKEN}\r\n\r\n",
        f"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n{TOKEN}\r\n",
        f"HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{{TOKEN}\r\n",
    ],
    ids=["headers", "status line", "header line", "chunk size", "chunk"],
)
async def test_no_log_shows_what_was_sent(
    server: WireServer, connect: Connect, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    """The engines' own log at DEBUG included."""

    async def echo(exchange: Exchange) -> None:
        await exchange.write(said.encode())
        exchange.writer.close()

    caplog.set_level(logging.DEBUG)
    server.otherwise = echo
    client = connect(server, retry=RetryPolicy(attempts=1))
    with pytest.raises(FrontPayError):
        await client.orders.send_invoice(invoice())
    assert TOKEN not in caplog.text


async def test_an_error_can_always_be_printed(server: WireServer, connect: Connect) -> None:
    """No forged lines in a log, and nothing that no encoding takes."""
    body = b'{"message": "bad \\ud83d\\n2031-03-02 INFO paid \\u001b[2J", "errors": ["\\udfff"]}'
    server.otherwise = answer(417, body)
    with pytest.raises(FrontPayError) as caught:
        await connect(server).orders.send_invoice(invoice())
    text = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    text.encode("utf-8")
    assert "\n" not in text
    assert "\x1b" not in text
