"""The API as an OpenAPI 3.1 document, derived from the operation table, its rules and the values.

*Model*: a path for each row, and one more for each optional segment at its end; rows with the same path and
method are one operation with several bodies. Request schemas are derived from the rules, response schemas
from the values. ``x-operations`` has the properties of each row that OpenAPI cannot express: its method in
the client, its evidence, its safety, its page, and the alternative method or path if sources disagree.

*Limit*: the document contains no more than the rows. Rows whose evidence is not ``reference`` or ``recorded``
may lack rules and rejections. Responses are read tolerantly: none of their members is required, and numbers
may be strings.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import Enum
from posixpath import normpath
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast, get_args, get_origin

import attrs

from frontpay_async._protocol import codec, rules
from frontpay_async._protocol.dates import DateFormat
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async._protocol.success import STATUS_KEYS
from frontpay_async._version import __version__
from frontpay_async.settings import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._protocol.operations import Operation
    from frontpay_async._protocol.rules import Field, Rules

Schema: TypeAlias = dict[str, Any]

_BASE = "/connect"
_DAY = r"^\d{2} [A-Z][a-z]{2}, \d{4}$"
_DIGITS = r"^\d+$"
_OF_KIND: Mapping[rules.Kind, Schema] = {
    rules.TEXT: {"type": "string"},
    rules.NUMERIC: {"type": "number"},
    rules.NUMERIC_TEXT: {"type": "string", "pattern": r"^[+-]?\d+(\.\d+)?$"},
    rules.BOOLEAN: {"type": "boolean"},
    rules.EMAIL: {"type": "string", "format": "email"},
    rules.URL: {"type": "string", "format": "uri"},
    rules.DIGITS: {"type": "string", "pattern": _DIGITS},
    rules.ELEVEN_DIGITS: {"type": "string", "pattern": r"^\d{11}$"},
    rules.COUNTRY: {"type": "string", "pattern": "^[A-Z]{2}$", "description": "ISO 3166-1 alpha-2"},
    rules.UNIX_DATE: {"type": "string", "pattern": _DIGITS, "description": "Unix seconds"},
    rules.DAY_DATE: {"type": "string", "pattern": _DAY},
    rules.TEXTS: {"type": "array", "items": {"type": "string"}},
    rules.WHOLE: {"type": "integer"},
}
_OF_DATE: Mapping[DateFormat | None, Schema] = {
    DateFormat.UNIX: _OF_KIND[rules.UNIX_DATE],
    DateFormat.DAY: _OF_KIND[rules.DAY_DATE],
    None: {"type": "string"},
}
_OF_SCALAR: Mapping[type, Schema] = {
    Decimal: {"type": ["number", "string"], "description": "An exact number."},
    int: {"type": ["integer", "string"]},
    bool: {"type": "boolean"},
    str: {"type": "string"},
}
_ERRORS = {
    400: "A business rule refuses it; `message` is the code.",
    401: "The token is not valid.",
    403: "The token may not do this.",
    404: "There is no such id; or, without the envelope, no such path.",
    417: "The body breaks rules; `errors` has a sentence for each.",
    429: "Too many requests in this window of a minute; see `Retry-After`.",
    500: "It failed; whether it took effect is not known.",
    510: "It failed; `message` may say why.",
}
_LIMITS = {
    "X-RateLimit-Limit": "Requests in a window of a minute.",
    "X-RateLimit-Remaining": "Requests that are left in it.",
}


def describe(servers: Mapping[str, str] | None = None) -> Schema:
    """Return the document; servers are given as descriptions with URLs, without ``/connect``."""
    if servers is None:
        servers = {each.value: each.base_url.removesuffix(_BASE) for each in Environment}
    components: dict[str, Schema] = {}
    paths: dict[str, Schema] = {}
    named: dict[str, str] = {}
    for row in OPERATIONS.values():
        path = normpath(f"{_BASE}/{row.path}")
        # Rows may use different names for the id in a shared path.
        path = named.setdefault(re.sub(r"{\w+}", "{}", path), path)
        for steps in dict.fromkeys([(), row.steps]):
            at = paths.setdefault("/".join([path, *(f"{{{step}}}" for step in steps)]), {})
            described = _operation(row, path, steps, components)
            method = row.method.lower()
            at[method] = _both(at[method], described) if method in at else described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Front Payment Connect API",
            "version": __version__,
            "description": (
                "The API as frontpay_async knows it: not the vendor's own description. "
                "`x-operations` grades the evidence of each operation."
            ),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": url, "description": name} for name, url in servers.items()],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(row.resource for row in OPERATIONS.values())],
        "paths": paths,
        "components": {
            "headers": {
                name: {"schema": {"type": "integer"}, "description": text} for name, text in _LIMITS.items()
            },
            "responses": {
                str(status): {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in _ERRORS.items()
            },
            "schemas": {"Error": _error_schema(), **dict(sorted(components.items()))},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "x-secret": True}},
        },
    }


# Operations


def _operation(
    row: Operation[Any], path: str, steps: tuple[str, ...], components: dict[str, Schema]
) -> Schema:
    text = {"schema": {"type": "string"}}
    described: Schema = {
        "operationId": "_by_".join([row.name.replace(".", "_"), *steps]),
        "tags": [row.resource],
        "summary": row.reference,
        "x-operations": [_facts(row)],
        "parameters": [
            {"name": name, "in": "path", "required": True, **text}
            for name in (*re.findall(r"{(\w+)}", path), *steps)
        ]
        + [{"name": name, "in": "query", **text} for name in row.query],
        "responses": _responses(row, components),
    }
    if row.rules is not None:
        schema = _body_schema(row.rules, row)
        described["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _facts(row: Operation[Any]) -> Schema:
    facts: Schema = {
        "name": row.name,
        "evidence": row.evidence.value,
        "safety": row.safety.value,
        "page": row.reference,
        "codes": [*row.business_codes, *row.refusals],
        "look_at": row.look_at,
        "other_method": row.other_method,
        "other_path": row.other_path,
    }
    return {name: value for name, value in facts.items() if value}


def _both(one: Schema, other: Schema) -> Schema:
    """Return the operation of two rows that share a path and a method and differ in their bodies."""
    bodies = [_schema_in(each["requestBody"]) for each in (one, other)]
    choices = [choice for body in bodies for choice in body.get("oneOf", [body])]
    return {
        **one,
        "summary": f"{one['summary']}; {other['summary']}",
        "x-operations": one["x-operations"] + other["x-operations"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": choices}}}},
    }


def _schema_in(content: Schema) -> Schema:
    return cast("Schema", content["content"]["application/json"]["schema"])


# Requests, from the rules


def _body_schema(body: Rules, row: Operation[Any]) -> Schema:
    assert row.request is not None  # noqa: S101 - for the type checkers
    return _object(body.fields, _marks(row.request), row)


def _object(fields: tuple[Field, ...], marks: Mapping[str, Any], row: Operation[Any]) -> Schema:
    schema: Schema = {"type": "object", "properties": {}}
    required: list[str] = []
    conditions: list[Schema] = []
    for each in fields:
        mark = marks.get(each.name, {})
        is_mark = isinstance(mark, str)
        inner = _member(each, {} if is_mark else mark, row)
        if is_mark:
            inner[mark] = True
        schema["properties"][each.name] = inner
        is_needed = each.kind is rules.OBJECT and inner.get("required")
        if each.presence is rules.Presence.REQUIRED or is_needed:
            required.append(each.name)
        if each.unless is not None:
            conditions.append({"anyOf": [{"required": [each.name]}, {"required": [each.unless]}]})
        if each.along_with is not None:
            conditions.append({"dependentRequired": {each.along_with: [each.name]}})
        if each.when is not None:
            other, value = each.when
            is_so = {"properties": {other: {"const": value}}, "required": [other]}
            conditions.append({"if": is_so, "then": {"required": [each.name]}})
    if required:
        schema["required"] = required
    if conditions:
        schema["allOf"] = conditions
    return schema


def _member(member: Field, marks: Mapping[str, Any], row: Operation[Any]) -> Schema:
    kind = member.kind
    if member.fields:
        inner = _object(member.fields, marks, row)
        if kind is rules.ROWS:
            return {"type": "array", "minItems": 1, "items": inner}
        if kind is rules.KEYED_ROWS:
            return {"type": "object", "minProperties": 1, "additionalProperties": inner}
        return inner
    if kind.choices:
        return {"enum": list(kind.choices)}
    if kind.longest is not None:
        return {"type": "string", "maxLength": kind.longest}
    return dict(_OF_DATE[row.date_format] if kind is rules.DATE else _OF_KIND[kind])


def _marks(cls: type[Any]) -> dict[str, Any]:
    """Return the marks of personal and secret members of a request's value, by wire name, nested."""
    codec.resolve_types(cls)
    marks: dict[str, Any] = {}
    wired = codec.wire_names(cls)
    for each in attrs.fields(cls):
        name = wired[each.alias or each.name]
        nested = _class_in(each.type)
        mark: object = _mark(each)
        if nested is not None:
            mark = _marks(nested)
        if mark:
            _put(marks, name, mark)
    if "callbackUrl" in marks:
        # On most routes it is nested.
        _put(marks, "callback.callbackUrl", marks["callbackUrl"])
    return marks


def _put(holder: dict[str, Any], name: str, value: object) -> None:
    first, _, rest = name.partition(".")
    if rest:
        _put(holder.setdefault(first, {}), rest, value)
    elif isinstance(value, dict):
        holder[first] = {**cast("dict[str, Any]", value), **holder.get(first, {})}
    else:
        holder[first] = value


def _mark(field: attrs.Attribute[Any]) -> str | None:
    """Return the mark of a field that is masked in reprs."""
    if field.repr is True or field.name in ("extra", "unknown_fields"):
        return None
    return "x-secret" if field.name.endswith("url") else "x-personal-data"


# Responses, from the values


def _responses(row: Operation[Any], components: dict[str, Schema]) -> Schema:
    responses: Schema = {
        str(row.success): {
            "description": row.message if row.message_seen else f"{row.message} (a guess)",
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMITS},
            "content": {"application/json": {"schema": _envelope(row, components)}},
        }
    }
    for status in _ERRORS:
        if (status == 417 and row.rules is None) or (status == 400 and not row.business_codes):  # noqa: PLR2004
            continue
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return responses


def _envelope(row: Operation[Any], components: dict[str, Schema]) -> Schema:
    members: Schema = {
        "status_code": {"type": "integer"},
        "status_message": {"type": "string"},
        "message": {"type": "string", "examples": [row.message]},
        "is_data": {"type": "boolean"},
        "data": {},
    }
    result = row.result
    if result is not None and result in STATUS_KEYS:
        members[STATUS_KEYS[result]] = _of_type(result, components)
    elif result is not None:
        inner = _of_type(result, components)
        members["data"] = {"type": "array", "items": inner} if row.listed or row.paged else inner
    if row.paged:
        whole = {"type": "integer"}
        names = ("currentPage", "lastPage", "total", "perPage")
        members["metaData"] = {"type": "object", "properties": dict.fromkeys(names, whole)}
    return {"type": "object", "properties": members, "required": ["message"]}


def _of_type(kind: Any, components: dict[str, Schema]) -> Schema:  # noqa: ANN401 - an annotation
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        choices = [each for each in arguments if each is not NoneType]
        if any(isinstance(each, type) and issubclass(each, date) for each in choices):
            return {"type": ["string", "null"], "description": "A date in any of the API's forms."}
        return _or_null(_of_type(choices[0], components), NoneType in arguments)
    if origin is tuple:
        return {"type": "array", "items": _of_type(arguments[0], components)}
    if attrs.has(kind):
        if kind.__name__ not in components:
            components[kind.__name__] = {}
            components[kind.__name__].update(_value_schema(kind, components))
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    if issubclass(kind, Enum):
        # Open: the API may add values.
        return {"type": "string", "x-extensible-enum": [each.value for each in kind]}
    return dict(_OF_SCALAR[kind])


def _or_null(schema: Schema, can_be_null: bool) -> Schema:  # noqa: FBT001
    if not can_be_null:
        return schema
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    types = schema["type"]
    return {**schema, "type": [*(types if isinstance(types, list) else [types]), "null"]}


def _value_schema(cls: type[Any], components: dict[str, Schema]) -> Schema:
    codec.resolve_types(cls)
    schema: Schema = {"type": "object", "properties": {}}
    wired = codec.wire_names(cls)
    others: dict[str, list[str]] = {}
    for name, usual in codec.other_names(cls).items():
        others.setdefault(usual, []).append(name)
    for each in attrs.fields(cls):
        wire = wired.get(each.alias or each.name)
        if wire is None:
            continue
        inner = dict(_of_type(each.type, components))
        mark = _mark(each)
        if mark is not None:
            inner[mark] = True
        if wire in others:
            inner["x-other-names"] = others[wire]
        _put_property(schema, wire, inner)
    return schema


def _put_property(schema: Schema, name: str, inner: Schema) -> None:
    first, _, rest = name.partition(".")
    if rest:
        holder: Schema = schema["properties"].setdefault(first, {"type": "object", "properties": {}})
        if "$ref" in holder:
            # The object is a separate value, which has one more member here.
            holder = {"allOf": [holder, {"type": "object", "properties": {}}]}
            schema["properties"][first] = holder
        if "allOf" in holder:
            holder = holder["allOf"][1]
        _put_property(holder, rest, inner)
    else:
        schema["properties"][first] = inner


def _class_in(kind: object) -> type[Any] | None:
    """Return the value class in an annotation, if there is one."""
    for each in (kind, *get_args(kind)):
        if isinstance(each, type) and attrs.has(each):
            return each
    return None


def _error_schema() -> Schema:
    return {
        "type": "object",
        "properties": {
            "status_code": {"type": "integer"},
            "status_message": {"type": "string"},
            "message": {"type": "string", "description": "A code, or a sentence."},
            "is_error": {"type": "boolean"},
            "errors": {"description": "Sentences, an object, or nothing."},
            "is_data": {"type": "boolean"},
            "data": {},
        },
        "required": ["message"],
    }
