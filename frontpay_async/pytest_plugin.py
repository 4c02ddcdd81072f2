"""Fixtures and a marker for tests of programs that use this package: a pytest plugin.

pytest loads it through its entry point, in every test run of an environment that has this package. It
therefore imports nothing but pytest; the fixtures import what they need. Tests that do not use it are not
affected.

The fixtures are synchronous. A client of the sandbox does no I/O: it is built without an event loop, belongs
to the loop of its first call, and needs no closing. The fixtures therefore work under pytest-asyncio in both
modes, under anyio's plugin with asyncio and trio, and in tests that run their own loop.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from frontpay_async import Clock, FrontPayClient
    from frontpay_async.sandbox import Fault, Sandbox

__all__ = [
    "assert_no_duplicates",
    "frontpay_client",
    "frontpay_clock",
    "frontpay_sandbox",
    "frontpay_sandbox_settings",
]

_MARKER = "frontpay_fault"
_applied = pytest.StashKey[bool]()
_passed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f'{_MARKER}(kind, *, operation="*", times=1, skip=0, seconds=0.0, optional=False):'
        " add a fault to frontpay_sandbox, and fail the test if it never occurs.",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test whose faults could not be added: it would pass for the wrong reason."""
    item.stash[_passed] = False
    if item.get_closest_marker(_MARKER) is not None and not item.stash.get(_applied, False):
        pytest.fail(
            f"the marker {_MARKER} needs the plugin's own fixture frontpay_sandbox or frontpay_client",
            pytrace=False,
        )
    result = yield
    # Not reached if the test fails or is skipped.
    item.stash[_passed] = True
    return result


@pytest.fixture
def frontpay_clock() -> Clock:
    """A clock that skips waits; override it with ``frontpay_async.Clock()`` for real waits."""
    _check_extra()
    from frontpay_async.sandbox.instant_clock import instant_clock  # noqa: PLC0415 - loading the plugin is light

    return instant_clock()


@pytest.fixture
def frontpay_sandbox_settings() -> Mapping[str, Any]:
    """Arguments for the sandbox, such as ``{"rate_limit": None}``; override it to choose them."""
    return {}


@pytest.fixture
def frontpay_sandbox(
    request: pytest.FixtureRequest, frontpay_clock: Clock, frontpay_sandbox_settings: Mapping[str, Any]
) -> Iterator[Sandbox]:
    """An empty sandbox in this process, with the faults of the test's markers."""
    _check_extra()
    from frontpay_async.sandbox import Sandbox  # noqa: PLC0415 - loading the plugin is light

    node: pytest.Item = request.node
    settings: dict[str, Any] = {"clock": frontpay_clock, **frontpay_sandbox_settings}
    sandbox = Sandbox(**settings)
    must_strike: list[Fault] = []
    # From the module's markers to the test's own, and from the top one down.
    for mark in reversed(list(node.iter_markers(_MARKER))):
        fault, optional = _read_mark(mark)
        sandbox.faults.add(fault)
        if not optional:
            must_strike.append(fault)
    node.stash[_applied] = True
    yield sandbox
    has_passed = node.stash.get(_passed, False)
    missed = [fault for fault in sandbox.faults.idle() if any(fault is each for each in must_strike)]
    if missed and has_passed:
        listed = ", ".join(f"{fault.kind.value} at {fault.operation}" for fault in missed)
        pytest.fail(f"{_MARKER} never occurred: {listed}", pytrace=False)


@pytest.fixture
def frontpay_client(frontpay_sandbox: Sandbox) -> FrontPayClient:
    """A client of the sandbox, without sockets and real waits."""
    return frontpay_sandbox.client()


@pytest.fixture
def assert_no_duplicates(frontpay_sandbox: Sandbox) -> Iterator[Callable[[], None]]:
    """Fails if an operation was carried out twice with the same content: when called, and after the test."""
    told = False

    def check() -> None:
        __tracebackhide__ = True
        nonlocal told
        found = frontpay_sandbox.duplicates()
        if found and not told:
            told = True
            listed = "; ".join(
                f"{each.operation} {each.times} times ({', '.join(each.order_uuids)})" for each in found
            )
            pytest.fail(f"carried out more than once with the same content: {listed}", pytrace=False)

    yield check
    check()


def _check_extra() -> None:
    try:
        import_module("frontpay_async.sandbox")
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)


def _read_mark(mark: pytest.Mark) -> tuple[Fault, bool]:
    from frontpay_async.sandbox import Fault  # noqa: PLC0415 - loading the plugin is light

    settings = dict(mark.kwargs)
    optional = settings.pop("optional", False)
    if len(mark.args) != 1 or "kind" in settings:
        problem: object = "it takes one kind of fault, and the rest by name"
    elif not isinstance(optional, bool):
        problem = "optional is True or False"
    else:
        try:
            return Fault(kind=mark.args[0], **settings), optional
        except (TypeError, ValueError) as error:
            # The text that attrs appends is not useful here.
            problem = error.args[0]
    given = [*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())]
    pytest.fail(f"{_MARKER}({', '.join(given)}): {problem}", pytrace=False)
