"""What a CSV file of orders says, and what is told of one that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from frontpay_async.order_files.items import BatchItem

    Read = Callable[..., list[BatchItem]]
    Told = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read a file's orders."""
    from frontpay_async.order_files.files import read_csv  # noqa: PLC0415 - it needs an extra, most unit tests do not
    from tests.support.order_files import written  # noqa: PLC0415 - as above

    return lambda content, **how: list(read_csv(written(tmp_path / "orders.csv", content), **how))


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """List what is told of a file that is refused."""
    from frontpay_async.order_files.files import read_csv  # noqa: PLC0415 - as above
    from frontpay_async.order_files.violations import InvalidFileError  # noqa: PLC0415 - as above
    from tests.support.order_files import written  # noqa: PLC0415 - as above

    def violations(content: str | bytes, **how: Any) -> list[str]:
        with pytest.raises(InvalidFileError) as caught:
            read_csv(written(tmp_path / "orders.csv", content), **how).check()
        assert caught.value.count == len(caught.value.violations)
        return [str(violation) for violation in caught.value.violations]

    return violations
