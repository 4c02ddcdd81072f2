"""A report is complete or not there, private, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from attrs import frozen
from hypothesis import given, strategies as st

from frontpay_async import ConfigurationError
from frontpay_async.batch.report import REPORT_COLUMNS, write_csv, write_jsonl, write_report
from frontpay_async.batch.results import BatchRow
from frontpay_async.batch.states import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

ROWS = [
    BatchRow(
        key="1001",
        kind="orders.send_invoice",
        state=State.DONE,
        order_uuid="ODR1",
        customer_uuid="CUS1",
        attempts=1,
    ),
    BatchRow(
        key="1002",
        kind="orders.send_ehf_invoice",
        state=State.FAILED,
        error="E-posten er ugyldig; «å»\nLinje 2",
    ),
    BatchRow(key="1003", kind="orders.send_invoice", state=State.PENDING),
]


@frozen
class Row:
    key: str
    state: str
    order_uuid: str | None = None
    customer_uuid: str | None = None
    error: str | None = None


def names(directory: Path) -> list[str]:
    """What is there, hidden files too."""
    return [path.name for path in directory.iterdir()]


def read(path: Path, delimiter: str = ",") -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, strict=True))


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_report_as_csv(tmp_path: Path, delimiter: str) -> None:
    write_csv(iter(ROWS), tmp_path / "report.csv", delimiter=delimiter)
    done, failed, pending = read(tmp_path / "report.csv", delimiter)
    assert tuple(done) == REPORT_COLUMNS
    assert done == {
        "key": "1001",
        "state": "done",
        "order_uuid": "ODR1",
        "customer_uuid": "CUS1",
        "error": "",
    }
    assert failed["error"] == "E-posten er ugyldig; «å»\nLinje 2"
    assert pending == {"key": "1003", "state": "pending", "order_uuid": "", "customer_uuid": "", "error": ""}


def test_a_report_as_json_lines(tmp_path: Path) -> None:
    write_jsonl(iter(ROWS), tmp_path / "report.jsonl")
    text = (tmp_path / "report.jsonl").read_text("utf-8")
    assert "«å»" in text
    done, failed, pending = map(json.loads, text.splitlines())
    assert tuple(done) == REPORT_COLUMNS
    assert failed["state"] == "failed"
    assert pending == {
        "key": "1003",
        "state": "pending",
        "order_uuid": None,
        "customer_uuid": None,
        "error": None,
    }


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_an_open_file_is_written_to_and_left_open(write: Any) -> None:
    file = io.StringIO()
    write(ROWS, file)
    assert "1001" in file.getvalue()


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_its_owner_can_read_it(tmp_path: Path, write: Any) -> None:
    """Also where a report of another mode stood before."""
    path = tmp_path / "report"
    path.touch(0o644)
    write(ROWS, str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, write: Any) -> None:
    def rows() -> Iterator[BatchRow]:
        yield ROWS[0]
        raise OSError("the journal is gone")

    path = tmp_path / "report"
    path.write_text("old", "utf-8")
    with pytest.raises(OSError, match="the journal is gone"):
        write(rows(), path)
    assert path.read_text("utf-8") == "old"
    assert names(tmp_path) == ["report"]


def test_a_reader_never_finds_a_part(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"

    def rows() -> Iterator[BatchRow]:
        for row in ROWS:
            assert not path.exists()
            yield row

    write_csv(rows(), path)
    assert path.exists()


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "report.csv"
    link.symlink_to(tmp_path / "real" / "report.csv")
    write_csv(ROWS, link)
    assert link.is_symlink()
    assert len(read(tmp_path / "real" / "report.csv")) == 3


def test_a_directory_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_csv(ROWS, tmp_path / "missing" / "report.csv")


@pytest.mark.parametrize("first", [*"=+-@\t\r\n", "＝", "＋", "－", "＠"])  # noqa: RUF001 - meant
def test_no_cell_is_run_by_a_spreadsheet(tmp_path: Path, first: str) -> None:
    row = Row(key=f"{first}1", state="failed", error=f"{first}HYPERLINK(1)")
    write_csv([row], tmp_path / "report.csv")
    [cells] = read(tmp_path / "report.csv")
    assert (cells["key"], cells["error"]) == (f"'{first}1", f"'{first}HYPERLINK(1)")
    write_jsonl([row], tmp_path / "report.jsonl")
    assert json.loads((tmp_path / "report.jsonl").read_text("utf-8"))["key"] == f"{first}1"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(
    rows=st.lists(
        st.builds(Row, key=texts, state=st.sampled_from(State), error=st.none() | texts), max_size=5
    )
)
def test_any_text_comes_back(rows: list[Row]) -> None:
    """From CSV but for the apostrophe, from JSON lines exactly; one line for each row."""
    file = io.StringIO(newline="")
    write_csv(rows, file)
    file.seek(0)
    got = list(csv.DictReader(file, strict=True))
    assert [cells["key"].removeprefix("'") for cells in got] == [row.key.removeprefix("'") for row in rows]
    assert [cells["error"].removeprefix("'") for cells in got] == [
        (row.error or "").removeprefix("'") for row in rows
    ]
    assert not any(cell.startswith(tuple("=+-@")) for cells in got for cell in cells.values())
    file = io.StringIO()
    write_jsonl(rows, file)
    assert [json.loads(line)["error"] for line in file.getvalue().split("\n")[:-1]] == [
        row.error for row in rows
    ]


def test_a_lone_surrogate_does_not_cost_the_report(tmp_path: Path) -> None:
    write_jsonl([Row(key="1", state="failed", error="\ud800")], tmp_path / "report.jsonl")
    assert json.loads((tmp_path / "report.jsonl").read_text("utf-8"))["error"] == "\ud800"


async def awaited(number: int, *, broken: bool = False) -> AsyncIterator[Row]:
    for each in range(number):
        yield Row(key=str(each), state="done")
    if broken:
        raise OSError("the journal is gone")


@pytest.mark.parametrize("number", [0, 1, 500, 1200])
@pytest.mark.parametrize("name", ["report.csv", "report.JSONL"])
async def test_rows_that_are_awaited_become_a_report(tmp_path: Path, name: str, number: int) -> None:
    await write_report(awaited(number), tmp_path / name, delimiter=";")
    lines = (tmp_path / name).read_text("utf-8").splitlines()
    assert len(lines) == number + name.endswith("csv")
    assert name.endswith("JSONL") or lines[0] == '"key";"state";"order_uuid";"customer_uuid";"error"'


async def test_awaited_rows_that_fail_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the journal is gone"):
        await write_report(awaited(700, broken=True), tmp_path / "report.csv")
    assert names(tmp_path) == []


async def test_a_report_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    async def rows(scope: anyio.CancelScope) -> AsyncIterator[Row]:
        yield Row(key="1", state="done")
        scope.cancel()
        await anyio.lowlevel.checkpoint()

    with anyio.CancelScope() as scope:
        await write_report(rows(scope), tmp_path / "report.csv")
    assert scope.cancelled_caught
    assert names(tmp_path) == []


async def test_the_name_of_a_report_says_its_form(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.csv or \.jsonl"):
        await write_report(awaited(1), tmp_path / "report.xlsx")
