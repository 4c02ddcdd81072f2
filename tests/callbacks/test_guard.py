"""The guard: every callback once, nothing that was made up, and what is remembered of it."""

from __future__ import annotations

import asyncio
import hashlib
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from attrs import define, field

from frontpay_async import (
    CallbackError,
    ConfigurationError,
    InvalidChecksumError,
    OrderStatus,
    Outcome,
    ReplayedCallbackError,
    StaleCallbackError,
)
from frontpay_async.callbacks import (
    CallbackGuard,
    Claim,
    MemoryReplayStore,
    OrderCallback,
    TerminalCallback,
    sign_callback_url,
    verify_checksum,
)
from tests.support.callbacks import NOW, OLDER, ORDER, SECRET, TERMINAL, checksum, query, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

URL = "https://shop.example.no/cb"
REFERENCE = "B-1001"


@define
class Time:
    now: float = NOW


@define(eq=False)
class WatchedStore(MemoryReplayStore):
    """A store that tells which keys it was asked for."""

    asked: list[str] = field(factory=list)

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        self.asked.append(key)
        return await super().claim(key, now=now, until=until)


def guard(time: Time | None = None, **settings: Any) -> CallbackGuard:
    moment = time or Time()
    return CallbackGuard(SECRET, now=lambda: moment.now, **settings)


def token(reference: str = REFERENCE, secret: str = SECRET) -> str:
    return dict(parse_qsl(urlsplit(sign_callback_url(URL, reference, secret)).query))["frontpay_token"]


def terminal(reference: str = REFERENCE, **others: str) -> dict[str, str]:
    """A callback to a signed URL."""
    return {"frontpay_token": token(reference), **TERMINAL, **others}


async def test_a_genuine_callback_is_returned() -> None:
    callback = await guard().check(query(signed()))
    assert isinstance(callback, OrderCallback)
    assert (callback.status, callback.order_reference) == (OrderStatus.PAID, None)
    assert "amount" in callback.signed_fields


async def test_the_second_is_a_replay() -> None:
    checked = guard()
    await checked.check(query(signed()))
    with pytest.raises(ReplayedCallbackError) as caught:
        await checked.check(query(signed()))
    assert caught.value.order_uuid == "ODR1566017307"
    assert not caught.value.is_retryable
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "written_again",
    [
        lambda fields: list(fields.items()),
        lambda fields: query(fields).replace("Card", "%43ard"),
        lambda fields: query({**fields, "more": "1"}),
        lambda fields: {"checksum": fields["checksum"], **fields},
    ],
    ids=["pairs", "escaped", "padded", "reordered"],
)
async def test_a_replay_is_known_however_it_is_written(written_again: Any) -> None:
    checked = guard()
    await checked.check(query(signed()))
    with pytest.raises(ReplayedCallbackError):
        await checked.check(written_again(signed()))


async def test_the_next_change_of_an_order_is_no_replay() -> None:
    checked = guard()
    for status in ("INVOICED", "PAID", "REFUNDED"):
        assert isinstance(await checked.check(query(signed(status=status))), OrderCallback)


async def test_what_is_stale_is_refused_and_not_remembered() -> None:
    moment, store = Time(NOW + 1000), WatchedStore()
    checked = guard(moment, replay_store=store)
    with pytest.raises(StaleCallbackError):
        await checked.check(query(signed()))
    assert store.asked == []


@pytest.mark.parametrize("step", [-600, -300, 300, 600])
async def test_no_clock_lets_one_through_again(step: int) -> None:
    """It is remembered for longer than it is fresh, even where the clock is set back in between."""
    moment = Time()
    checked = guard(moment)
    await checked.check(query(signed(timestamp=str(NOW))))
    moment.now += 301
    await checked.check(query(signed(timestamp=str(NOW + 301))))
    moment.now += step
    with pytest.raises((ReplayedCallbackError, StaleCallbackError)):
        await checked.check(query(signed(timestamp=str(NOW))))


async def test_forged_callbacks_never_reach_the_store() -> None:
    store = WatchedStore()
    checked = guard(replay_store=store, require_token=False)
    forged = [
        signed(secret="other"),
        {**signed(), "amount": "1.00"},
        {**TERMINAL, "frontpay_token": token(secret="other")},
        {**TERMINAL, "frontpay_token": "v2.QQ.QQ"},
        {},
    ]
    for fields in forged:
        with pytest.raises(CallbackError):
            await checked.check(query(fields))
    for number in range(3):
        await checked.check(query({**TERMINAL, "totalAmount": str(number)}))
    assert store.asked == []


async def test_a_flood_does_not_push_out_what_is_remembered() -> None:
    checked = guard(replay_store=MemoryReplayStore(capacity=2))
    first, second, third = (query(signed(orderUuid=f"ODR{number}")) for number in range(3))
    assert (await checked.claim(first)).is_remembered
    await checked.check(second)
    for _ in range(2):
        acceptance = await checked.claim(third)
        assert not acceptance.is_remembered
        await acceptance.commit()
    with pytest.raises(ReplayedCallbackError):
        await checked.check(second)


async def test_there_is_room_again_when_the_oldest_are_over() -> None:
    moment = Time()
    checked = guard(moment, replay_store=MemoryReplayStore(capacity=1))
    await checked.check(query(signed()))
    moment.now += 700
    fresh = query(signed(orderUuid="ODR3", timestamp=str(NOW + 700)))
    assert (await checked.claim(fresh)).is_remembered


@pytest.mark.parametrize("capacity", [10, 100_000])
async def test_a_flood_with_a_leaked_token_leaves_the_others_alone(capacity: int) -> None:
    """Neither a signed callback nor one with another token is refused, or handled twice."""
    checked = guard(replay_store=MemoryReplayStore(capacity=capacity), token_capacity=5)
    for number in range(50):
        forged = await checked.claim(terminal("leaked", totalAmount=str(number)))
        assert forged.is_remembered is (number < 5)
        await forged.commit()
    for genuine in (query(signed()), terminal("another")):
        await checked.check(genuine)
        with pytest.raises(ReplayedCallbackError):
            await checked.check(genuine)


async def test_a_genuine_callback_with_a_leaked_token_is_accepted_after_a_flood() -> None:
    moment = Time()
    checked = guard(moment, token_capacity=3, remember=100)
    for number in range(10):
        await checked.check(terminal(totalAmount=f"{number}.5"))
    callback = await checked.check(terminal())
    assert callback.order_uuid == "ODR1566017307"
    moment.now += 101
    assert (await checked.claim(terminal())).is_remembered


async def test_copies_take_no_places_of_a_token() -> None:
    checked = guard(token_capacity=2)
    await checked.check(terminal())
    for _ in range(5):
        with pytest.raises(ReplayedCallbackError):
            await checked.check(terminal())
    assert (await checked.claim(terminal(status="Cancelled"))).is_remembered


async def test_a_store_that_fails_takes_no_places_of_a_token() -> None:
    class Down(MemoryReplayStore):
        is_down: bool = True

        async def claim(self, key: str, *, now: float, until: float) -> Claim:
            if self.is_down:
                raise OSError("no store")
            return await super().claim(key, now=now, until=until)

    store = Down()
    checked = guard(replay_store=store, token_capacity=1)
    for _ in range(3):
        with pytest.raises(OSError, match="no store"):
            await checked.claim(terminal())
    store.is_down = False
    assert (await checked.claim(terminal())).is_remembered


async def test_tokens_that_are_over_are_forgotten() -> None:
    moment = Time()
    checked = guard(moment, remember=100)
    for number in range(3000):
        await checked.check(terminal(f"B-{number}"))
        moment.now += 1
    assert len(checked._allowance._taken) <= 102


def test_a_store_is_shared_by_threads() -> None:
    """Each thread has an event loop of its own, as a synchronous web server has."""
    checked = guard()
    texts = [query(signed(orderUuid=f"ODR{number}")) for number in range(50)]

    def deliver() -> int:
        return sum(asyncio.run(accepts(text)) for text in texts)

    async def accepts(text: str) -> bool:
        try:
            await checked.check(text)
        except ReplayedCallbackError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        accepted = [threads.submit(deliver) for _ in range(4)]
        assert sum(each.result() for each in accepted) == len(texts)


async def test_a_callback_is_done_when_its_handling_is() -> None:
    checked = guard()
    async with await checked.claim(query(signed())) as callback:
        assert callback.order_uuid == "ODR1566017307"
        with pytest.raises(ReplayedCallbackError) as caught:
            await checked.claim(query(signed()))
        assert caught.value.is_retryable
    with pytest.raises(ReplayedCallbackError) as caught:
        await checked.claim(query(signed()))
    assert not caught.value.is_retryable


async def test_a_callback_whose_handling_failed_is_as_new() -> None:
    checked = guard()
    for _ in range(3):
        with pytest.raises(OSError, match="database"):
            async with await checked.claim(query(signed())):
                raise OSError("no database")
    async with await checked.claim(query(signed())) as callback:
        assert callback.order_uuid == "ODR1566017307"


async def test_what_is_over_while_it_is_handled_does_no_harm() -> None:
    moment, store = Time(), MemoryReplayStore()
    checked = guard(moment, replay_store=store)
    slow = [await checked.claim(query(signed(orderUuid=f"ODR{number}"))) for number in range(2)]
    moment.now += 10_000
    await checked.check(query(signed(timestamp=str(NOW + 10_000))))
    await slow[0].commit()
    await slow[1].release()
    with pytest.raises(ReplayedCallbackError):
        await checked.check(query(signed(timestamp=str(NOW + 10_000))))


@pytest.mark.parametrize("separator", ["&", "?"])
@pytest.mark.parametrize("url", [URL, f"{URL}?shop=7&next=/a?b", f"{URL}?", f"{URL}?shop=7&"])
@pytest.mark.parametrize("fields", [TERMINAL, signed()], ids=["terminal", "order"])
async def test_a_token_comes_back(url: str, separator: str, fields: Mapping[str, str]) -> None:
    """Whether the provider appends its parameters with "&" or with a second "?"."""
    called = sign_callback_url(url, REFERENCE, SECRET) + separator + urlencode(fields)
    assert SECRET not in called
    callback = await guard().check(called.partition("?")[2])
    assert callback.order_reference == REFERENCE
    assert "order_reference" in callback.signed_fields


async def test_a_token_comes_back_through_a_framework() -> None:
    called = sign_callback_url(URL, REFERENCE, SECRET) + "?" + urlencode(TERMINAL)
    assert (await guard().check(parse_qsl(urlsplit(called).query))).order_reference == REFERENCE


@pytest.mark.parametrize("reference", ["B/1001 ø?&=#", "x" * 200, "🛒", " "])
async def test_any_text_is_a_reference(reference: str) -> None:
    assert (await guard().check(terminal(reference))).order_reference == reference


@pytest.mark.parametrize("secret", [SECRET, "of the tokens"])
async def test_a_terminal_callback_needs_a_token(secret: str) -> None:
    checked = guard(token_secret="of the tokens")
    fields = {**TERMINAL, "frontpay_token": token(secret=secret)}
    if secret == "of the tokens":
        assert (await checked.check(fields)).order_reference == REFERENCE
    else:
        with pytest.raises(InvalidChecksumError) as caught:
            await checked.check(fields)
        assert caught.value.order_uuid == "ODR1566017307"
    with pytest.raises(InvalidChecksumError):
        await checked.check(TERMINAL)


async def test_a_token_may_be_waived_and_a_wrong_one_may_not() -> None:
    checked = guard(require_token=False)
    callback = await checked.check(TERMINAL)
    assert isinstance(callback, TerminalCallback)
    assert (callback.order_reference, callback.signed_fields) == (None, frozenset())
    with pytest.raises(OSError, match="database"):
        async with await checked.claim(TERMINAL):
            raise OSError("no database")
    body, seal = token().split(".")[1:]
    others = token("B-1002").split(".")[1:]
    wrong = [
        f"v1.{others[0]}.{seal}",
        f"v1.{body}.{others[1]}",
        f"v2.{body}.{seal}",
        f"v1.{body}",
        "",
        "v1..",
        "ø",
    ]
    for each in [*wrong, token() + "A", token() + "=", token().replace("v1", "V1")]:
        with pytest.raises(InvalidChecksumError):
            await checked.check({**TERMINAL, "frontpay_token": each})


async def test_a_checksum_cannot_be_traded_for_a_token() -> None:
    """Who takes the checksum off has a terminal callback at best, and that needs a token."""
    fields = {**{key: value for key, value in signed().items() if key != "checksum"}, **TERMINAL}
    with pytest.raises(InvalidChecksumError):
        await guard().check(fields)


async def test_a_token_does_not_stand_in_for_a_checksum() -> None:
    with pytest.raises(CallbackError):
        await guard().check({**signed(secret="other"), **terminal(status="Cancelled")})


def test_the_tokens_of_urls_that_were_sent_stay_good() -> None:
    """Computed apart: a token may come back long after an upgrade."""
    assert token() == "v1.Qi0xMDAx.rTry63A7bkaJhhsyAZRm1_jTRevE_HHgNkuy8y69OrI"


async def test_a_terminal_callback_sent_twice_is_a_replay() -> None:
    moment = Time()
    checked = guard(moment)
    await checked.check(terminal())
    with pytest.raises(ReplayedCallbackError) as caught:
        await checked.check(terminal(totalAmount="42.00"))
    assert caught.value.order_uuid == "ODR1566017307"
    for others in ({"status": "Cancelled"}, {"type": "Payment_Refund"}, {"totalAmount": "43"}):
        await checked.check(terminal(**others))
    await checked.check(terminal("B-1002"))
    moment.now += 3601
    await checked.check(terminal())


async def test_the_older_form_is_remembered_by_the_clock() -> None:
    moment = Time()
    checked = guard(moment, remember=100)
    fields = {name: ORDER[name] for name in OLDER}
    fields["checksum"] = checksum("".join(fields.values()))
    callback = await checked.check(fields)
    assert isinstance(callback, OrderCallback)
    assert callback.amount is None
    # Nothing that the checksum does not cover makes it another one.
    with pytest.raises(ReplayedCallbackError):
        await checked.check({**fields, **ORDER, "timestamp": str(NOW + 1)})
    moment.now += 101
    await checked.check(fields)


@pytest.mark.parametrize(
    "url",
    ["/cb", "shop.example.no/cb", "ftp://shop.example.no", "https://", f"{URL}#top", "http://[::1/cb", ""],
)
def test_what_cannot_be_called_is_not_signed(url: str) -> None:
    with pytest.raises(ValueError, match="absolute http"):
        sign_callback_url(url, REFERENCE, SECRET)


def test_a_token_follows_what_separates_it() -> None:
    added = f"frontpay_token={token()}"
    for url, separator in ((URL, "?"), (f"{URL}?", ""), (f"{URL}?shop=7", "&"), (f"{URL}?shop=7&", "")):
        assert sign_callback_url(url, REFERENCE, SECRET) == f"{url}{separator}{added}"


@pytest.mark.parametrize("settings", [{"now": "soon"}, {"max_age": 0}, {"accept_older_form": "no"}])
def test_arguments_of_a_check_are_checked(settings: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        verify_checksum(signed(), SECRET, **settings)


@pytest.mark.parametrize(("url", "reference"), [(7, REFERENCE), (URL, 1001), (None, REFERENCE), (URL, None)])
def test_only_texts_are_signed(url: Any, reference: Any) -> None:
    with pytest.raises(ConfigurationError, match="url" if url != URL else "order_reference"):
        sign_callback_url(url, reference, SECRET)


def test_a_terminal_callback_has_no_checksum_to_verify() -> None:
    with pytest.raises(InvalidChecksumError, match="a terminal callback has no checksum") as caught:
        verify_checksum(TERMINAL, SECRET)
    assert caught.value.order_uuid == "ODR1566017307"


def test_a_url_is_signed_once() -> None:
    with pytest.raises(ValueError, match="already signed"):
        sign_callback_url(sign_callback_url(URL, REFERENCE, SECRET), REFERENCE, SECRET)


@pytest.mark.parametrize(
    "name",
    [
        *("orderUuid", "status", "createdAt", "paymentMethod", "amount", "timestamp", "checksum"),
        *("type", "totalAmount", "baseAmount", "vatAmount", "currency"),
    ],
)
def test_a_url_leaves_the_apis_own_names_alone(name: str) -> None:
    """Callbacks to it would say them twice."""
    with pytest.raises(ValueError, match="the API adds"):
        sign_callback_url(f"{URL}?shop=7&{name}=", REFERENCE, SECRET)


@pytest.mark.parametrize("name", ["max_age", "remember"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_windows_are_of_some_time(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        guard(**{name: seconds})


@pytest.mark.parametrize("reference", ["", "x" * 201, "\ud800"], ids=["empty", "long", "surrogate"])
def test_what_cannot_be_sent_is_no_reference(reference: str) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        sign_callback_url(URL, reference, SECRET)


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "empty"),
        (" \n", "empty"),
        (b"", "empty"),
        ("secret\n", "blank or a line break"),
        ("secret\r\n", "blank or a line break"),
        ("secret ", "blank or a line break"),
        ("\tsecret", "blank or a line break"),
        ("secret\u00a0", "blank or a line break"),
        (b"secret\n", "blank or a line break"),
        ("\ufeffsecret", "invisible"),
        (b"\xef\xbb\xbfsecret", "invisible"),
        ("secret\u200b", "invisible"),
        ("sec\u200bret", "invisible"),
        ("secret\u00ad", "invisible"),
        ('"secret"', "quotes"),
        ("'secret'", "quotes"),
        (b'"secret"', "quotes"),
        ("\u201csecret\u201d", "quotes"),
        ("sec\nret", "control character"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("argument", ["secret", "token_secret"])
def test_a_secret_that_was_copied_wrongly_is_refused_when_built(
    secret: str | bytes, problem: str, argument: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{argument} .*{problem}") as caught:
        CallbackGuard(**{"secret": SECRET, argument: secret})  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)
    assert "sec" not in str(caught.value).removeprefix("secret").removeprefix("token_secret")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own
    with pytest.raises(ConfigurationError, match=problem):
        sign_callback_url(URL, REFERENCE, secret)
    with pytest.raises(ConfigurationError, match=problem):
        verify_checksum(signed(), secret)


@pytest.mark.parametrize(
    "secret", ["it's", 'a "b" c', "p\u00e5ssord", "a b", b"\x00\n", bytes(range(256)), b"\n\xff\n"]
)
async def test_a_secret_may_be_any_other_text_or_bytes(secret: str | bytes) -> None:
    text = secret if isinstance(secret, bytes) else secret.encode()
    fields = {**ORDER, "checksum": hashlib.sha256("".join(ORDER.values()).encode() + text).hexdigest()}
    callback = await CallbackGuard(secret, now=lambda: NOW).check(fields)
    assert callback.order_uuid == "ODR1566017307"


@pytest.mark.parametrize(
    "settings",
    [
        {"token_capacity": 0},
        {"payment_methods": "visa"},
        {"max_age": "300"},
        {"secret": None},
        {"replay_store": {}},
        {"now": 7},
        {"require_token": "no"},
        {"accept_older_form": "no"},
    ],
)
def test_settings_are_checked_when_built(settings: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        CallbackGuard(**{"secret": SECRET, **settings})


def test_a_secret_that_is_no_utf_8_is_not_shown_in_an_error() -> None:
    assert sign_callback_url(URL, REFERENCE, "\ud800") != sign_callback_url(URL, REFERENCE, "\ud801")


async def test_secrets_are_not_shown() -> None:
    checked = guard(token_secret="of the tokens")
    acceptance = await checked.claim(query(signed()))
    shown = f"{checked!r} {acceptance!r} {checked.__dict__['_store']!r}"
    assert not [secret for secret in (SECRET, "of the tokens", signed()["checksum"]) if secret in shown]


async def test_it_goes_by_the_systems_clock_unless_given_one() -> None:
    callback = await CallbackGuard(SECRET).check(signed(timestamp=str(int(time.time()))))
    assert isinstance(callback, OrderCallback)
