"""Every task of the project, on a machine that has only Python and nox."""

import os
import random
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types", "docs"]
nox.options.error_on_missing_interpreters = False

# Without bytecode files each of the tests' processes compiles the whole package.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A worker that has nothing left takes half of what another still has.
IN_PARALLEL = ("-n", "logical", "--maxprocesses", "4", "--dist", "worksteal")
ORDINARY = "not browser and not chaos and not package and not slow"
QUICK = f"{ORDINARY} and not search"
NOT_INTEGRATION = f"not integration and {ORDINARY}"
PYPROJECT = nox.project.load_toml("pyproject.toml")
DISTRIBUTIONS = Path("dist").absolute()


def group(name: str) -> list[str]:
    """Read a dependency group; pip learnt to in 25.1, and no minimum pip is asked for."""
    return list(nox.project.dependency_groups(PYPROJECT, name))


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job against the sandbox, over real sockets."""
    session.install(".[cli,sandbox]")
    session.run("frontpay", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests but for the long ones, which have sessions of their own; arguments go to pytest."""
    session.install("-e", ".[all]", *group("tests"))
    session.run("pytest", *IN_PARALLEL, *(session.posargs or ("-m", QUICK)))


@nox.session
def search(session: nox.Session) -> None:
    """Search for faults: properties, simulations, sweeps, short forms of `fuzz`, `soak` and `faults`."""
    session.install("-e", ".[all]", *group("tests"))
    session.run("pytest", *IN_PARALLEL, "-m", f"{ORDINARY} and search", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests of the session `tests` again, and ask for 95 % branch coverage."""
    session.install("-e", ".[all]", *group("tests"))
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *IN_PARALLEL, "-m", QUICK, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


def interpreter(version: str) -> str:
    """Find a Python that pyenv or uv has installed; else its name, which nox looks up or skips."""
    places = (".pyenv/versions/{}.*/bin/python", ".local/share/uv/python/cpython-{}.*/bin/python")
    found = [path for place in places for path in Path.home().glob(place.format(version))]
    return str(max(found, key=lambda path: path.parts)) if found else version


@nox.session(name="tests-all", python=[interpreter(each) for each in ("3.11", "3.12", "3.13", "3.14")])
def tests_all(session: nox.Session) -> None:
    """Run the tests on each supported Python that is found on this machine; the others are skipped."""
    session.install("-e", ".[all]", *group("tests"))
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that are allowed, and today's test tools."""
    install_oldest(session, ".[all]", "tests")
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def core(session: nox.Session) -> None:
    """Run the tests that need no extra and no socket, with the oldest dependencies that are allowed."""
    install_oldest(session, ".", "core")
    session.run("pytest", *IN_PARALLEL, "-m", NOT_INTEGRATION, *session.posargs, env={"CORE_ALONE": "1"})


def install_oldest(session: nox.Session, what: str, tools: str) -> None:
    """Install the oldest versions of what the package names; what those ask for is as new as users get it."""
    session.install("uv")
    # Not in the session's temporary folder: that would make it the one of the tests, too.
    oldest = Path(session.virtualenv.location, "oldest.txt")
    of = ("--all-extras", "--no-deps", "--resolution", "lowest-direct", "--output-file", oldest)
    session.run("uv", "pip", "compile", "--quiet", *of, "pyproject.toml")
    session.run("uv", "pip", "install", "--constraint", oldest, "-e", what, *group(tools))


@nox.session
def package(session: nox.Session) -> None:
    """Build the distributions into dist/, check what is in them, install them and run the demo."""
    session.install(*group("core"), *group("package"))
    shutil.rmtree(DISTRIBUTIONS, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", DISTRIBUTIONS)
    built = {"DISTRIBUTIONS": str(DISTRIBUTIONS)}
    session.run("pytest", "-m", "package", "tests/package", *session.posargs, env=built)


def installed(session: nox.Session, what: str) -> Path:
    """Install something with all extras into an environment of its own; return that one's Python."""
    environment = Path(session.create_tmp(), "installed")
    session.run("python", "-m", "venv", "--clear", "--without-pip", environment)
    python = environment / "bin" / "python"
    session.run("uv", "pip", "install", "--quiet", "--python", python, f"{what}[all]")
    return python


@nox.session
def audit(session: nox.Session) -> None:
    """Look up what the package and all its extras depend on among the known vulnerabilities.

    What could not be looked up fails it, too. Arguments go to pip-audit.
    """
    session.install("uv", *group("audit"))
    python = installed(session, ".")
    frozen = session.run("uv", "pip", "freeze", "--quiet", "--python", python, silent=True)
    requirements = Path(session.create_tmp(), "requirements.txt")
    # The package itself is not in the index under this version.
    others = [line for line in str(frozen).splitlines(keepends=True) if "frontpay" not in line]
    requirements.write_text("".join(others), "utf-8")
    no_resolving = ("--no-deps", "--disable-pip", "--progress-spinner", "off")
    session.run("pip-audit", "--strict", "--requirement", requirements, *no_resolving, *session.posargs)


@nox.session
def sbom(session: nox.Session) -> None:
    """List what the wheel in dist/ depends on with all extras, as a CycloneDX SBOM beside it."""
    wheel = next(DISTRIBUTIONS.glob("*.whl"), None)
    if wheel is None:
        session.error("there is no wheel in dist/: run nox -s package first")
    session.install("uv", *group("sbom"))
    python = installed(session, str(wheel))
    version = wheel.name.split("-")[1]
    # cyclonedx-py reads no dynamic version.
    text = Path("pyproject.toml").read_text("utf-8")
    pyproject = Path(session.create_tmp(), "pyproject.toml")
    pyproject.write_text(text.replace('"version"]\n', f']\nversion = "{version}"\n', 1), "utf-8")
    to = DISTRIBUTIONS / f"frontpay_async-{version}.cdx.json"
    of = ("--pyproject", pyproject, "--mc-type", "library", "--output-reproducible", "--validate")
    session.run("cyclonedx-py", "environment", *of, "--output-file", to, python)


@nox.session
def rate(session: nox.Session) -> None:
    """Run the tests of rate control that take real processes and real time, and search the ledger for longer.

    Arguments go to pytest. A failure of the search prints what reproduces it.
    """
    session.install("-e", ".[batch,cli,redis,sandbox]", *group("tests"))
    session.run("pytest", "-m", "slow", *session.posargs)
    patience = ("-o", "faulthandler_timeout=3600")
    long = ("--hypothesis-profile", "long", *patience, "tests/_rate/test_ledger_properties.py")
    session.run("pytest", *IN_PARALLEL, *long, *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run the batch in bad weather, with runners that are killed; arguments go to pytest."""
    session.install("-e", ".[all]", *group("tests"))
    session.run("pytest", "-m", "chaos", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Make 10,000 calls with each engine to a server that fails at every place; arguments go to pytest."""
    session.install("-e", ".[all]", *group("tests"))
    limit = ("-o", "faulthandler_timeout=1800")
    many = {"FRONTPAY_FAULTS": "10000"}
    session.run("pytest", "-s", *limit, "tests/_transport/test_faults.py", *session.posargs, env=many)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz whatever reads data from outside, for ten minutes; an argument is the seed of atheris."""
    session.install("-e", ".[all]", *group("tests"), *group("fuzz"))
    seed = session.posargs[0] if session.posargs else str(random.randrange(1, 2**31))  # noqa: S311 - inputs
    session.run("pytest", "--hypothesis-profile", "long", "--hypothesis-seed", seed, "tests/test_fuzz.py")
    session.run("python", "-m", "tests.support.fuzz_run", "70", seed)


@nox.session
def soak(session: nox.Session) -> None:
    """Run mixed traffic with faults for thirty minutes; memory, tasks and descriptors stay flat."""
    session.install("-e", ".[all]", *group("tests"))
    limit = ("-o", "faulthandler_timeout=2000")
    session.run("pytest", "-s", *limit, "tests/test_soak.py", *session.posargs, env={"FRONTPAY_SOAK": "900"})


@nox.session
def mutation(session: nox.Session) -> None:
    """Change the code in one place at a time: a test has to fail. Arguments: the seed, how many a module."""
    session.install("-e", ".[all]", *group("tests"))
    seed = str(random.randrange(1, 2**31))  # noqa: S311 - which places
    chosen = session.posargs or [seed, "25", "--minutes", "40"]
    session.run("python", "-m", "tests.support.mutation_run", *chosen)


@nox.session
def page(session: nox.Session) -> None:
    """Test the sandbox's page and the documentation in the machine's Chromium; without one they are skipped.

    With DEMAND_BROWSER=1 in the environment they fail instead.
    """
    session.install("-e", ".[all]", *group("tests"), *group("page"), *group("docs"))
    session.run("pytest", "-m", "browser", "tests/browser", *session.posargs)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Take the screenshots in docs/ anew: of the page in a Chromium, of the command on a terminal."""
    session.install("-e", ".[batch,cli,sandbox]", *group("page"))
    session.run("python", "docs/screenshots.py")
    session.run("python", "-m", "docs.command_screenshots")


@nox.session
def pictures(session: nox.Session) -> None:
    """Write what docs/ derives from the code: pictures, charts of stored results, openapi.json."""
    session.install("-e", ".[all]", *group("bench"))
    session.run("python", "-m", "docs.openapi")
    session.run("python", "-m", "docs.pictures")
    session.run("python", "-m", "benchmarks", "report")
    for benchmark in ("rate", "watch", "chaos", "worlds", "batch", "fleet"):
        session.run("python", "-m", "benchmarks", benchmark, "--report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format and the spelling, and lint everything."""
    session.install(*group("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types with mypy and pyright, both strict."""
    session.install("-e", ".[all]", *group("types"))
    session.run("mypy", "--strict")
    # The version is pinned: its wrapper need not ask for a newer one.
    session.run("pyright", "--warnings", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this client beside bare httpx, aiohttp and other SDKs; arguments go to the benchmark."""
    session.install(".[all]", *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, check all links offline, run the shell blocks; a warning is an error."""
    session.install(".[all]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-nEq", "-b", "html", "docs", "docs/_build/html")
    session.run("python", "docs/run_shell_blocks.py")
