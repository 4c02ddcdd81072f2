"""The class of the operation table's rows, and the types of its fields. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

if TYPE_CHECKING:
    from frontpay_async._protocol.dates import DateFormat
    from frontpay_async._protocol.rules import Rules
    from frontpay_async.models.orders import (
        CreatedOrder,
        EFakturaOrder,
        EhfOrder,
        InvoiceOrder,
        PaymentLinkOrder,
    )
    from frontpay_async.models.statuses import Status

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Safety(Enum):
    """The effect of sending the same request twice, on which the retry table is based."""

    READ = "read"
    """It changes nothing."""
    IDEMPOTENT = "idempotent"
    """Repeating it has the same effect as sending it once."""
    UNSAFE = "unsafe"
    """Repeating it may bill, refund or message a customer twice."""


class Evidence(Enum):
    """The best source for a row."""

    REFERENCE = "reference"
    """The vendor's reference, in full."""
    RECORDED = "recorded"
    """Responses of the live demo API that were recorded."""
    VENDOR_PAGE = "vendor page"
    """A page of the vendor's documentation; only its first part is known."""
    CLIENT_ONLY = "client only"
    """Another client's code; no page of the vendor's is known."""


@frozen(kw_only=True, eq=False, repr=False)
class Watched:
    """The typical durations of a status that a row reads.

    Args:
        kind: The name of the watch, such as ``payment``.
        statuses: The class of the status.
        median: The initial estimate of the median duration, in seconds.
        spread: The initial estimate of the standard deviation of ln(seconds).
        listed: Whether the list of orders can show its final status. It cannot for refunds: a partly refunded
            order looks the same after the next refund, and a rejected refund leaves no trace.
    """

    kind: str
    statuses: type[Status]
    median: float
    spread: float
    listed: bool


@frozen(kw_only=True, eq=False)
class Operation(Generic[ResultT_co]):
    """One operation.

    Args:
        name: The resource and method that offer it, such as ``orders.send_invoice``.
        method: The HTTP method.
        other_method: The method in other sources; tried after a 405.
        path: The path below the base URL; ``{order_uuid}`` is replaced by the id. A relative reference (RFC
            3986): ``../`` removes the base URL's last segment.
        other_path: The path in other sources; tried if the API has no such route.
        steps: The names of the optional segments at the end of the path.
        query: The names of the optional parameters in the query.
        success: The documented HTTP status of a success.
        safety: The effect of sending it twice.
        result: The class of the result; None if there is none.
        listed: The response is a list of ``result``.
        paged: The response is one page of a list of ``result``.
        may_lack_data: The message alone counts as a success, because no source shows the data.
        empty_when_not_found: A 404 means an empty list.
        request: The class of the body; None without one.
        rules: The rules for the body; None if there is none.
        date_format: The form of ``orderDate``; None if there is none.
        business_codes: The documented codes of a 400.
        done_code: The code of a rejection that shows that the operation has already taken effect.
        undone_code: The code of a rejection that shows that the operation has never taken effect.
        refusals: The codes of a 510 that is a final rejection without effect.
        look_at: The row that shows whether this one took effect after a lost response; None if the API shows
            no trace of it, or if it may simply be repeated.
        watched: The typical durations of the status that it reads; None if it is not watched.
        not_batched: The reason why batches do not send it.
        needs_terminal: It fails with ``terminalIsBusy`` while the card terminal is busy.
        raw: Whether it is a caller-defined request, whose response is returned unparsed.
        message: The ``message`` of a success; a guess where ``message_seen`` is False.
        message_seen: Whether any source shows the message.
        has_data: The documented ``is_data`` of a success.
        not_found: The ``message`` of a 404.
        failure: The ``message`` of a 510.
        evidence: The best source for this row.
        reference: The page of the reference.
    """

    name: str
    method: str
    other_method: str | None = None
    path: str
    other_path: str | None = None
    steps: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    success: int
    safety: Safety
    result: type[object] | None = None
    listed: bool = False
    paged: bool = False
    may_lack_data: bool = False
    empty_when_not_found: bool = False
    request: type[object] | None = None
    rules: Rules | None = field(default=None, repr=False)
    date_format: DateFormat | None = None
    business_codes: tuple[str, ...] = ()
    done_code: str | None = None
    undone_code: str | None = None
    refusals: tuple[str, ...] = ()
    look_at: str | None = None
    watched: Watched | None = None
    not_batched: str = "it could not be recognised after a lost response"
    needs_terminal: bool = False
    raw: bool = False
    message: str
    message_seen: bool = True
    has_data: bool = False
    not_found: str = "orderNotFound"
    failure: str = "Something Went Wrong"
    evidence: Evidence = Evidence.REFERENCE
    reference: str

    @property
    def id_name(self) -> str | None:
        """The name of the id in the path, such as ``order_uuid``; None if there is none."""
        _, opened, rest = self.path.partition("{")
        return rest.partition("}")[0] if opened else None

    @property
    def resource(self) -> str:
        """The client's attribute for it, such as ``orders``."""
        return self.name.partition(".")[0]


@frozen(kw_only=True, eq=False, repr=False)
class OrderKind:
    """One kind of order that a batch sends.

    Args:
        name: Its name in order files.
        order: The class of the order.
        operation: The row that creates it.
        words: Its ``type`` in order details, in lower case, letters only.
        customer_type: The customer's type, if the route determines it.
    """

    name: str
    order: type[PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder]
    operation: Operation[CreatedOrder]
    words: frozenset[str]
    customer_type: str | None = None
