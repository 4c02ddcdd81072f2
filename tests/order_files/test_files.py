"""A file is judged as a whole before an order is taken from it, whatever its bytes."""

from __future__ import annotations

import ast
import os
import pickle
import threading
import traceback
import weakref
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import ConfigurationError, FrontPayError, Outcome
from frontpay_async.order_files import (
    files as files_module,
    lines as lines_module,
    violations as violations_module,
)
from frontpay_async.order_files.files import KindTotal, read_csv, read_jsonl
from frontpay_async.order_files.items import BatchItem
from frontpay_async.order_files.violations import InvalidFileError, LineViolation
from tests.support import builders
from tests.support.order_files import csv_of, csv_text, jsonl_text, written

if TYPE_CHECKING:
    from frontpay_async.order_files.files import OrderFile


def told(file: OrderFile) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        file.check()
    return list(map(str, caught.value.violations))


# The error


def test_the_error_says_that_nothing_was_sent(tmp_path: Path) -> None:
    file = read_csv(written(tmp_path / "orders.csv", csv_of({"product_tax": "x"}, {"kind": "", "key": "2"})))
    with pytest.raises(InvalidFileError) as caught:
        list(file)
    error = caught.value
    assert isinstance(error, FrontPayError)
    assert error.outcome is Outcome.NOT_SENT
    assert str(error).startswith("orders.csv: nothing was sent. line 2: product_tax must be")
    assert [violation.line for violation in error.violations] == [2, 3]
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.violations, again.count) == (str(error), error.violations, 2)


def test_its_text_is_bounded_and_its_violations_are_complete(tmp_path: Path) -> None:
    rows = [{"key": str(number), "product_tax": "x"} for number in range(500)]
    with pytest.raises(InvalidFileError) as caught:
        read_csv(written(tmp_path / "orders.csv", csv_of(*rows))).check()
    assert len(caught.value.violations) == caught.value.count == 500
    assert "lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 490 more: product_tax must be" in str(caught.value)
    columns = [{"key": str(number), "product_name": "", f"x{number}": "1"} for number in range(30)]
    with pytest.raises(InvalidFileError) as caught:
        read_csv(written(tmp_path / "orders.csv", csv_of(*columns))).check()
    assert len(str(caught.value)) < 3000
    assert " more." in str(caught.value)


def test_no_file_can_fill_the_memory_with_violations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(violations_module, "MOST_KEPT", 7)
    file = read_csv(written(tmp_path / "orders.csv", csv_of(*[{"key": ""}] * 30)))
    with pytest.raises(InvalidFileError) as caught:
        file.check()
    assert (len(caught.value.violations), caught.value.count) == (7, 30)
    assert str(caught.value).endswith("; and 23 more.")
    assert file.dry_run().violation_count == 30


SECRETS = (
    builders.NAME,
    builders.STREET,
    builders.EMAIL,
    builders.MSISDN,
    builders.PERSONAL_NUMBER,
    builders.CALLBACK_URL,
    "s3cr3t",
    "Hemmelig",
)


@pytest.mark.parametrize("wrong", ["cells", "rules", "quotes", "header", "encoding"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_no_value_of_the_file_is_shown(tmp_path: Path, form: str, wrong: str) -> None:
    """Neither in the error nor in its traceback, with the locals of each frame of ours."""
    person = builders.customer(first_name="Hemmelig", country_code="Hemmelig")
    order = builders.efaktura(customer=person, callback_url=builders.CALLBACK_URL)
    item = BatchItem(key="1001", order=order)
    text = csv_text([item]) if form == "csv" else jsonl_text([item])
    content = text.encode()
    match wrong:
        case "cells":
            content = content.replace(b"51.00", b"Hemmelig").replace(b"2035-06-15", b"Hemmelig")
            content = content.replace(b"true", b'"Hemmelig"')
        case "rules":
            content = content.replace(b"@example.no", b"").replace(b"01017012345", b"010170-12345 Hemmelig")
        case "quotes":
            content = content.replace(b"Ola Testmann", b'Ola Testmann"').replace(b"Storgata", b'"Storgata')
        case "header":
            content = (
                content.partition(b"\n")[2]
                if form == "csv"
                else content.replace(b'"name"', b'"Ola Testmann"')
            )
        case _:
            content = content.replace(b"Testmann", b"Testmann\xe6")
    file = (read_csv if form == "csv" else read_jsonl)(written(tmp_path / "orders", content))
    with pytest.raises(InvalidFileError) as caught:
        list(file)
    ours = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in ours.stack if frame.filename.endswith("order_files/files.py")]
    shown = "".join(
        (str(caught.value), repr(caught.value.violations), *(str(frame.locals) for frame in frames))
    )
    assert frames
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert [secret for secret in SECRETS if secret in shown] == []
    assert repr(file) == "OrderFile('orders')"


# Two passes


def test_no_order_is_yielded_when_a_later_one_is_wrong(tmp_path: Path) -> None:
    content = csv_of(*({"key": str(number)} for number in range(50)), {"key": "50", "customer_email": "x"})
    orders = iter(read_csv(written(tmp_path / "orders.csv", content)))
    with pytest.raises(InvalidFileError):
        next(orders)


def test_a_file_can_be_read_again(tmp_path: Path) -> None:
    file = read_csv(written(tmp_path / "orders.csv", csv_of({}, {"key": "1002"})))
    assert list(file) == list(file)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("change", ["amount", "more", "less", "broken"])
def test_a_file_that_is_changed_in_between_is_refused(tmp_path: Path, form: str, change: str) -> None:
    """What was yielded until then was judged; what differs is not, be it of the same size and time."""
    items = [BatchItem(key=f"{number:04}", order=builders.invoice()) for number in range(300)]
    text = csv_text(items) if form == "csv" else jsonl_text(items)
    path = written(tmp_path / "orders", text)
    orders = iter((read_csv if form == "csv" else read_jsonl)(path))
    first = [next(orders) for _ in range(3)]
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    head, sep, tail = text.rpartition("51.00")
    content = {
        "amount": f"{head}91.00{tail}",
        "more": text + text.splitlines()[-1].replace("0299", "0300") + "\n",
        "less": "".join(text.splitlines(keepends=True)[:-1]),
        "broken": f"{head}x1.00{tail}",
    }[change]
    with path.open("r+b") as file:
        file.write(content.encode())
        file.truncate()
    os.utime(path, ns=times)
    rest: list[BatchItem] = []
    with pytest.raises(InvalidFileError, match="the file was changed while it was read"):
        rest.extend(orders)
    assert sep
    assert first + rest == items[: len(first + rest)]
    # The reader of CSV has the next record in hand when an order ends.
    assert len(first + rest) >= 298


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_orders_are_not_held(tmp_path: Path, form: str) -> None:
    """However long the file is: the one that was yielded, and the one that is being read."""
    items = [BatchItem(key=str(number), order=builders.invoice()) for number in range(100)]
    text = csv_text(items) if form == "csv" else jsonl_text(items)
    orders = (read_csv if form == "csv" else read_jsonl)(written(tmp_path / "orders", text))
    seen: list[weakref.ref[BatchItem]] = []
    for order in orders:
        seen.append(weakref.ref(order))
        assert sum(each() is not None for each in seen) <= 2
    assert len(seen) == 100


def test_a_file_that_is_replaced_in_between_is_read_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path / "orders.csv", csv_of({}, {"key": "1002"}))
    orders = iter(read_csv(path))
    next(orders)
    written(tmp_path / "new.csv", csv_of({"key": "9"})).replace(path)
    assert [item.key for item in orders] == ["1002"]


def test_the_file_is_closed_when_the_reader_stops_early(tmp_path: Path) -> None:
    """A file that stays open is a warning, and warnings are errors here."""
    orders = iter(read_csv(written(tmp_path / "orders.csv", csv_of({}, {"key": "1002"}))))
    assert next(orders).key == "1001"
    del orders


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_what_cannot_be_read_twice_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "orders.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.open("wb").close())
    writer.start()
    with pytest.raises(ConfigurationError, match="must be a regular file"):
        read_csv(pipe).check()
    writer.join()


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "missing.csv").check()
    with pytest.raises(OSError, match=r"directory|Permission"):
        read_jsonl(tmp_path).dry_run()


async def test_a_file_is_read_in_a_thread_where_it_is_awaited(tmp_path: Path) -> None:
    rows = [{"key": f"K{number}"} for number in range(601)]
    file = read_csv(written(tmp_path / "orders.csv", csv_of(*rows)))
    assert [item.key async for item in file] == [row["key"] for row in rows]
    assert [item async for item in file] == list(file)
    async for _ in file:
        break
    wrong = read_csv(written(tmp_path / "wrong.csv", csv_of(*rows, {"key": ""})))
    with pytest.raises(InvalidFileError):
        await anext(aiter(wrong))


PURE = ("columns", "assemble", "lines", "csv_records", "csv_orders", "jsonl_orders", "violations", "items")


@pytest.mark.parametrize("name", PURE)
def test_only_the_edge_touches_the_file_system(name: str) -> None:
    tree = ast.parse((Path(files_module.__file__).parent / f"{name}.py").read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert modules
    assert not modules & {
        "os",
        "io",
        "pathlib",
        "tempfile",
        "anyio",
        "asyncio",
        "frontpay_async.order_files.files",
    }


# Bytes


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "UTF8"])
def test_marks_and_line_ends_do_not_count(tmp_path: Path, mark: bytes, end: bytes, encoding: str) -> None:
    content = mark + csv_of({"customer_name": "Åse Ødegård"}).encode().replace(b"\n", end)
    for trailing in (content, content.removesuffix(end)):
        [item] = read_csv(written(tmp_path / "orders.csv", trailing), encoding=encoding)
        assert item.order.customer.name == "Åse Ødegård"


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_another_encoding_is_told_and_can_be_given(tmp_path: Path, encoding: str) -> None:
    content = csv_of({}, {"key": "1002", "customer_name": "Åse"}).encode(encoding)
    path = written(tmp_path / "orders.csv", content)
    assert told(read_csv(path)) == ["line 3: is not utf-8 text; pass another encoding, such as cp1252"]
    assert [item.order.customer.name for item in read_csv(path, encoding=encoding)] == ["Ola Testmann", "Åse"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_told(tmp_path: Path, encoding: str) -> None:
    content = ("\ufeff" if encoding.endswith("be") else "") + csv_of({})
    path = written(tmp_path / "orders.csv", content.encode(encoding))
    assert told(read_csv(path)) == ["line 1: begins like UTF-16; save the file as UTF-8"]
    assert told(read_jsonl(path)) == ["line 1: begins like UTF-16; save the file as UTF-8"]


def test_nul_bytes_are_told(tmp_path: Path) -> None:
    content = csv_of({"customer_name": "Ola\0"}, {"key": "1002", "customer_email": "x"})
    assert told(read_csv(written(tmp_path / "orders.csv", content))) == [
        "line 2: has a NUL byte: the file is damaged or not text",
        "line 3: customer_email must be an e-mail address",
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_very_long_line_is_told_and_never_held(tmp_path: Path, form: str) -> None:
    """Ten megabytes without a line end: the reader holds a part, and goes on behind it."""
    item = BatchItem(key="1001", order=builders.invoice())
    text = csv_text([item]) if form == "csv" else "\n" + jsonl_text([item])
    head, _, sound = text.partition("\n")
    content = f"{head}\n{'x' * 10_000_000}\n{sound}"
    file = (read_csv if form == "csv" else read_jsonl)(written(tmp_path / "orders", content))
    assert told(file) == [f"line 2: is longer than {lines_module.LONGEST_LINE} bytes"]


# Dry run


def test_a_dry_run_sums_up(tmp_path: Path) -> None:
    items = [
        BatchItem(key="1", order=builders.invoice()),
        BatchItem(key="2", order=builders.ehf(products=[builders.product(), builders.product(rate="0.30")])),
        BatchItem(key="3", order=builders.invoice(products=[builders.product(rate="0.10")])),
    ]
    for summed in (
        read_csv(written(tmp_path / "orders.csv", csv_text(items))).dry_run(),
        read_jsonl(written(tmp_path / "orders.jsonl", jsonl_text(items))).dry_run(),
    ):
        assert summed.kinds == {
            "invoice": KindTotal(orders=2, products=2, grand_total=Decimal("102.20")),
            "ehf": KindTotal(orders=1, products=2, grand_total=Decimal("102.60")),
        }
        assert list(summed.kinds) == ["invoice", "ehf"]
        assert summed.total == KindTotal(orders=3, products=4, grand_total=Decimal("204.80"))
        assert summed.violations == ()
        assert summed.violation_count == 0


def test_a_dry_run_lists_what_is_wrong_and_sums_up_the_rest(tmp_path: Path) -> None:
    content = csv_of({}, {"key": "1002", "kind": "", "customer_email": "x"}, {"key": "1003"})
    summed = read_csv(written(tmp_path / "orders.csv", content), defaults={"secure_details": "x"}).dry_run()
    assert summed.total == KindTotal(orders=2, products=2, grand_total=Decimal("204.00"))
    assert summed.violations == (
        LineViolation(3, "kind", "must be payment_link, invoice, efaktura or ehf"),
        LineViolation(
            3, "secure_details", "must be true or false (yes or no, ja or nei, 1 or 0) (in the defaults)"
        ),
    )
    assert summed.violation_count == 2


def test_an_order_with_a_default_that_is_wrong_is_never_counted_as_sound(tmp_path: Path) -> None:
    """What is wrong in every record is told once, and counts against each."""
    path = written(tmp_path / "orders.csv", csv_of({}, {"key": "1002"}))
    summed = read_csv(path, defaults={"invoice_maturity": "11"}).dry_run()
    assert summed.kinds == {}
    assert summed.violation_count == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"date_format": 7}, {"encoding": 7}, {"delimiter": 7}, {"zone": 7}, {"mapping": [1]}, {"kind": ["x"]},
        {"mapping": {7: "key"}}, {"mapping": {"a": 7}}, {"defaults": [1]},
        {"defaults": {"product_rate": 1.5}},
        {"defaults": {"product_rate": Decimal(1)}}, {"defaults": {7: "x"}}, {"skip": "Notat"}, {"skip": [7]},
        {"strict_totals": "no"}, {"strict_totals": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_settings_of_a_file_are_checked_before_it_is_read(settings: Any) -> None:
    """Some were a TypeError of the first record, and some were taken for something else."""
    (name,) = settings
    with pytest.raises(
        ConfigurationError, match="of product_rate" if "product_rate" in str(settings) else name
    ):
        read_csv("missing.csv", **settings)
    if name in ("zone", "kind", "strict_totals"):
        with pytest.raises(ConfigurationError, match=name):
            read_jsonl("missing.jsonl", **settings)


def test_defaults_may_be_whole_numbers_and_flags(tmp_path: Path) -> None:
    text = csv_of({"product_tax": "", "invoice_fee_applicable": ""})
    defaults: Any = {"product_tax": 15, "invoice_fee_applicable": False}
    (item,) = read_csv(written(tmp_path / "o.csv", text), defaults=defaults)
    order: Any = item.order
    assert order.products[0].tax == Decimal(15)
    assert order.invoice_fee_applicable is False
