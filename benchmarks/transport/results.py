"""The raw results of the transport benchmark, and their medians."""

import json
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import frozen

from benchmarks.common.measure import Latency

FILE: Final = "transport.json"
"""Name of the file with the raw results."""


@frozen(kw_only=True)
class Row:
    """One contender in one cell: medians over the repetitions."""

    rate: float
    """Calls that ended well, per second."""
    cpu_us: float | None
    """CPU microseconds of the client's process per call; None when no call ended."""
    cpu_range: tuple[float, float] | None
    """Least and greatest of the repetitions."""
    p50: Latency | None
    p99: Latency | None
    connections: int
    """Connections that the client opened in one repetition."""
    unfinished: int
    errors: int
    server_busy: float
    """Share of the server's core that was busy: near 1, the server was the limit."""
    body_bytes: float
    """Mean size of a request's body, as the server saw it."""


Cell = tuple[str, int, int]
"""Contender, delay of the server in milliseconds, number in flight."""


@frozen
class Results:
    """A run of the benchmark, read back."""

    raw: dict[str, Any]
    rows: dict[Cell, Row]
    failed: dict[Cell, str]
    noop_us: dict[str, float]
    """Median microseconds of a call over the no-op transport."""
    imports_ms: dict[str, float]
    """Median milliseconds of an import."""
    sandbox_us: dict[str, float]
    """Median microseconds of a call, or of a whole test, in a sandbox."""

    @property
    def contenders(self) -> list[str]:
        """Names of the contenders that were measured, in the order of the report."""
        return list(self.raw["contenders"])

    def label(self, name: str) -> str:
        """Return what tables and charts call a contender."""
        label: str = self.raw["contenders"][name]["label"]
        return label

    def cells(self) -> list[tuple[int, int]]:
        """Return every (delay, number in flight) that was measured."""
        return sorted({(delay, in_flight) for _, delay, in_flight in (*self.rows, *self.failed)})


def _latency(percentiles: list[dict[str, Any] | None]) -> Latency | None:
    known = [Latency(**percentile) for percentile in percentiles if percentile is not None]
    if not known:
        return None
    return Latency(ms=median(each.ms for each in known), bound=any(each.bound for each in known))


def _row(runs: list[dict[str, Any]]) -> Row:
    costs = [run["cpu_s"] / run["requests"] * 1e6 for run in runs if run["requests"]]
    rates = [run["requests"] / run["seconds"] for run in runs]
    busy = [
        run["server"]["cpu_s"] / max(run["server"]["requests"], 1) * rate
        for run, rate in zip(runs, rates, strict=True)
    ]
    return Row(
        rate=median(rates),
        cpu_us=median(costs) if costs else None,
        cpu_range=(min(costs), max(costs)) if costs else None,
        p50=_latency([run["p50"] for run in runs]),
        p99=_latency([run["p99"] for run in runs]),
        connections=round(median(run["server"]["connections"] for run in runs)),
        unfinished=round(median(run["unfinished"] for run in runs)),
        errors=sum(sum(run["errors"].values()) for run in runs),
        server_busy=median(busy),
        body_bytes=sum(run["server"]["body_bytes"] for run in runs)
        / max(1, sum(run["server"]["requests"] for run in runs)),
    )


def save(path: Path, raw: dict[str, Any]) -> None:
    """Write the raw results."""
    path.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """Read raw results and take the medians."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    grouped: dict[Cell, list[dict[str, Any]]] = {}
    for run in raw["runs"]:
        grouped.setdefault((run["contender"], run["delay_ms"], run["in_flight"]), []).append(run)
    rows: dict[Cell, Row] = {}
    failed: dict[Cell, str] = {}
    for cell, runs in grouped.items():
        if good := [run for run in runs if "failed" not in run]:
            rows[cell] = _row(good)
        else:
            failed[cell] = runs[0]["failed"]
    return Results(
        raw=raw,
        rows=rows,
        failed=failed,
        noop_us={name: median(values) for name, values in raw["noop_us"].items()},
        imports_ms={name: median(values) * 1000 for name, values in raw["imports_s"].items()},
        # Results from before these were measured do not have them.
        sandbox_us={name: median(values) for name, values in raw.get("sandbox_us", {}).items()},
    )
