"""The physical lines of a file: numbered, decoded, limited in length, with a running digest.

Lines end with LF or CRLF, or with CR if the first line does. An unusable line is reported and returned empty,
so that the reader continues and finds further violations. The running digest proves, line by line, that the
second pass reads what the first one validated.
"""

from __future__ import annotations

import codecs
import hashlib
from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from typing import BinaryIO

    from frontpay_async.order_files.violations import ViolationLog

LONGEST_LINE = 1 << 20
"""The maximum length of a line, in bytes."""

_SAMPLE = 1 << 16
_AS_UTF_16 = "begins like UTF-16; save the file as UTF-8"
_STARTS = {
    codecs.BOM_UTF16_LE: _AS_UTF_16,
    codecs.BOM_UTF16_BE: _AS_UTF_16,
    b"PK\x03\x04": "is a workbook (such as .xlsx) or an archive, not text; export the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "is a workbook (.xls), not text; export the sheet as CSV UTF-8",
    b"\x1f\x8b": "is compressed (gzip); unpack the file",
}
"""What is wrong with a file that begins so."""


def codec_of(encoding: str) -> str:
    """Return the codec that can decode single lines."""
    try:
        name = codecs.lookup(encoding).name
        fits = "a\nb".encode(name).endswith(b"a\nb")
    except (LookupError, TypeError, ValueError):
        fits, name = False, encoding
    if not fits:
        raise ConfigurationError(f"{encoding} is not an encoding with LF line ends; use utf-8 or cp1252")
    # A byte order mark occurs only at the beginning of a file; it is removed there for all encodings.
    return "utf-8" if name == "utf-8-sig" else name


def _unix_end(line: str) -> str:
    return f"{line[:-1]}\n" if line.endswith("\r") else line


@define
class Lines:
    """A file, read line by line.

    Args:
        source: The file, opened for reading bytes.
        codec: The result of ``codec_of``.
        log: Collects the violations.
        number: The number of the last line.
    """

    source: BinaryIO = field(repr=False)
    codec: str
    log: ViolationLog = field(repr=False)
    number: int = 0
    _ends_with_cr: bool | None = None
    _rest: bytes = field(default=b"", repr=False)
    _again: deque[str] = field(factory=deque[str], repr=False)
    _digest: hashlib.blake2b = field(factory=lambda: hashlib.blake2b(digest_size=8), repr=False)

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        if self._again:
            self.number += 1
            return self._again.popleft()
        raw = self._readline()
        if not raw:
            raise StopIteration
        self._digest.update(raw)
        self.number += 1
        if self.number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        return self._text(raw)

    def _readline(self) -> bytes:
        if self._ends_with_cr is None:
            self._rest = self.source.read(_SAMPLE)
            self._ends_with_cr = b"\r" in self._rest and b"\n" not in self._rest
        if not self._rest and not self._ends_with_cr:
            return self.source.readline(LONGEST_LINE)
        end = b"\r" if self._ends_with_cr else b"\n"
        while end not in self._rest and len(self._rest) < LONGEST_LINE:
            more = self.source.read(_SAMPLE) if self._ends_with_cr else self.source.readline(LONGEST_LINE)
            self._rest += more
            if not more:
                break
        cut = self._rest.find(end) + 1 or len(self._rest)
        line, self._rest = self._rest[: min(cut, LONGEST_LINE)], self._rest[min(cut, LONGEST_LINE) :]
        return line

    def push_back(self, lines: list[str]) -> None:
        """Push lines back, to be read again."""
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)

    def digest(self) -> int:
        """Return the digest of all bytes read so far."""
        return int.from_bytes(self._digest.digest())

    def _text(self, raw: bytes) -> str:
        if len(raw) == LONGEST_LINE and not raw.endswith((b"\n", b"\r")):
            self._skip_rest()
            self.log.add(self.number, "", f"is longer than {LONGEST_LINE} bytes")
            return ""
        wrong = [what for start, what in _STARTS.items() if self.number == 1 and raw.startswith(start)]
        if wrong:
            self.log.add(1, "", wrong[0])
            self._skip_all()
            return ""
        if b"\0" in raw:
            self.log.add(self.number, "", "has a NUL byte: the file is damaged or not text")
            return ""
        try:
            return _unix_end(raw.decode(self.codec))
        except UnicodeDecodeError:
            demand = f"is not {self.codec} text; pass another encoding, such as cp1252"
            self.log.add(self.number, "", demand)
        return raw.decode(self.codec, "replace")

    def _skip_rest(self) -> None:
        while chunk := self._readline():
            self._digest.update(chunk)
            if chunk.endswith((b"\n", b"\r")):
                return

    def _skip_all(self) -> None:
        self._digest.update(self._rest)
        self._rest = b""
        while chunk := self.source.read(LONGEST_LINE):
            self._digest.update(chunk)
