"""``frontpay doctor``: checks token, reachability, clock and rate limit with reads."""

from __future__ import annotations

import math
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import click
from attrs import frozen

from frontpay_async.cli.exit_codes import Exit, exit_of
from frontpay_async.cli.options import CommandContext, LookingCommand
from frontpay_async.errors import APIError, FrontPayError, NotFoundError

if TYPE_CHECKING:
    from frontpay_async._rate.governor import RateStatistics
    from frontpay_async.client import FrontPayClient

# Callbacks may be 300 s old; a clock that is a minute off will soon reject them.
_MOST_SKEW = 60.0
# Seconds by which a ``Date`` may lag: it is truncated to the second, and updated once a second.
_SLACK = 2.0
# An unknown order: the API checks the token before it responds with 404.
_NO_ORDER = "ODR0000000000"
_OK, _FAILED, _SKIPPED = "ok", "failed", "skipped"


@frozen
class Finding:
    """The result of one check.

    Args:
        check: The check: settings, reachability, clock, token or limit.
        result: ok, failed or skipped.
        detail: The result, for people.
        exit_status: The exit status of the command if this is the worst result.
    """

    check: str
    result: str
    detail: str
    exit_status: Exit = Exit.OK


def clock_finding(date: str | None, asked: datetime, answered: datetime) -> Finding:
    """Compare this machine's clock with a response's ``Date`` header."""
    # The header is truncated to the second, and some servers update it only once a second. So the time is an
    # interval: the header's time is up to `_SLACK` before the response was created, which was between request
    # and response.
    try:
        theirs = None if date is None else parsedate_to_datetime(date)
    except ValueError:
        theirs = None
    if theirs is None or theirs.tzinfo is None:
        return Finding("clock", _SKIPPED, "the response has no Date")
    least = (asked - theirs).total_seconds() - _SLACK
    most = (answered - theirs).total_seconds()
    # A server under load updates the header even later, so less than a second is not reported.
    if max(least, -most) < 1:
        within = math.ceil(max(most, -least, most - least))
        return Finding("clock", _OK, f"the difference between this machine and the API is at most {within} s")
    skew = least if least > 0 else most
    shown = f"this machine is at least {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > _MOST_SKEW:
        return Finding("clock", _FAILED, f"{shown}: callbacks will be rejected as stale", Exit.FAILED)
    return Finding("clock", _OK, shown)


@click.command(cls=LookingCommand)
@click.pass_obj
def doctor(command: CommandContext) -> int:
    """Check token, reachability, clock and rate limit; changes nothing."""
    import asyncio

    url = command.where()
    # Without a token there is nothing to check, and a prompt belongs at the beginning.
    command.token()
    findings = [Finding("settings", _OK, url)]
    asked = datetime.now(UTC)
    reached, date = asyncio.run(_reach(url, command.timeout))
    findings.append(reached)
    if reached.result == _OK:
        findings.append(clock_finding(date, asked, datetime.now(UTC)))
        findings += command.call(_ask)
    else:
        findings += [Finding(check, _SKIPPED, "it was not reached") for check in ("clock", "token", "limit")]
    command.output.rows(findings, ("check", "result", "detail"))
    return max(finding.exit_status for finding in findings)


async def _reach(url: str, timeout: float) -> tuple[Finding, str | None]:  # noqa: ASYNC109 - httpx's
    """Send a request without a token: any response suffices, and the token's limit is not used."""
    import httpx

    try:
        async with httpx.AsyncClient(timeout=timeout) as client:
            started = datetime.now(UTC)
            answer = await client.get(f"{url}/orders/status")
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return Finding("reachability", _FAILED, f"no response: {why_unreached(error)}", Exit.NOT_SENT), None
    took = (datetime.now(UTC) - started).total_seconds() * 1000
    return Finding("reachability", _OK, f"a response after {took:.0f} ms"), answer.headers.get("date")


def why_unreached(error: BaseException) -> str:  # noqa: PLR0911 - a case for each cause
    """Return why there was no response: the system's message about the name, the port or the certificate."""
    causes: list[BaseException] = []
    seeking: list[BaseException | None] = [error]
    while seeking:
        each = seeking.pop()
        if each is not None and each not in causes:
            causes.append(each)
            seeking += [*getattr(each, "exceptions", ()), each.__context__, each.__cause__]
    for each in causes:
        match each:
            case ssl.SSLCertVerificationError():
                return f"the certificate is not trusted: {each.verify_message}"
            case ssl.SSLError():
                return f"there is no TLS: {getattr(each, 'reason', None) or 'the connection was closed'}"
            case socket.gaierror():
                return f"the host name is not found: {each.strerror}"
            case ConnectionRefusedError():
                return "the connection was refused: nothing listens there"
            case TimeoutError():
                return "timed out"
            case OSError() if each.strerror:
                return each.strerror
            case _:
                continue
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def _ask(client: FrontPayClient) -> list[Finding]:
    answered = True
    try:
        await client.orders.get_status(_NO_ORDER)
    except NotFoundError:
        token = Finding("token", _OK, "accepted")
    except FrontPayError as error:
        token = Finding("token", _FAILED, str(error), exit_of(error))
        answered = isinstance(error, APIError)
    else:
        token = Finding("token", _OK, "accepted")
    if not answered:
        return [token, Finding("limit", _SKIPPED, "the API did not state it")]
    return [token, _limit(client.rate.statistics())]


def _limit(seen: RateStatistics | None) -> Finding:
    if seen is None:
        return Finding("limit", _SKIPPED, "no limit is kept")
    left = f"{seen.remaining} of {seen.limit} requests left in this window"
    if seen.remaining <= 0:
        return Finding("limit", _FAILED, left, Exit.FAILED)
    return Finding("limit", _OK, left)
