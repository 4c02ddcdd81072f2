"""What is in the distributions, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from frontpay_async import __version__
from tests.package.conftest import ROOT, Distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.package

HOME = "https://github.com/frontpay-async/frontpay-async"
# What only the repository needs.
NOT_DISTRIBUTED = (".ci/", ".editorconfig", ".github/", ".pre-commit-config.yaml", ".readthedocs.yaml")


def tracked() -> set[str]:
    """Every file under version control."""
    git = shutil.which("git")
    assert git is not None
    listed = subprocess.run(  # noqa: S603
        [git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(listed.stdout.split("\0")) - {""}


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distributions]:
    """Both built once more, the wheel from the tree and not from the source distribution."""
    directory = tmp_path_factory.mktemp("again")
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "build", "--sdist", "--wheel", "--outdir", directory, ROOT],
        check=True,
        capture_output=True,
    )
    yield Distributions.of(directory)
    shutil.rmtree(directory)


def test_the_wheel_holds_the_package_and_nothing_else(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        names = {name for name in wheel.namelist() if not PurePosixPath(name).parts[0].endswith(".dist-info")}
    assert names == {name for name in tracked() if name.startswith("frontpay_async/")}
    assert {"frontpay_async/py.typed", "frontpay_async/_rate/ledger.lua"} < names


def test_the_source_distribution_holds_what_is_under_version_control(distributions: Distributions) -> None:
    """With the tests, the documentation and the licence; no cache, and nothing that merely lies about."""
    with tarfile.open(distributions.sdist) as sdist:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in sdist.getnames()}
    assert names == {name for name in tracked() if not name.startswith(NOT_DISTRIBUTED)} | {"PKG-INFO"}


def test_the_readme_has_no_link_that_an_index_cannot_follow(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        described = wheel.read(name).decode()
    links = re.findall(r"\]\(([^)]+)\)", described)
    assert f"{HOME}/blob/v{__version__}/LICENSE" in links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_built_again_they_are_the_same_to_the_byte(
    distributions: Distributions, again: Distributions
) -> None:
    """Of the wheel this also says that the source distribution has all that it is made of."""
    assert again.sdist.read_bytes() == distributions.sdist.read_bytes()
    assert again.wheel.read_bytes() == distributions.wheel.read_bytes()


@pytest.mark.parametrize(
    "command", [("twine", "check", "--strict"), ("check_wheel_contents",)], ids=lambda command: command[0]
)
def test_the_tools_of_the_trade_find_nothing(command: tuple[str, ...], distributions: Distributions) -> None:
    files = [distributions.wheel, *([distributions.sdist] if command[0] == "twine" else [])]
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-m", *command, *files], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
