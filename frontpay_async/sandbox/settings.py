"""The settings of the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from frontpay_async import _checks
from frontpay_async.models.terminals import Terminal

if TYPE_CHECKING:
    from decimal import Decimal

    from attrs import Attribute

    from frontpay_async._protocol.operations import DateFormat

DEFAULT_TOKEN = "sandbox-token"  # noqa: S105 - opens nothing but the sandbox
DEFAULT_CALLBACK_SECRET = "sandbox-callback-secret"  # noqa: S105 - signs nothing but the sandbox's callbacks
DEFAULT_ORGANIZATION = "ORG2074299506"
DEFAULT_TERMINAL = "TRML1914739698"


def _delay(_: Cardholder, __: Attribute[Any], value: object) -> None:
    if value is not None:
        _checks.seconds("Cardholder.after", value, or_zero=True)


def _flag(_: Cardholder, attribute: Attribute[Any], value: object) -> None:
    _checks.flag(f"Cardholder.{attribute.name}", value)


@frozen(kw_only=True)
class Cardholder:
    """The behaviour of the simulated cardholder.

    Args:
        after: Seconds until the cardholder decides; None to wait for ``Sandbox.approve`` or ``decline``.
        pays: Whether payments are paid; otherwise they are declined.
        takes_refund: Whether refunds are accepted; otherwise they are declined.

    Raises:
        ConfigurationError: An argument has the wrong type, or ``after`` is negative.
    """

    after: float | None = field(default=0.0, validator=_delay)
    pays: bool = field(default=True, validator=_flag)
    takes_refund: bool = field(default=True, validator=_flag)


@frozen(kw_only=True)
class SandboxSettings:
    """The settings of the operations; see ``Sandbox``."""

    tokens: frozenset[str]
    cardholder: Cardholder
    terminals: tuple[Terminal, ...]
    order_date_format: DateFormat | None
    pending_status: str | None
    pending_refund_status: str | None
    list_terminal_orders: bool
    refund_request_threshold: Decimal | None
    refund_weekly_threshold: Decimal | None
    one_payment_at_a_time: bool
    magic_amounts: bool


def default_terminals() -> tuple[Terminal, ...]:
    """Return two terminals of the default organisation."""
    return (
        Terminal(
            uuid=DEFAULT_TERMINAL, name="Oslo Terminal", status=1, organization_uuid=DEFAULT_ORGANIZATION
        ),
        Terminal(
            uuid="TRML1216693970", name="Bergen Terminal", status=1, organization_uuid=DEFAULT_ORGANIZATION
        ),
    )
