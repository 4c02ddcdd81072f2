"""Frozen settings, from arguments or the environment."""

from __future__ import annotations

import math
import os
import sys
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from frontpay_async import _checks
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attrs import Attribute


class Environment(StrEnum):
    """One of the API's environments."""

    DEMO = "demo"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def base_url(self) -> str:
        """The base URL."""
        return f"https://{_HOSTS[self]}/api/v1/connect"


_HOSTS = {
    Environment.DEMO: "demo-api.frontpayment.no",
    Environment.STAGING: "stg-api.frontpayment.no",
    Environment.PRODUCTION: "apigo.frontpayment.no",
}


_LONGEST = sys.float_info.max


_LEAST = math.nextafter(0.0, 1.0)


def _attempts(_: RetryPolicy, __: Attribute[Any], value: object) -> None:
    _checks.whole("RetryPolicy.attempts", value, "a whole number of at least 1")


def _delay(_: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
    # Chance is multiplied by the first; the others are caps.
    most = _LONGEST if attribute.name == "base_delay" else math.inf
    _checks.number(f"RetryPolicy.{attribute.name}", value, "0 or more seconds, as a number", most=most)


def _flag(_: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
    _checks.flag(f"RetryPolicy.{attribute.name}", value)


@frozen(kw_only=True)
class RetryPolicy:
    """The retry policy: how often and after which delays; the retry table decides which failures are retried.

    Args:
        attempts: The maximum number of attempts per call, including the first; 1 means no retry.
        base_delay: Seconds; the wait before retry n is random, up to ``base_delay * 2 ** (n - 1)``.
        max_delay: Seconds; the upper limit of that.
        retry_unsafe_server_errors: Whether a create, refund, charge or resend is retried after a 500 or 510.
            The API reports a failure, but it may have failed after it stored the order.
        max_retry_after: Seconds; if a response asks for a longer wait, the error is raised at once.
    """

    attempts: int = field(default=4, validator=_attempts)
    base_delay: float = field(default=0.5, validator=_delay)
    max_delay: float = field(default=8.0, validator=_delay)
    retry_unsafe_server_errors: bool = field(default=True, validator=_flag)
    max_retry_after: float = field(default=120.0, validator=_delay)


def _requests(_: RateLimit, __: Attribute[Any], value: object) -> None:
    if value is not None:
        _checks.whole("RateLimit.requests", value, "a whole number of at least 1, or None for no limit")


def _window(_: RateLimit, __: Attribute[Any], value: object) -> None:
    must = "more than 0 seconds, as a number"
    _checks.number("RateLimit.window", value, must, least=_LEAST, most=_LONGEST)


_REDIS_SCHEMES = ("redis", "rediss", "unix")
# The parameters of a Redis URL that may be set. This package sets those for decoding, waits and retries.
_REDIS_OPTIONS = frozenset(
    {
        "client_name",
        "db",
        "health_check_interval",
        "max_connections",
        "password",
        "socket_connect_timeout",
        "socket_keepalive",
        "socket_timeout",
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
        "username",
    }
)
_WHOLE_OPTIONS = frozenset({"db", "health_check_interval", "max_connections"})
_REAL_OPTIONS = frozenset({"socket_connect_timeout", "socket_timeout"})


def _redis(_: RateLimit, __: Attribute[Any], value: object) -> None:
    # The errors do not contain the value, which may contain a password.
    if value is None:
        return
    name = "RateLimit.redis"
    try:
        parts = urlsplit(_checks.text(name, value))
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        usable = parts.port is None or parts.port > 0
    except ValueError:
        parts, options, usable = urlsplit(""), [], False
    if not usable or parts.scheme not in _REDIS_SCHEMES:
        raise ConfigurationError(f"{name} must be a redis://, rediss:// or unix:// URL")
    if parts.scheme == "unix" and not parts.path:
        raise ConfigurationError(f"{name} contains no socket path; write unix:///path/of/the/socket")
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not (database.isascii() and database.isdigit()):
        raise ConfigurationError(f"{name} must name the database by a number, as in redis://host:6379/0")
    for option, given in options:
        if option not in _REDIS_OPTIONS:
            shown = option if option.isidentifier() else "that is not a name"
            raise ConfigurationError(
                f"{name} has the option {shown}, which cannot be used here: remove it from the URL"
            )
        if not _is_value(option, given):
            raise ConfigurationError(f"{name} has the option {option} with an invalid value")


def _is_value(option: str, given: str) -> bool:
    if option in _WHOLE_OPTIONS:
        return given.isascii() and given.isdigit()
    if option in _REAL_OPTIONS:
        try:
            return float(given) > 0
        except ValueError:
            return False
    return bool(given)


def _account(_: RateLimit, __: Attribute[Any], value: object) -> None:
    if value is not None:
        _checks.text("RateLimit.account", value)


@frozen(kw_only=True)
class RateLimit:
    """The rate limit of a token, and the location of its account.

    Args:
        requests: Requests per window, until a response states another limit; None for no limit.
        window: Seconds.
        redis: The URL of a Redis in which all processes with the token share one account; needs the extra
            ``redis``. Without it, each process keeps its own account and learns about the others from
            responses.
        account: The name of the account in Redis. Required if the token is a callable, because the tokens may
            differ between processes.
    """

    requests: int | None = field(default=240, validator=_requests)
    window: float = field(default=60.0, validator=_window)
    # It may contain a password.
    redis: str | None = field(default=None, validator=_redis, repr=lambda url: repr(url and "***"))
    account: str | None = field(default=None, validator=_account)

    @classmethod
    def unlimited(cls) -> Self:
        """Return a setting without a limit; after a 429, only the call that got it waits."""
        return cls(requests=None)


def _bound(_: Timeouts, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        must = "more than 0 seconds, or None for no bound"
        _checks.number(f"Timeouts.{attribute.name}", value, must, least=_LEAST)


@frozen
class Timeouts:
    """The limits for the phases of an attempt and for the whole call, in seconds; None for no limit.

    Args:
        connect: Opening a connection.
        read: Between two chunks of the response.
        write: Between two chunks of the request.
        pool: Waiting for a free connection.
        total: The whole call: all attempts and all waits, including those for the rate window, and the
            reading of a slow response. Defaults to five minutes, which is more than four attempts at all
            other limits. None if a call may wait for the rate window without limit.
    """

    connect: float | None = field(default=5.0, validator=_bound)
    read: float | None = field(default=30.0, validator=_bound)
    write: float | None = field(default=10.0, validator=_bound)
    pool: float | None = field(default=5.0, validator=_bound)
    total: float | None = field(default=300.0, validator=_bound)


def resolve_base_url(
    environment: Environment | str | None, base_url: str | None, variables: Mapping[str, str] = os.environ
) -> str:
    """Return the base URL; there is no default."""
    # Arguments win over `FRONTPAY_BASE_URL` and `FRONTPAY_ENVIRONMENT`.
    source = base_url_source(environment, base_url, variables)
    if environment is None and base_url is None:
        base_url = variables.get("FRONTPAY_BASE_URL") or None
        environment = variables.get("FRONTPAY_ENVIRONMENT") or None
    if environment is not None and base_url is not None:
        raise ConfigurationError(
            "pass either an environment or a base URL, not both: one determines the other"
        )
    if base_url is not None:
        return _checked_url(base_url, source)
    if environment is None:
        raise ConfigurationError(
            "no environment: pass environment='demo', 'staging' or 'production' (or base_url=…), or set"
            " FRONTPAY_ENVIRONMENT; production is never chosen for you"
        )
    _checks.one_of("environment", environment, Environment)
    return Environment(environment).base_url


def base_url_source(
    environment: Environment | str | None, base_url: str | None, variables: Mapping[str, str] = os.environ
) -> str:
    """Return the setting that determines the base URL, for errors; see ``resolve_base_url``."""
    if base_url is not None:
        return "base_url"
    if environment is not None:
        return "environment"
    return "FRONTPAY_BASE_URL" if variables.get("FRONTPAY_BASE_URL") else "FRONTPAY_ENVIRONMENT"


def token_problem(text: object) -> str | None:
    """Return why a value cannot be a token; None if it can."""
    # It does not raise, because a traceback would contain the token.
    if not isinstance(text, str):
        return f"the token must be text, not {type(text).__name__}"
    if not text:
        return "no token: pass token=… or set FRONTPAY_TOKEN"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "the token contains a space, a line break or a non-ASCII character; copy it again"
    return None


def _checked_url(given: object, source: str) -> str:
    if not isinstance(given, str):
        raise _checks.refusal(source, "text", given)
    base_url = given
    if not base_url.isprintable() or " " in base_url or "\\" in base_url:
        raise ConfigurationError(f"{source}: the base URL contains whitespace or a control character")
    try:
        parts = urlsplit(base_url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"{source}: the base URL must be an absolute https URL, such as https://host/api/v1/connect"
        )
    if "@" in parts.netloc or "?" in base_url or "#" in base_url:
        raise ConfigurationError(
            f"{source}: the base URL must not contain credentials, a query or a fragment"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"{source}: plain http to {host} would expose the token and personal numbers on the"
            " network: use https"
        )
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
