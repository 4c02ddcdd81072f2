"""The distributions that `nox -s package` has built, and fresh environments that they are installed in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@frozen
class Distributions:
    """One wheel and one source distribution."""

    wheel: Path
    sdist: Path

    @classmethod
    def of(cls, directory: Path) -> Distributions:
        (wheel,) = directory.glob("*.whl")
        (sdist,) = directory.glob("*.tar.gz")
        return cls(wheel, sdist)


@frozen
class Environment:
    """A virtual environment, and a directory outside the repository that commands run in."""

    directory: Path
    outside: Path

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's commands, with nothing else on Python's path."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(  # noqa: S603 - commands of the environment
            [self.directory / "bin" / command[0], *command[1:]],
            cwd=self.outside,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *command: str | Path) -> str:
        """Run a command that must succeed, and return what it printed."""
        ended = self.run(*command)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout


@pytest.fixture(scope="session")
def distributions() -> Distributions:
    """Those in the directory that DISTRIBUTIONS names: what is released is what was checked."""
    return Distributions.of(Path(os.environ["DISTRIBUTIONS"]))


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Environment]:
    """Install a distribution with extras into an environment of its own, with the pip that Python brings."""

    def installed(distribution: Path, extras: str) -> Environment:
        environment = Environment(tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("outside"))
        subprocess.run([sys.executable, "-m", "venv", environment.directory], check=True)  # noqa: S603
        environment.succeed("python", "-m", "pip", "install", "--quiet", f"{distribution}{extras}")
        environment.succeed("python", "-m", "pip", "check")
        return environment

    return installed


@pytest.fixture(scope="session")
def core(distributions: Distributions, install: Callable[[Path, str], Environment]) -> Environment:
    """An environment that has the wheel, and no extra."""
    return install(distributions.wheel, "")
