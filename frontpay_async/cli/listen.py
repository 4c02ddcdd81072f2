"""``frontpay listen``: prints, verifies and forwards the sandbox's callbacks.

The command listens on a port and makes the sandbox send all callbacks there, even those of orders without a
callback URL. The program's response is passed on to the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import click

from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, PlainCommand, extra, sandbox_option
from frontpay_async.cli.output import clean
from frontpay_async.errors import CallbackError

if TYPE_CHECKING:
    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    from frontpay_async.callbacks import CallbackGuard

_PATIENCE = 30.0
_PAUSE = 0.1


@click.command(cls=PlainCommand)
@click.option("--forward-to", metavar="URL", help="The URL to which callbacks are forwarded.")
@sandbox_option
@click.pass_obj
def listen(command: CommandContext, *, forward_to: str | None, sandbox: str) -> int:
    """Print, verify and forward the sandbox's callbacks, until Ctrl-C.

    The secret comes from FRONTPAY_CALLBACK_SECRET, or is the sandbox's default.
    """
    if forward_to is not None and not forward_to.startswith(("http://", "https://")):
        raise click.UsageError("--forward-to must be an http:// or https:// URL")
    with extra("sandbox", "starlette", "uvicorn"):
        from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET
    from frontpay_async.callbacks import CallbackGuard

    guard = CallbackGuard(os.environ.get("FRONTPAY_CALLBACK_SECRET") or DEFAULT_CALLBACK_SECRET)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(command, guard, forward_to, sandbox))
    return Exit.OK


async def _listen(
    command: CommandContext, guard: CallbackGuard, forward_to: str | None, sandbox: str
) -> None:
    import httpx
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from frontpay_async.sandbox.server import bind, serving

    async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE) as client:

        async def receive(request: Request) -> Response:
            query = request.url.query
            row = await _judge(guard, query, dict(request.query_params))
            status, row["answer"] = 200, None
            if forward_to is not None:
                status, row["answer"] = await _forward(client, forward_to, query)
            if command.output.as_json:
                command.output.result(row)
            else:
                command.output.text(
                    "\t".join(clean(str(value)) for value in row.values() if value is not None)
                )
            return Response(status_code=status)

        app = Starlette(routes=[Route("/", receive)])
        async with serving(app, bind("127.0.0.1", 0), _nothing) as url:
            listener = url.partition("/api/")[0] + "/"
            await _sent(sandbox)
            await control(sandbox, "callbacks/listener", {"url": listener})
            command.output.note(f"listening to {sandbox}; Ctrl-C stops it")
            try:
                await asyncio.Event().wait()
            finally:
                # The sandbox may have stopped first.
                with contextlib.suppress(click.ClickException):
                    await control(sandbox, "callbacks/listener", {"url": None})


async def _nothing() -> None:
    pass


async def _judge(guard: CallbackGuard, query: str, said: dict[str, str]) -> dict[str, Any]:
    from frontpay_async.callbacks import TerminalCallback

    row: dict[str, Any] = {"order_uuid": said.get("orderUuid", ""), "status": said.get("status", "")}
    try:
        callback = await guard.check(query)
    except CallbackError as error:
        row["verdict"] = f"refused: {error}"
    else:
        is_unsigned = isinstance(callback, TerminalCallback)
        row["verdict"] = "unsigned, its token is genuine" if is_unsigned else "genuine"
    return row


async def _forward(client: httpx.AsyncClient, url: str, query: str) -> tuple[int, str]:
    import httpx

    target = httpx.URL(url)
    both = "&".join(filter(None, (target.query.decode(), query)))
    try:
        answer = await client.get(target.copy_with(query=both.encode()))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return 502, f"no response from {url} ({type(error).__name__})"
    return answer.status_code, f"{answer.status_code} from {url}"


async def resend(base_url: str, order_uuid: str) -> dict[str, Any] | None:
    """Repeat an order's last callback; return the result, or None after a timeout."""
    seen = {each["number"] for each in await _sent(base_url)}
    await control(base_url, f"orders/{quote(order_uuid, safe='')}/repeat-callback")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while True:
                for each in await _sent(base_url):
                    if each["uuid"] == order_uuid and each["number"] not in seen:
                        return each
                await asyncio.sleep(_PAUSE)
    return None


async def _sent(base_url: str) -> list[dict[str, Any]]:
    """Return the callbacks that the sandbox has sent."""
    rows = await control(base_url, "callbacks", method="GET")
    is_known = isinstance(rows, list) and all(
        isinstance(row, dict) and {"number", "uuid", "status", "problem"} <= row.keys()
        for row in cast("list[object]", rows)
    )
    if not is_known:
        raise _no_sandbox(base_url)
    return cast("list[dict[str, Any]]", rows)


def _no_sandbox(base_url: str) -> click.ClickException:
    return click.ClickException(f"{base_url} is not a sandbox: it answered, but not as one")


async def control(base_url: str, path: str, body: object = None, *, method: str = "POST") -> Any:
    """Call a control route of the sandbox, and return the response."""
    import httpx

    try:
        async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE) as client:
            answer = await client.request(
                method, httpx.URL(base_url).join(f"/_sandbox/{path}"), json=body if method == "POST" else None
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise click.ClickException(
            f"no sandbox responds at {base_url} ({type(error).__name__}); start one with: frontpay sandbox"
        ) from None
    try:
        told = answer.json()
        if answer.is_success:
            return told
        reason = told["error"]
    except (ValueError, KeyError, TypeError):
        raise _no_sandbox(base_url) from None
    raise click.ClickException(str(reason))
