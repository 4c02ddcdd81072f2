"""Any instance of any public value, made from the types of its fields: a new class needs nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from hypothesis import strategies as st

import frontpay_async
from frontpay_async import OrderSummary, PartialProduct, PartialSummary, Product, callbacks
from frontpay_async._protocol.dates import read_date
from tests.support import strategies

_zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-3, minutes=-30))])
_moments = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - the zone is drawn, too
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=_zones,
)
_days = st.dates(min_value=date(1971, 1, 1))
_scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | strategies.texts | strategies.numbers
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(strategies.texts, inner, max_size=2),
    max_leaves=4,
)
_mappings = st.dictionaries(strategies.texts, _json, max_size=2)
_single_lines = strategies.products.map(
    lambda line: attrs.evolve(line, quantity=Decimal(1), discount=Decimal(0))
)
# What is not documented in a type: a reservation's lines have the quantity 1 and no discount.
_BY_CONVERTER = {"to_single_products": st.lists(_single_lines, max_size=2).map(tuple)}


def public_values() -> list[type[Any]]:
    """Every public class of values; what holds one of any class has no form of its own."""
    names = [(frontpay_async, name) for name in frontpay_async.__all__]
    names += [(callbacks, name) for name in callbacks.__all__]
    found = {getattr(module, name) for module, name in names}
    return sorted(
        (
            cls
            for cls in found
            if isinstance(cls, type)
            and attrs.has(cls)
            and cls.__module__.startswith("frontpay_async.models")
            and not hasattr(cls, "__parameters__")
        ),
        key=lambda cls: cls.__name__,
    )


def instances(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any instance of a class of values."""
    attrs.resolve_types(cls, localns={"Decimal": Decimal})
    fields = {each.alias or each.name: _of_field(each) for each in attrs.fields(cls)}
    built = st.builds(cls, **fields)
    if cls in (PartialProduct, PartialSummary):
        # One that lacks nothing is the complete class.
        needed = "tax" if cls is PartialProduct else "total_tax"
        return built.filter(lambda value: getattr(value, needed) is None)
    return built


def _of_field(field: attrs.Attribute[Any]) -> st.SearchStrategy[Any]:
    name = field.alias or field.name
    if name in ("extra", "unknown_fields"):
        return _mappings
    if name == "json":
        return _json
    special = _BY_CONVERTER.get(getattr(field.converter, "__name__", ""))
    return special if special is not None else _of_type(field.type)


def _of_type(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - a case for each kind
    arguments = get_args(kind)
    match get_origin(kind):
        case None:
            return _of_class(kind)
        case origin if origin in (Union, UnionType):
            if str in arguments and date in arguments:
                texts = strategies.texts.filter(lambda text: isinstance(read_date(text), str))
                return st.none() | _moments | _days | texts
            return st.one_of([_of_type(each) for each in arguments])
        case origin if origin is Literal:
            return st.sampled_from(arguments)
        case origin if origin is tuple:
            return st.lists(_of_type(arguments[0]), max_size=2).map(tuple)
        case origin if origin is frozenset:
            return st.frozensets(_of_type(arguments[0]), max_size=2)
        case origin if isinstance(origin, type) and issubclass(origin, Mapping):
            return st.dictionaries(strategies.texts, _of_type(arguments[1]), max_size=2)
    raise AssertionError(f"no strategy for {kind}")


def _of_class(kind: type[Any]) -> st.SearchStrategy[Any]:
    if kind is NoneType:
        return st.none()
    if issubclass(kind, Enum):
        is_open = any("_missing_" in vars(base) for base in kind.__mro__ if base.__module__ != "enum")
        other = st.sampled_from(["ON HOLD", "  odd  "]).map(kind) if is_open else st.nothing()
        return st.sampled_from(list(kind)) | other
    if kind in (Product, OrderSummary):
        return strategies.products if kind is Product else st.builds(OrderSummary.of, st.just(()))
    if attrs.has(kind):
        return st.deferred(lambda: instances(kind))
    return {
        str: strategies.texts,
        bool: st.booleans(),
        int: st.integers(-(10**12), 10**12),
        float: st.floats(allow_nan=False, allow_infinity=False),
        Decimal: strategies.numbers,
        datetime: _moments,
        date: _days | _moments,
    }[kind]
