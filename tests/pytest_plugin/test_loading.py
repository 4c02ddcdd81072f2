"""The pytest plugin is found by its entry point, and costs a suite that does not use it next to nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PLUGIN = "frontpay_async.pytest_plugin"
HEAVY = {"httpx", "attrs", "attr", "cattrs", "starlette", "uvicorn", "anyio", "tenacity"}


def test_loading_it_imports_nothing_but_pytest() -> None:
    script = (
        "import pytest, sys; before = set(sys.modules); import frontpay_async.pytest_plugin;"
        "print(*(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603
    loaded = set(ran.stdout.split())
    assert PLUGIN in loaded
    assert {name for name in loaded if name.split(".")[0] in HEAVY} == set()
    assert {name for name in loaded if name.startswith("frontpay_async")} == {
        "frontpay_async",
        "frontpay_async._version",
        PLUGIN,
    }


def test_a_suite_that_asks_for_nothing_imports_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, with no other plugin that would import the same."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(
        f"""
        import sys

        def test_nothing_heavy_is_there(request):
            assert request.config.pluginmanager.has_plugin("{PLUGIN}")
            assert not [name for name in {sorted(HEAVY)} if name in sys.modules]
            assert not [name for name in request.fixturenames if "frontpay" in name]
        """
    )
    assert pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider").parseoutcomes() == {
        "passed": 1
    }


def test_without_the_sandboxs_extra_the_fixture_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(
        """
        import sys

        sys.modules["starlette"] = None

        def test_it(frontpay_client):
            pass
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    result = pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider")
    assert result.parseoutcomes() == {"errors": 1}
    result.stdout.fnmatch_lines(["*needs the extra: pip install 'frontpay_async?sandbox?'"])


def test_the_entry_point_leads_to_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ((name, value),) = project["entry-points"]["pytest11"].items()
    assert EntryPoint(name, value, "pytest11").load().__name__ == PLUGIN


@pytest.mark.parametrize(
    ("arguments", "conftest"),
    [((), ""), (("-p", PLUGIN), f"pytest_plugins = ['{PLUGIN}']")],
    ids=["found", "named twice more"],
)
def test_it_is_found_by_its_entry_point_and_may_be_named_besides(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], conftest: str
) -> None:
    """A plugin that is registered under two names stops pytest before it has begun."""
    name, value = PLUGIN, PLUGIN
    site = pytester.mkdir("site")
    info = site / "frontpay_async-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: frontpay_async\nVersion: 0.0.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = {value}\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{site}:{ROOT}")
    pytester.makeconftest(conftest)
    pytester.makepyfile("def test_it(frontpay_sandbox):\n    assert frontpay_sandbox.requests == ()\n")
    result = pytester.runpytest_subprocess(*arguments, "-p", "no:cacheprovider")
    assert result.parseoutcomes() == {"passed": 1}
