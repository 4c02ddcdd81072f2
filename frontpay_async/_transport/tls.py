"""The verification of servers: by the default authorities, a CA bundle or a caller's context."""

from __future__ import annotations

import os
import ssl
import sys
from functools import cache
from pathlib import Path

import httpx

from frontpay_async import _checks
from frontpay_async.errors import ConfigurationError


def read_tls(tls: object) -> ssl.SSLContext | None:
    """Return the configured verification, if any: an ``ssl.SSLContext`` or the path of a CA bundle."""
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls
    if not isinstance(tls, (str, Path)):
        raise _checks.refusal("tls", "a CA bundle's path or an ssl.SSLContext", tls)
    check_key_log()
    return _context("tls", str(tls), directory=False)


def default_tls() -> ssl.SSLContext:
    """Return the default verification: SSL_CERT_FILE, SSL_CERT_DIR, or certifi's authorities."""
    return _default_tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def check_default_tls() -> None:
    """Check the paths in the variables before a payment depends on them; certifi needs no check."""
    check_key_log()
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        default_tls()


def check_key_log() -> None:
    """Check the file of SSLKEYLOGFILE, which every default context of Python opens."""
    path = os.environ.get("SSLKEYLOGFILE")
    if not path or sys.flags.ignore_environment:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = path
    except OSError as error:
        raise ConfigurationError(
            f"SSLKEYLOGFILE: the file {path!r} cannot be written: {error.strerror}; unset the variable"
        ) from None


@cache
def _default_tls(file: str | None, directory: str | None) -> ssl.SSLContext:
    # Building one takes 20 ms, so all clients of the process share it.
    if file:
        return _context("SSL_CERT_FILE", file, directory=False)
    if directory:
        return _context("SSL_CERT_DIR", directory, directory=True)
    return httpx.create_ssl_context(trust_env=False)


def _context(source: str, path: str, *, directory: bool) -> ssl.SSLContext:
    reason = "there is no such directory" if directory and not Path(path).is_dir() else ""
    if not reason:
        try:
            return ssl.create_default_context(
                cafile=None if directory else path, capath=path if directory else None
            )
        except ssl.SSLError:
            reason = "it contains no PEM certificate"
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
    raise ConfigurationError(f"{source}: the CA bundle {path!r} cannot be read: {reason}")


@cache
def no_tls() -> ssl.SSLContext:
    """Return a context that trusts no server, for routes without TLS; it is cheap to build."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
