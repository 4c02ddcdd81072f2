"""A reader for responses of the usual form that have arrived in one piece. Pure.

h11 takes a third of a request's time, most of it for what a usual response does not need. This reader accepts
a response only if all of it has arrived, nothing follows it, and every part has the one form that leaves no
choice: HTTP/1.1, lines that end in CRLF, printable ASCII, a body by one length or in plain chunks without
trailers, and a connection that stays open. Anything else is left to h11, from the first byte.

*Guarantee*: what is accepted is read exactly as h11 reads it; a property test compares them.
"""

from __future__ import annotations

import re

from attrs import frozen

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_HEAD = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) ([ -~]*)\r\n((?:" + _TOKEN + rb":[ -~]*\r\n)+)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,6})\r\n")
_LENGTH = re.compile(rb"[0-9]{1,7}")
_LAST_CHUNK = b"0\r\n\r\n"
_WITHOUT_BODY = (204, 304)


@frozen(eq=False)
class WholeResponse:
    """A response that has arrived completely."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def whole_response(data: bytes) -> WholeResponse | None:
    """Read a response to a request whose response may have a body; None if its form is not the usual one."""
    head = _HEAD.match(data)
    if head is None:
        return None
    status = int(head[1])
    headers: list[tuple[bytes, bytes]] = []
    framing: list[tuple[bytes, bytes]] = []
    for line in head[3].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        value = value.strip(b" ")
        headers.append((name, value))
        lower = name.lower()
        if lower in (b"content-length", b"transfer-encoding"):
            framing.append((lower, value))
        elif lower == b"connection" and value.lower() != b"keep-alive":
            return None
    if len(framing) != 1 or status in _WITHOUT_BODY:
        return None
    body = _body(data, head.end(), *framing[0])
    return None if body is None else WholeResponse(status, head[2], headers, body)


def _body(data: bytes, start: int, name: bytes, value: bytes) -> bytes | None:
    if name == b"content-length":
        is_whole = _LENGTH.fullmatch(value) is not None and len(data) - start == int(value)
        return data[start:] if is_whole else None
    if value != b"chunked":
        return None
    pieces: list[bytes] = []
    while not data.startswith(_LAST_CHUNK, start):
        size = _CHUNK.match(data, start)
        if size is None:
            return None
        end = size.end() + int(size[1], 16)
        if end == size.end() or not data.startswith(b"\r\n", end):
            return None
        pieces.append(data[size.end() : end])
        start = end + 2
    return b"".join(pieces) if start + len(_LAST_CHUNK) == len(data) else None
