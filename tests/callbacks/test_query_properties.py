"""What holds for every callback, whatever stands in it and however deliveries are interleaved."""

from __future__ import annotations

import itertools
import string
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from attrs import define, field
from hypothesis import assume, given, settings, strategies as st

from frontpay_async import CallbackError, Clock, OrderStatus, ReplayedCallbackError
from frontpay_async.callbacks import (
    CallbackGuard,
    Claim,
    MemoryReplayStore,
    OrderCallback,
    TerminalCallback,
    parse_callback,
    sign_callback_url,
    verify_checksum,
)
from frontpay_async.callbacks.checksum import PAYMENT_METHODS, STATUSES
from frontpay_async.sandbox.callback_sender import CallbackSender
from frontpay_async.sandbox.state import Line, RefundRequest, SandboxOrder, SandboxState
from tests.support.callbacks import EXAMPLE, NOW, ORDER, SECRET, query, signed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Mapping

NAMES = tuple(ORDER)
amounts = st.decimals(min_value=-(10**6), max_value=10**12, places=2).map(
    lambda amount: amount or Decimal("0.00")
)
uuids = st.tuples(st.sampled_from(["ODR", "RES", "SUB"]), st.integers(0, 10**12)).map("{0[0]}{0[1]}".format)
statuses = st.one_of(
    st.sampled_from([status.value for status in OrderStatus]),
    st.from_regex(r"[A-Za-z][A-Za-z _-]{0,39}", fullmatch=True),
)
methods = st.one_of(
    st.sampled_from(["Visa", "visa", "mastercard", "vipps", "invoice", ""]),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60),
    st.text("Vv1230.- ", max_size=8),
)
moments = st.integers(NOW - 300, NOW + 300)
own_queries = st.sampled_from(["", "?shop=7", "?next=/a?b=1&x", "?q=%C3%B8+%26", "?"])


@st.composite
def callbacks(draw: st.DrawFn) -> dict[str, str]:
    """Genuine parameters in one of the two sequences, with their checksum."""
    values = {
        "orderUuid": draw(uuids),
        "status": draw(statuses),
        "createdAt": str(draw(st.integers(1_500_000_000, NOW - 300))),
        "paymentMethod": draw(methods),
        "amount": str(draw(st.one_of(amounts, st.integers(0, 10**6)))),
        "timestamp": str(draw(moments)),
    }
    return signed({name: values[name] for name in draw(st.sampled_from([NAMES, EXAMPLE]))})


def may_be_cut_otherwise(fields: Mapping[str, str]) -> bool:
    """Whether another reading ranks higher than the genuine one, which takes an API with such words."""
    listed = [each for each in STATUSES if fields["status"].upper().startswith(each)]
    word = fields["paymentMethod"].lower()
    return (
        (bool(listed) and fields["status"].upper() not in STATUSES)
        or any(word.startswith(each) and word != each for each in PAYMENT_METHODS)
        or any(word.endswith(each) and word != each for each in PAYMENT_METHODS)
    )


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


def guard(store: MemoryReplayStore | None = None) -> CallbackGuard:
    return CallbackGuard(SECRET, replay_store=store, now=lambda: NOW)


def sent_by_the_sandbox(order: SandboxOrder, refund: RefundRequest | None = None) -> str:
    """Return the query of what the courier would send."""
    callback_sender = CallbackSender(Clock(now=lambda: 0.0), SECRET, ())
    state = SandboxState(lambda: 0.0, lambda: NOW)
    callback_sender.attend(state)
    state.tell(order, refund)
    parcel = callback_sender._take()
    assert parcel is not None
    return urlsplit(parcel.url).query


def sandbox_order(url: str, **fields: Any) -> SandboxOrder:
    order: dict[str, Any] = {
        "uuid": "ODR3506700001",
        "customer_uuid": "CSRT1",
        "serial": 1,
        "operation": "orders.send_payment_link",
        "created_at": NOW - 60.5,
        "lines": [Line(id=1, amount=Decimal(1), product={})],
        "amount": Decimal(1),
        "body": {"callback": {"callbackUrl": url}},
    }
    return SandboxOrder(**{**order, **fields})


@given(uuid=uuids, status=statuses, amount=amounts, created=st.floats(10**9, NOW), own=own_queries)
def test_what_the_sandbox_signs_is_accepted(
    uuid: str, status: str, amount: Decimal, created: float, own: str
) -> None:
    order = sandbox_order(
        f"https://shop.example.no/cb{own}",
        uuid=uuid,
        status=OrderStatus(status),
        amount=amount,
        created_at=created,
    )
    callback = run(guard().check(sent_by_the_sandbox(order)))
    assert isinstance(callback, OrderCallback)
    assert (callback.order_uuid, callback.status, callback.amount) == (uuid, status, amount)
    assert callback.created_at.timestamp() == int(created)


@given(
    amount=amounts,
    base=amounts,
    reference=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    own=own_queries,
)
def test_what_the_sandbox_says_of_a_terminal_is_accepted(
    amount: Decimal, base: Decimal, reference: str, own: str
) -> None:
    url = sign_callback_url(f"https://shop.example.no/cb{own}", reference, SECRET)
    order = sandbox_order(
        url,
        terminal_uuid="TRML1",
        status=OrderStatus.PAID,
        amount=amount,
        body={"callbackUrl": url, "orderSummary": {"subTotal": str(base), "totalTax": "0"}},
    )
    for refund in (None, RefundRequest(amount=amount, by_line={})):
        callback = run(guard().check(sent_by_the_sandbox(order, refund)))
        assert isinstance(callback, TerminalCallback)
        assert (callback.total_amount, callback.order_reference) == (amount, reference)
        assert callback.base_amount == (base if refund is None else None)


@given(callbacks(), st.booleans())
def test_a_genuine_callback_is_accepted_in_any_form(fields: dict[str, str], is_text: bool) -> None:
    assume(not may_be_cut_otherwise(fields))
    callback = verify_checksum(query(fields) if is_text else fields, SECRET, now=NOW)
    assert (callback.order_uuid, callback.status) == (fields["orderUuid"], OrderStatus(fields["status"]))
    assert str(callback.amount) == fields["amount"]
    assert callback.payment_method == fields["paymentMethod"]
    assert {"order_uuid", "timestamp"} <= callback.signed_fields


@settings(max_examples=300)
@given(callbacks(), st.data())
def test_any_change_of_one_character_is_refused(fields: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*NAMES, "checksum"]))
    value = fields[name]
    where = data.draw(st.integers(0, len(value)))
    other = data.draw(
        st.one_of(st.just(""), st.characters(codec="utf-8"), st.sampled_from(string.digits + "."))
    )
    width = data.draw(st.integers(0, 1))
    changed = value[:where] + other + value[where + width :]
    if changed != value:
        with pytest.raises(CallbackError):
            verify_checksum({**fields, name: changed}, SECRET)


@settings(max_examples=300)
@given(callbacks(), st.permutations(NAMES), st.data())
def test_what_is_vouched_for_is_genuine(
    fields: dict[str, str], shuffled: list[str], data: st.DataObject
) -> None:
    """The same text, and so the same checksum, divided anywhere and called anything."""
    assume(not may_be_cut_otherwise(fields))
    genuine = verify_checksum(fields, SECRET)
    values = [value for name, value in fields.items() if name != "checksum"]
    text = "".join(values)
    names = data.draw(st.sampled_from([NAMES, EXAMPLE, tuple(shuffled)]))
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=5, max_size=5))), len(text)]
    if data.draw(st.booleans()):
        edges = [0, *itertools.accumulate(map(len, values))]
        for _ in range(data.draw(st.integers(1, 2))):
            edges[data.draw(st.integers(1, 5))] += data.draw(st.integers(-3, 3))
        assume(edges == sorted(edges))
    pairs = list(zip(names, (text[start:end] for start, end in itertools.pairwise(edges)), strict=True))
    if data.draw(st.booleans()):
        # A piece is moved into a parameter that is made up.
        place = data.draw(st.integers(0, 5))
        name, value = pairs[place]
        cut = data.draw(st.integers(0, len(value)))
        pairs[place : place + 1] = [(name, value[:cut]), ("made_up", value[cut:])]
    forged = {**dict(pairs), "checksum": fields["checksum"]}
    assert "".join(value for name, value in forged.items() if name != "checksum") == text
    try:
        callback = verify_checksum(forged, SECRET)
    except CallbackError:
        return
    assert callback.order_uuid == genuine.order_uuid
    for name in callback.signed_fields:
        assert getattr(callback, name) == getattr(genuine, name)
    if callback.status.upper() in STATUSES:
        assert callback.status == genuine.status


known_names = st.sampled_from([*NAMES, "checksum", "type", "totalAmount", "currency", "frontpay_token"])
texts = st.text(st.characters(), max_size=30)
pairs = st.lists(
    st.tuples(st.one_of(known_names, texts), st.one_of(texts, st.integers(), st.none())), max_size=12
)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(st.characters(), max_size=200),
        pairs,
        pairs.map(dict),
        st.lists(texts),
        st.lists(known_names).map(lambda names: "&".join(f"{name}=%zz%ff{name}" for name in names)),
    )
)
def test_whatever_comes_is_a_callback_or_a_callback_error(given: Any) -> None:
    for check in (parse_callback, lambda query: run(guard().check(query))):
        try:
            callback = check(given)
        except CallbackError:
            continue
        assert isinstance(callback, (OrderCallback, TerminalCallback))


class Pause:
    """Give way to whoever is stepped next."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@define(eq=False)
class SlowStore(MemoryReplayStore):
    """A store somewhere else: others run before it hears and before it answers."""

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        await Pause()
        claim = await super().claim(key, now=now, until=until)
        await Pause()
        return claim

    async def commit(self, key: str) -> None:
        await Pause()
        await super().commit(key)

    async def release(self, key: str) -> None:
        await Pause()
        await super().release(key)


@define(eq=False)
class Shop:
    """Handle callbacks, and remember what came of each."""

    guard: CallbackGuard
    handling: int = 0
    answers: list[str] = field(factory=list)

    async def receive(self, query: str, *, is_checked: bool, fails: bool) -> None:
        try:
            if is_checked:
                await self.guard.check(query)
                self.answers.append("handled")
                return
            async with await self.guard.claim(query):
                self.handling += 1
                assert self.handling == 1
                await Pause()
                self.handling -= 1
                if fails:
                    raise OSError("no database")  # noqa: TRY301 - as a handler does
                self.answers.append("handled")
        except ReplayedCallbackError as error:
            if not error.is_retryable and "handled" not in self.answers:
                pytest.fail("it was told that all is well, and nothing was done")
        except OSError:
            pass


@settings(max_examples=300)
@given(
    deliveries=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6),
    turns=st.lists(st.integers(0, 5), max_size=40),
)
def test_no_interleaving_handles_a_callback_twice_or_loses_it(
    deliveries: list[tuple[bool, bool]], turns: list[int]
) -> None:
    shop = Shop(guard(SlowStore()))
    text = query(signed())
    running = [shop.receive(text, is_checked=is_checked, fails=fails) for is_checked, fails in deliveries]
    turns = [*turns, *[0] * 100]
    while running:
        step(running, turns.pop(0) % len(running))
    assert shop.answers.count("handled") <= 1
    running = [shop.receive(text, is_checked=False, fails=False)]
    while running:
        step(running, 0)
    assert shop.answers == ["handled"]


def step(running: list[Coroutine[Any, Any, None]], which: int) -> None:
    """Let one of them go on until it gives way."""
    try:
        running[which].send(None)
    except StopIteration:
        del running[which]


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-299, 400)), max_size=30),
    st.lists(st.integers(-400, 400), min_size=4, max_size=4),
)
def test_no_time_of_delivery_lets_one_through_twice(
    deliveries: list[tuple[int, int]], made: list[int]
) -> None:
    """The clock may even be set back, by less than the window of freshness."""
    queries = [query(signed(timestamp=str(NOW + moment))) for moment in made]
    time, latest = float(NOW), float(NOW)
    accepted: list[str] = []
    checked = CallbackGuard(SECRET, now=lambda: time)
    for which, step in deliveries:
        time = max(time + step, latest - 299)
        latest = max(latest, time)
        try:
            run(checked.check(queries[which]))
        except CallbackError:
            continue
        assert queries[which] not in accepted
        assert abs(time - NOW - made[which]) <= 300
        accepted.append(queries[which])


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 3))
def test_a_store_never_holds_more_than_it_may(orders: list[int], capacity: int) -> None:
    store = MemoryReplayStore(capacity=capacity)
    checked = guard(store)
    remembered: list[int] = []
    for number in orders:
        try:
            acceptance = run(checked.claim(signed(orderUuid=f"ODR{number}")))
        except ReplayedCallbackError:
            assert number in remembered
            continue
        run(acceptance.commit())
        assert number not in remembered
        assert acceptance.is_remembered is (len(remembered) < capacity)
        if acceptance.is_remembered:
            remembered.append(number)
