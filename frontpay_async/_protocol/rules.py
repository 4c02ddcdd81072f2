"""Validation of bodies: kinds of values, rules for fields, and the traversal of a body. Pure.

The rules have three users: ``build`` validates requests, the codec sends only the fields in the rules, and
the sandbox validates what it receives. The rules are tables in the files of ``operations``.

A field counts as missing when it is null, blank text, or an empty list or object, as for Laravel.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frontpay_async._exact_json import Json, JsonObject

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ
BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ
DE DJ DK DM DO DZ
EC EE EG EH ER ES ET
FI FJ FK FM FO FR
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY
HK HM HN HR HT HU
ID IE IL IM IN IO IQ IR IS IT
JE JM JO JP
KE KG KH KI KM KN KP KR KW KY KZ
LA LB LC LI LK LR LS LT LU LV LY
MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ
NA NC NE NF NG NI NL NO NP NR NU NZ
OM
PA PE PF PG PH PK PL PM PN PR PS PT PW PY
QA
RE RO RS RU RW
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ
TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ
UA UG UM US UY UZ
VA VC VE VG VI VN VU
WF WS
YE YT
ZA ZM ZW
"""
COUNTRY_CODES = frozenset(_CODES.split())


_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_is_plain_number = _NUMBER.fullmatch
_DIGITS = re.compile(r"\d+", re.ASCII)
_ELEVEN_DIGITS = re.compile(r"\d{11}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DAY = re.compile(
    r"\d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec), (?:19[7-9]\d|[2-9]\d{3})", re.ASCII
)
# Nearly all URLs; taking one apart costs ten times as much.
_PLAIN_ORIGIN = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(?::[0-9]{1,4})?/")
_NOT_IN_URL = re.compile(r"[\s\x00-\x1f\x7f<>\"\\^`{|}]")


@frozen(eq=False, repr=False)
class Kind:
    """The kind of value that a field requires.

    Args:
        code: The rule's name in Laravel, from which the sandbox derives its sentences.
        accepts: Returns whether a value is valid.
        demand: The requirement in words, to follow the field's path.
        choices: The allowed values; empty if not limited.
        longest: The documented length in characters; None if there is none.
    """

    code: str
    accepts: Callable[[Json], bool]
    demand: str
    choices: tuple[str | int, ...] = ()
    longest: int | None = None


class Presence(Enum):
    """Whether a field is required, independently of its siblings."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@frozen
class Field:
    """The rules for one member of an object.

    Args:
        name: The member's name on the wire.
        kind: What its value must be.
        presence: Whether it is required.
        unless: It is required if this sibling is missing.
        along_with: It is required if this sibling is present.
        when: It is required if this sibling has this value.
        fields: The members of the object, or of each object in the list.
    """

    name: str
    kind: Kind
    presence: Presence = Presence.OPTIONAL
    unless: str | None = field(default=None, kw_only=True)
    along_with: str | None = field(default=None, kw_only=True)
    when: tuple[str, str] | None = field(default=None, kw_only=True)
    fields: tuple[Field, ...] = field(default=(), kw_only=True)


@frozen
class Breach:
    """One violated rule.

    Args:
        path: The wire path.
        code: The rule's name.
        demand: The requirement.
        other: The wire path of the other field that a conditional rule looks at.
        value: The other field's value that a conditional rule looks for.
    """

    path: str
    code: str
    demand: str
    other: str | None = None
    value: str | None = None


@frozen(eq=False, repr=False)
class Rules:
    """All rules for one body.

    Args:
        fields: The members of the body.
        across: Rules that involve distant fields.
        totals: Cross-checks of amounts, which the reference does not require.
    """

    fields: tuple[Field, ...]
    across: tuple[Callable[[JsonObject], Iterator[Breach]], ...] = ()
    totals: tuple[Callable[[JsonObject], Iterator[Breach]], ...] = ()


def check(rules: Rules, body: JsonObject) -> list[Breach]:
    """List all violated rules, in the order of the tables."""
    breaches: list[Breach] = []
    _check_members(rules.fields, body, "", breaches)
    for rule in rules.across:
        breaches.extend(rule(body))
    return breaches


def check_totals(rules: Rules, body: JsonObject) -> list[Breach]:
    """List the contradictions between the amounts of a body."""
    return [breach for cross_check in rules.totals for breach in cross_check(body)]


def _check_members(
    fields: tuple[Field, ...], holder: JsonObject, prefix: str, breaches: list[Breach]
) -> None:
    for member in fields:
        value, kind = holder.get(member.name), member.kind
        # A fast path for text that is present, which is nearly all values.
        if isinstance(value, str) and value and not value.isspace():
            if not kind.accepts(value):
                breaches.append(Breach(prefix + member.name, kind.code, kind.demand))
            elif not (value.isascii() or _is_encodable(value)):
                breaches.append(Breach(prefix + member.name, TEXT.code, "must be valid Unicode text"))
        elif value is None or is_missing(value):
            breach = absence(member, holder, prefix)
            if breach is not None:
                breaches.append(breach)
            if kind is OBJECT:
                # The tables contain leaves: a missing callback is reported as callback.callbackUrl.
                _check_members(member.fields, {}, f"{prefix}{member.name}.", breaches)
        elif not kind.accepts(value):
            breaches.append(Breach(prefix + member.name, kind.code, kind.demand))
        elif member.fields:
            _check_nested(member, value, prefix + member.name, breaches)


def _check_nested(member: Field, value: Json, path: str, breaches: list[Breach]) -> None:
    if member.kind in (OBJECT, OPTIONAL_OBJECT) and isinstance(value, dict):
        _check_members(member.fields, value, f"{path}.", breaches)
        return
    for index, row in _rows(value):
        if isinstance(row, dict):
            _check_members(member.fields, row, f"{path}.{index}.", breaches)
        else:
            breaches.append(Breach(f"{path}.{index}", OBJECT.code, OBJECT.demand))


def is_missing(value: Json) -> bool:
    """Return whether a value counts as missing."""
    return value is None or (isinstance(value, (str, list, dict)) and (not value or _is_blank(value)))


def _is_blank(value: Json) -> bool:
    return isinstance(value, str) and value.isspace()


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def absence(member: Field, holder: JsonObject, prefix: str) -> Breach | None:
    """Return the breach of a member that is missing, if it is one."""
    if member.presence is Presence.REQUIRED:
        return Breach(prefix + member.name, "required", "is required")
    if member.unless is not None and is_missing(holder.get(member.unless)):
        other = prefix + member.unless
        return Breach(prefix + member.name, "required_without", f"is required unless {other} is given", other)
    if member.along_with is not None and not is_missing(holder.get(member.along_with)):
        other = prefix + member.along_with
        return Breach(prefix + member.name, "required_with", f"is required together with {other}", other)
    if member.when is not None and holder.get(member.when[0]) == member.when[1]:
        other, value = prefix + member.when[0], member.when[1]
        return Breach(
            prefix + member.name, "required_if", f"is required when {other} is {value}", other, value
        )
    return None


def _rows(value: Json) -> list[tuple[str, Json]]:
    """Return the rows of a list, or of an object as the terminal route has it, with their keys."""
    if isinstance(value, dict):
        return list(value.items())
    return [(str(index), row) for index, row in enumerate(value)] if isinstance(value, list) else []


def _is_number(value: Json) -> bool:
    if isinstance(value, str):
        return _is_plain_number(value) is not None or _is_plain_number(value.strip()) is not None
    if isinstance(value, Decimal):
        return value.is_finite()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_url(value: Json) -> bool:
    if not isinstance(value, str) or _NOT_IN_URL.search(value):
        return False
    if _PLAIN_ORIGIN.match(value):
        return True
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port >= 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_is_valid


def _is_date(value: Json) -> bool:
    return isinstance(value, str) and (
        _DIGITS.fullmatch(value) is not None or _DAY.fullmatch(value) is not None
    )


def _matches(pattern: re.Pattern[str]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def one_of(*choices: str | int) -> Kind:
    """Return the kind of a value from a set of strings or numbers."""
    spelled = frozenset(map(str, choices))
    *most, last = map(str, choices)
    demand = f"must be {', '.join(most)} or {last}" if most else f"must be {last}"
    return Kind(
        "in",
        lambda value: isinstance(value, (str, int)) and not isinstance(value, bool) and str(value) in spelled,
        demand,
        choices=choices,
    )


def text_of_at_most(length: int) -> Kind:
    """Return the kind of a string with a documented maximum length."""
    return Kind(
        "max",
        lambda value: isinstance(value, str) and len(value) <= length,
        f"must be text of at most {length} characters",
        longest=length,
    )


TEXT = Kind("string", lambda value: isinstance(value, str), "must be text")
NUMERIC = Kind("numeric", _is_number, "must be a number")
"""A number; written as a JSON number."""
NUMERIC_TEXT = Kind("numeric", _is_number, "must be a number")
"""A number that the API has only been observed to accept as a string."""
BOOLEAN = Kind("boolean", lambda value: isinstance(value, bool), "must be true or false")
EMAIL = Kind("email", _matches(_EMAIL), "must be an e-mail address")
URL = Kind("url", _is_url, "must be an absolute http or https URL")
DIGITS = Kind("digits_only", _matches(_DIGITS), "must contain only digits, without spaces")
ELEVEN_DIGITS = Kind(
    "digits",
    lambda value: isinstance(value, str) and _ELEVEN_DIGITS.fullmatch(value) is not None,
    "must be exactly 11 digits, without spaces",
)
COUNTRY = Kind(
    "country",
    lambda value: isinstance(value, str) and value in COUNTRY_CODES,
    "must be an assigned ISO 3166-1 alpha-2 country code, such as NO",
)
DATE = Kind("date", _is_date, "must be a date from 1970 on")
UNIX_DATE = Kind("date", _is_date, "must be a date from 1970 on")
DAY_DATE = Kind("date", _is_date, "must be a date from 1970 on")
ROWS = Kind("array", lambda value: isinstance(value, (list, dict)), "must be a list of objects")
KEYED_ROWS = Kind("array", lambda value: isinstance(value, (list, dict)), "must be an object of objects")
OBJECT = Kind("array", lambda value: isinstance(value, dict), "must be an object")
"""An object whose required members are required even if it is missing."""
OPTIONAL_OBJECT = Kind("array", lambda value: isinstance(value, dict), "must be an object")
"""An object whose required members are required if it is present."""
TEXTS = Kind(
    "array",
    lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "must be a list of texts",
)
WHOLE = Kind(
    "integer", lambda value: isinstance(value, int) and not isinstance(value, bool), "must be a whole number"
)
