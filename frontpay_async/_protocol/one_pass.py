"""A fast path that selects, validates and writes an ordinary body in one pass. Pure.

*Model*: nearly all bodies have plain values and no violation. The general way has three passes: ``codec``
selects the members in the rules, ``rules.check`` validates them, and ``write_exact`` writes them. For an
ordinary body, functions that are generated from the rules do all three in one pass. As attrs does for its
classes, their source is compiled once, at first use: one function for each object and class of its value.

*Guarantee*: the pass writes exactly the output of the three passes, or raises ``UnusualBody``, and the three
passes take over. It never reports a violation itself; a property test compares the two.

*Cost*: a second way to write a body, which takes half the time of the three passes, and a few milliseconds
for the first body of each kind.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from frontpay_async._exact_json import number_text, write_exact
from frontpay_async._protocol.codec import attributes, on_the_wire
from frontpay_async._protocol.rules import (
    BOOLEAN,
    KEYED_ROWS,
    NUMERIC,
    NUMERIC_TEXT,
    ROWS,
    TEXT,
    Rules,
    absence,
    check,
    is_missing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.rules import Field

    # A function from an object to its JSON text, and to its members as the rules across fields read them:
    # with a Decimal for each number.
    _Writer: TypeAlias = Callable[[Any], tuple[str, JsonObject]]


class UnusualBody(Exception):  # noqa: N818 - a signal to build, not an error
    """An exception for a body that the fast path cannot write."""


@cache
def one_pass(rules: Rules) -> Callable[[dict[str, object]], tuple[str, JsonObject]]:
    """Return the fast path for bodies with these rules."""
    return _Writers(rules.fields)[dict]


class _Writers(dict[type[object], "_Writer"]):
    """The writers of an object, by the class of its value; those of ``dict`` read its members."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        super().__init__()
        self.fields = fields

    def __missing__(self, cls: type[object]) -> _Writer:
        writer = self[cls] = _compiled(self.fields, cls)
        return writer

    def rows(self, rows: Sequence[object]) -> tuple[str, Json]:
        """Write a list of objects."""
        texts, picked = self._each(rows)
        return f"[{','.join(texts)}]", picked

    def keyed_rows(self, rows: Sequence[object]) -> tuple[str, Json]:
        """Write a list of objects as an object with their numbers as names."""
        texts, picked = self._each(rows)
        return "{" + ",".join([f'"{key}":{text}' for key, text in enumerate(texts)]) + "}", picked

    def _each(self, rows: Sequence[object]) -> tuple[tuple[str, ...], list[Json]]:
        if not rows:
            raise UnusualBody
        texts, picked = zip(*[self[type(row)](row) for row in rows], strict=True)
        return texts, list(picked)


_BEGIN = """\
def write(holder):
    parts, picked = [], {}
    add = parts.append
"""
_LEAF = """\
    value = {read}
    if value is not None:
        add({label!r} + ({usual} else {other}(value)))
        picked[{name!r}] = value
"""
_BRANCH = """\
    value = {read}
    if value is not None:
        text, picked[{name!r}] = {write}(value)
        add({label!r} + text)
"""
_REQUIRED = """\
    else:
        raise UnusualBody
"""
_CONDITIONAL = """\
    elif {is_required}({siblings}):
        raise UnusualBody
"""
# An empty object is omitted.
_END = """\
    if not parts:
        raise UnusualBody
    return "{" + ",".join(parts) + "}", picked
"""
# Blank text is omitted.
_IS_TEXT = "type(value) is str and value and not value.isspace()"
_USUAL = {
    BOOLEAN: "'true' if value is True else 'false' if value is False",
    NUMERIC: "number_text(value) if type(value) is Decimal",
    NUMERIC_TEXT: "'\"' + number_text(value) + '\"' if type(value) is Decimal",
    TEXT: f"encode(value) if {_IS_TEXT}",
}
# True may equal a choice that it is not.
_CHOICE = (
    "{choices}[value] if isinstance(value, (str, int)) and value in {choices} and type(value) is not bool"
)


def _compiled(fields: tuple[Field, ...], cls: type[object]) -> _Writer:
    names: dict[str, object] = {
        "Decimal": Decimal,
        "UnusualBody": UnusualBody,
        "encode": encode_basestring,
        "number_text": number_text,
    }

    def name_of(kind: str, used: object) -> str:
        name = f"{kind}_{len(names)}"
        names[name] = used
        return name

    attribute = {} if cls is dict else attributes(cls)

    def read(name: str) -> str:
        if cls is dict:
            return f"holder.get({name!r})"
        return f"holder.{attribute[name]}" if name in attribute else "None"

    source = [_BEGIN]
    for member in fields:
        named = {"read": read(member.name), "name": member.name, "label": f'"{member.name}":'}
        if member.fields:
            source.append(_BRANCH.format(write=name_of("write", _branch(member)), **named))
        else:
            usual = _usual(member, name_of)
            source.append(_LEAF.format(usual=usual, other=name_of("other", _other(member)), **named))
        siblings = [each for each in (member.unless, member.along_with, *(member.when or ())[:1]) if each]
        if siblings:
            members = ", ".join(f"{name!r}: {read(name)}" for name in siblings)
            is_required = name_of("is_required", _is_required(member))
            source.append(_CONDITIONAL.format(is_required=is_required, siblings=f"{{{members}}}"))
        elif check(Rules((member,)), {}):
            source.append(_REQUIRED)
    source.append(_END)
    exec("".join(source), names)  # noqa: S102 - made of the table alone
    return cast("_Writer", names["write"])


def _branch(member: Field) -> Callable[[Any], tuple[str, Json]]:
    writers = _Writers(member.fields)
    if member.kind is KEYED_ROWS:
        return writers.keyed_rows
    return writers.rows if member.kind is ROWS else lambda value: writers[type(value)](value)


def _is_required(member: Field) -> Callable[[JsonObject], bool]:
    """Return the check whether a member must be there, given its siblings."""
    return lambda siblings: bool(member.fields) or absence(member, siblings, "") is not None


def _usual(member: Field, name_of: Callable[[str, object], str]) -> str:
    """Return the expression that writes a usual value, up to its else."""
    kind = member.kind
    if kind.choices:
        choices = {choice: write_exact(choice) for choice in kind.choices}
        return _CHOICE.format(choices=name_of("choices", choices))
    return _USUAL.get(kind) or f"{_USUAL[TEXT]} and {name_of('accepts', kind.accepts)}(value)"


def _other(member: Field) -> Callable[[object], str]:
    accepts = member.kind.accepts

    def write(value: object) -> str:
        written = on_the_wire(member, value)
        if is_missing(written) or not accepts(written):
            raise UnusualBody
        return write_exact(written)

    return write
