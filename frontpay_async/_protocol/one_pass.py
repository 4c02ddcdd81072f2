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

    def _each(self, rows: Sequence[object]) -> tuple[list[str], list[Json]]:
        texts: list[str] = []
        picked: list[Json] = []
        for row in rows:
            text, members = self[type(row)](row)
            texts.append(text)
            picked.append(members)
        if not texts:
            raise UnusualBody
        return texts, picked


_BEGIN = """\
def write(holder):
    members = {}
"""
# A required value is written where the text is put together; if it is missing, `other` raises.
_REQUIRED_LEAF = """\
    v{n} = members[{name!r}] = {read}
"""
_LEAF = """\
    v{n} = {read}
    if v{n} is not None:
        members[{name!r}] = v{n}
        t{n} = {label!r} + ({written})
"""
_BRANCH = """\
    v{n} = {read}
    if v{n} is not None:
        text, members[{name!r}] = {write}(v{n})
        t{n} = {label!r} + text
"""
_ABSENT = """\
    else:
        t{n} = {absent}
"""
# An empty object is omitted.
_END = """\
    text = f'''{texts}'''
    if not text:
        raise UnusualBody
    return f"{{{{{{text[1:]}}}}}}", members
"""
# Blank text is omitted.
_IS_TEXT = "type({v}) is str and {v} and not {v}.isspace()"
# As number_text, without a call for the numbers that begin with a digit and have no exponent.
_NUMBER = """(t if "0" <= (t := str({v})) < ":" and "-" not in t and "+" not in t else number_text({v}))"""
_USUAL = {
    BOOLEAN: "'true' if {v} is True else 'false' if {v} is False",
    NUMERIC: f"{_NUMBER} if type({{v}}) is Decimal else str({{v}}) if type({{v}}) is int",
    NUMERIC_TEXT: f"'\"' + {_NUMBER} + '\"' if type({{v}}) is Decimal",
    TEXT: f"encode({{v}}) if {_IS_TEXT}",
}
# True may equal a choice that it is not.
_CHOICE = "{choices}[{v}] if isinstance({v}, text_or_int) and {v} in {choices} and type({v}) is not bool"


def _compiled(fields: tuple[Field, ...], cls: type[object]) -> _Writer:
    names: dict[str, object] = {
        "Decimal": Decimal,
        "UnusualBody": UnusualBody,
        "encode": encode_basestring,
        "number_text": number_text,
        "text_or_int": (str, int),
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

    source, texts = [_BEGIN], ""
    for n, member in enumerate(fields):
        v, label = f"v{n}", f',"{member.name}":'
        named = {"n": n, "name": member.name, "label": label, "read": read(member.name)}
        siblings = [each for each in (member.unless, member.along_with, *(member.when or ())[:1]) if each]
        is_required = not siblings and bool(check(Rules((member,)), {}))
        if member.fields:
            source.append(_BRANCH.format(write=_branch(member, name_of, v), **named))
        else:
            written = f"{_usual(member, name_of, v)} else {name_of('other', _other(member))}({v})"
            if is_required:
                source.append(_REQUIRED_LEAF.format(**named))
                texts += f"{label}{{{written}}}"
                continue
            source.append(_LEAF.format(written=written, **named))
        absent = "''"
        if siblings or is_required:
            given = ", ".join(f"{name!r}: {read(name)}" for name in siblings)
            absent = f"{name_of('absent', _absent(member))}({{{given}}})"
        source.append(_ABSENT.format(n=n, absent=absent))
        texts += f"{{t{n}}}"
    source.append(_END.format(texts=texts))
    exec("".join(source), names)  # noqa: S102 - made of the table alone
    return cast("_Writer", names["write"])


def _branch(member: Field, name_of: Callable[[str, object], str], v: str) -> str:
    """Return the expression of the function that writes an object or a list of objects."""
    writers = _Writers(member.fields)
    if member.kind is KEYED_ROWS:
        return name_of("write", writers.keyed_rows)
    if member.kind is ROWS:
        return name_of("write", writers.rows)
    return f"{name_of('writers', writers)}[type({v})]"


def _absent(member: Field) -> Callable[[JsonObject], str]:
    """Return the function that writes a member that is not there, given its siblings."""

    def write(siblings: JsonObject) -> str:
        if member.fields or absence(member, siblings, "") is not None:
            raise UnusualBody
        return ""

    return write


def _usual(member: Field, name_of: Callable[[str, object], str], v: str) -> str:
    """Return the expression that writes a usual value, up to its else."""
    kind = member.kind
    if kind.choices:
        choices = {choice: write_exact(choice) for choice in kind.choices}
        return _CHOICE.format(choices=name_of("choices", choices), v=v)
    usual = _USUAL.get(kind) or f"{_USUAL[TEXT]} and {name_of('accepts', kind.accepts)}({{v}})"
    return usual.format(v=v)


def _other(member: Field) -> Callable[[object], str]:
    accepts = member.kind.accepts

    def write(value: object) -> str:
        written = on_the_wire(member, value)
        if is_missing(written) or not accepts(written):
            raise UnusualBody
        return write_exact(written)

    return write
