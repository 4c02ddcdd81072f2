"""Servers are verified: by the usual authorities, by a file, or by a context of the caller's."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import ConfigurationError, FrontPayClient, NotSentError, RetryPolicy
from tests.support.fakes import TOKEN, create
from tests.support.wire_server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import trustme

    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts=1)


@pytest.fixture
async def secure(tls: ssl.SSLContext) -> AsyncIterator[WireServer]:
    """A server with a certificate for localhost."""
    async with serving(tls=tls) as wire:
        yield wire


async def test_a_file_of_authorities_is_trusted(
    secure: WireServer, authority: trustme.CA, connect: Connect, tmp_path: Path
) -> None:
    """As text or as a path."""
    bundle = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(bundle))
    for named in (bundle, str(bundle)):
        await create(connect(secure, tls=named))
    assert len(secure.requests) == 2


async def test_a_context_of_the_callers_is_used(
    secure: WireServer, authority: trustme.CA, connect: Connect
) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    await create(connect(secure, tls=context))
    assert len(secure.requests) == 1


async def test_a_client_certificate_in_the_context_is_shown(authority: trustme.CA, connect: Connect) -> None:
    """A proxy in front of the API may ask for one."""
    asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(asking)
    authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_REQUIRED
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("shop.example.no").configure_cert(context)
    async with serving(tls=asking) as server:
        client = connect(server, tls=context)
        await create(client)
        await client.aclose()
        assert len(server.requests) == 1


async def test_an_authority_that_nobody_named_is_not_trusted(secure: WireServer, connect: Connect) -> None:
    """Not by default, and not because another client trusts it."""
    with pytest.raises(NotSentError, match=r"(?i)certificate verify failed"):
        await create(connect(secure, retry=ONCE))
    assert secure.requests == []


async def test_a_certificate_for_another_host_is_refused(
    secure: WireServer, authority: trustme.CA, connect: Connect
) -> None:
    """A valid certificate is not enough: it must be this host's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    url = secure.url.replace("localhost", "127.0.0.1")
    with pytest.raises(NotSentError, match=r"(?i)certificate"):
        await create(connect(url, tls=context, retry=ONCE))
    assert secure.requests == []


async def test_a_file_without_authorities_is_refused_when_the_client_is_built(
    secure: WireServer, connect: Connect, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate here")
    with pytest.raises(Exception, match="cannot be read"):
        connect(secure, tls=empty)


@pytest.mark.parametrize(
    ("variable", "content", "reason"),
    [
        ("SSL_CERT_FILE", None, "No such file"),
        ("SSL_CERT_FILE", "", "no PEM certificate"),
        ("SSL_CERT_FILE", "not a certificate", "no PEM certificate"),
        ("SSL_CERT_DIR", None, "no such directory"),
    ],
)
def test_a_variable_that_names_no_authorities_is_refused_when_the_client_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str | None, reason: str
) -> None:
    """By the file and the variable, not by the first payment."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    where = tmp_path / "ca.pem"
    if content is not None:
        where.write_text(content)
    monkeypatch.setenv(variable, str(where))
    with pytest.raises(ConfigurationError, match=f"{variable}.*ca.pem.*{reason}"):
        FrontPayClient(TOKEN, environment="demo")
    # Where no TLS is spoken, it does not matter; nor where other authorities are named.
    FrontPayClient(TOKEN, base_url="http://127.0.0.1:1/api")
    FrontPayClient(TOKEN, environment="demo", tls=ssl.create_default_context())


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@pytest.mark.parametrize("where", ["missing/keys.log", "."])
def test_a_key_log_that_cannot_be_written_is_refused_when_the_client_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: Any, where: str
) -> None:
    """It was a FileNotFoundError of the first payment, or blamed on SSL_CERT_FILE."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / where))
    with pytest.raises(ConfigurationError, match=r"^SSLKEYLOGFILE: the file .* cannot be written: "):
        FrontPayClient(TOKEN, environment="demo", engine=engine)
    with pytest.raises(ConfigurationError, match=r"^SSLKEYLOGFILE: "):
        FrontPayClient(TOKEN, environment="demo", tls=tmp_path / "ca.pem")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    FrontPayClient(TOKEN, environment="demo", engine=engine)


async def test_the_variable_is_read_for_each_pool(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tls: ssl.SSLContext,
    authority: trustme.CA,
    connect: Connect,
) -> None:
    """A process that sets it after its first client is obeyed."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    async with serving(tls=tls) as server:
        with pytest.raises(NotSentError):
            await create(connect(server, retry=RetryPolicy(attempts=1)))
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        await create(connect(server))
