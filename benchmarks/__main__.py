"""Run one benchmark: `python -m benchmarks [NAME] [ARGUMENTS]`; without a name, `transport`."""

import sys
from importlib import import_module
from typing import Final

_BENCHMARKS: Final = {
    "transport": "CPU, throughput and latency of one call, against other clients",
    "rate": "how much of a rate limit gets used, and what it costs those who wait, against other limiters",
    "watch": "how soon the end of a payment is known under a rate limit, in simulated time, against polling",
    "chaos": "what faults and kills do to a batch, and to the loop that people write",
    "worlds": "batches in accounts with unusual lists, details and tokens, and with each fix removed",
    "batch": "throughput, memory, use of the budget and cost of reconciling of a batch",
    "fleet": "many merchants on one journal and a queue, while workers are killed, beside a queue alone",
    "report": "write the table and the chart of `transport` again, from its raw results",
}
_DEFAULT: Final = "transport"


def main(arguments: list[str]) -> int:
    """Hand the arguments to the benchmark that they name."""
    if arguments and arguments[0] in {"help", "--list"}:
        for name, summary in _BENCHMARKS.items():
            sys.stdout.write(f"{name:10} {summary}\n")
        return 0
    name = _DEFAULT
    if arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
    if name not in _BENCHMARKS:
        sys.stderr.write(f"no benchmark {name!r}; there are: {', '.join(_BENCHMARKS)}\n")
        return 2
    module = "transport.report" if name == "report" else f"{name}.run"
    status: int = import_module(f"benchmarks.{module}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
