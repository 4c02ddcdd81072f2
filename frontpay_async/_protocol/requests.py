"""The bodies that resource methods build from their arguments: small values with no public name. Pure."""

from __future__ import annotations

from attrs import field, frozen

from frontpay_async.models._fields import exact, masked


@frozen(field_transformer=exact)
class Resend:
    """Where a payment link is sent again."""

    country_code: str | None
    msisdn: str | None = field(repr=masked)
    email: str | None = field(repr=masked)


@frozen(field_transformer=exact)
class Cancellation:
    """Why an order is cancelled."""

    cancellation_note: str = field(repr=masked)


@frozen(field_transformer=exact)
class TerminalCancellation:
    """What is cancelled on the terminal: ``payment`` or ``refund``."""

    type: str
