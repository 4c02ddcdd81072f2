"""What a release needs, kept in step: workflow, hooks, documentation host, versions and licences."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

from frontpay_async import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
NAME = re.compile(r"[A-Za-z0-9_.-]+")


def installed_by_users() -> set[str]:
    """The packages of the core and of all extras."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    needs = [*PROJECT["project"]["dependencies"], *(need for extra in extras for need in extra)]
    names = {found[0] for found in map(NAME.match, needs) if found}
    return names - {"frontpay_async"}


def licences() -> dict[str, str]:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    section = page.partition("### Licences\n")[2].partition("\n\npsycopg")[0]
    return dict(re.findall(r"^\| ([\w-]+) \| ([^|]+) \|$", section, re.MULTILINE)) | {"Package": ""}


def test_the_version_is_the_first_release() -> None:
    assert __version__ == "0.1.0"
    assert "version" in PROJECT["project"]["dynamic"], "it stands in one place"


def test_the_workflow_runs_the_checks_on_each_python_that_is_promised() -> None:
    promised = [
        classifier.rpartition(" :: ")[2]
        for classifier in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", classifier)
    ]
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOW)
    assert re.findall(r'"([\d.]+)"', matrix) == promised == ["3.11", "3.12", "3.13", "3.14"]
    assert "- run: .ci/run" in WORKFLOW
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_a_tag_is_published_without_any_secret() -> None:
    """By trusted publishing, and only after the checks."""
    publish = WORKFLOW.partition("\n  publish:\n")[2]
    assert "id-token: write" in publish
    assert "pypa/gh-action-pypi-publish" in publish
    assert "if: startsWith(github.ref, 'refs/tags/v')" in WORKFLOW
    assert "needs: [check, coverage]" in WORKFLOW
    assert "needs: build" in publish
    assert not re.search("secrets\\.|password|token:\\s*\\$", WORKFLOW)
    assert WORKFLOW.count("id-token: write") == 1


def test_the_hooks_are_those_of_the_lint_session() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    lint = PROJECT["dependency-groups"]["lint"]
    (pinned,) = [need.partition("~=")[2] for need in lint if need.startswith("ruff")]
    assert f"rev: v{pinned}" in hooks
    assert re.findall(r"id: ([\w-]+)", hooks) == ["ruff-check", "ruff-format", "codespell"]
    assert any(need.startswith("codespell") for need in lint)


def test_the_documentations_host_builds_what_nox_builds() -> None:
    host = (ROOT / ".readthedocs.yaml").read_text("utf-8")
    (configuration,) = re.findall(r"configuration: (\S+)", host)
    assert (ROOT / configuration).is_file()
    assert "fail_on_warning: true" in host
    assert '".[all]" --group docs' in host
    assert PROJECT["dependency-groups"]["docs"]


def test_every_package_that_users_get_has_its_licence_named() -> None:
    assert licences().keys() - {"Package"} == installed_by_users()


@pytest.mark.parametrize("name", sorted(installed_by_users()))
def test_the_licence_is_what_the_package_says(name: str) -> None:
    try:
        said = metadata(name)
    except PackageNotFoundError:
        pytest.skip("not installed here")
    expression = said.get("License-Expression") or said.get("License") or ""
    # An older form: "License :: OSI Approved :: MIT License".
    classified = [each for each in said.get_all("Classifier") or () if each.startswith("License :: ")]
    if not expression and len(classified) == 1:
        expression = classified[0].rpartition(" :: ")[2].removesuffix(" License")
    # Before SPDX it was written with a blank.
    assert licences()[name] == expression.strip().replace(" 2.0", "-2.0")
