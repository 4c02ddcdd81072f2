"""After any failure, nothing that a person or an error reporter sees holds a secret or personal data.

The walk covers the whole chain of exceptions, and every local variable of every frame of this package in
their tracebacks. Every failure is real: over sockets, on all engines.
"""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, get_args

import anyio
import pytest

import frontpay_async
from frontpay_async import (
    ConnectionPool,
    FrontPayClient,
    FrontPayError,
    RateLimit,
    RetryPolicy,
    Timeouts,
)
from frontpay_async._transport.engines import Engine
from tests.support.builders import (
    CALLBACK_URL,
    EMAIL,
    MSISDN,
    ORDER_UUID,
    PERSONAL_NUMBER,
    customer,
    efaktura,
    invoice,
    payment_link,
    terminal_order,
)
from tests.support.fakes import TOKEN
from tests.support.wire_server import WireServer, serving
from tests.support.wire_steps import (
    answer,
    close,
    cut,
    drip,
    envelope,
    failed,
    garbage,
    html,
    never,
    reset,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests._transport.conftest import Connect
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

PAYMENT_URL = "https://pay.frontpayment.no/session/bankid-0f9e8d7c6b5a"
SECRETS = {
    "token": TOKEN,
    "personal number": PERSONAL_NUMBER,
    "msisdn": MSISDN,
    "e-mail": EMAIL,
    "payment URL": "bankid-0f9e8d7c6b5a",
    "callback secret": CALLBACK_URL.rpartition("=")[2],
}
FOREIGN = ("httpx", "httpcore", "h11", "aiohttp", "cattrs", "attrs", "anyio", "tenacity", "ssl", "zlib")
PACKAGE = str(Path(frontpay_async.__file__).parent)
# An answer that says back all that was sent, as validation messages do.
ECHO: dict[str, Any] = {
    "message": f"no such customer: {EMAIL}",
    "errors": {
        "customerDetails.msisdn": [f"The number {MSISDN} is not valid."],
        "customerDetails.personalNumber": f"{PERSONAL_NUMBER} is unknown",
        EMAIL: [PAYMENT_URL, {"deep": [f"Bearer {TOKEN}"]}],
    },
}
QUOTING = json.dumps({**ECHO, "url": PAYMENT_URL, "token": TOKEN}).encode()

STEPS: dict[str, Step] = {
    "400": envelope(400, **ECHO),
    "401": envelope(401, **ECHO),
    "403": envelope(403, **ECHO),
    "404": envelope(404, **ECHO),
    "417": envelope(417, **ECHO),
    "422 list": envelope(422, message="bad", errors=[f"{EMAIL} bad", PAYMENT_URL]),
    "429": envelope(429, **ECHO),
    "500": envelope(500, **ECHO),
    "510 text": envelope(510, message="x", errors=f"{MSISDN} {PAYMENT_URL}"),
    "502": html(502),
    "closed": close,
    "reset": reset,
    "cut": cut(),
    "silence": never,
    "drip": drip(),
    "garbage": garbage(QUOTING + b"\r\n\r\n"),
    "bad status line": garbage(b"HTTP/9 " + QUOTING + b"\r\n\r\n"),
    "bad header": garbage(b"HTTP/1.1 201 OK\r\n" + QUOTING + b"\r\n\r\n"),
    "bad chunk": garbage(b"HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + QUOTING + b"\r\n"),
    "long header": answer(201, b"{}", ("Location", PAYMENT_URL + "x" * 200_000)),
    "too long": answer(201, QUOTING * 100),
    "not JSON": answer(201, QUOTING[:-5]),
    "no uuid": envelope(201, data={"paymentUrl": PAYMENT_URL, "email": EMAIL}),
    "uuid of another form": envelope(201, data={"uuid": {"link": PAYMENT_URL}, "customerUuid": [EMAIL]}),
    "bad gzip": answer(201, QUOTING, ("Content-Encoding", "gzip")),
    "redirect": answer(302, b"", ("Location", PAYMENT_URL)),
    "odd type": answer(201, b"x", kind=f"text/{EMAIL}"),
}
CALLS: dict[str, Callable[[FrontPayClient], Awaitable[object]]] = {
    "efaktura": lambda client: client.orders.send_efaktura(efaktura()),
    "payment link": lambda client: client.orders.send_payment_link(payment_link(callback_url=CALLBACK_URL)),
    "terminal order": lambda client: client.terminals.create_order(terminal_order()),
    "resend": lambda client: client.orders.resend_payment_link(
        ORDER_UUID, country_code="+47", msisdn=MSISDN, email=EMAIL
    ),
    "cancel": lambda client: client.orders.cancel(ORDER_UUID, note=f"{EMAIL} called from {MSISDN}"),
    "details": lambda client: client.orders.get_details(ORDER_UUID),
}
LONG_CALLS = CALLS | {
    "raw": lambda client: client.request(
        "POST", "customers", safety="unsafe", json={"note": f"{EMAIL} {MSISDN}"}, query={"phone": MSISDN}
    ),
}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all that hangs on it."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        found = waiting.pop()
        if found is None or found in seen:
            continue
        seen.append(found)
        waiting += [found.__cause__, found.__context__, *getattr(found, "exceptions", ())]
    return iter(seen)


def exposed(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield what can be seen of an exception: where, and the text."""
    for each in chain(error):
        name = type(each).__name__
        yield f"str of {name}", str(each)
        yield f"repr of {name}", repr(each)
        yield f"members of {name}", repr(vars(each))
        yield f"traceback of {name}", "".join(traceback.format_exception(each))
        for frame, line in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                for local, value in frame.f_locals.items():
                    yield f"{frame.f_code.co_qualname}:{line} {local}", repr(value)


def assert_clean(error: BaseException) -> None:
    """Nothing exposed holds a secret, no foreign exception shows, and an error of ours travels by pickle."""
    frames = 0
    for where, text in exposed(error):
        frames += ":" in where
        for name, secret in SECRETS.items():
            assert secret not in text, f"{name} in {where}: {text}"
    assert frames
    for each in chain(error):
        assert type(each).__module__.partition(".")[0] not in FOREIGN, repr(each)
    if isinstance(error, FrontPayError):
        pickled = pickle.dumps(error)
        again = pickle.loads(pickled)  # noqa: S301 - our own
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
        assert not any(secret.encode() in pickled for secret in SECRETS.values())


async def failing(call: Awaitable[object]) -> BaseException:
    """Await a call and return what it raised."""
    try:
        await call
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("step", STEPS)
async def test_a_failure_shows_no_secret(server: WireServer, connect: Connect, step: str, name: str) -> None:
    """Every kind of answer and loss, for calls that carry every kind of secret."""
    server.otherwise = STEPS[step]
    impatient = Timeouts(read=0.03, total=0.06) if step in ("silence", "drip") else Timeouts()
    quick = RetryPolicy(attempts=2, base_delay=0)
    client = connect(server, retry=quick, timeouts=impatient, max_response_size=20_000)
    if name in ("cancel", "resend") and step in ("no uuid", "uuid of another form"):
        # Their answers carry nothing, so these are successes.
        await CALLS[name](client)
        return
    error = await failing(CALLS[name](client))
    assert isinstance(error, FrontPayError)
    assert_clean(error)


@pytest.mark.parametrize("name", CALLS)
async def test_a_cancelled_call_shows_no_secret(server: WireServer, connect: Connect, name: str) -> None:
    """A cancellation's traceback goes through all the frames that hold the request."""
    server.otherwise = never
    task = asyncio.ensure_future(CALLS[name](connect(server)))
    await server.received(1)
    task.cancel()
    error = await failing(task)
    assert isinstance(error, asyncio.CancelledError)
    assert_clean(error)


async def by_timeout(call: Awaitable[object], begun: Awaitable[object]) -> None:
    async with asyncio.timeout(None) as bound:

        async def give_up() -> None:
            await begun
            bound.reschedule(0)

        giving_up = asyncio.ensure_future(give_up())
        await call
        await giving_up


async def by_wait_for(call: Awaitable[object], begun: Awaitable[object]) -> None:
    task = asyncio.ensure_future(call)
    await begun
    await asyncio.wait_for(task, 0)


async def by_scope(call: Awaitable[object], begun: Awaitable[object]) -> None:
    async def give_up(scope: anyio.CancelScope) -> None:
        await begun
        scope.deadline = -math.inf

    giving_up = asyncio.ensure_future(asyncio.sleep(0))
    try:
        with anyio.fail_after(60) as scope:
            giving_up = asyncio.ensure_future(give_up(scope))
            await call
    finally:
        await giving_up


GIVING_UP = {"asyncio.timeout": by_timeout, "wait_for": by_wait_for, "fail_after": by_scope}


@pytest.mark.parametrize("step", ["silence", "drip"])
@pytest.mark.parametrize("how", GIVING_UP)
@pytest.mark.parametrize("name", ["efaktura", "resend", "raw"])
async def test_a_callers_time_out_shows_no_secret_in_any_frame(
    server: WireServer, connect: Connect, name: str, how: str, step: str
) -> None:
    """An error reporter shows the locals of every frame, those of the engine's libraries, too."""
    server.otherwise = STEPS[step]
    call = LONG_CALLS[name](connect(server, timeouts=Timeouts(total=None)))
    error = await failing(GIVING_UP[how](call, server.received(1)))
    assert isinstance(error, TimeoutError)
    assert_clean(error)
    shown = 0
    for each in chain(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename != __file__:
                shown += 1
                for local, value in frame.f_locals.items():
                    text = repr(value)
                    where = f"{frame.f_code.co_filename}:{line} {local}"
                    assert not any(secret in text for secret in SECRETS.values()), f"{where}: {text}"
    assert shown


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_that_cannot_connect_shows_no_secret(nowhere: str, connect: Connect, name: str) -> None:
    assert_clean(await failing(CALLS[name](connect(nowhere))))


async def test_a_closed_client_shows_no_secret(server: WireServer, connect: Connect) -> None:
    client = connect(server)
    await client.aclose()
    for call in CALLS.values():
        assert_clean(await failing(call(client)))


async def test_broken_rules_show_no_secret(server: WireServer, connect: Connect) -> None:
    """The violations name fields, never what stood in them."""
    client = connect(server)
    wrong = customer(email=f"{EMAIL} {EMAIL}", personal_number=PERSONAL_NUMBER + "0", msisdn=MSISDN)
    order = invoice(customer=wrong, callback_url=f"not a url {PAYMENT_URL}")
    assert_clean(await failing(client.orders.send_invoice(order)))
    assert_clean(await failing(client.orders.send_payment_link(order)))  # type: ignore[arg-type]
    assert_clean(await failing(client.orders.resend_payment_link(ORDER_UUID, msisdn=MSISDN)))
    assert_clean(await failing(client.orders.resend_payment_link("../x", email=f"{EMAIL} ")))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"environment": "live"},
        {"base_url": "http://api.example.com"},
        {"environment": "demo", "engine": "curl"},
        {"environment": "demo", "proxy": "socks5://127.0.0.1"},
        {"environment": "demo", "tls": "/nowhere"},
        {"environment": "demo", "user_agent_suffix": "\n"},
        {"environment": "demo", "order_date_format": "iso"},
    ],
    ids=str,
)
def test_a_client_that_cannot_be_built_shows_no_token(settings: dict[str, Any]) -> None:
    with pytest.raises(FrontPayError) as caught:
        FrontPayClient(TOKEN, **settings)
    assert_clean(caught.value)


def test_a_token_that_is_refused_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the argument nor the variable."""
    with pytest.raises(FrontPayError) as caught:
        FrontPayClient(f"{TOKEN}\n", environment="demo")
    assert_clean(caught.value)
    monkeypatch.setenv("FRONTPAY_TOKEN", f"Bearer {TOKEN}")
    with pytest.raises(FrontPayError) as caught:
        FrontPayClient(environment="demo")
    assert_clean(caught.value)


@pytest.mark.parametrize(
    "given", [f"{TOKEN} ", f"{TOKEN}\r\nX: y", TOKEN.encode()], ids=["space", "line", "bytes"]
)
async def test_a_callables_token_that_is_refused_is_not_shown(
    server: WireServer, connect: Connect, given: Any
) -> None:
    async def token() -> str:
        return given  # type: ignore[no-any-return]

    assert_clean(await failing(CALLS["efaktura"](connect(server, token=token))))


async def test_a_stray_answer_shows_no_secret(connect: Connect) -> None:
    """What was left on a connection by one customer's answer must not show in another's error."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(garbage(whole(404, QUOTING) + QUOTING), otherwise=failed(404))
        )
        client = connect(server)
        for _ in range(2):
            assert_clean(await failing(CALLS["details"](client)))
        await client.aclose()


def test_nothing_of_a_client_shows_its_token() -> None:
    client = FrontPayClient(TOKEN, environment="demo")
    for shown in (client, client.orders, client.terminals, client._session, client._options):
        assert TOKEN not in repr(shown)


PROXY = "http://merchant:pr0xy-s3cret@proxy.example:3128"


def reachable(root: object) -> Iterator[object]:
    """Yield every object of this package that can be reached from one, by its members."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Mapping):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, (list, tuple, set, frozenset, deque)):
            waiting += found
        elif type(found).__module__.startswith("frontpay_async") and not isinstance(found, type):
            yield found
            names = [*getattr(found, "__dict__", ()), *getattr(type(found), "__slots__", ())]
            waiting += [
                getattr(found, name) for name in names if hasattr(found, name) and name != "__weakref__"
            ]
        elif isinstance(found, (MethodType, partial)):
            waiting.append(getattr(found, "__self__", None) or getattr(found, "args", ()))


@pytest.mark.parametrize("by", ["argument", "variable", "pool"])
@pytest.mark.parametrize("engine", get_args(Engine))
async def test_nothing_that_is_reachable_from_a_client_shows_a_secret(
    monkeypatch: pytest.MonkeyPatch, engine: Engine, by: str
) -> None:
    """Its repr is short, too: debuggers and error reporters print it beside each other."""
    settings: dict[str, Any] = {"engine": engine}
    if by == "variable":
        monkeypatch.setenv("HTTPS_PROXY", PROXY)
    elif by == "argument":
        settings["proxy"] = PROXY
    else:
        settings = {"connection_pool": ConnectionPool(engine=engine, proxy=PROXY)}
    limit = RateLimit(redis="redis://:redis-s3cret@127.0.0.1:1/0")
    client = FrontPayClient(TOKEN, environment="demo", rate_limit=limit, **settings)
    assert client.rate.statistics() is not None
    wire = client._session.wire
    wire._transport = wire._open()
    shown = list(reachable(client))
    assert len(shown) > 20
    for each in shown:
        text = repr(each)
        assert len(text) < 400, text
        assert not any(secret in text for secret in (TOKEN, "s3cret")), text
    await client.aclose()
    if by == "pool":
        await settings["connection_pool"].aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "curl"},
        {"tls": "/nowhere"},
        {"user_agent_suffix": "\n"},
        {"proxy": PROXY.replace("http", "socks5")},
        {"proxy": PROXY.replace("3128", "port")},
        {"retry": 3},
        {"timeouts": 3},
        {"connection_pool": 3},
    ],
    ids=["engine", "tls", "agent", "SOCKS", "port", "retry", "timeouts", "pool"],
)
def test_a_client_that_cannot_be_built_shows_no_proxy_credentials(wrong: dict[str, Any]) -> None:
    with pytest.raises(FrontPayError) as caught:
        FrontPayClient(TOKEN, **{"environment": "demo", "proxy": PROXY, **wrong})
    for where, text in exposed(caught.value):
        assert "s3cret" not in text, where


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_variable_that_names_no_proxy_shows_no_credentials(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for url in (PROXY.replace("http", "socks5"), PROXY.replace("3128", "port"), "gopher://a:s3cret@b"):
        monkeypatch.setenv(variable, url)
        with pytest.raises(FrontPayError, match=variable) as caught:
            FrontPayClient(TOKEN, environment="demo")
        for where, text in exposed(caught.value):
            assert "s3cret" not in text, where


@pytest.mark.parametrize("how", GIVING_UP)
async def test_a_time_out_in_a_proxys_tunnel_shows_no_credentials(connect: Connect, how: str) -> None:
    """Nor do the frames of the engine, which write them to the proxy."""
    async with serving(otherwise=never) as proxy:
        named = f"http://merchant:pr0xy-s3cret@127.0.0.1:{proxy.port}"
        client = connect("https://api.example/v1", proxy=named, timeouts=Timeouts(total=None))
        error = await failing(GIVING_UP[how](CALLS["details"](client), proxy.received(1)))
        assert isinstance(error, TimeoutError)
        for each in chain(error):
            for frame, line in traceback.walk_tb(each.__traceback__):
                if frame.f_code.co_filename != __file__:
                    for local, value in frame.f_locals.items():
                        assert "s3cret" not in repr(value), f"{frame.f_code.co_filename}:{line} {local}"
        await client.aclose()


async def test_a_wrong_tokens_traceback_is_short(server: WireServer, connect: Connect) -> None:
    """Nothing is retried, so nothing of the retries shows; and it comes alone."""
    server.otherwise = failed(401)
    error = await failing(CALLS["details"](connect(server)))
    assert [type(each).__name__ for each in chain(error)] == ["AuthenticationError"]
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert not any("tenacity" in name for name in frames)
    assert len(frames) <= 8


async def test_a_connection_that_fails_names_where_and_why_there(nowhere: str, connect: Connect) -> None:
    """Host, port, and the setting that they come from."""
    where = nowhere.split("/")[2]
    error = await failing(CALLS["details"](connect(nowhere, retry=RetryPolicy(attempts=1))))
    assert f"(connecting to {where}, from base_url)" in str(error)


async def test_a_variable_is_named_where_its_place_cannot_be_reached(
    nowhere: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTPAY_BASE_URL", nowhere)
    client = FrontPayClient(TOKEN, engine=engine, retry=RetryPolicy(attempts=1))
    error = await failing(CALLS["details"](client))
    assert "from FRONTPAY_BASE_URL)" in str(error)
    await client.aclose()


@pytest.mark.parametrize("name", ["efaktura", "cancel", "details"])
async def test_a_call_that_is_given_up_after_it_left_says_so(
    server: WireServer, connect: Connect, name: str
) -> None:
    """As a note on the cancellation; not on that of a read, which changes nothing."""
    server.otherwise = never
    task = asyncio.ensure_future(CALLS[name](connect(server)))
    await server.received(1)
    task.cancel()
    error = await failing(task)
    notes = getattr(error, "__notes__", [])
    if name == "details":
        assert notes == []
    else:
        assert len(notes) == 1
        assert "cancelled after its request had left. It may or may not have been done" in notes[0]


async def test_a_call_that_is_given_up_before_it_left_says_nothing(
    connect: Connect, unresponsive: str
) -> None:
    task = asyncio.ensure_future(CALLS["efaktura"](connect(unresponsive)))
    await asyncio.sleep(0)
    task.cancel()
    assert getattr(await failing(task), "__notes__", []) == []
