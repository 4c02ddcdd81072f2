"""What reads data from outside, as functions of bytes: each returns, unless it breaks its promise."""

from __future__ import annotations

import json
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from frontpay_async import CallbackError, FrontPayClient, FrontPayError
from frontpay_async._protocol import parse
from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async._protocol.retry_after import retry_after
from frontpay_async._rate.rate_headers import read_quota
from frontpay_async.batch import payload
from frontpay_async.callbacks import parse_callback, verify_checksum
from frontpay_async.order_files import InvalidFileError, read_csv, read_jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ROWS", "STATUSES", "TARGETS", "escaped"]

ROWS = sorted(OPERATIONS)
STATUSES = (200, 201, 202, 204, 302, 400, 401, 403, 404, 408, 417, 422, 429, 499, 500, 502, 510, 599)
_FOLDER = Path(tempfile.mkdtemp(prefix="frontpay-fuzz-"))
_CLIENT = FrontPayClient("fuzz-token", environment="demo")


def answer(data: bytes) -> None:
    """An answer: the operation and the status by the first two bytes, the body behind them."""
    if len(data) < 2:
        return
    row = OPERATIONS[ROWS[data[0] % len(ROWS)]]
    response = HttpResponse(STATUSES[data[1] % len(STATUSES)], {"content-type": "application/json"}, data[2:])
    uuid = "ODR1" if "{" in row.path else None
    found = parse.problem(row, response, uuid)
    if found is not None:
        assert isinstance(found, FrontPayError)
        assert len(f"{found!r}{found}") < 100_000
        f"{found}".encode()
        return
    try:
        repr(parse.result(row, response, uuid))
    except FrontPayError as error:
        f"{error}".encode()


def headers(data: bytes) -> None:
    """The headers that the client reads."""
    values = data.decode("latin-1").split("\n")
    names = ("retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "date")
    said = dict(zip(names, values, strict=False))
    wait = retry_after(said)
    assert wait is None or wait >= 0
    quota = read_quota(said)
    assert quota is None or quota.count >= 0


def callback(data: bytes) -> None:
    """The query of a callback."""
    for read in (parse_callback, lambda query: verify_checksum(query, "secret")):
        try:
            repr(read(data))
        except CallbackError as error:
            assert len(str(error)) < 1000  # noqa: PT017


def _file(read: Callable[[Path], object], data: bytes) -> None:
    path = _FOLDER / "orders"
    path.write_bytes(data)
    try:
        read(path)
    except InvalidFileError as error:
        assert len(str(error)) < 1_000_000  # noqa: PT017


def csv(data: bytes) -> None:
    """A file of comma-separated values."""
    _file(lambda path: list(read_csv(path, kind="invoice")), data)


def jsonl(data: bytes) -> None:
    """A file of JSON lines."""
    _file(lambda path: list(read_jsonl(path, kind="invoice")), data)


def snapshot(data: bytes) -> None:
    """The snapshot of watches."""
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(plain, dict):
        return
    try:
        _CLIENT.watch.restore(plain)
    except ValueError:
        return


def journal_row(data: bytes) -> None:
    """The content of a row of the journal, by its kind's first byte."""
    names = sorted(payload._BY_OPERATION)
    if not data:
        return
    try:
        repr(payload.read(names[data[0] % len(names)], data[1:]))
    except ValueError:
        return


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "answer": answer,
    "headers": headers,
    "callback": callback,
    "csv": csv,
    "jsonl": jsonl,
    "snapshot": snapshot,
    "journal_row": journal_row,
}


def escaped(target: str, data: bytes) -> str | None:
    """Return the traceback of an error that is not documented for what the target reads, or None."""
    try:
        TARGETS[target](data)
    except AssertionError:
        raise
    except Exception:  # noqa: BLE001 - whatever else comes out is what is looked for
        return traceback.format_exc()
    return None
