"""The OpenAPI document: valid, current, complete, and of one mind with the rules."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from docs import openapi
from frontpay_async import OrderStatus, RateLimit
from frontpay_async._exact_json import write_exact
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox import Sandbox
from frontpay_async.sandbox.openapi import describe
from tests.support.rule_cases import BODIES, FIELDS

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import Operation

DOCUMENT = describe()
DESCRIBED = {
    facts["name"]: {**operation, "facts": facts}
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
    for facts in operation["x-operations"]
}


def body_schema(row: Operation[Any]) -> Any:
    schema = DESCRIBED[row.name]["requestBody"]["content"]["application/json"]["schema"]
    return Draft202012Validator(schema)


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_file_is_current() -> None:
    assert openapi.FILE.read_text("utf-8") == openapi.text(), "run: python -m docs.openapi"


def test_every_operation_is_described_with_its_evidence() -> None:
    assert DESCRIBED.keys() == OPERATIONS.keys()
    for name, row in OPERATIONS.items():
        assert DESCRIBED[name]["facts"]["evidence"] == row.evidence.value
        assert DESCRIBED[name]["facts"]["safety"] == row.safety.value
        assert ("requestBody" in DESCRIBED[name]) == (row.rules is not None)


@pytest.mark.parametrize("row", BODIES, ids=lambda row: row.name)
def test_a_body_that_keeps_the_rules_fits(row: Operation[Any]) -> None:
    body = json.loads(write_exact(BODIES[row]), parse_float=float)
    schema = body_schema(row)
    assert [error.message for error in schema.iter_errors(body)] == []
    for path, case in FIELDS.get(row, {}).items():
        *holders, last = path.split(".")
        broken = json.loads(write_exact(BODIES[row]))
        holder = broken
        for name in holders:
            holder = holder[int(name) if isinstance(holder, list) else name]
        holder.pop(last, None)
        # A condition may ask for it, too.
        assert not (case.required and schema.is_valid(broken)), path
        holder[last] = {"neither": ["text", "nor number"]}
        assert not schema.is_valid(broken), path


def marked(schema: Any, mark: str) -> set[str]:
    """The names of all properties with a mark."""
    if isinstance(schema, list):
        return {name for each in schema for name in marked(each, mark)}
    if not isinstance(schema, dict):
        return set()
    properties = schema.get("properties", {})
    own = {name for name, each in properties.items() if isinstance(each, dict) and each.get(mark)}
    return own.union(*(marked(each, mark) for each in schema.values()), set())


def test_personal_data_and_secrets_are_marked() -> None:
    assert marked(DESCRIBED["orders.send_invoice"], "x-secret") == {"callbackUrl"}
    assert {"name", "email", "msisdn", "personalNumber", "street"} <= marked(
        DESCRIBED["orders.send_invoice"], "x-personal-data"
    )
    schemas = DOCUMENT["components"]["schemas"]
    assert marked(schemas["CheckoutLink"], "x-secret") == {"paymentUrl"}
    assert {"email", "personalNumber"} <= marked(schemas["Customer"], "x-personal-data")
    assert DOCUMENT["components"]["securitySchemes"]["token"]["x-secret"] is True


async def test_the_sandbox_serves_it_with_itself_as_the_server() -> None:
    async with Sandbox().serve() as url, httpx.AsyncClient() as http:
        root = httpx.URL(url).copy_with(path="/")
        served = (await http.get(root.join("/openapi.json"))).raise_for_status().json()
    assert served["servers"] == [{"url": str(url).removesuffix("/connect"), "description": "sandbox"}]
    assert served["paths"] == DOCUMENT["paths"]


async def test_a_query_has_only_the_parameters_of_its_row() -> None:
    sandbox = Sandbox()
    day = date(2031, 3, 2)
    filters: dict[str, Any] = {"phone": "1", "customer_name": "x", "start_date": day, "end_date": day}
    async with sandbox.client(rate_limit=RateLimit.unlimited()) as client:
        await client.orders.list_statuses(status=OrderStatus.PAID)
        async for _ in client.subscriptions.list(status="ONGOING", **filters):
            pass
        async for _ in client.subscriptions.list_failed(subscription_uuid="SUB1", **filters):
            pass
    asked: dict[str, set[str]] = {}
    for each in sandbox.requests:
        names = httpx.URL(each.path).params.keys()
        asked.setdefault(str(each.operation), set()).update(names)
    assert asked == {name: set(row.query) for name, row in OPERATIONS.items() if row.query}
