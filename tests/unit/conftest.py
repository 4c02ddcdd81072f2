"""What a CSV file of orders says, and what is told of one that is refused."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from frontpay_async.batch.items import BatchItem

    Read = Callable[..., list[BatchItem]]
    Told = Callable[..., list[str]]

# What cannot be tested without a package of an extra.
NEEDS = {
    "test_batch_*": "sqlalchemy",
    "test_callback*": "starlette",
    "test_cli*": "click",
    "test_pages.py": "click",
    "test_sandbox_*": "starlette",
}
collect_ignore_glob = [tests for tests, package in NEEDS.items() if find_spec(package) is None]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a file's orders."""
    from frontpay_async.batch.files import read_csv  # noqa: PLC0415 - it needs an extra, most unit tests do not
    from tests.order_files import written  # noqa: PLC0415 - as above

    return lambda content, **how: list(read_csv(written(tmp_path / "orders.csv", content), **how))


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """List what is told of a file that is refused."""
    from frontpay_async.batch.files import read_csv  # noqa: PLC0415 - as above
    from frontpay_async.batch.violations import InvalidFileError  # noqa: PLC0415 - as above
    from tests.order_files import written  # noqa: PLC0415 - as above

    def violations(content: str | bytes, **how: Any) -> list[str]:
        with pytest.raises(InvalidFileError) as caught:
            read_csv(written(tmp_path / "orders.csv", content), **how).check()
        assert caught.value.count == len(caught.value.violations)
        return [str(violation) for violation in caught.value.violations]

    return violations
