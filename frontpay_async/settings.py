"""Frozen settings, from arguments or the environment."""

from __future__ import annotations

import os
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from attrs import field, frozen
from attrs.validators import ge

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attrs import Attribute


class Environment(StrEnum):
    """Name one of the API's environments."""

    DEMO = "demo"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def base_url(self) -> str:
        """The URL that all paths are below."""
        return f"https://{_HOSTS[self]}/api/v1/connect"


_HOSTS = {
    Environment.DEMO: "demo-api.frontpayment.no",
    Environment.STAGING: "stg-api.frontpayment.no",
    Environment.PRODUCTION: "apigo.frontpayment.no",
}


@frozen(kw_only=True)
class RetryPolicy:
    """Say how failed attempts are repeated; what may be repeated is decided by the retry table.

    Args:
        attempts: The most attempts for one call, the first included; 1 means no retry.
        base_delay: Seconds; the wait before retry n is random, up to ``base_delay * 2 ** (n - 1)``.
        max_delay: Seconds; the cap on that.
        retry_unsafe_server_errors: Whether a create, refund, charge or resend that the API answered with 500
            or 510 is sent again. The API says that it failed, but it may fail after it has stored the order.
        max_retry_after: Seconds; an answer that asks to wait longer is raised instead of waited for.
    """

    attempts: int = field(default=4, validator=ge(1))
    base_delay: float = field(default=0.5, validator=ge(0))
    max_delay: float = field(default=8.0, validator=ge(0))
    retry_unsafe_server_errors: bool = True
    max_retry_after: float = field(default=120.0, validator=ge(0))


def _check_requests(_: RateLimit, __: Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError("RateLimit.requests must be a whole number of at least 1, or None for no limit")


def _check_window(_: RateLimit, __: Attribute[Any], value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError("RateLimit.window must be more than 0 seconds")


def _check_redis(_: RateLimit, __: Attribute[Any], value: str | None) -> None:
    if value is not None and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError("RateLimit.redis must be a redis://, rediss:// or unix:// URL")


@frozen(kw_only=True)
class RateLimit:
    """Say how many requests the token may make, and who keeps the books.

    Args:
        requests: Requests a window, until an answer tells another number; None to send without a limit.
        window: Seconds.
        redis: The URL of a Redis in which all processes that hold the token keep the books together; the
            extra ``redis``. Without it each process keeps its own, and sees the others in the answers.
        account: A name for the account, under which the books are kept in Redis. Needed where the token is
            given as a callable, because the token itself may differ from process to process.
    """

    requests: int | None = field(default=240, validator=_check_requests)
    window: float = field(default=60.0, validator=_check_window)
    # It may hold a password.
    redis: str | None = field(default=None, validator=_check_redis, repr=lambda url: repr(url and "***"))
    account: str | None = None

    @classmethod
    def unlimited(cls) -> Self:
        """Return no limit: every call is sent at once, and a 429 is waited for by the call that gets it."""
        return cls(requests=None)


def _positive(_: Timeouts, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"Timeouts.{attribute.name} must be more than 0 seconds, or None for no bound")


@frozen
class Timeouts:
    """Bound the phases of an attempt, and the whole call; all in seconds, None for no bound.

    Args:
        connect: To open a connection.
        read: Between two pieces of the answer.
        write: Between two pieces of the request.
        pool: To get a free connection.
        total: For the whole call: every attempt, every wait, and the reading of a slow answer.
    """

    connect: float | None = field(default=5.0, validator=_positive)
    read: float | None = field(default=30.0, validator=_positive)
    write: float | None = field(default=10.0, validator=_positive)
    pool: float | None = field(default=5.0, validator=_positive)
    total: float | None = field(default=None, validator=_positive)


def resolve_base_url(
    environment: Environment | str | None, base_url: str | None, variables: Mapping[str, str] = os.environ
) -> str:
    """Decide where requests go; there is no default.

    Arguments win over ``FRONTPAY_BASE_URL`` and ``FRONTPAY_ENVIRONMENT``.

    Args:
        environment: One of demo, staging, production.
        base_url: Another URL; ``http`` only to this machine.
        variables: The environment variables.

    Raises:
        ConfigurationError: Neither is given, both are, or the URL is no usable one.
    """
    if environment is None and base_url is None:
        base_url = variables.get("FRONTPAY_BASE_URL") or None
        environment = variables.get("FRONTPAY_ENVIRONMENT") or None
    if environment is not None and base_url is not None:
        raise ConfigurationError(
            "give an environment or a base URL, not both: they may name different places"
        )
    if base_url is not None:
        return _checked_url(base_url)
    if environment is None:
        raise ConfigurationError(
            "no environment: pass environment='demo', 'staging' or 'production' (or base_url=…), or set"
            " FRONTPAY_ENVIRONMENT; production is never chosen for you"
        )
    try:
        return Environment(environment).base_url
    except ValueError:
        raise ConfigurationError(
            f"unknown environment {environment!r}: it is one of {', '.join(Environment)}"
        ) from None


def token_problem(text: object) -> str | None:
    """Say why something cannot be a token, or return None.

    It raises nothing, because a traceback would keep the token in reach.
    """
    if not isinstance(text, str):
        return f"the token must be text, not {type(text).__name__}"
    if not text:
        return "no token: pass token=… or set FRONTPAY_TOKEN"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "the token has characters that no token has: a space, a line break, or a non-ASCII one"
    return None


def _checked_url(base_url: str) -> str:
    if not base_url.isprintable() or " " in base_url or "\\" in base_url:
        raise ConfigurationError("the base URL has characters that no URL has")
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigurationError(
            "the base URL must be an absolute https URL, such as https://host/api/v1/connect"
        )
    if "@" in parts.netloc or "?" in base_url or "#" in base_url:
        raise ConfigurationError("the base URL may hold no credentials, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"plain http to {host} would show the token and personal numbers to the network: use https"
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
