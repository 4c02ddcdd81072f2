"""The schedule alone, driven by hand: who is asked next, and who never waits for ever."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from frontpay_async import OrderStatus, PaymentStatus, WatchKind
from frontpay_async.watch.kinds import Watch, WatchState
from frontpay_async.watch.schedule import CLOSEST, KEPT_FOR, LONGEST, Schedule, Sweep
from frontpay_async.watch.sweeps import RELEARN, SETTLED

BUDGET = 4.0
OPEN = PaymentStatus.UNKNOWN


def unlisted() -> Schedule:
    """A schedule that knows that the list has no terminal orders."""
    schedule = Schedule()
    schedule.sweeps._has[WatchKind.PAYMENT] = False
    schedule.sweeps._missed_at[WatchKind.PAYMENT] = 1e9
    return schedule


def begin(schedule: Schedule, count: int, now: float = 0.0, age: float = 0.0) -> list[Watch]:
    return [
        schedule.begin(WatchKind.PAYMENT, f"ODR{now:g}-{number}", now, age=age) for number in range(count)
    ]


def poll(schedule: Schedule, now: float, budget: float = BUDGET) -> Watch | Sweep | None:
    """Ask for what is most valuable, and be told that it is not decided."""
    asked = schedule.take(now, budget)
    if isinstance(asked, Watch):
        schedule.looked(asked, OPEN, now)
    return asked


def polls(schedule: Schedule, start: float, seconds: float) -> list[tuple[float, Watch]]:
    """Ask at the full budget for so long."""
    asked: list[tuple[float, Watch]] = []
    for step in range(int(seconds * BUDGET)):
        now = start + step / BUDGET
        found = poll(schedule, now)
        if isinstance(found, Watch):
            asked.append((now, found))
    return asked


def test_shares_are_in_proportion_to_the_root_of_the_hazard() -> None:
    schedule = unlisted()
    young, old = begin(schedule, 10, age=15.0), begin(schedule, 10, now=1.0, age=2000.0)
    counted = Counter(watch for _, watch in polls(schedule, 1.0, 40.0)[40:])
    hazard = schedule.learnt()[WatchKind.PAYMENT]
    wanted = math.sqrt(hazard.at(40.0) / hazard.at(2030.0))
    ratio = sum(counted[watch] for watch in young) / sum(counted[watch] for watch in old)
    assert ratio == pytest.approx(wanted, rel=0.2)


def test_equal_watches_are_asked_in_turn() -> None:
    schedule = unlisted()
    watches = begin(schedule, 8, age=30.0)
    asked = [watch for _, watch in polls(schedule, 0.0, 20.0)]
    assert all(set(asked[at : at + 8]) == set(watches) for at in range(0, 80, 8))


@pytest.mark.parametrize("age", [0.0, 30.0, 400.0, 3600.0, 1e6])
def test_no_watch_is_asked_for_too_often(age: float) -> None:
    """However little else there is to do; and those who have waited long need it less often."""
    schedule = unlisted()
    begin(schedule, 1, age=age)
    asked = [now for now, _ in polls(schedule, 0.0, 130.0)]
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    least = min(max(CLOSEST, age / 400), LONGEST)
    assert least <= min(gaps)
    assert max(gaps) <= max(least * 1.5, CLOSEST) + 1 / BUDGET


@pytest.mark.search
@pytest.mark.parametrize(("count", "longest"), [(1, 1.0), (20, 30.0), (200, 150.0)])
def test_no_watch_starves(count: int, longest: float) -> None:
    """Old ones with next to no hazard are asked for among young ones that keep coming."""
    schedule = unlisted()
    old = begin(schedule, count, age=50_000.0)
    last = dict.fromkeys(old, 0.0)
    most: dict[Watch, float] = defaultdict(float)
    for step in range(int(600 * BUDGET)):
        now = step / BUDGET
        if step % 8 == 0:
            schedule.begin(WatchKind.PAYMENT, f"young-{step}", now)
        asked = poll(schedule, now)
        if isinstance(asked, Watch) and asked.order_uuid.startswith("young") and now - asked.since > 25:
            schedule.end(asked)
        elif asked in last:
            most[asked] = max(most[asked], now - last[asked])
            last[asked] = now
    assert min(last.values()) > 600 - LONGEST - longest
    assert max(most.values()) <= LONGEST + longest


def test_young_ones_that_were_alone_do_not_wait_for_ever() -> None:
    """A turn far in the future, given when there was nothing else to do, does not outlast that."""
    schedule = unlisted()
    first, second = begin(schedule, 2)
    asked = polls(schedule, 0.0, 30.0)
    for watch in (first, second):
        times = [now for now, each in asked if each is watch and now > 5]
        assert max(b - a for a, b in pairwise(times)) < 2


def test_a_new_watch_is_looked_at_at_once_unless_many_wait() -> None:
    schedule = unlisted()
    begin(schedule, 3, age=20.0)
    polls(schedule, 0.0, 5.0)
    (newcomer,) = begin(schedule, 1, now=5.0)
    assert newcomer in {poll(schedule, 5.0), poll(schedule, 5.25)}
    begin(schedule, 100, now=6.0, age=20.0)
    polls(schedule, 6.0, 60.0)
    (newcomer,) = begin(schedule, 1, now=66.0)
    assert newcomer not in {watch for _, watch in polls(schedule, 66.0, 3.0)}


@pytest.mark.parametrize(("ended", "at_once"), [(0, False), (60, True)])
def test_whether_a_new_watch_is_polled_at_once_is_learnt(ended: int, at_once: bool) -> None:
    """From the first polls: how many of the new watches were decided already."""
    schedule = unlisted()
    for number in range(60):
        (watch,) = begin(schedule, 1, now=10.0 * number)
        assert schedule.take(10.0 * number, BUDGET) is watch
        schedule.looked(watch, PaymentStatus.PAID if number < ended else OPEN, 10.0 * number)
        schedule.end(watch)
    begin(schedule, 12, now=600.0, age=20.0)
    polls(schedule, 600.0, 20.0)
    (newcomer,) = begin(schedule, 1, now=620.0)
    assert (newcomer in {watch for _, watch in polls(schedule, 620.0, 1.0)}) is at_once


def test_more_watches_than_can_be_polled_share_alike() -> None:
    """Far more than the longest interval allows: shares stay within their bounds, and turns are a round."""
    schedule = unlisted()
    watches = begin(schedule, 5000, age=20.0)
    peak = schedule.learnt()[WatchKind.PAYMENT].peak
    assert all(0 < watch.share <= peak for watch in watches)
    asked = Counter(watch for _, watch in polls(schedule, 0.0, 1.1 * 5000 / BUDGET))
    assert asked.keys() == set(watches)
    assert max(asked.values()) == 2


def test_what_is_told_goes_first() -> None:
    schedule = unlisted()
    watches = begin(schedule, 50, age=20.0)
    polls(schedule, 0.0, 20.0)
    schedule.tell(watches[7], 20.0)
    assert schedule.wakes(20.0, BUDGET) <= 20.0
    assert schedule.take(20.0, BUDGET) is watches[7]


def test_news_that_no_answer_bears_out_are_doubted_for_a_while() -> None:
    """Asked again further and further apart, and then left alone."""
    schedule = unlisted()
    (watch,) = begin(schedule, 1, age=5000.0)
    poll(schedule, 0.0)
    schedule.tell(watch, 1.0)
    asked: list[float] = []
    now = 1.0
    while len(asked) < 6:
        now = max(now, schedule.wakes(now, BUDGET))
        assert poll(schedule, now) is watch
        asked.append(now)
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[:4] == [pytest.approx(0.5), pytest.approx(1.0), pytest.approx(2.0), pytest.approx(4.0)]
    assert gaps[4] > 10


def test_news_during_a_poll_are_followed_by_another() -> None:
    """The answer that is on its way may be older than the news."""
    schedule = unlisted()
    watch, _ = begin(schedule, 2, age=20.0)
    while schedule.take(0.0, BUDGET) is not watch:
        pass
    schedule.tell(watch, 0.1)
    assert schedule.wakes(0.1, BUDGET) > 0.1 or schedule.take(0.1, BUDGET) is not watch
    schedule.looked(watch, OPEN, 0.2)
    assert schedule.take(0.2, BUDGET) is watch


def test_a_hastened_watch_goes_first_a_tenth_of_a_second_after_its_last_poll() -> None:
    schedule = unlisted()
    begin(schedule, 5, age=30.0)
    watch = poll(schedule, 0.0)
    assert isinstance(watch, Watch)
    schedule.hasten(watch, 0.05)
    assert schedule.take(0.09, BUDGET) is not watch
    assert schedule.take(0.1, BUDGET) is watch
    # One that is under way is not repeated.
    schedule.hasten(watch, 0.2)
    assert schedule.take(0.3, BUDGET) is not watch


def confirmed(schedule: Schedule, watch: Watch, start: float) -> list[float]:
    """Return the times of the polls that follow news which no response confirms."""
    times: list[float] = []
    while watch.state in (WatchState.REPORTED, WatchState.CLAIMED):
        assert schedule.take(watch.early, BUDGET) is watch
        times.append(round(watch.early - start, 3))
        schedule.looked(watch, OPEN, watch.early)
    return times


@pytest.mark.parametrize("during", [False, True])
@pytest.mark.parametrize("claimed", [False, True])
def test_news_that_no_response_confirms_are_asked_about_in_growing_intervals(
    during: bool, claimed: bool
) -> None:
    """News during a poll count from its end."""
    schedule = unlisted()
    (watch,) = begin(schedule, 1)
    assert schedule.take(0.0, BUDGET) is watch
    if not during:
        schedule.looked(watch, OPEN, 0.0)
    if claimed:
        assert schedule.claim(WatchKind.PAYMENT, watch.order_uuid, 10.0)
    else:
        schedule.tell(watch, 10.0)
    if during:
        schedule.looked(watch, OPEN, 10.0)
    assert confirmed(schedule, watch, 10.0) == ([0.0, 1.0, 3.0, 7.0] if during else [0.0, 0.5, 1.5, 3.5, 7.5])
    assert watch.disproved is claimed


def test_after_a_list_one_failure_does_not_make_it_pause() -> None:
    schedule = unlisted()
    begin(schedule, 1)
    schedule.trouble(0.0)
    schedule.swept({}, 1.0)
    schedule.trouble(2.0)
    assert schedule.wakes(2.0, BUDGET) <= 2.0
    schedule.trouble(2.0)
    assert schedule.wakes(2.0, BUDGET) == 2.5


def test_a_poll_that_was_given_up_is_repeated_before_anything_else() -> None:
    schedule = unlisted()
    begin(schedule, 20, age=20.0)
    asked = schedule.take(0.0, BUDGET)
    assert isinstance(asked, Watch)
    schedule.again(asked, 0.1)
    assert schedule.take(0.1, BUDGET) is asked


def test_a_watch_under_way_is_not_asked_for_twice() -> None:
    schedule = unlisted()
    begin(schedule, 3)
    asked = [schedule.take(0.0, BUDGET) for _ in range(5)]
    assert len(set(asked[:3])) == 3
    assert asked[3:] == [None, None]
    assert schedule.wakes(100.0, BUDGET) == math.inf


def test_trouble_makes_it_pause_and_an_answer_ends_that() -> None:
    schedule = unlisted()
    (watch,) = begin(schedule, 1)
    pauses: list[float] = []
    now = 0.0
    for _ in range(8):
        now = max(now, schedule.wakes(now, BUDGET))
        assert schedule.take(now, BUDGET) is watch
        schedule.trouble(now)
        schedule.missed(watch, now)
        pauses.append(schedule.wakes(now, BUDGET) - now)
    assert pauses == [pytest.approx(each) for each in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)]
    now += 8
    assert poll(schedule, now) is watch
    assert schedule.wakes(now, BUDGET) == pytest.approx(now + CLOSEST)


def sweep(schedule: Schedule, now: float, status: OrderStatus = OrderStatus.SENT) -> None:
    """Answer a sweep that is due with all that is watched."""
    assert schedule.take(now, BUDGET) is Sweep.LIST
    schedule.swept({watch.order_uuid: status for watch in schedule.watches.values()}, now)


def test_few_watches_are_polled_and_many_are_swept() -> None:
    few, many = Schedule(), Schedule()
    begin(few, 4, age=20.0)
    begin(many, 40, age=20.0)
    assert isinstance(few.take(0.0, BUDGET), Watch)
    assert many.take(0.0, BUDGET) is Sweep.LIST


def test_while_sweeps_run_nothing_else_is_asked_until_they_show_a_change() -> None:
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    assert schedule.wakes(0.1, BUDGET) == pytest.approx(1.0)
    assert schedule.take(0.5, BUDGET) is None
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    listed = {watch.order_uuid: OrderStatus.SENT for watch in watches}
    schedule.swept({**listed, watches[3].order_uuid: OrderStatus.PAID}, 1.1)
    assert schedule.take(1.1, BUDGET) is watches[3]
    assert schedule.take(1.1, BUDGET) is None


def swept_for(schedule: Schedule, seconds: float, ends: float = math.inf) -> list[tuple[float, Watch]]:
    """Drive it with a list that always shows all watches as open; they end after so many seconds."""
    listed = {watch.order_uuid: OrderStatus.SENT for watch in schedule.watches.values()}
    asked: list[tuple[float, Watch]] = []
    for step in range(int(seconds * BUDGET)):
        now = step / BUDGET
        found = schedule.take(now, BUDGET)
        if found is Sweep.LIST:
            schedule.swept(listed, now)
        elif isinstance(found, Watch):
            asked.append((now, found))
            if now >= ends:
                schedule.sweeps.ended(found, now)
                schedule.end(found)
            else:
                schedule.looked(found, OPEN, now)
    return asked


def test_what_sweeps_look_after_is_asked_for_now_and_then() -> None:
    """In case that the list lags: for an audit, until it has proved fresh, and at least once a minute."""
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    asked = swept_for(schedule, LONGEST + 30)
    audits = [now for now, _ in asked if now < LONGEST]
    assert len({watch for _, watch in asked[: len(audits)]}) == len(audits)
    assert 20 <= len(audits) <= 30
    assert min(later - earlier for earlier, later in pairwise(audits)) >= 1.5
    assert max(audits) < 50
    assert {watch for now, watch in asked if now >= LONGEST} >= set(watches[len(audits) :])


def test_an_audit_finds_out_that_the_list_lags() -> None:
    """Though no order is polled for another reason: single polls look after them from then on."""
    schedule = Schedule()
    begin(schedule, 40, age=20.0)
    asked = swept_for(schedule, 9.0, ends=5.0)
    assert schedule.sweeps.has(WatchKind.PAYMENT, 9.0) is False
    assert len([now for now, _ in asked if now >= 7.5]) == 6


def test_a_list_that_has_proved_fresh_is_audited_again_later() -> None:
    schedule = Schedule()
    begin(schedule, 1, age=20.0)
    schedule.sweeps.begin(0.0)
    for _ in range(30):
        schedule.sweeps.vouch(0.04, 10.0)
    assert schedule.sweeps.audit_due(10.0 + RELEARN - 1, BUDGET) == math.inf
    assert schedule.sweeps.audit_due(10.0 + RELEARN, BUDGET) < 10.0 + RELEARN


def test_a_watch_that_is_gone_from_the_list_is_asked_for() -> None:
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    assert schedule.take(0.5, BUDGET) is None
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    schedule.swept({watch.order_uuid: OrderStatus.SENT for watch in watches[1:]}, 1.0)
    assert schedule.take(1.0, BUDGET) is watches[0]


def test_a_list_that_says_more_than_the_api_is_not_asked_about_for_ever() -> None:
    """The same word in each list is news once."""
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    listed = {watch.order_uuid: OrderStatus.SENT for watch in watches}
    asked = 0
    for step in range(200):
        now = step / BUDGET
        found = poll(schedule, now)
        if found is Sweep.LIST:
            schedule.swept({**listed, watches[0].order_uuid: OrderStatus.PAID}, now)
        asked += found is watches[0]
    assert asked == 5


def test_a_list_without_an_order_that_is_known_has_not_its_kind() -> None:
    """One that nobody has seen yet may be missing because it is new; so may one that was seen just now."""
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    assert schedule.take(0.0, BUDGET) is Sweep.LIST
    schedule.swept({"ODR-other": OrderStatus.SENT}, 0.0)
    assert schedule.sweeps.has(WatchKind.PAYMENT, 0.0) is None
    assert isinstance(poll(schedule, 0.5), Watch)
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    schedule.swept({}, 1.0)
    assert schedule.sweeps.has(WatchKind.PAYMENT, 1.0) is None
    now = 0.5 + SETTLED
    assert schedule.take(now, BUDGET) is Sweep.LIST
    schedule.swept({}, now)
    assert schedule.sweeps.has(WatchKind.PAYMENT, now) is False
    assert {type(poll(schedule, now + step / 4)) for step in range(4, 40)} == {Watch}
    assert schedule.sweeps.has(WatchKind.PAYMENT, now + RELEARN) is None
    assert len(watches) == len(schedule.watches)


def test_a_list_that_costs_much_is_asked_for_less_often() -> None:
    slow, huge, scarce = Schedule(), Schedule(), Schedule()
    for schedule in (slow, huge, scarce):
        begin(schedule, 400, age=20.0)
        assert schedule.take(0.0, BUDGET) is Sweep.LIST
    mine = {watch.order_uuid: OrderStatus.SENT for watch in slow.watches.values()}
    slow.swept(mine, 2.0)
    assert slow.sweeps.due(BUDGET) == pytest.approx(4.0)
    huge.swept({**mine, **{f"old-{number}": OrderStatus.PAID for number in range(10_000)}}, 0.1)
    assert huge.sweeps.due(BUDGET) == pytest.approx(10.4)
    scarce.swept(mine, 0.1)
    assert scarce.sweeps.due(0.5) == pytest.approx(6.0)


def test_sweeps_that_fail_become_less_frequent() -> None:
    schedule = Schedule()
    begin(schedule, 400, age=20.0)
    due = 0.0
    periods: list[float] = []
    for _ in range(4):
        assert schedule.take(due, BUDGET) is Sweep.LIST
        schedule.sweeps.fail(due)
        periods.append(schedule.sweeps.due(BUDGET) - due)
        due += periods[-1]
    assert periods == [2.0, 4.0, 8.0, 16.0]


def test_when_sweeps_do_not_pay_any_more_the_rest_is_polled() -> None:
    """Those that were left to the sweeps are not forgotten."""
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    schedule.take(0.2, BUDGET)
    for watch in watches[2:]:
        schedule.end(watch)
    asked = {poll(schedule, 0.5), poll(schedule, 0.75)}
    assert asked == set(watches[:2])


def test_a_refund_is_news_when_the_list_turns_to_refunded() -> None:
    schedule = Schedule()
    begin(schedule, 40, age=20.0)
    refund = schedule.begin(WatchKind.REFUND, "ODR-refund", 0.0)
    others = {watch.order_uuid: OrderStatus.SENT for watch in schedule.watches.values()}
    assert schedule.take(0.0, BUDGET) is Sweep.LIST
    schedule.swept({**others, "ODR-refund": OrderStatus.PARTIAL_REFUNDED}, 0.0)
    assert refund.state is not WatchState.REPORTED
    schedule.swept({**others, "ODR-refund": OrderStatus.REFUNDED}, 1.0)
    assert refund.state is WatchState.REPORTED


def test_it_learns_between_which_looks_one_was_decided() -> None:
    schedule = unlisted()
    (watch,) = begin(schedule, 1)
    poll(schedule, 10.0)
    schedule.hasten(watch, 14.0)
    assert schedule.take(14.0, BUDGET) is watch
    schedule.decided(watch)
    hazard = schedule.learnt()[WatchKind.PAYMENT]
    assert hazard.seen == 1
    assert 10 < math.exp(hazard.state()[1]) < 14


@pytest.mark.parametrize(("age", "learns"), [(0.5, False), (12.0, True)])
def test_one_that_was_decided_before_it_was_watched_teaches_nothing(age: float, learns: bool) -> None:
    """At a first look so early that next to none are decided by then."""
    schedule = unlisted()
    (watch,) = begin(schedule, 1)
    assert schedule.take(age, BUDGET) is watch
    schedule.decided(watch)
    assert schedule.learnt()[WatchKind.PAYMENT].seen == learns


def flood(schedule: Schedule, told: list[Watch], seconds: float) -> Counter[Watch]:
    """Poll at the full budget while callbacks about some of them come in every 20 ms; count the polls."""
    asked: Counter[Watch] = Counter()
    for step in range(int(seconds * 50)):
        now = step / 50
        for watch in told:
            schedule.claim(watch.kind, watch.order_uuid, now)
        if now * BUDGET == int(now * BUDGET):
            found = poll(schedule, now)
            if isinstance(found, Watch):
                asked[found] += 1
    return asked


@pytest.mark.parametrize(("count", "told"), [(3, 1), (3, 3), (12, 6), (12, 11)])
def test_forged_callbacks_take_at_most_half_of_the_polls(count: int, told: int) -> None:
    """The others are polled at least half as often as without them, whatever comes in."""
    quiet, flooded = unlisted(), unlisted()
    begin(quiet, count, age=20.0)
    watches = begin(flooded, count, age=20.0)
    without, beside = flood(quiet, [], 100.0), flood(flooded, watches[:told], 100.0)
    usual = sum(without.values()) / count
    assert min(beside[watch] for watch in watches[told:] or watches) >= 0.45 * usual


def test_a_callback_that_proved_wrong_starts_no_further_doubts() -> None:
    """Afterwards a callback about the same watch gets one early poll for each regular one."""
    schedule = unlisted()
    (watch,) = begin(schedule, 1, age=50_000.0)
    poll(schedule, 0.0)
    asked: list[float] = []
    now = 1.0
    while now < 60.0:
        schedule.claim(watch.kind, watch.order_uuid, now)
        if poll(schedule, now) is watch:
            asked.append(now)
        now += 0.02
    # Once, four times because that showed no change, and once more beside the regular poll before.
    assert len([each for each in asked if each < 20.0]) == 6
    assert len([each for each in asked if each >= 20.0]) <= 2
    schedule.claim(watch.kind, watch.order_uuid, 100.0)
    assert schedule.take(100.0, BUDGET) is watch
    schedule.looked(watch, PaymentStatus("ON HOLD"), 100.1)
    assert not watch.disproved, "one that is confirmed restores the trust"


def test_callbacks_that_are_confirmed_cost_nothing() -> None:
    """Three hundred in a row, beside watches that wait for their turn."""
    schedule = unlisted()
    watches = begin(schedule, 400, age=20.0)
    for place, watch in enumerate(watches[:300]):
        now = place / BUDGET
        schedule.claim(watch.kind, watch.order_uuid, now)
        assert schedule.take(now, BUDGET) is watch
        schedule.looked(watch, PaymentStatus.PAID, now + 0.1)
        schedule.end(watch)


def test_news_of_the_list_go_before_callbacks() -> None:
    schedule = unlisted()
    watches = begin(schedule, 10, age=20.0)
    schedule.claim(watches[3].kind, watches[3].order_uuid, 1.0)
    schedule.tell(watches[7], 1.0)
    assert schedule.take(1.0, BUDGET) is watches[7]
    assert schedule.take(1.0, BUDGET) is watches[3]


def test_a_list_that_denies_a_known_end_is_not_trusted_any_more() -> None:
    """It lags: the order's own route had stated the end before the list was asked for."""
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    schedule.claim(watches[0].kind, watches[0].order_uuid, 0.2)
    assert schedule.take(0.2, BUDGET) is watches[0]
    schedule.sweeps.ended(watches[0], 0.3)
    schedule.end(watches[0])
    listed = {watch.order_uuid: OrderStatus.SENT for watch in watches}
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    schedule.swept(listed, 1.1)
    assert schedule.sweeps.has(WatchKind.PAYMENT, 1.1) is False
    asked = {poll(schedule, 1.1 + step / 4) for step in range(1, 40)}
    assert len(asked) > 20
    assert Sweep.LIST not in asked
    assert schedule.sweeps.has(WatchKind.PAYMENT, 1.1 + RELEARN) is None


def test_a_list_that_confirms_a_known_end_stays_trusted() -> None:
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    schedule.sweeps.ended(watches[0], 0.3)
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    schedule.swept({watch.order_uuid: OrderStatus.PAID for watch in watches}, 1.1)
    assert schedule.sweeps.has(WatchKind.PAYMENT, 1.1) is True


def test_a_list_without_any_order_that_it_showed_is_not_believed() -> None:
    """Not one watch is polled because it is missing; single polls look after all of them instead."""
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    schedule.swept({}, 1.1)
    assert not any(watch.state is WatchState.REPORTED for watch in watches)
    assert all(watch.listed is OrderStatus.SENT for watch in watches)
    assert isinstance(poll(schedule, 1.2), Watch)


def test_nothing_follows_from_an_order_that_is_missing_where_rows_were_unreadable() -> None:
    schedule = Schedule()
    watches = begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    schedule.swept({watch.order_uuid: OrderStatus.SENT for watch in watches[1:]}, 1.1, whole=False)
    assert watches[0].state is not WatchState.REPORTED
    assert watches[0].listed is OrderStatus.SENT


@pytest.mark.parametrize("hangs", [True, False])
def test_while_the_list_does_not_come_its_watches_are_polled(hangs: bool) -> None:
    schedule = Schedule()
    begin(schedule, 40, age=20.0)
    sweep(schedule, 0.0)
    assert schedule.take(1.0, BUDGET) is Sweep.LIST
    (schedule.sweep_hangs if hangs else schedule.sweep_failed)(4.0)
    asked = {poll(schedule, 4.0 + step / 4) for step in range(4)}
    assert len(asked) == 4
    assert all(isinstance(each, Watch) for each in asked)


def test_an_undecided_watch_is_kept_after_its_last_reader() -> None:
    """Its age and its turn go on; after a callback it is polled at once; a decided one is not kept."""
    schedule = unlisted()
    watch, other = begin(schedule, 2, age=20.0)
    poll(schedule, 0.0), poll(schedule, 0.25)
    schedule.leave(watch, 1.0)
    assert not schedule.claim(watch.kind, watch.order_uuid, 2.0)
    assert schedule.begin(watch.kind, watch.order_uuid, 3.0) is watch
    assert watch.since == -20.0
    assert schedule.take(3.0, BUDGET) is watch
    schedule.looked(watch, PaymentStatus.PAID, 3.1)
    schedule.leave(watch, 3.2)
    assert schedule.begin(watch.kind, watch.order_uuid, 3.3) is not watch
    schedule.leave(other, 4.0)
    assert schedule.begin(other.kind, other.order_uuid, 4.0 + KEPT_FOR) is not other


def test_whoever_leaves_and_comes_back_does_not_lose_its_turn() -> None:
    """Handlers that wait two seconds and call again are polled as often as those that stay."""
    schedule = unlisted()
    begin(schedule, 40, age=20.0)
    returning = schedule.begin(WatchKind.PAYMENT, "ODR-returning", 0.0, age=20.0)
    asked: Counter[str] = Counter()
    for step in range(int(120 * BUDGET)):
        now = step / BUDGET
        if step % 8 == 0 and returning.state is not WatchState.ASKED:
            schedule.leave(returning, now)
            assert schedule.begin(WatchKind.PAYMENT, "ODR-returning", now + 0.01) is returning
        found = poll(schedule, now)
        if isinstance(found, Watch):
            asked[found.order_uuid] += 1
    assert asked["ODR-returning"] >= 0.7 * sum(asked.values()) / 41
    assert asked["ODR-returning"] <= 1.3 * sum(asked.values()) / 41


def test_kept_watches_are_bounded() -> None:
    schedule = unlisted()
    for number in range(10_050):
        schedule.leave(schedule.begin(WatchKind.PAYMENT, f"ODR{number}", 0.0), 0.0)
    assert len(schedule._kept) == 10_000


def test_where_polls_are_plentiful_they_are_kept_for_when_they_are_worth_most() -> None:
    """Fifty that begin at once are hardly polled while next to none has ended, and more often afterwards."""
    schedule = unlisted()
    begin(schedule, 50)
    asked: list[float] = []
    for step in range(240):
        now = step / BUDGET
        schedule.set_price(now, 240 - len(asked), 60.0 - now)
        if isinstance(poll(schedule, now), Watch):
            asked.append(now)
    early, later = [each for each in asked if each < 5], [each for each in asked if 10 <= each < 30]
    assert len(early) <= 5
    assert len(later) >= 3.5 * 20


def test_where_polls_are_scarce_they_have_no_price() -> None:
    schedule = unlisted()
    begin(schedule, 300)
    schedule.set_price(0.0, 240, 60.0)
    assert not schedule.priced
    assert len(polls(schedule, 0.0, 10.0)) == 10 * BUDGET
