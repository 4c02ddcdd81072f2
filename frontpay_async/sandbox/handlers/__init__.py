"""What each operation does: one handler per row of the operation table, by its name.

A handler gets the request as a ``RequestContext``, changes the state, and returns the answer of a success;
anything else leaves as a ``Refusal``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from frontpay_async._protocol import operations
from frontpay_async.sandbox.handlers import orders, terminals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async.sandbox.handlers.context import Handler

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        operations.SEND_PAYMENT_LINK.name: orders.send_payment_link,
        operations.SEND_INVOICE.name: orders.send_invoice,
        operations.SEND_EFAKTURA.name: orders.send_invoice,
        operations.SEND_EHF_INVOICE.name: orders.send_invoice,
        operations.RESEND_PAYMENT_LINK.name: orders.resend,
        operations.CANCEL_ORDER.name: orders.cancel,
        operations.REFUND_ORDER.name: orders.refund,
        operations.LIST_ORDER_STATUSES.name: orders.list_statuses,
        operations.GET_ORDER_STATUS.name: orders.status,
        operations.GET_ORDER_DETAILS.name: orders.details,
        operations.GET_INVOICE_NUMBER.name: orders.invoice_number,
        operations.CHARGE_DELAYED.name: orders.charge,
        operations.LIST_TERMINALS.name: terminals.list_terminals,
        operations.CREATE_TERMINAL_ORDER.name: terminals.create_order,
        operations.CANCEL_TERMINAL_PAYMENT.name: orders.cancel,
        operations.RESEND_TERMINAL_ORDER.name: terminals.resend_order,
        operations.GET_PAYMENT_STATUS.name: terminals.payment_status,
        operations.REFUND_TERMINAL_ORDER.name: terminals.refund,
        operations.GET_REFUND_STATUS.name: terminals.refund_status,
        operations.CANCEL_TERMINAL_REFUND.name: terminals.cancel_refund,
    }
)
