"""What every test runs under: no settings of the machine, and the same examples each time."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec

import hypothesis
import pytest

pytest_plugins = ["pytester", *(["tests.support.fixtures"] if find_spec("starlette") else [])]

hypothesis.settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, max_examples=100, print_blob=True
)
hypothesis.settings.load_profile("repeatable")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its jobs in the background ignore Ctrl-C, and what the tests start would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.startswith("FRONTPAY_"):
            monkeypatch.delenv(name)
