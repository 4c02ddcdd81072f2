"""Details that are shown otherwise than they were sent, for some orders only: none doubled, few parked.

``python -m benchmarks chaos --forms`` prints the figures of all forms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.odd_details import FORMS, KNOWN, figures

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.search


@pytest.mark.parametrize("form", FORMS)
async def test_none_is_doubled_and_few_are_parked(form: str, tmp_path: Path) -> None:
    in_doubt, doubled, lost, parked = await figures(form, 1, tmp_path)
    assert in_doubt > 3
    assert (doubled, lost) == (0, 0)
    assert parked <= (0 if form in KNOWN else in_doubt)
