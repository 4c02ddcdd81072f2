"""The operation table: one row per operation, as the single source of its properties. Pure.

Resources, the sandbox's routes and responses, batches, order files, watches, the command, the tests and the
docs derive from these rows. Rows are keyed by name, because cancelling a terminal payment and cancelling its
refund share one path.

*Model*: one file per resource, with its rows and the rules for their bodies. Except for the first two, the
files of ``RESOURCES`` are loaded when one of their rows is needed, so the models of an unused resource cost
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import cast

from frontpay_async._protocol.dates import DateFormat as DateFormat
from frontpay_async._protocol.operations.orders import (
    CANCEL_ORDER as CANCEL_ORDER,
    CHARGE_DELAYED as CHARGE_DELAYED,
    GET_INVOICE_NUMBER as GET_INVOICE_NUMBER,
    GET_ORDER_DETAILS as GET_ORDER_DETAILS,
    GET_ORDER_STATUS as GET_ORDER_STATUS,
    LIST_ORDER_STATUSES as LIST_ORDER_STATUSES,
    ORDER_KINDS as ORDER_KINDS,
    REFUND_ORDER as REFUND_ORDER,
    REQUEST_REFUND_APPROVAL as REQUEST_REFUND_APPROVAL,
    RESEND_PAYMENT_LINK as RESEND_PAYMENT_LINK,
    SEND_EFAKTURA as SEND_EFAKTURA,
    SEND_EHF_INVOICE as SEND_EHF_INVOICE,
    SEND_INVOICE as SEND_INVOICE,
    SEND_PAYMENT_LINK as SEND_PAYMENT_LINK,
)
from frontpay_async._protocol.operations.row import (
    Evidence as Evidence,
    Operation as Operation,
    OrderKind as OrderKind,
    Safety as Safety,
    Watched as Watched,
)
from frontpay_async._protocol.operations.terminals import (
    CANCEL_TERMINAL_PAYMENT as CANCEL_TERMINAL_PAYMENT,
    CANCEL_TERMINAL_REFUND as CANCEL_TERMINAL_REFUND,
    CREATE_TERMINAL_ORDER as CREATE_TERMINAL_ORDER,
    GET_PAYMENT_STATUS as GET_PAYMENT_STATUS,
    GET_REFUND_STATUS as GET_REFUND_STATUS,
    LIST_TERMINALS as LIST_TERMINALS,
    REFUND_TERMINAL_ORDER as REFUND_TERMINAL_ORDER,
    RESEND_TERMINAL_ORDER as RESEND_TERMINAL_ORDER,
)

RESOURCES = (
    "orders",
    "terminals",
    "checkout",
    "reservations",
    "subscriptions",
    "customers",
    "credit_checks",
    "company_checks",
)
"""The client's attributes with operations; each has a file of that name here."""


class _Table(Mapping[str, Operation[object]]):
    """All rows, by name and in the order of their files; read-only."""

    def __init__(self) -> None:
        self._rows_of: dict[str, Mapping[str, Operation[object]]] = {}

    def of(self, resource: str) -> Mapping[str, Operation[object]]:
        """Return the rows of a resource; KeyError if there is no such resource."""
        if resource not in RESOURCES:
            raise KeyError(resource)
        rows = self._rows_of.get(resource)
        if rows is None:
            found: Iterable[object] = vars(import_module(f"{__name__}.{resource}")).values()
            named = (cast("Operation[object]", row) for row in found if isinstance(row, Operation))
            rows = {row.name: row for row in named}
            self._rows_of[resource] = rows
        return rows

    def __getitem__(self, name: str) -> Operation[object]:
        return self.of(name.partition(".")[0])[name]

    def __iter__(self) -> Iterator[str]:
        for resource in RESOURCES:
            yield from self.of(resource)

    def __len__(self) -> int:
        return sum(len(self.of(resource)) for resource in RESOURCES)


OPERATIONS = _Table()


def kind_of_order(order: object) -> OrderKind:
    """Return an order's kind; raises TypeError with the reason if a batch does not send it."""
    # A caller's subclass has the kind of our class.
    for kind in ORDER_KINDS.values():
        if isinstance(order, kind.order):
            return kind
    name = type(order).__name__
    # Reads the rows of all resources, only in this place.
    rows = (row for row in OPERATIONS.values() if row.request is not None and type(order) is row.request)
    row = next(rows, None)
    why = "it is not an order" if row is None else row.not_batched
    raise TypeError(f"a batch does not send a {name}: {why}")
