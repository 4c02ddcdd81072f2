"""The public names are imported lazily, and the three lists of them agree."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import frontpay_async


def _imported_for_type_checkers() -> set[str]:
    tree = ast.parse(Path(frontpay_async.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_the_lists_of_names_agree() -> None:
    """What type checkers see, what is found when the program runs, and ``__all__`` are the same names."""
    promised = set(frontpay_async.__all__) - {"__version__"}
    assert promised == _imported_for_type_checkers() == frontpay_async._modules().keys()


@pytest.mark.parametrize("name", frontpay_async.__all__)
def test_every_name_is_found_and_listed(name: str) -> None:
    assert getattr(frontpay_async, name) is not None
    assert name in dir(frontpay_async)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        frontpay_async.Nonsense  # noqa: B018 - the access is what is tested


def test_importing_the_package_imports_no_http_engine() -> None:
    """A plugin that imports the package for nothing does not pay for httpx."""
    check = "import sys, frontpay_async; sys.exit(bool({'httpx', 'attrs', 'cattrs'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0  # noqa: S603


@pytest.mark.parametrize(
    ("statement", "deferred"),
    [
        ("frontpay_async.FrontPayClient(token='t' * 40, environment='demo')", "asyncio cattrs tenacity"),
        pytest.param(
            "import frontpay_async.sandbox as s; s.Sandbox()",
            "uvicorn cattrs tenacity",
            marks=pytest.mark.integration,
        ),
    ],
)
def test_what_only_some_processes_need_is_imported_at_its_first_use(statement: str, deferred: str) -> None:
    """A retry, a journal and a served sandbox pay for their libraries themselves."""
    check = (
        f"import sys, frontpay_async; {statement}; sys.exit(bool(set({deferred.split()}) & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0  # noqa: S603
