"""One row of the operation table, and the classes that its facts are written in. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

from frontpay_async._protocol.codec import prepare

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
    """What a second send of the same request may do; the retry table is decided by it."""

    READ = "read"
    """It changes nothing."""
    IDEMPOTENT = "idempotent"
    """Repeating it has the same effect as sending it once."""
    UNSAFE = "unsafe"
    """Repeating it may bill, refund or message a customer twice."""


class Evidence(Enum):
    """The best source for a row's facts."""

    REFERENCE = "reference"
    """The vendor's reference, in full."""
    RECORDED = "recorded"
    """Responses of the live demo API that were recorded."""
    VENDOR_PAGE = "vendor page"
    """A page of the vendor's documentation, of which only the first part is known."""
    CLIENT_ONLY = "client only"
    """Another client's code; no page of the vendor's is known."""


@frozen(kw_only=True)
class Watched:
    """What waiting for a status is like, where a row reads one.

    Args:
        kind: The name of the watch, such as ``payment``.
        statuses: The class of the status.
        median: Seconds; half of them have ended by then, as a first guess.
        spread: The standard deviation of ln(seconds), as a first guess.
        listed: Whether the list of orders can show that it has ended. A refund's end it cannot show: an order
            that is partly refunded looks the same after the next refund, and a rejected one leaves no mark.
    """

    kind: str
    statuses: type[Status]
    median: float
    spread: float
    listed: bool


@frozen(kw_only=True, eq=False)
class Operation(Generic[ResultT_co]):
    """The facts of one operation.

    Args:
        name: The resource and method that offer it, such as ``orders.send_invoice``.
        method: The HTTP method.
        other_method: The method that other sources name; tried when the API answers 405.
        path: The path below the base URL; ``{order_uuid}`` is replaced by the id. A relative reference as of
            RFC 3986: ``../`` leads out of the base URL's last segment.
        other_path: The path that other sources name; tried when the API has no such route.
        steps: The names of the optional segments at the end of the path.
        query: The names of the optional parameters in the query.
        success: The documented HTTP status of a success.
        safety: What a second send may do.
        result: What a success is read as; None if it carries nothing.
        listed: The success carries a list of ``result``.
        paged: The success carries one page of a list of ``result``.
        may_lack_data: The success is believed by its message alone: no source shows what it carries.
        empty_when_not_found: A 404 means an empty list.
        request: The class of the body; None without one.
        rules: The rules for the body; None if there is none.
        date_format: The form of ``orderDate``; None if there is none.
        business_codes: The documented codes of a 400.
        done_code: The code of a refusal that shows that the operation has taken effect before.
        undone_code: The code of a refusal that shows that the operation has never taken effect.
        refusals: The codes of a 510 that refuse for good, so that nothing was done.
        look_at: The row that shows, after a lost response, whether this one took effect; None if the API
            shows no trace of it, or where it may simply be sent again.
        watched: What waiting for the status that it reads is like; None if nothing waits for it.
        not_batched: Why a batch does not send what it creates.
        needs_terminal: It fails with ``terminalIsBusy`` while the card terminal is busy.
        raw: Whether it is a request of the caller's own, whose success is returned as it came.
        message: The ``message`` of a success; a guess where ``message_seen`` is False.
        message_seen: Whether any source shows the message.
        has_data: The documented ``is_data`` of a success.
        not_found: The ``message`` of a 404.
        failure: The ``message`` of a 510.
        evidence: The best source for these facts.
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
    not_batched: str = "after a lost response it could not be recognised"
    needs_terminal: bool = False
    raw: bool = False
    message: str
    message_seen: bool = True
    has_data: bool = False
    not_found: str = "orderNotFound"
    failure: str = "Something Went Wrong"
    evidence: Evidence = Evidence.REFERENCE
    reference: str

    def __attrs_post_init__(self) -> None:
        prepare(self.request, self.result)

    @property
    def id_name(self) -> str | None:
        """The name of the id in the path, such as ``order_uuid``; None if there is none."""
        _, opened, rest = self.path.partition("{")
        return rest.partition("}")[0] if opened else None

    @property
    def resource(self) -> str:
        """The client's attribute that offers it, such as ``orders``."""
        return self.name.partition(".")[0]


@frozen(kw_only=True, eq=False)
class OrderKind:
    """The facts of one kind of order that a batch sends.

    Args:
        name: Its name in order files.
        order: The class of the order.
        operation: The row that creates it.
        words: The ``type`` by which order details name it, in lower case, letters only.
        customer_type: The customer's type, where the route decides it.
    """

    name: str
    order: type[PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder]
    operation: Operation[CreatedOrder]
    words: frozenset[str]
    customer_type: str | None = None
