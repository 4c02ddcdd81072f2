"""Parsing of cells: numbers, dates, and artefacts of spreadsheets. Pure."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING

from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.assemble import read_date, read_number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo
    from decimal import Decimal

# Invisible characters: zero-width spaces and joiners, byte order marks, directions, soft hyphens.
_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
    " \t\u00a0"
)
# White space and invisible characters may surround a text in any order.
_AROUND = _INVISIBLE + "".join(filter(str.isspace, map(chr, range(0x3001))))
# Within a text, joiners are significant.
_WITHIN = dict.fromkeys(map(ord, set(_INVISIBLE) - set("\u200c\u200d \t\u00a0")))
_FORMULA = re.compile(r'=(""?)(.*)\1', re.DOTALL)
# Spreadsheets mark digits as text with an apostrophe.
_MARKED = re.compile(r"'[+\d][\d ]*", re.ASCII)
_ERROR = re.compile(
    r"#(?:N/A|I/T|REF!|REFERANSE!|VALUE!|VERDI!|DIV/0!|NAME\?|NAVN\?|NULL!|NUM!|SPILL!|OVERFLYT!|CALC!|BEREGN!"
    r"|FIELD!|FELT!|BLOCKED!|BLOKKERT!|CONNECT!|GETTING_DATA|#+)",
)
MISSING = frozenset({"nan", "NaN", "NaT", "<NA>", "NULL", "null", "None", "N/A", "n/a"})
_MISSING_DEMAND = "is a placeholder for a missing value: leave the cell empty"
# 4E7 may be a code; with a fraction or a plus sign it is a number.
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+[Ee]\+?|[Ee]\+)\d{1,3}", re.ASCII)
_FRACTION = re.compile(r"\+?\d+[.,]0+", re.ASCII)
# What programs make of whole numbers if other cells of the column are empty; "2.0" may be a key.
_FLOAT = re.compile(r"\d{3,}[.,]0", re.ASCII)
_SPACES = " \u00a0\u2009\u202f"
_CURRENCY = re.compile(rf"(?:kr\.?|NOK)[{_SPACES}]*|[{_SPACES}]*(?:kr\.?|NOK|,-)\Z", re.IGNORECASE)
_GROUPED = rf"[+-]?(?:\d+|\d{{1,3}}(?:[{_SPACES}]\d{{3}})+)"
_NUMBERS = {sign: re.compile(rf"{_GROUPED}(?:[{sign}]\d+)?", re.ASCII) for sign in ".,"}
# If the decimal sign of a file is known, the other sign may separate thousands.
_FOUND_NUMBERS = {
    sign: re.compile(
        rf"{_GROUPED}(?:[{sign}]\d+)?|[+-]?\d{{1,3}}(?:[{other}]\d{{3}})+[{sign}]\d+"
        rf"|[+-]?\d{{1,3}}(?:[{other}]\d{{3}}){{2,}}",
        re.ASCII,
    )
    for sign, other in ((".", ","), (",", "."))
}
_ANY_NUMBER = re.compile(rf"[+-]?\d[\d.,{_SPACES}]*", re.ASCII)
_TIME = r"(?:[T ](?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?)?"
_TOKENS = (
    (r"yyyy|YYYY|%Y", r"(?P<year>\d{4})"),
    (r"yy|YY|%y", r"(?P<short>\d{2})"),
    (r"mm?|MM?|%m", r"(?P<month>\d{1,2})"),
    (r"dd?|DD?|%d", r"(?P<day>\d{1,2})"),
)
_TOKEN = re.compile("|".join(f"({token})" for token, _ in _TOKENS))


def clean(cell: str) -> str:
    """Return a cell's text without invisible characters; ``="0155"`` is 0155."""
    text = cell.strip()
    if not text.isascii():
        text = text.strip(_AROUND)
    if text.startswith("'") and _MARKED.fullmatch(text):
        return text[1:].strip()
    formula = _FORMULA.fullmatch(text) if text.startswith('="') else None
    return text if formula is None else formula[2].replace('""', '"').strip()


def visible(text: str) -> str:
    """Return a text without invisible characters."""
    return text if text.isascii() else text.translate(_WITHIN)


def damage(text: str, *, is_text: bool, is_digits: bool = False) -> str | None:
    """Return the requirement if a program has replaced a cell's value; otherwise None."""
    if text[:1].isalpha():
        return _MISSING_DEMAND if is_text and text in MISSING else None
    if text.startswith("#") and _ERROR.fullmatch(text):
        return "is a spreadsheet error: correct or clear the cell, and export the file again"
    if is_text and text in MISSING:
        return _MISSING_DEMAND
    if is_text and _SCIENTIFIC.fullmatch(text):
        return (
            "was changed by the spreadsheet (to a number such as 4E+07): format the column as text,"
            " enter the value again, and export the file again"
        )
    return _damage_of_digits(text) if is_digits else None


def _damage_of_digits(text: str) -> str | None:
    if text.startswith("="):
        return "is a formula, not its value: export the file again with values"
    if _FRACTION.fullmatch(text):
        return "was written as a number with a fraction, such as 155.0: export the column as text"
    return None


def damage_of_key(text: str) -> str | None:
    """Return the requirement if a program has replaced a key: 1001 and 1001.0 would be two orders."""
    if _FLOAT.fullmatch(text):
        return "was written as a number with a fraction, such as 1001.0: export the column as text"
    return damage(text, is_text=True)


def read_amount(text: str, sign: str, *, is_found: bool, is_percent: bool) -> Decimal | None:
    """Read a number; None if there is none, or if thousands and decimals cannot be distinguished."""
    plain = _bare(text, is_percent=is_percent)
    if (_FOUND_NUMBERS if is_found else _NUMBERS)[sign].fullmatch(plain) is None:
        return None
    for each in (*_SPACES, "." if sign == "," else ","):
        plain = plain.replace(each, "")
    return read_number(plain.replace(",", "."))


def _bare(text: str, *, is_percent: bool) -> str:
    plain = text.replace("\u2212", "-")
    if is_percent:
        plain = plain.removesuffix("%").rstrip()
    return plain if plain[:1].isdigit() and plain[-1:].isdigit() else _CURRENCY.sub("", plain)


def decimal_sign(text: str) -> str:
    """Return the decimal sign of a number: ``?`` if ambiguous, empty if there is none."""
    plain = _bare(text, is_percent=True)
    if _ANY_NUMBER.fullmatch(plain) is None:
        return ""
    for space in _SPACES:
        plain = plain.replace(space, "")
    if "." in plain and "," in plain:
        return max(".,", key=plain.rfind)
    for sign, other in ((".", ","), (",", ".")):
        before, found, after = plain.partition(sign)
        if found:
            if sign in after:
                return other
            whole = before.lstrip("+-")
            is_group = len(after) == 3 and 1 <= len(whole) <= 3 and whole != "0"  # noqa: PLR2004 - a thousand
            return "?" if is_group else sign
    return ""


def decimal_of(texts: Iterable[str]) -> tuple[str, bool]:
    """Return the decimal sign of a file's numbers, and whether any of them shows it."""
    # A point if they have both signs, or neither.
    is_comma = False
    for sign in map(lru_cache(4096)(decimal_sign), texts):
        if sign == ".":
            return ".", True
        is_comma = is_comma or sign == ","
    return ("," if is_comma else "."), is_comma


def day_pattern(form: str) -> re.Pattern[str]:
    """Compile a date format such as ``dd.mm.yyyy`` or ``%d.%m.%Y``."""
    pieces: list[str] = []
    end = 0
    for found in _TOKEN.finditer(form):
        pieces += [re.escape(form[end : found.start()]), _TOKENS[(found.lastindex or 1) - 1][1]]
        end = found.end()
    pieces.append(re.escape(form[end:]))
    try:
        pattern = re.compile("".join(pieces) + _TIME, re.ASCII)
    except re.error:  # a part that occurs twice
        pattern = None
    parts = set[str]() if pattern is None else set(pattern.groupindex) - {"hour", "minute", "second"}
    if pattern is None or parts not in ({"day", "month", "year"}, {"day", "month", "short"}):
        raise ConfigurationError(
            f"the date format {form!r} must contain day, month and year once each, such as dd.mm.yyyy"
        )
    return pattern


# A date with points always has the order day, month, year.
_DOTTED = day_pattern("dd.mm.yyyy")


def read_cell_date(text: str, pattern: re.Pattern[str] | None, zone: tzinfo | None) -> date | None:
    """Read a date, or a time with a zone; None if there is none."""
    found = pattern.fullmatch(text) if pattern is not None else None
    found = found or _DOTTED.fullmatch(text)
    if found is None:
        moment = read_date(text, zone)
        if moment is None and text[10:] in ("T00:00", " 00:00", "T00:00:00", " 00:00:00"):
            return read_date(text[:10], zone)
        return moment
    parts = found.groupdict()
    year = int(parts["year"]) if parts.get("year") else 2000 + int(parts["short"])
    try:
        day = date(year, int(parts["month"]), int(parts["day"]))
        if parts["hour"] is None:
            return day
        clock = time(int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0))
    except ValueError:
        return None
    if zone is None:
        return day if clock == time() else None
    return datetime.combine(day, clock, zone)
