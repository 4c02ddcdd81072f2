"""The ledger against an exact model of Laravel's throttle, in any interleaving of requests and answers.

Two machines. ``OnlyUser`` holds the token alone from the start: nothing may ever be refused, and the books
must be right at any time. ``Neighbours`` starts in the middle of somebody else's window, with others on
the token and a limit that changes: refusals are possible there, but afterwards, when it is quiet, the
ledger must have found the window by itself and use it up without one.
"""

from __future__ import annotations

import math

from attrs import define
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.rate_headers import Quota
from frontpay_async.priority import Priority
from tests.support.throttle_model import Server

WINDOW = 60.0
MARGIN = 0.06

SECONDS = st.one_of(st.floats(0.001, 3), st.floats(3, 70), st.just(600.0))


@define(eq=False)
class Flight:
    grant: Grant
    worked_on: bool = False
    number: int | None = None
    limit: int = 0
    retry_after: float = 0.0

    def arrive(self, server: Server, now: float) -> None:
        self.worked_on, self.number = True, server.work_on(now)
        self.limit, self.retry_after = server.limit, float(math.ceil(server.began + server.window - now))

    def write(self, server: Server, now: float) -> None:
        if self.number is not None:
            self.number, self.limit = server.counted(now), server.limit


class Traffic(RuleBasedStateMachine):
    """Send, work on, answer and lose requests in any order."""

    server: Server
    ledger: Ledger
    # Whether the headers are made when the response is written, as the framework does it.
    written: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.flights: list[Flight] = []

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(edge=st.sampled_from(["lo", "hi", "end"]), seconds=st.sampled_from([-0.5, -0.001, 0.0, 0.001, 0.5]))
    def time_passes_to_an_edge(self, edge: str, seconds: float) -> None:
        """Go where it matters: the end of the window, and what the ledger believes of it."""
        end = self.server.began + self.server.window
        moment = {"lo": self.ledger.lo, "hi": self.ledger.hi, "end": end}[edge] + seconds
        if self.now < moment < math.inf:
            self.now = moment

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.2, 5.0]), backwards=st.booleans())
    def everything_is_answered(self, seconds: float, backwards: bool) -> None:
        for flight in self.flights:
            if not flight.worked_on:
                flight.arrive(self.server, self.now)
        self.now += seconds
        for flight in self.flights[:: -1 if backwards else 1]:
            self.deliver(flight)

    @rule(priority=st.sampled_from(Priority), times=st.integers(1, 12))
    def ask(self, priority: Priority, times: int) -> None:
        for _ in range(times):
            verdict = self.ledger.acquire(self.now, priority)
            if isinstance(verdict, Grant):
                self.flights.append(Flight(verdict))
            else:
                assert verdict > self.now, "a wait that is over already would spin"

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def server_works(self, data: st.DataObject) -> None:
        waiting = [each for each in self.flights if not each.worked_on]
        for flight in waiting[: data.draw(st.integers(0, len(waiting)))]:
            flight.arrive(self.server, self.now)

    @precondition(lambda self: self.written)
    @rule()
    def answers_are_written(self) -> None:
        for flight in self.flights:
            flight.write(self.server, self.now)

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), headers=st.sampled_from([True, True, True, False]))
    def answer_arrives(self, data: st.DataObject, headers: bool) -> None:
        flight = data.draw(st.sampled_from(self.flights))
        if flight.worked_on:
            self.deliver(flight, headers=headers)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def nothing_was_sent(self, data: st.DataObject) -> None:
        flight = data.draw(st.sampled_from(self.flights))
        if not flight.worked_on:
            self.flights.remove(flight)
            self.ledger.give_back(flight.grant)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def answer_is_lost(self, data: st.DataObject) -> None:
        flight = data.draw(st.sampled_from(self.flights))
        self.flights.remove(flight)
        self.ledger.lost(self.now)

    @invariant()
    def the_books_balance(self) -> None:
        assert self.ledger.unanswered == len(self.flights)
        assert self.ledger.used >= 0

    def deliver(self, flight: Flight, *, headers: bool = True) -> None:
        self.flights.remove(flight)
        if flight.number is None:
            self.ledger.refused(flight.grant, self.now, flight.retry_after)
        else:
            # A window that has ended without a successor shows nothing used, which tells nothing.
            quota = Quota(flight.limit, flight.number) if headers and flight.number else None
            self.ledger.report(flight.grant, self.now, quota)


class OnlyUser(Traffic):
    """One process has the token to itself and knows the phase: it never meets a 429."""

    @initialize(limit=st.integers(1, 12), drift=st.sampled_from([-1, 0, 0, 1]), written=st.booleans())
    def begin(self, limit: int, drift: int, *, written: bool) -> None:
        self.written = written
        self.server = Server(limit, WINDOW + drift * MARGIN * 0.99)
        self.ledger = Ledger(limit, WINDOW, MARGIN)

    @invariant()
    def nothing_is_refused(self) -> None:
        assert self.server.refusals == 0

    @invariant()
    def nobody_else_is_believed_in(self) -> None:
        assert not self.ledger.shared

    @invariant()
    def what_the_server_counted_is_charged(self) -> None:
        if self.server.open(self.now) and self.now < self.ledger.hi:
            assert self.server.count <= self.ledger.used <= self.ledger.limit

    @invariant()
    def the_end_is_not_believed_too_late(self) -> None:
        if self.server.open(self.now) and self.now < self.ledger.lo:
            assert self.ledger.lo <= self.server.began + self.server.window + 1e-6


class Neighbours(Traffic):
    """Others use the token, too, and nobody knows since when."""

    @initialize(
        limit=st.integers(1, 12), counted=st.integers(0, 12), age=st.floats(0, 59.9), written=st.booleans()
    )
    def begin(self, limit: int, counted: int, age: float, *, written: bool) -> None:
        self.written = written
        self.server = Server(limit, began=-age, count=min(counted, limit))
        self.ledger = Ledger(limit, WINDOW, MARGIN)

    @rule(times=st.integers(1, 6))
    def others_send(self, times: int) -> None:
        for _ in range(times):
            self.server.work_on(self.now)

    @rule(limit=st.integers(1, 12))
    def server_changes_its_limit(self, limit: int) -> None:
        self.server.limit = limit

    @invariant()
    def a_gate_ends_within_a_window(self) -> None:
        assert self.ledger.gated_for(self.now) <= WINDOW + MARGIN + 1e-6

    def teardown(self) -> None:
        """Whatever happened: three quiet windows later it uses the budget up, and nothing is refused."""
        if not hasattr(self, "ledger"):
            return
        for flight in list(self.flights):
            if not flight.worked_on:
                flight.arrive(self.server, self.now)
            self.deliver(flight)
        settled = self.now + 5 * WINDOW
        while self.now < settled:
            self.go_on()
        limit, refusals, windows = self.server.limit, self.server.refusals, len(self.server.ended)
        while self.now < settled + 5 * WINDOW:
            self.go_on()
        assert self.server.refusals == refusals
        assert min(self.server.ended[windows + 1 :]) == limit

    def go_on(self) -> None:
        """Send a batch request as soon as may be, and let it be answered at once."""
        verdict = self.ledger.acquire(self.now, Priority.BATCH)
        if not isinstance(verdict, Grant):
            assert verdict > self.now
            # Not exactly then: a timer is late.
            self.now = min(verdict, self.now + WINDOW) + 1e-6
            return
        flight = Flight(verdict)
        self.flights.append(flight)
        flight.arrive(self.server, self.now + 0.005)
        self.now += 0.01
        self.deliver(flight)


# `nox -s rate` searches longer, and elsewhere each time.
_LONG = settings.get_current_profile_name() == "long"

TestOnlyUser = OnlyUser.TestCase
TestOnlyUser.settings = settings(
    max_examples=5000 if _LONG else 300,
    stateful_step_count=60,
    suppress_health_check=[HealthCheck.too_slow],
)
TestNeighbours = Neighbours.TestCase
TestNeighbours.settings = settings(
    max_examples=1000 if _LONG else 200,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow],
)
