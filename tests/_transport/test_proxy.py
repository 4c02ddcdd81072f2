"""Proxies: tunnels for https, forwarding for http, refusals, and the environment's settings."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import (
    APIError,
    ConfigurationError,
    ConnectionPool,
    FrontPayClient,
    NotSentError,
    RetryPolicy,
    ServerError,
    Timeouts,
)
from frontpay_async._transport.proxy import environment_proxy
from tests.support.fakes import TOKEN, Hooks, create
from tests.support.wire_proxy import proxying
from tests.support.wire_server import WireServer, serving

if TYPE_CHECKING:
    import asyncio

    import trustme

    from frontpay_async._transport.engines import Engine
    from tests._transport.conftest import Connect

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts=1)
API = "https://demo-api.frontpayment.no/api/v1/connect"


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's TLS that trusts the test's authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_https_goes_through_a_tunnel(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, connect: Connect
) -> None:
    """The proxy learns the host and port, and nothing else; the tunnel is reused."""
    async with serving(tls=tls) as server, proxying() as proxy:
        client = connect(server, proxy=proxy.url, tls=trusting)
        await create(client)
        await create(client)
        await client.aclose()
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")
        assert TOKEN not in head
        assert "frontpay" not in head.lower()
        assert len(server.requests) == 2


async def test_http_to_this_machine_is_forwarded(server: WireServer, connect: Connect) -> None:
    async with proxying() as proxy:
        client = connect(server, proxy=proxy.url)
        await create(client)
        await client.aclose()
        assert proxy.heads[0].startswith(f"POST {server.url}/orders/invoice/create HTTP/1.1\r\n")
    assert len(server.requests) == 1


async def test_the_proxys_password_goes_to_the_proxy_only(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, connect: Connect
) -> None:
    async with serving(tls=tls) as server, proxying() as proxy:
        client = connect(server, proxy=proxy.url.replace("://", "://user:pass@"), tls=trusting)
        await create(client)
        await client.aclose()
        assert "proxy-authorization: basic dxnlcjpwyxnz" in proxy.heads[0].lower()
        assert server.requests[0].header("Proxy-Authorization") is None


@pytest.mark.parametrize("secure", [False, True], ids=["forwards", "tunnels"])
async def test_a_proxy_that_is_spoken_to_by_tls(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, connect: Connect, secure: bool
) -> None:
    """``tls`` verifies the proxy, too; a tunnel has TLS within TLS, and its connection is reused."""
    async with serving(tls=tls if secure else None) as server, proxying(tls=tls) as proxy:
        client = connect(server, proxy=proxy.url, tls=trusting)
        await create(client)
        await create(client)
        await client.aclose()
        assert proxy.heads[0].startswith(
            f"CONNECT localhost:{server.port} HTTP/1.1\r\n" if secure else f"POST {server.url}/"
        )
        assert (len(server.requests), server.connections) == (2, 1)
        with pytest.raises(NotSentError, match="certificate"):
            await create(connect(server, proxy=proxy.url, tls=ssl.create_default_context(), retry=ONCE))
        assert len(server.requests) == 2


async def test_a_proxy_that_does_not_answer(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, connect: Connect
) -> None:
    """The time to connect includes the time until the tunnel is open."""

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(tls=tls) as server, serving(accept=silent) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        timeouts = Timeouts(connect=0.1, total=None)
        with pytest.raises(NotSentError, match="ConnectTimeout"):
            await create(connect(server, proxy=url, tls=trusting, retry=ONCE, timeouts=timeouts))
        await proxy.idle()


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_the_tunnel(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, connect: Connect, status: int
) -> None:
    """The request never left, whatever the proxy's reason; a create is tried again."""
    refusal = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    async with serving(tls=tls) as server, proxying(refusal=refusal) as proxy:
        with pytest.raises(NotSentError, match=str(status)):
            await create(connect(server, proxy=proxy.url, tls=trusting))
        assert len(proxy.heads) == 4
        assert server.connections == 0


async def test_a_proxy_that_closes_instead_of_opening_the_tunnel(
    tls: ssl.SSLContext, trusting: ssl.SSLContext, connect: Connect
) -> None:
    """The lost connection carried a CONNECT and no order: nothing left."""
    hooks = Hooks()
    async with serving(tls=tls) as server, proxying(silent=True) as proxy:
        client = connect(server, proxy=proxy.url, tls=trusting, retry=ONCE, **hooks.settings())
        with pytest.raises(NotSentError):
            await create(client)
        assert len(proxy.heads) == 1


async def test_a_proxy_that_is_down(nowhere: str, server: WireServer, connect: Connect) -> None:
    with pytest.raises(NotSentError):
        await create(connect(server, proxy=nowhere.removesuffix("/api/v1/connect"), retry=ONCE))
    assert server.connections == 0


@pytest.mark.parametrize(
    ("status", "error"), [(407, APIError), (502, ServerError)], ids=["needs a password", "nothing behind"]
)
async def test_a_refusal_to_forward_is_an_answer(
    server: WireServer, connect: Connect, status: int, error: type[APIError]
) -> None:
    """Where the proxy saw the request itself, its answer is judged like any other."""
    refusal = f"HTTP/1.1 {status} No\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n".encode()
    async with proxying(refusal=refusal) as proxy:
        with pytest.raises(error) as caught:
            await create(connect(server, proxy=proxy.url, retry=ONCE))
        assert caught.value.status == status


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, API, None),
        ({"HTTPS_PROXY": "http://p:1"}, API, "http://p:1"),
        ({"https_proxy": "http://p:2"}, API, "http://p:2"),
        ({"ALL_PROXY": "http://p:3"}, API, "http://p:3"),
        ({"HTTP_PROXY": "http://p:4"}, API, None),
        ({"HTTPS_PROXY": "http://p:5", "NO_PROXY": "example.com"}, API, "http://p:5"),
        ({"HTTPS_PROXY": "http://p:6", "NO_PROXY": "frontpayment.no"}, API, None),
        ({"HTTPS_PROXY": "http://p:7", "NO_PROXY": "demo-api.frontpayment.no:443"}, API, "http://p:7"),
        ({"HTTPS_PROXY": "http://p:8", "NO_PROXY": "host:8443"}, "https://host:8443/api", None),
        ({"HTTPS_PROXY": "http://p:9", "NO_PROXY": "*"}, API, None),
        ({"HTTPS_PROXY": "http://p:10", "HTTP_PROXY": "http://p:10"}, "http://127.0.0.1:80/api", None),
        ({"HTTPS_PROXY": "http://p:11"}, "https://localhost:8443/api", None),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    """HTTPS_PROXY, ALL_PROXY and NO_PROXY as everywhere; this machine is never behind a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_proxy(url) == proxy


async def test_trust_env_decides_whether_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    """With it the tunnel is asked for; without it, the environment's proxy hears nothing."""

    def unknown(*args: object, **more: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "https://api.frontpayment.invalid/connect"
    async with proxying(refusal=b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        for trust_env, heads in ((True, 1), (False, 1)):
            async with FrontPayClient(
                TOKEN, base_url=url, engine=engine, retry=ONCE, trust_env=trust_env
            ) as client:
                with pytest.raises(NotSentError):
                    await create(client)
            assert len(proxy.heads) == heads


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_variable_without_a_scheme_names_an_http_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """As curl reads it."""
    monkeypatch.setenv(variable, "me:s3cret@proxy.example:3128")
    route = ConnectionPool().route("https://api.example/v1")
    assert str(route) == f"api.example:443 through the proxy proxy.example:3128 of {variable}"
    assert "s3cret" not in repr(route)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_the_refusal_of_a_socks_proxy_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "socks5h://me:s3cret@proxy.example:1080")
    with pytest.raises(ConfigurationError, match=f"{variable} names a SOCKS proxy") as caught:
        FrontPayClient(TOKEN, environment="demo")
    assert "trust_env=False" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    FrontPayClient(TOKEN, environment="demo", trust_env=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy:0",
        "http://proxy:99999",
        "http://s3cret:s3cret@pr oxy",
        "http://pro%20xy",
        "http://",
        "http:x",
    ],
)
def test_what_is_no_place_is_refused_when_it_is_read(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One engine raises an error of its own for such a port, at the first payment."""
    for name in ("proxy", "HTTPS_PROXY"):
        arguments: dict[str, Any] = {"proxy": url} if name == "proxy" else {}
        if name != "proxy":
            monkeypatch.setenv(name, url)
        with pytest.raises(ConfigurationError, match=f"{name} is not the URL of a proxy") as caught:
            FrontPayClient("fp-token", environment="demo", engine=engine, **arguments)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [" proxy:3128\n", "http://proxy:3128 "])
def test_white_space_around_a_variable_is_left_out(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert environment_proxy("https://api.example") == "http://proxy:3128"
    monkeypatch.setenv("HTTPS_PROXY", " ")
    assert environment_proxy("https://api.example") is None


async def test_a_proxy_that_cannot_be_reached_is_named(nowhere: str, connect: Connect) -> None:
    """With the place that was to be reached through it, and the settings that name both."""
    port = nowhere.split("/")[2].rpartition(":")[2]
    proxy = f"http://me:s3cret@127.0.0.1:{port}"
    client = connect("https://api.example/v1", proxy=proxy, retry=RetryPolicy(attempts=1))
    with pytest.raises(NotSentError) as caught:
        await create(client)
    expected = f"connecting to api.example:443 through the proxy 127.0.0.1:{port} of proxy, from base_url"
    assert expected in str(caught.value)
    assert "s3cret" not in str(caught.value)
