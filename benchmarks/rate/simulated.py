"""Hostile starts and neighbours in simulated time: the ledger alone against the exact throttle, by seed.

Each row is a server or a network that hides the window from the client. Processes saturate the token with
batch calls, and an interactive call comes every five seconds on average.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import Any, Final

from attrs import field, frozen

from tests.support.simulated_token import WINDOW, First, SimulatedToken

_MINUTES: Final = 4
_MANY_MINUTES: Final = 12
SEEDS: Final = 20
_LEAST: Final = 0.97
_LONGEST_WAIT: Final = 1.0


@frozen
class Row:
    """One row of the table.

    Args:
        title: What hides the window.
        what: The arguments of the simulated token.
        minutes: How long it lasts.
        processes: How many processes there are, without a common account.
        refusals: The answers of 429 that are allowed in a run.
        wait: Whether the interactive calls are to wait for less than a second.
    """

    title: str
    what: Mapping[str, Any] = field(factory=dict[str, Any])
    minutes: int = _MINUTES
    processes: int = 1
    refusals: float = 0
    wait: bool = True


def _used(count: int, seconds: float, **what: object) -> Row:
    more = ", no headers" if what else ""
    title = f"others used {count} of 240 in the {seconds:g} s before the start{more}"
    return Row(title, {"used_before": count, "used_for": seconds, **what}, refusals=1, wait=False)


def _four(title: str, **what: object) -> Row:
    return Row(f"four processes by headers{title}", what, _MANY_MINUTES, 4)


ROWS: Final = (
    Row("nothing is hidden"),
    Row("the first response is lost", {"first": First(lost=True)}),
    Row("the first 50 responses are lost", {"first": First(lost=True, count=50)}),
    Row("the first 100 responses are lost", {"first": First(lost=True, count=100)}),
    Row("the first response has no headers", {"first": First(bare=True)}),
    Row("the first response takes 15 s", {"first": First(seconds=15.0)}),
    Row("headers show the count when the response is written", {"written": True}),
    Row("the same, the first response takes 15 s", {"written": True, "first": First(seconds=15.0)}),
    Row("the same, responses take 1 to 2 s", {"written": True, "latency": (1.0, 2.0)}),
    Row("no response has headers", {"bare": 1.0}),
    Row("30 % of the responses have no headers", {"bare": 0.3}),
    Row("5 % of the responses are lost", {"lost": 0.05}),
    Row("20 % of the responses are lost", {"lost": 0.2}),
    Row("each window's first response takes 15 s longer", {"slow_first": 15.0}),
    Row("the same, headers when written", {"slow_first": 15.0, "written": True}),
    _used(230, 5.0),
    _used(230, 20.0),
    _used(230, 50.0),
    _used(240, 30.0),
    _used(230, 20.0, bare=1.0),
    Row("others take 10 % of the budget at random", {"others": 0.1}, refusals=2),
    Row("others take 60 % of the budget at random", {"others": 0.6}, refusals=2),
    _four(""),
    _four(", each window's first response takes 15 s longer", slow_first=15.0),
    _four(", headers when written", written=True),
    _four(", 5 % of the responses are lost", lost=0.05),
)


def run_row(row: Row) -> dict[str, Any]:
    """Play a row with each seed."""
    shares, refused, waits = [], [], []
    for seed in range(SEEDS):
        token = SimulatedToken(seed, **row.what)
        token.play(row.minutes * WINDOW, row.processes)
        shares.append(token.share)
        refused.append(token.refused)
        waits.append(token.p95)
    longest = max(_LONGEST_WAIT, row.what.get("latency", (0.0, 0.0))[1])
    return {
        "title": row.title,
        "minutes": row.minutes,
        "share": fmean(shares),
        "least": min(shares),
        "refused": fmean(refused),
        "most_refused": max(refused),
        "p95": fmean(waits),
        "longest_p95": max(waits),
        "aim": {"share": _LEAST, "refused": row.refusals, "p95": longest if row.wait else None},
        "met": fmean(shares) >= _LEAST
        and max(refused) <= row.refusals
        and (not row.wait or fmean(waits) < longest),
    }


def run_simulated() -> list[dict[str, Any]]:
    """Play all rows."""
    return [run_row(row) for row in ROWS]
