"""The fields of a file are those of the models and the rules; the documentation lists them all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import frontpay_async
from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async._protocol.rules import Presence
from frontpay_async.order_files.columns import (
    COLUMNS,
    FIELD_OF,
    ORDER_FIELDS,
    Form,
    Group,
    Leaf,
    did_you_mean,
    field_path,
    shown_name,
    shown_title,
    words,
)
from frontpay_async.order_files.files import read_csv, read_jsonl
from frontpay_async.order_files.items import BatchOrder
from tests.support.order_files import KEYED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from frontpay_async._protocol.rules import Field

DOCS = Path(frontpay_async.__file__).parent.parent / "docs"


def test_every_kind_that_a_batch_sends_can_stand_in_a_file() -> None:
    assert {kind.order for kind in ORDER_KINDS.values()} == set(BatchOrder.__args__)


def paths(fields: Mapping[str, Leaf | Group], way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, member in fields.items():
        if isinstance(member, Group):
            yield from paths(member.fields, (*way, name))
        else:
            yield (*way, name)


def model_paths(cls: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every path of a model, by what its fields hold: nothing of the code under test is asked."""
    nested = {
        "products": frontpay_async.Product,
        "summary": frontpay_async.OrderSummary,
        "customer": frontpay_async.Customer,
        "address": frontpay_async.Address,
        "send_order_by": frontpay_async.SendOrderBy,
    }
    for field in attrs.fields(cls):
        name = field.alias or field.name
        if name in nested:
            yield from model_paths(nested[name], (*way, name))
        else:
            yield (*way, name)


# The API gives this id; none of the four orders carries it.
NEVER_SENT = {("products", "id")}


@pytest.mark.parametrize("kind", ORDER_KINDS)
def test_every_field_of_a_model_can_stand_in_a_file(kind: str) -> None:
    assert set(paths(ORDER_FIELDS[kind].fields)) == set(model_paths(ORDER_KINDS[kind].order)) - NEVER_SENT


def test_every_field_has_one_column_and_every_column_one_field() -> None:
    fields = {path for kind in ORDER_KINDS for path in paths(ORDER_FIELDS[kind].fields)}
    assert FIELD_OF.keys() == fields
    assert len(set(FIELD_OF.values())) == len(fields) == len(COLUMNS)
    assert not {"key", "kind"} & COLUMNS.keys()


def leaves(fields: tuple[Field, ...], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for member in fields:
        if member.fields:
            yield from leaves(member.fields, f"{prefix}{member.name}.")
        else:
            yield prefix + member.name, member


def rules_of(kind: str) -> dict[str, Field]:
    """The rules of a kind by column."""
    rules = ORDER_KINDS[kind].operation.rules
    assert rules is not None
    return {FIELD_OF[field_path(path)]: member for path, member in leaves(rules.fields)}


@pytest.mark.parametrize("kind", ORDER_KINDS)
def test_every_rule_is_told_by_the_name_in_the_file(kind: str) -> None:
    assert set(rules_of(kind)) <= set(COLUMNS)


@pytest.mark.parametrize("kind", ORDER_KINDS)
def test_a_text_that_a_model_needs_is_one_that_the_rules_ask_for(kind: str) -> None:
    """Where it is missing the model is built without it, and the rules have to say so."""
    needed = {
        column
        for column, (path, leaf) in COLUMNS.items()
        if leaf.form is Form.TEXT and leaf.is_required and path[0] in ORDER_FIELDS[kind].fields
    }
    asked = {column for column, rule in rules_of(kind).items() if rule.presence is Presence.REQUIRED}
    assert needed <= asked


def test_paths_on_the_wire_become_paths_of_fields() -> None:
    assert field_path("products.3.productId") == ("products", 3, "product_id")
    assert field_path("customerDetails.address.zip") == ("customer", "address", "zip")
    assert field_path("callback.callbackUrl") == ("callback_url",)
    assert field_path("products") == ("products",)
    assert field_path("not.known") == ("not", "known")
    demand = "is required unless customerDetails.msisdn is given"
    assert words(demand) == "is required unless customer.msisdn is given"
    assert words(demand, {("customer", "msisdn"): "Mobil"}) == "is required unless Mobil is given"
    assert words("must be e.g. some.thing") == "must be e.g. some.thing"


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    known = frozenset(COLUMNS)
    assert did_you_mean("customerEmail", known) == "; did you mean customer_email?"
    assert did_you_mean("Customer E-mail", known) == "; did you mean customer_email?"
    assert did_you_mean("weather", known) == ""


@pytest.mark.parametrize("name", ["", "ola@example.no", "01017012345", "x" * 41, "a\nb"])
def test_what_may_be_a_value_is_no_name(name: str) -> None:
    assert shown_title(name, 7) == "column 7"
    assert shown_name(name) == "…"


def test_a_name_is_shown() -> None:
    assert shown_title("Pris (inkl. mva)", 7) == "Pris (inkl. mva)"
    assert shown_name("orderDate") == "orderDate"
    assert shown_name("Ola Testmann") == "…"


# The documentation


def table() -> dict[str, tuple[str, str, str]]:
    """The columns that the page lists: what they are required for, their meaning, an example."""
    page = (DOCS / "batch-files.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert len(rows) == len({row[0] for row in rows})
    return {name: (required, meaning, example) for name, required, meaning, example in rows}


def test_the_page_lists_every_column() -> None:
    assert list(table()) == ["key", "kind", *COLUMNS]
    assert all(meaning for _, meaning, _ in table().values())


@pytest.mark.parametrize("column", COLUMNS)
def test_the_page_says_what_is_required(column: str) -> None:
    path, _ = COLUMNS[column]
    always = [
        kind
        for kind in ORDER_KINDS
        if column in rules_of(kind)
        and rules_of(kind)[column].presence is Presence.REQUIRED
        # A group that is left out asks for nothing: totals are computed, the fee is added, nothing is sent.
        and _is_needed(kind, path)
    ]
    sometimes = [
        kind
        for kind in ORDER_KINDS
        if (rule := rules_of(kind).get(column)) is not None and (rule.unless or rule.when)
    ]
    said = "all" if len(always) == len(ORDER_KINDS) else ", ".join(f"`{kind}`" for kind in always)
    more = ", ".join(f"`{kind}`*" for kind in sometimes)
    assert table()[column][0] == ", ".join(filter(None, (said, more)))


def _is_needed(kind: str, path: tuple[str, ...]) -> bool:
    """Whether the order cannot do without a value: no default, and not computed."""
    if path[0] == "summary" or path == ("products", "amount"):
        return False
    field = attrs.fields_dict(ORDER_KINDS[kind].order)[path[0]]  # type: ignore[arg-type, type-var]
    return len(path) > 1 or field.default is attrs.NOTHING or field.default is None


@pytest.mark.parametrize("column", [column for column in COLUMNS if table()[column][2]])
def test_the_page_shows_an_example_that_can_be_read(column: str, tmp_path: Path) -> None:
    example = table()[column][2]
    path, _ = COLUMNS[column]
    kind = next(kind for kind in ORDER_KINDS if path[0] in ORDER_FIELDS[kind].fields)
    cells = {**KEYED, "kind": kind, "invoice_as_payment_option": "no" if kind == "payment_link" else ""}
    cells[column] = example.strip("`")
    if column.startswith(("summary_", "send_order_by_")):
        cells |= {
            name: table()[name][2].strip("`") for name in COLUMNS if name.startswith(column.partition("_")[0])
        }
    file = tmp_path / "one.csv"
    file.write_text(f"{';'.join(cells)}\n{';'.join(cells.values())}\n", "utf-8")
    # Examples of single columns do not add up.
    read_csv(file, strict_totals=False).check()


@pytest.mark.parametrize("name", ["invoices.csv", "faktura.csv", "orders.jsonl"])
def test_the_example_files_are_sound(name: str) -> None:
    file = DOCS / "batch-files" / name
    if name == "faktura.csv":
        page = (DOCS / "batch-files.md").read_text("utf-8")
        code = re.search(r"```python\norders = (read_csv\(.*?\n\))\n```", page, re.DOTALL)
        assert code is not None
        orders = eval(code[1].replace('"faktura.csv"', "file"), {"read_csv": read_csv, "file": file})  # noqa: S307
    else:
        orders = (read_csv if name.endswith("csv") else read_jsonl)(file)
    summed = orders.dry_run()
    assert summed.violations == ()
    assert summed.total.orders >= 2
    assert summed.total.products > summed.total.orders
