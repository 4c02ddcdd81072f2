"""The pytest plugin: whole test suites are run with it, under every runner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from frontpay_async import pytest_plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text("utf-8")
FILES: Mapping[str, str] = dict(
    re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
)
EXAMPLES = [
    ("test_billing", "auto", 1),
    ("test_faults", "auto", 3),
    ("test_terminal", "auto", 1),
    ("test_strict", "strict", 1),
    ("test_strict", "auto", 1),
    ("test_anyio", "strict", 2),
    ("test_alone", "strict", 1),
]


def run(pytester: pytest.Pytester, *arguments: str, mode: str = "auto", **files: str) -> pytest.RunResult:
    """Run a suite with the plugin; warnings are errors, and so are unknown markers."""
    pytester.makeini(
        "[pytest]\n"
        f"asyncio_mode = {mode}\n"
        "asyncio_default_fixture_loop_scope = function\n"
        "strict_markers = true\n"
        "filterwarnings = error\n"
    )
    for name in ("billing.py", "conftest.py"):
        (pytester.path / name).write_text(FILES[name], "utf-8")
    for name, content in files.items():
        (pytester.path / f"{name}.py").write_text(content, "utf-8")
    # Given as it is: in this process it is imported already, and pytest warns that it cannot rewrite it.
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments, plugins=[pytest_plugin])


@pytest.mark.parametrize(("file", "mode", "passed"), EXAMPLES)
def test_the_documentations_examples_pass(
    pytester: pytest.Pytester, file: str, mode: str, passed: int
) -> None:
    assert run(pytester, mode=mode, **{file: FILES[f"{file}.py"]}).parseoutcomes() == {"passed": passed}


def test_every_example_of_the_documentation_is_run() -> None:
    assert PAGE.count("```python") == len(FILES) == 8
    assert {f"{file}.py" for file, _, _ in EXAMPLES} == {name for name in FILES if name.startswith("test_")}


def test_without_the_policy_the_documented_duplicate_is_found(pytester: pytest.Pytester) -> None:
    """What the page says of its last test."""
    code = FILES["test_faults.py"].replace("retry_unsafe_server_errors=False", "")
    result = run(pytester, "-k", "duplicates", test_faults=code)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_duplicate_fails_the_test_where_it_is_asked_and_once(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
async def twice(client, order):
    for _ in range(2):
        await client.orders.send_invoice(order)


async def test_asked(frontpay_client, order, assert_no_duplicates):
    assert_no_duplicates()
    await twice(frontpay_client, order)
    assert_no_duplicates()


async def test_at_the_end(frontpay_client, order, assert_no_duplicates):
    await twice(frontpay_client, order)


async def test_not_wanted(frontpay_client, order):
    await twice(frontpay_client, order)
""",
    )
    assert result.parseoutcomes() == {"passed": 2, "failed": 1, "errors": 1}
    result.stdout.fnmatch_lines(
        ["*carried out more than once with the same content: orders.send_invoice 2 times (ODR*, ODR*)"]
    )
    result.stdout.no_fnmatch_line("*Kari*")


def test_a_fault_that_never_strikes_fails_the_test_unless_it_is_optional(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
import pytest

from frontpay_async import RetryPolicy

fault = pytest.mark.frontpay_fault


@fault("510-before", operation="orders.cancel")
def test_missed(frontpay_sandbox):
    pass


@fault("510-before", operation="orders.cancel", optional=True)
def test_optional(frontpay_sandbox):
    pass


@fault("510-before", operation="orders.cancel")
def test_forgotten(frontpay_sandbox):
    frontpay_sandbox.reset()


@fault("510-before", operation="orders.list_statuses", times=None)
async def test_some_of_many(frontpay_client):
    with pytest.raises(Exception):
        await frontpay_client.orders.list_statuses()


@fault("510-before", operation="orders.cancel")
@fault("510-before", operation="orders.cancel")
def test_equal_ones(frontpay_sandbox):
    pass


@fault("510-before")
@fault("510-before", optional=True)
async def test_the_one_that_had_to_strike_did(frontpay_client):
    with pytest.raises(Exception):
        await frontpay_client.with_options(retry=RetryPolicy(attempts=1)).orders.list_statuses()
""",
    )
    assert result.parseoutcomes() == {"passed": 6, "errors": 2}
    result.stdout.fnmatch_lines(["*frontpay_fault never occurred: 510-before at orders.cancel"])
    result.stdout.fnmatch_lines(["*never occurred: 510-before at orders.cancel, 510-before at orders.cancel"])


def test_only_a_test_that_passed_is_asked_whether_its_faults_struck(pytester: pytest.Pytester) -> None:
    """One that fails or skips itself has said enough."""
    result = run(
        pytester,
        test_it="""
import pytest

pytestmark = pytest.mark.frontpay_fault("510-before", operation="orders.cancel")


def test_failing(frontpay_sandbox):
    assert frontpay_sandbox is None


async def test_failing_too(frontpay_sandbox):
    assert frontpay_sandbox is None


def test_skipped(frontpay_sandbox):
    pytest.skip("not today")


@pytest.mark.xfail
def test_expected(frontpay_sandbox):
    assert frontpay_sandbox is None


def test_passed(frontpay_sandbox):
    pass
""",
    )
    assert result.parseoutcomes() == {"failed": 2, "skipped": 1, "xfailed": 1, "passed": 1, "errors": 1}
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_passed*"])


def test_faults_strike_from_the_top_down(pytester: pytest.Pytester) -> None:
    """The module's first, then the class's, then those on the test, as they are read."""
    result = run(
        pytester,
        test_it="""
import pytest

from frontpay_async import RetryPolicy

fault = pytest.mark.frontpay_fault
pytestmark = fault("500-before")


@fault("502-before")
class TestOrder:
    @fault("510-before")
    @fault("drop-before")
    async def test_it(self, frontpay_client, frontpay_sandbox):
        await frontpay_client.with_options(retry=RetryPolicy(attempts=5)).orders.list_statuses()
        struck = [request.fault and request.fault.value for request in frontpay_sandbox.requests]
        assert struck == ["500-before", "502-before", "510-before", "drop-before", None]
""",
    )
    assert result.parseoutcomes() == {"passed": 1}


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ('"nonsense"', "frontpay_fault('nonsense'): unknown fault 'nonsense'; use one of*"),
        (
            '"busy", operation="orders.cancel"',
            "frontpay_fault('busy', operation='orders.cancel'): *no operation*",
        ),
        (
            '"510-before", time=2',
            "frontpay_fault('510-before', time=2): *unexpected keyword argument 'time'*",
        ),
        ('"510-before", 2', "frontpay_fault('510-before', 2): it takes one kind of fault, *"),
        ("", "frontpay_fault(): it takes one kind of fault, and the rest by name"),
        ('kind="510-before"', "frontpay_fault(kind='510-before'): it takes one kind of fault, *"),
        (
            '"510-before", optional="no"',
            "frontpay_fault('510-before', optional='no'): optional is True or False",
        ),
        (
            '"510-before", operation=3',
            "frontpay_fault('510-before', operation=3): operation must be text",
        ),
        ('"latency"', "frontpay_fault('latency'): latency and drip require seconds*"),
    ],
)
def test_a_mark_that_makes_no_sense_is_refused(pytester: pytest.Pytester, mark: str, says: str) -> None:
    """Before the test runs, and by what it says: a sentence, without this package's source."""
    result = run(
        pytester,
        test_it=f"""
import pytest


@pytest.mark.frontpay_fault({mark})
def test_it(frontpay_client):
    pass
""",
    )
    assert result.parseoutcomes() == {"errors": 1}
    result.stdout.fnmatch_lines([says.replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_mark_without_the_sandbox_is_refused(pytester: pytest.Pytester) -> None:
    """Or with another one, which knows nothing of it. Asked for by name in a fixture is asked for."""
    result = run(
        pytester,
        test_it="""
import pytest

from frontpay_async.sandbox import Sandbox

pytestmark = pytest.mark.frontpay_fault("510-before", optional=True)


def test_without():
    pass


class TestOwn:
    @pytest.fixture
    def frontpay_sandbox(self):
        return Sandbox()

    def test_it(self, frontpay_client):
        pass


@pytest.fixture
def late(request):
    return request.getfixturevalue("frontpay_client")


def test_late(late):
    pass
""",
    )
    assert result.parseoutcomes() == {"passed": 1, "failed": 2}
    result.stdout.fnmatch_lines(["*the marker frontpay_fault needs the plugin's own fixture*"])


def test_each_test_has_its_own_sandbox_and_its_time_is_skipped(pytester: pytest.Pytester) -> None:
    """Retries, a minute of the rate limit, a cardholder who takes an hour: none takes real time."""
    result = run(
        pytester,
        test_it="""
import time

import pytest

from frontpay_async import Priority


@pytest.fixture
def frontpay_sandbox_settings():
    return {"rate_limit": 5}


@pytest.mark.parametrize("run", [1, 2])
async def test_it(frontpay_client, frontpay_sandbox, frontpay_clock, run):
    assert frontpay_sandbox.requests == ()
    began, really = frontpay_clock.now(), time.monotonic()
    for _ in range(20):
        await frontpay_client.orders.list_statuses()
    await frontpay_clock.sleep(3600)
    assert frontpay_clock.now() - began > 3600 + 3 * 60
    assert time.monotonic() - really < 60
""",
    )
    assert result.parseoutcomes() == {"passed": 2}


def test_a_slow_answer_times_out_only_on_a_real_clock(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
import pytest

from frontpay_async import Clock, OutcomeUnknownError, RetryPolicy, Timeouts

pytestmark = pytest.mark.frontpay_fault("latency", seconds=3600)
impatient = {"timeouts": Timeouts(read=0.01), "retry": RetryPolicy(attempts=1)}


async def test_skipped(frontpay_client):
    await frontpay_client.with_options(**impatient).orders.list_statuses()


class TestReal:
    @pytest.fixture
    def frontpay_clock(self):
        return Clock()

    async def test_it(self, frontpay_client):
        with pytest.raises(OutcomeUnknownError):
            await frontpay_client.with_options(**impatient).orders.list_statuses()
""",
    )
    assert result.parseoutcomes() == {"passed": 2}


def test_anyios_auto_mode_will_do(pytester: pytest.Pytester) -> None:
    """Without a mark on any test."""
    code = FILES["test_billing.py"]
    result = run(pytester, "-o", "anyio_mode=auto", mode="strict", test_billing=code)
    assert result.parseoutcomes() == {"passed": 2}


def test_the_client_is_the_same_in_fixtures_and_test_whoever_runs_them(pytester: pytest.Pytester) -> None:
    """An async fixture of the user's may use it before and after the test."""
    result = run(
        pytester,
        test_it="""
import pytest
import pytest_asyncio


@pytest_asyncio.fixture
async def sent(frontpay_client, order):
    yield await frontpay_client.orders.send_invoice(order)
    assert await frontpay_client.orders.list_statuses() != ()


@pytest.mark.asyncio
async def test_it(sent, frontpay_client):
    assert (await frontpay_client.orders.get_status(sent.order_uuid)).status == "INVOICED"


@pytest.fixture
async def sent_by_anyio(frontpay_client, order):
    yield await frontpay_client.orders.send_invoice(order)
    assert await frontpay_client.orders.list_statuses() != ()


@pytest.mark.anyio
async def test_that(sent_by_anyio, frontpay_client):
    assert (await frontpay_client.orders.get_status(sent_by_anyio.order_uuid)).status == "INVOICED"
""",
        mode="strict",
    )
    assert result.parseoutcomes() == {"passed": 3}


def test_the_fixtures_and_the_marker_say_what_they_are_for(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--fixtures", "-v")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["frontpay_client*", "    A client of the sandbox, *"])
    result = run(pytester, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.frontpay_fault(kind, *): add a fault to *"])
