"""What every test runs under: no settings of the machine, and the same examples each time."""

from __future__ import annotations

import os
import runpy
import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester", *(["tests.support.fixtures"] if find_spec("starlette") else [])]

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, max_examples=100, print_blob=True
)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True)
hypothesis.settings.load_profile("repeatable")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its jobs in the background ignore Ctrl-C, and what the tests start would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# `nox -s core` installs no extra: the tests that import one are left out there, and nowhere else.
CORE_ALONE = os.environ.get("CORE_ALONE") == "1"
# What these folders share needs extras or tools of its own.
collect_ignore = ["_transport", "browser", "cli", "package", "sandbox"] if CORE_ALONE else []


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not CORE_ALONE or not collection_path.name.startswith("test_"):
        return None
    try:
        runpy.run_path(str(collection_path))
    except ModuleNotFoundError as error:
        return not (error.name or "").startswith(("frontpay_async", "tests")) or None
    except pytest.skip.Exception:
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.endswith("_properties"):
            item.add_marker("search")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("FRONTPAY_"):
            monkeypatch.delenv(name)
