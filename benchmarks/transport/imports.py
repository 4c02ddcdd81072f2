"""What an import costs: fresh interpreters that take turns, each timing one statement itself.

The start of the interpreter is not in it. The first round only writes the bytecode and is not counted.
"""

import subprocess
from typing import Final

from benchmarks.common.processes import run_python

STATEMENTS: Final = {
    "httpx": "import httpx",
    "frontpay": "import frontpay_async",
    "httpx-client": "import httpx; httpx.AsyncClient()",
    "frontpay-client": (
        "from frontpay_async import FrontPayClient; FrontPayClient(token='bench-token', environment='demo')"
    ),
    "httpx-client-core": "import httpx; httpx.AsyncClient()",
    "frontpay-client-core": (
        "from frontpay_async import FrontPayClient; FrontPayClient(token='bench-token', environment='demo')"
    ),
    "sandbox": "import frontpay_async.sandbox",
    "aiohttp": "import aiohttp",
    "stripe": "import stripe",
    "openai": "import openai",
}
"""The statements that are timed, by the name that the results call them."""

_BEYOND_CORE: Final = ("click", "pygments", "rich", "trio")
"""What httpx imports if something else has installed it."""

_PROGRAM = """
import os, sys, time
os.sched_setaffinity(0, {{{core}}})
sys.modules.update(dict.fromkeys({hidden}))
begun = time.perf_counter()
{statement}
print(time.perf_counter() - begun)
"""


def measure_imports(core: int, rounds: int) -> dict[str, list[float]]:
    """Return seconds by statement and round; a statement that fails is left out."""
    taken: dict[str, list[float]] = {}
    names = list(STATEMENTS)
    for number in range(-1, rounds):
        for name in list(names):
            hidden = _BEYOND_CORE if name.endswith("-core") else ()
            program = _PROGRAM.format(core=core, statement=STATEMENTS[name], hidden=hidden)
            try:
                seconds = float(run_python("-c", program))
            except subprocess.CalledProcessError:
                names.remove(name)
                continue
            if number >= 0:
                taken.setdefault(name, []).append(seconds)
    return taken
