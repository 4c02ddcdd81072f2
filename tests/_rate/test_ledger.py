"""What the ledger makes of single answers, sane and insane."""

from __future__ import annotations

import itertools

import pytest

from frontpay_async import Priority, RateLimit
from frontpay_async._protocol.retry_after import retry_after
from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.rate_headers import Quota, read_quota
from tests.support.throttle_model import Server

WINDOW = 60.0


def granted(ledger: Ledger, now: float, priority: Priority = Priority.INTERACTIVE) -> Grant:
    verdict = ledger.acquire(now, priority)
    assert isinstance(verdict, Grant)
    return verdict


def passes(ledger: Ledger, now: float, priority: Priority = Priority.INTERACTIVE) -> int:
    """Count how many are let through at one moment."""
    count = 0
    while isinstance(ledger.acquire(now, priority), Grant):
        count += 1
    return count


def opened(limit: int = 10) -> Ledger:
    """A ledger that knows the phase: its window is [0, 60], and one request is used."""
    ledger = Ledger(limit, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.0, Quota(limit, 1))
    return ledger


@pytest.mark.parametrize(
    ("limit", "remaining"),
    [
        ("", ""),
        ("240", ""),
        ("", "239"),
        ("-240", "239"),
        ("240", "-1"),
        ("240", "240"),
        ("240", "1e3"),
        ("many", "few"),
        ("9" * 400, "1"),
        ("999999999", "5"),
        ("0", "0"),
        ("²40", "1"),
        ("240.0", "1"),
    ],
)
def test_nonsense_headers_tell_nothing(limit: str, remaining: str) -> None:
    assert read_quota({"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining}) is None


@pytest.mark.parametrize(
    ("limit", "remaining", "quota"),
    [
        ("240", "0", Quota(240, 240)),
        ("240", "239", Quota(240, 1)),
        ("1", "0", Quota(1, 1)),
        ("000000240", "000000000", Quota(240, 240)),
        ("0000000240", "0", None),
        ("240", "0000000000", None),
        ("1000000", "0", Quota(1_000_000, 1_000_000)),
        ("1000001", "0", None),
    ],
)
def test_sane_headers(limit: str, remaining: str, quota: Quota | None) -> None:
    assert read_quota({"x-ratelimit-limit": limit, "x-ratelimit-remaining": remaining}) == quota
    assert read_quota({"x-ratelimit-limit": limit}) is None
    assert read_quota({"x-ratelimit-remaining": remaining}) is None


def test_a_server_without_headers_is_held_to_the_setting() -> None:
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.1, None)
    assert passes(ledger, 1.0) == 9
    for _ in range(9):
        ledger.lost(1.0)
    assert passes(ledger, 59.0) == 0
    assert passes(ledger, 200.0) == 10


def test_before_the_first_answer_only_a_few_pass() -> None:
    assert passes(Ledger(240, WINDOW), 0.0) < 12
    assert passes(Ledger(240, WINDOW), 0.0, Priority.BATCH) == 1


def test_a_started_window_is_recognised() -> None:
    """Somebody has used 7 of 10 already."""
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.1, Quota(10, 8))
    assert ledger.used == 8
    assert ledger.shared
    assert passes(ledger, 0.2) <= 3, "the third asks when the window ends"


def test_a_count_that_fell_proves_a_new_window() -> None:
    """Others began it while this process believed the old one open."""
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.1, Quota(10, 8))
    ledger.report(granted(ledger, 5.0), 5.1, Quota(10, 2))
    assert ledger.used == 2
    assert ledger.hi == pytest.approx(5.1 + WINDOW)
    assert passes(ledger, 5.2) >= 6


@pytest.mark.parametrize("lost", [True, False])
def test_what_tells_no_count_may_have_been_counted_in_the_next_window(lost: bool) -> None:
    """Sent where the window may have ended already, and lost, or answered without headers."""
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), 1.0, Quota(10, 1))
    assert (ledger.lo, ledger.hi) == (WINDOW, WINDOW + 1)
    grant = granted(ledger, 60.5)
    if lost:
        ledger.lost(60.7)
    else:
        ledger.report(grant, 60.7, None)
    granted(ledger, 61.0)
    assert ledger.used == 2


def test_a_first_request_that_is_too_late_for_the_window_began_another() -> None:
    """The answer before it had no headers, so that no count fell; the bounds contradict one another."""
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.1, None)
    ledger.report(granted(ledger, 50.0), 50.1, Quota(10, 1))
    assert (ledger.lo, ledger.hi) == (pytest.approx(110.0), pytest.approx(110.1))
    assert passes(ledger, 61.0) <= 9


def test_a_first_request_that_was_under_way_for_a_window_may_have_begun_the_next() -> None:
    """What was answered before it without headers may have begun this one: its end stays unknown."""
    ledger = Ledger(8, WINDOW)
    ledger.report(granted(ledger, 5.0), 6.0, None)
    server_began = 65.5
    ledger.report(granted(ledger, 6.0), 66.0, Quota(8, 1))
    granted(ledger, 66.0)
    assert ledger.used == 2, "the second may be of the window that runs"
    assert ledger.lo <= server_began + WINDOW


def test_of_two_first_requests_each_began_a_window() -> None:
    """Both were sent before either was answered, so that no floor tells."""
    ledger = Ledger(8, WINDOW)
    first, second = granted(ledger, 5.0), granted(ledger, 5.5)
    ledger.report(first, 6.0, Quota(8, 1))
    assert (ledger.lo, ledger.hi) == (65.0, 66.0)
    server_began = 65.125
    ledger.report(second, 65.25, Quota(8, 1))
    granted(ledger, 66.0)
    assert ledger.used >= 2
    assert ledger.lo <= server_began + WINDOW


def test_a_count_of_the_window_before_is_no_floor_in_this_one() -> None:
    """It is told after the first request of this one was, by a request that was sent earlier."""
    ledger = Ledger(8, WINDOW)
    granted(ledger, 0.0)
    ledger.lost(1.0)
    before, first = granted(ledger, 50.0), granted(ledger, 50.0)
    ledger.report(first, 60.5, Quota(8, 1))
    ledger.report(before, 60.75, Quota(8, 2))
    ledger.report(granted(ledger, 61.0), 61.25, Quota(8, 2))
    assert (ledger.lo, ledger.hi) == (110.0, 120.5)


def overtaken(quota: Quota | None) -> tuple[Ledger, Server]:
    """A ledger whose first request, a lost one, began [0, 60]; the third was the first of the next window."""
    ledger, server = Ledger(8, WINDOW), Server(8)
    granted(ledger, 0.0)
    server.work_on(0.0)
    ledger.lost(10.0)
    before, after = granted(ledger, 49.0), granted(ledger, 49.5)
    assert server.work_on(49.5) == 2
    ledger.report(before, 50.0, quota)
    during = granted(ledger, 50.5)
    assert (server.work_on(60.25), server.work_on(60.25)) == (1, 2)
    ledger.report(after, 60.5, Quota(8, 1))
    ledger.report(during, 60.75, Quota(8, 2))
    return ledger, server


@pytest.mark.parametrize("quota", [None, Quota(8, 2)])
def test_a_first_request_may_have_begun_a_later_window_than_that_of_an_earlier_answer(
    quota: Quota | None,
) -> None:
    """It was sent before that answer came. Its own window runs, whichever that is, and bounds the end."""
    ledger, server = overtaken(quota)
    assert (ledger.lo, ledger.hi) == (49.5 + WINDOW, 60.5 + WINDOW)
    for now in (61.0, 110.25):
        while isinstance(grant := ledger.acquire(now, Priority.INTERACTIVE), Grant):
            number = server.work_on(now)
            assert number is not None, "refused"
            ledger.report(grant, now, Quota(8, number))
        assert server.count == 8
    assert passes(ledger, 121.0) == 8


def test_a_burst_that_begins_the_first_window_costs_the_next_one_nothing() -> None:
    ledger = Ledger(10, WINDOW)
    for number, grant in enumerate([granted(ledger, 0.0) for _ in range(3)], 1):
        ledger.report(grant, 0.1, Quota(10, number))
    ledger.report(granted(ledger, 30.0), 30.1, Quota(10, 4))
    assert passes(ledger, WINDOW + 0.2) == 10


def carried() -> tuple[Ledger, Grant]:
    """A ledger whose window [0, 60] has ended, and that window's last grant, which is not answered yet."""
    ledger = opened(10)
    grants = [granted(ledger, 1.0) for _ in range(9)]
    for number, grant in enumerate(grants[:-1], 2):
        ledger.report(grant, 2.0, Quota(10, number))
    granted(ledger, 60.5)
    assert ledger.used == 2
    return ledger, grants[-1]


@pytest.mark.parametrize(("count", "used"), [(10, 1), (1, 2)])
def test_a_late_answer_tells_which_window_its_request_fell_in(count: int, used: int) -> None:
    """Charged to both, it is given back to the new one only where it was counted in the old one."""
    ledger, late = carried()
    ledger.report(late, 61.0, Quota(10, count))
    assert ledger.used == used
    assert passes(ledger, 61.1) == 10 - used


def test_a_window_ends_after_the_last_request_that_was_counted_in_it() -> None:
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.1, Quota(10, 5))
    assert (ledger.lo, ledger.hi) == (0.0, pytest.approx(60.1))
    ledger.report(granted(ledger, 6.0), 6.1, Quota(10, 6))
    assert (ledger.lo, ledger.hi) == (6.0, pytest.approx(60.1))


def test_others_may_have_begun_the_window_before_this_process_did() -> None:
    """As soon as the one before it could have ended."""
    ledger = opened(10)
    grant = granted(ledger, 100.0)
    assert ledger.lo == 160.0
    ledger.report(grant, 100.1, Quota(10, 5))
    assert (ledger.lo, ledger.hi) == (120.0, pytest.approx(160.1))


def test_others_cannot_have_begun_a_window_that_ended_before_what_was_counted_in_it() -> None:
    ledger = opened(10)
    lost, second, third = granted(ledger, 300.0), granted(ledger, 310.0), granted(ledger, 320.0)
    ledger.report(second, 320.0, Quota(10, 2))
    assert ledger.lo == 360.0
    ledger.report(third, 320.1, Quota(10, 9))
    assert (ledger.lo, ledger.hi) == (320.0, pytest.approx(380.0))
    ledger.lost(321.0)
    del lost


def test_others_did_not_begin_a_window_of_which_this_process_had_the_first_request() -> None:
    ledger = opened(10)
    ledger.report(granted(ledger, 100.0), 100.1, Quota(10, 1))
    ledger.report(granted(ledger, 101.0), 101.1, Quota(10, 9))
    assert ledger.shared
    assert (ledger.lo, ledger.hi) == (160.0, pytest.approx(160.1))


def test_what_a_429_tells_of_the_end_holds_whoever_began_the_window() -> None:
    """Even where an answer shows afterwards, with a raised limit, that others use the token."""
    ledger = opened(10)
    refused, answered = granted(ledger, 100.0), granted(ledger, 100.0)
    ledger.refused(refused, 100.1, 30.0)
    ledger.report(answered, 101.0, Quota(20, 15))
    assert ledger.shared
    assert (ledger.lo, ledger.hi) == (129.0, pytest.approx(131.1))


def test_a_clock_that_stood_still_while_the_host_slept() -> None:
    """Some do. The window that is still believed in has long ended; the next answer tells."""
    ledger = opened(10)
    for number in range(2, 6):
        ledger.report(granted(ledger, 1.0), 1.1, Quota(10, number))
    ledger.report(granted(ledger, 2.0), 2.1, Quota(10, 1))
    assert ledger.used == 1
    assert (ledger.lo, ledger.hi) == (62.0, pytest.approx(62.1))
    assert passes(ledger, 2.2) == 9


def test_a_lowered_limit_holds_at_once() -> None:
    ledger = opened(10)
    ledger.report(granted(ledger, 1.0), 1.1, Quota(5, 2))
    assert passes(ledger, 2.0) == 3


def test_a_raised_limit_is_used_at_once() -> None:
    ledger = opened(10)
    ledger.report(granted(ledger, 1.0), 1.1, Quota(20, 2))
    assert passes(ledger, 2.0) == 18


@pytest.mark.parametrize(
    ("headers", "at_least", "at_most"),
    [
        ({}, 59.9, 61.0),
        ({"retry-after": "20"}, 20.0, 21.5),
        ({"retry-after": "60"}, 59.9, 60.0001),
        ({"retry-after": "1000000000"}, 59.9, 61.0),
        ({"retry-after": "9" * 300}, 59.9, 61.0),
        ({"retry-after": "soon"}, 59.9, 61.0),
        ({"retry-after": "-5"}, 59.9, 61.0),
        ({"retry-after": "0"}, 0.5, 1.5),
        (
            {"date": "Fri, 05 Jun 2026 10:00:00 GMT", "retry-after": "Fri, 05 Jun 2026 10:00:30 GMT"},
            30.0,
            31.5,
        ),
        (
            {"date": "Fri, 05 Jun 2026 10:00:00 GMT", "retry-after": "Fri, 05 Jun 2099 10:00:30 GMT"},
            59.9,
            61.0,
        ),
    ],
    ids=["none", "seconds", "a window", "10^9", "10^300", "words", "negative", "zero", "date", "far date"],
)
def test_a_429_gates_for_as_long_as_it_can_be_true(
    headers: dict[str, str], at_least: float, at_most: float
) -> None:
    """Never longer than a window, whatever it asks."""
    ledger = Ledger(10, WINDOW)
    grant = granted(ledger, 1000.0)
    ledger.refused(grant, 1000.1, retry_after(headers))
    assert at_least <= ledger.gated_for(1000.1) <= at_most
    opens = 1000.1 + ledger.gated_for(1000.1)
    assert passes(ledger, opens - 0.01) == 0
    assert passes(ledger, opens + 0.01) == 1, "one asks how things stand before the others go"


def test_a_known_end_is_believed_before_a_429_that_says_nothing() -> None:
    ledger = opened(10)
    ledger.refused(granted(ledger, 50.0), 50.1, None)
    assert 9.5 < ledger.gated_for(50.1) < 10.5


def test_later_429s_of_the_same_burst_do_not_gate_again() -> None:
    ledger = opened(10)
    first, second = granted(ledger, 50.0), granted(ledger, 50.0)
    ledger.refused(first, 50.1, 9.0)
    gate = ledger.gated_for(50.1)
    ledger.refused(second, 55.0, 60.0)
    assert ledger.gated_for(50.1) == gate
    assert ledger.refusals == 2


def test_ten_minutes_of_sleep() -> None:
    """What was on its way is answered or lost afterwards; the budget is whole again, less that."""
    ledger = opened(10)
    answered, lost = granted(ledger, 30.0), granted(ledger, 30.0)
    ledger.report(answered, 630.0, Quota(10, 2))
    ledger.lost(630.0)
    del lost
    assert passes(ledger, 630.0) >= 7
    assert ledger.used <= 10


def test_batch_leaves_room_until_the_window_has_passed() -> None:
    ledger = opened(240)
    assert passes(ledger, 15.0, Priority.BATCH) == pytest.approx(60, abs=2)
    assert passes(ledger, 15.0, Priority.WATCH) == 0
    assert passes(ledger, 15.0, Priority.NORMAL) == pytest.approx(180, abs=2)


@pytest.mark.parametrize("priority", [Priority.WATCH, Priority.BATCH])
@pytest.mark.parametrize(("burst", "first", "longest"), [(60, 0.4, 0.6), (120, 0.7, 0.9), (200, 2.5, 3.5)])
def test_a_burst_does_not_blind_what_is_paced(
    burst: int, first: float, longest: float, priority: Priority
) -> None:
    """What is left is spread over the rest of the window, less a reserve for interactive calls."""
    ledger = opened(240)
    for number in range(burst):
        ledger.report(granted(ledger, 0.1, Priority.NORMAL), 0.2, Quota(240, number + 2))
    now, passed = 0.2, [0.2]
    while now < 50.0:
        verdict = ledger.acquire(now, priority)
        if isinstance(verdict, Grant):
            passed.append(now)
            ledger.report(verdict, now, Quota(240, burst + len(passed)))
        else:
            now = verdict
    gaps = [after - before for before, after in itertools.pairwise(passed)]
    assert gaps[0] <= first
    assert max(gaps) <= longest
    # A tenth of the budget, in proportion to the time that is left, is still there for the others.
    assert passes(ledger, 50.0) >= 4


@pytest.mark.parametrize(
    ("polled_at", "now", "normal"),
    [(None, 12.0, 239), (12.0, 12.0, 238 - 28), (12.0, 26.9, 238 - 19), (12.0, 27.0, 238)],
)
def test_normal_calls_leave_a_part_of_the_window_to_polls(
    polled_at: float | None, now: float, normal: int
) -> None:
    """15 % of the limit, in proportion to the time that is left, for a quarter of a window after a poll."""
    ledger = opened(240)
    if polled_at is not None:
        granted(ledger, polled_at, Priority.WATCH)
    assert passes(ledger, now, Priority.NORMAL) == normal
    assert ledger.used + passes(ledger, now) == 240


def test_what_normal_calls_leave_is_theirs_at_the_end_of_the_window() -> None:
    ledger = opened(240)
    granted(ledger, 50.0, Priority.WATCH)
    first = passes(ledger, 50.0, Priority.NORMAL)
    verdict = ledger.acquire(50.0, Priority.NORMAL)
    assert isinstance(verdict, float)
    assert 0 < verdict - 50.0 <= WINDOW / (0.15 * 240) + 1e-9
    assert first + passes(ledger, 59.999, Priority.NORMAL) == 238


def test_the_last_requests_of_a_burst_are_shared_with_what_is_paced() -> None:
    """Fewer than the reserve are left: half of them are spread."""
    ledger = opened(240)
    for number in range(225):
        ledger.report(granted(ledger, 0.1, Priority.NORMAL), 0.2, Quota(240, number + 2))
    assert isinstance(ledger.acquire(0.3, Priority.WATCH), Grant)
    verdict = ledger.acquire(0.3, Priority.WATCH)
    assert isinstance(verdict, float)
    assert verdict == pytest.approx(0.3 + 59.7 / 6.5, abs=0.1)


def test_a_window_that_others_used_up_is_probed_by_one_at_a_time() -> None:
    """The 429 says when it ends, and costs nothing."""
    ledger = Ledger(240, WINDOW)
    ledger.report(granted(ledger, 100.0), 100.1, Quota(240, 240))
    probe = granted(ledger, 100.2)
    verdict = ledger.acquire(100.3, Priority.INTERACTIVE)
    assert verdict == pytest.approx(100.2 + WINDOW / 12)
    ledger.refused(probe, 100.4, 20.0)
    assert ledger.gated_for(100.4) == pytest.approx(21.0)
    assert passes(ledger, 122.0) == 1


def test_the_only_user_never_probes() -> None:
    ledger = opened(10)
    grants = [granted(ledger, 1.0) for _ in range(9)]
    for number, grant in enumerate(grants[:5], 2):
        ledger.report(grant, 1.1, Quota(10, number))
    for _ in grants[5:]:
        ledger.lost(31.0)
    assert passes(ledger, 59.0) == 0


def test_a_loss_is_charged_to_the_next_window_only_if_it_may_be_counted_there() -> None:
    """A lost request is counted within a sixth of a window of its loss, or never."""
    ledger = opened(10)
    for at in (1.0, 49.0, 55.0):
        granted(ledger, at)
        ledger.lost(at + 0.5)
    granted(ledger, 61.0)
    assert ledger.used == 2


def test_a_count_drops_the_charge_of_what_was_lost() -> None:
    """It was sent long after them: they are in the count, or were never counted."""
    ledger = opened(10)
    for _ in range(5):
        granted(ledger, 1.0)
        ledger.lost(2.0)
    assert ledger.used == 6
    ledger.report(granted(ledger, 13.0), 13.1, Quota(10, 3))
    assert ledger.used == 3


@pytest.mark.parametrize(("now", "generation"), [(61.4, 1), (61.5, 2)])
def test_with_nothing_in_flight_a_window_has_ended_a_window_and_the_margin_after_the_last_loss(
    now: float, generation: int
) -> None:
    ledger = Ledger(10, WINDOW, 0.5)
    granted(ledger, 0.0)
    ledger.lost(1.0)
    granted(ledger, now)
    assert ledger.generation == generation


@pytest.mark.parametrize(("priority", "at_once"), [(Priority.NORMAL, 9), (Priority.BATCH, 1)])
def test_before_the_first_response_a_few_pass_at_once_and_the_others_in_pace(
    priority: Priority, at_once: int
) -> None:
    ledger = Ledger(240, WINDOW)
    assert passes(ledger, 0.0, priority) == at_once
    assert passes(ledger, 10.0, priority) == 40


def test_what_others_have_sent_since_the_last_response_is_estimated_by_their_rate() -> None:
    """100 of 101 were theirs within a window: half a window later 49.8 more are expected; then one asks."""
    ledger = Ledger(240, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.1, Quota(240, 101))
    assert passes(ledger, 30.0) == 240 - 101 - 49 + 1


@pytest.mark.parametrize("priority", [Priority.INTERACTIVE, Priority.BATCH])
def test_the_last_request_leaves_room_for_what_others_have_sent_since(priority: Priority) -> None:
    """237 of 239 were theirs, as before; a fifth of a second later 0.8 more are expected: no room for one."""
    ledger = Ledger(240, WINDOW)
    for start in (0.0, 60.0):
        ledger.report(granted(ledger, start), start, Quota(240, 1))
        ledger.report(granted(ledger, start + 30.0), start + 30.0, Quota(240, 239))
    assert ledger.acquire(90.2, priority) == ledger.hi


def after_losses(limit: int) -> tuple[Ledger, int]:
    """The first quarter of the limit is lost, so the window ends at 60 s or up to 15 s later; use it up."""
    ledger = Ledger(limit, WINDOW)
    now, sent = 0.0, 0
    while now < 60.0:
        verdict = ledger.acquire(now, Priority.BATCH)
        if isinstance(verdict, float):
            now = verdict
            continue
        sent += 1
        if sent <= limit / 4:
            ledger.lost(now)
        else:
            ledger.report(verdict, now, Quota(limit, sent))
    return ledger, sent


def test_an_uncertain_end_is_found_by_requests_that_were_kept_for_it() -> None:
    ledger, sent = after_losses(240)
    assert (sent, ledger.hi) == (237, 75.0)
    assert ledger.acquire(60.1, Priority.NORMAL) == 60.25
    ledger.report(granted(ledger, 60.25), 60.3, Quota(240, 1))
    assert (ledger.lo, ledger.hi) == (120.25, 120.3)
    assert passes(ledger, 61.25, Priority.BATCH) == 4


@pytest.mark.parametrize(
    ("limit", "found"), [(240, [60.25, 61.25, 62.5]), (12, [])], ids=["240", "too few to keep any"]
)
def test_an_uncertain_end_is_looked_for_later_and_later(limit: int, found: list[float]) -> None:
    """The old window goes on, which costs a request each time, and never more than there are."""
    ledger, sent = after_losses(limit)
    now, looks = 60.0, list[float]()
    while now < ledger.hi:
        verdict = ledger.acquire(now, Priority.BATCH)
        if isinstance(verdict, float):
            now = verdict
            continue
        looks.append(now)
        ledger.report(verdict, now, Quota(limit, sent + len(looks)))
    assert looks == found


@pytest.mark.parametrize(("answered_at", "normal"), [(10.0, 0), (40.0, 9)])
def test_the_guard_zone_holds_while_the_end_is_known_to_half_a_window(
    answered_at: float, normal: int
) -> None:
    ledger = Ledger(10, WINDOW)
    ledger.report(granted(ledger, 0.0), answered_at, None)
    assert (ledger.lo, ledger.hi) == (WINDOW, answered_at + WINDOW)
    assert passes(ledger, 61.0, Priority.NORMAL) == normal


def test_a_grant_records_how_many_earlier_requests_the_server_may_still_count() -> None:
    """Those in flight, and those lost within a sixth of a window."""
    ledger = opened(10)
    assert [granted(ledger, 1.0).open for _ in range(3)] == [0, 1, 2]
    ledger.lost(2.0)
    assert [granted(ledger, at).open for at in (2.0, 11.9, 12.0)] == [3, 4, 4]


def test_what_is_given_back_may_be_granted_again() -> None:
    """Before the first response only a few pass; one that was not sent is not one of them."""
    ledger = Ledger(240, WINDOW)
    grants = [
        granted(ledger, 0.0, Priority.NORMAL)
        for _ in range(passes(Ledger(240, WINDOW), 0.0, Priority.NORMAL))
    ]
    assert passes(ledger, 0.0, Priority.NORMAL) == 0
    ledger.give_back(grants[0])
    assert ledger.used == len(grants) - 1
    assert passes(ledger, 0.0, Priority.NORMAL) == 1


def test_what_an_earlier_window_granted_is_given_back_to_no_later_one() -> None:
    ledger = Ledger(240, WINDOW)
    old = granted(ledger, 0.0)
    ledger.refused(granted(ledger, 0.0), 1.0, 10.0)
    first = granted(ledger, 70.0)
    assert first.generation > old.generation
    ledger.give_back(old)
    # One is probing: the next waits for its response.
    assert passes(ledger, 70.0) == 0


def test_an_estimate_expects_the_requests_of_others() -> None:
    """100 of 101 were theirs: in the last half of the window 50 more are expected."""
    ledger = Ledger(240, WINDOW)
    ledger.report(granted(ledger, 0.0), 0.0, Quota(240, 101))
    assert ledger.eta(30.0, Priority.NORMAL, 88) == 30.0
    assert ledger.eta(30.0, Priority.NORMAL, 89) == WINDOW


def test_limits_that_make_no_sense_are_refused() -> None:
    for requests in (0, -1, 2.5, True, "240"):
        with pytest.raises(ValueError, match="whole number"):
            RateLimit(requests=requests)  # type: ignore[arg-type]
    for window in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="window"):
            RateLimit(window=window)
    with pytest.raises(ValueError, match="redis"):
        RateLimit(redis="localhost:6379")
    assert RateLimit.unlimited().requests is None
    assert "secret" not in repr(RateLimit(redis="redis://:secret@cache/0"))
