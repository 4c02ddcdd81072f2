"""Run the shell blocks of the documentation: ``python docs/run_shell_blocks.py``, with all extras installed.

Each page is one Bash session in a new folder, against a sandbox on a socket. Commands that cannot be run here
are listed in ``_NOT_RUN`` with the reason; all others must end with exit status 0.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox

_ROOT = Path(__file__).parents[1]
_JSON = re.compile(r"^```json\n(\{\n.*?)^```", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The beginning of each command that is not run, and why.
_NOT_RUN = {
    "git clone": "needs the published repository",
    "python3 -m venv": "this environment is used",
    "python3 -m pip": "this environment has all extras",
    "python3 -m nox": "the sessions are run by .ci/run",
    "python3 -m asyncio": "interactive",
    "python3 -m frontpay_async.sandbox": "runs until it is stopped; a sandbox is running",
    "frontpay sandbox": "runs until it is stopped; a sandbox is running",
    "frontpay listen": "runs until it is stopped",
    "uvicorn": "runs until it is stopped",
    "export FRONTPAY_ENVIRONMENT": "the sandbox's URL is set instead",
    "export FRONTPAY_BASE_URL": "the sandbox's URL is set instead",
    "unset FRONTPAY_BASE_URL": "the sandbox's URL is set instead",
    "export FRONTPAY_TOKEN=your-token": "the sandbox's token is set instead",
    "eval": "needs an interactive shell",
    "frontpay completion": "needs an interactive shell",
    "python3 pay.py": "run by tests/docs/test_documentation.py",
    "procrastinate": "runs until it is stopped",
}


def _commands(page: Path) -> list[str]:
    found: list[str] = []
    for kind, text in _BLOCK.findall(page.read_text("utf-8")):
        lines = text.replace("\\\n", " ").splitlines()
        found += [line.removeprefix("$ ") for line in lines if kind == "sh" or line.startswith("$ ")]
    return [part.strip() for line in found for part in re.split(r" && |(?<=activate); ", line)]


def _run(page: Path, url: str) -> tuple[int, list[str]]:
    """Run the commands of a page; return how many were run, and the failures."""
    run = [
        line for line in _commands(page) if line and not line.startswith((*_NOT_RUN, "#", ". .venv", "cd "))
    ]
    with tempfile.TemporaryDirectory() as folder:
        for example in (_ROOT / "docs" / "batch-files").iterdir():
            shutil.copy(example, folder)
        for text in _JSON.findall(page.read_text("utf-8")):
            name = "session.json" if "success_url" in text else "order.json"
            Path(folder, name).write_text(text, "utf-8")
        # A journal in the folder, wherever the page keeps it.
        script = "\n".join(f"echo {i}\n{line}" for i, line in enumerate(run)).replace("/srv/invoices/", "")
        paths = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {
            "PATH": paths,
            "HOME": folder,
            "FRONTPAY_BASE_URL": url,
            "FRONTPAY_TOKEN": DEFAULT_TOKEN,
        }
        done = subprocess.run(
            ["/bin/bash", "-e"],
            input=script,
            text=True,
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=300,
            check=False,
        )
    failed = done.returncode != 0
    return len(run), [f"{page.name}: {done.stderr.strip()[-300:]}"] if failed else []


def main() -> int:
    """Run all pages; return the exit status."""
    pages = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    failures: list[str] = []
    total = 0
    with start_blocking_portal() as portal:
        for page in pages:
            if "_build" in page.parts:
                continue
            sandbox = Sandbox(cardholder=Cardholder(after=0.1))
            with portal.wrap_async_context_manager(sandbox.serve()) as url:
                count, found = _run(page, url)
            total += count
            failures += found
    print(f"{total} commands run, {len(failures)} pages failed")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
