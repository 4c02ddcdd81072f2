"""What journals hold since the first version: read, written, and known again, byte for byte."""

from __future__ import annotations

import pytest

from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.batch.payload import fingerprint, read, write
from tests.support.journal_corpus import ORDERS, SALT, stored

ROWS = stored()


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_is_written_as_it_always_was(name: str) -> None:
    """Otherwise an order that was submitted before an upgrade would count as another one after it."""
    order, row = ORDERS[name], ROWS[name]
    kind = kind_of_order(order).operation.name
    payload = write(order)
    assert (kind, payload.decode()) == (row["kind"], row["payload"])
    assert fingerprint(SALT, kind, payload).hex() == row["fingerprint"]


@pytest.mark.parametrize("name", ORDERS)
def test_what_an_older_version_wrote_is_read(name: str) -> None:
    row = ROWS[name]
    order = read(row["kind"], row["payload"].encode())
    assert order == ORDERS[name]
    assert write(order).decode() == row["payload"]
