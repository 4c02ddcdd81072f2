"""The feed of changes since a reader's last read.

Each change gets the next number, the *revision*, and each order stores its latest revision. A reader passes
one number and gets everything newer. Readers therefore need no queues, however slow they are, and an order
that changed ten times is reported once, in its current state. Only the newest requests are kept. Revisions
count within an *era*, which ends when the sandbox is reset: a reader from another era, or from another
process, starts over.
"""

from __future__ import annotations

import secrets
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING

import anyio
from attrs import define, field, frozen

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async.sandbox.callback_sender import SentCallback
    from frontpay_async.sandbox.faults import FaultKind
    from frontpay_async.sandbox.responses import Answer

_KEPT = 100
_MOST_ROWS = 20
_LONGEST_NUMBER = 20


@frozen(kw_only=True)
class RecordedRequest:
    """One request that reached the sandbox.

    Args:
        operation: The operation's name; None if no operation has this method and path.
        method: The HTTP method.
        path: The path and query.
        token: The bearer token; hidden in reprs.
        body: The JSON body, or None; hidden in reprs.
        status: The HTTP status of the response; None if there was none.
        fault: Its fault, if any.
    """

    operation: str | None
    method: str
    path: str
    token: str = field(repr=lambda _: "'***'")
    body: JsonObject | None = field(repr=False)
    status: int | None
    fault: FaultKind | None


@frozen(kw_only=True)
class Exchange:
    """A request and its response.

    Args:
        number: Its revision.
        at: When it arrived, in Unix seconds.
        request: The request.
        answer: The response's body, with long lists shortened; None if there was none. Hidden in reprs.
    """

    number: int
    at: float
    request: RecordedRequest
    answer: Json = field(repr=False)


@frozen
class Place:
    """The position of a reader.

    Args:
        era: The era of the revision.
        revision: The last change that the reader knows of.
    """

    era: str
    revision: int

    def __str__(self) -> str:
        return f"{self.era}-{self.revision}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Parse a position; None if it is invalid."""
        era, _, revision = text.partition("-")
        if not era or not (revision.isascii() and revision.isdigit()) or len(revision) > _LONGEST_NUMBER:
            return None
        return cls(era, int(revision))


@define(eq=False)
class Feed:
    """The numbered changes, and the readers that wait for them."""

    revision: int = field(init=False, default=0)
    era: str = field(init=False, factory=lambda: secrets.token_hex(4))
    # Sorted by the last change, the newest last.
    _orders: dict[str, int] = field(init=False, factory=dict[str, int], repr=False)
    _exchanges: deque[Exchange] = field(init=False, factory=lambda: deque[Exchange](maxlen=_KEPT), repr=False)
    _callbacks: deque[tuple[int, SentCallback]] = field(
        init=False, factory=lambda: deque[tuple[int, "SentCallback"]](maxlen=_KEPT), repr=False
    )
    _news: anyio.Event | None = field(init=False, default=None, repr=False)

    @property
    def place(self) -> Place:
        """The position of a reader that is up to date."""
        return Place(self.era, self.revision)

    def begin_again(self) -> None:
        """Clear everything, and start a new era."""
        self._orders.clear()
        self._exchanges.clear()
        self._callbacks.clear()
        self.era = secrets.token_hex(4)
        self.note()

    def note(self) -> None:
        """Record a change that concerns no order, and wake the readers."""
        self.revision += 1
        if self._news is not None:
            self._news.set()
            self._news = None

    def note_order(self, uuid: str) -> None:
        """Record a change of an order."""
        self.note()
        self._orders.pop(uuid, None)
        self._orders[uuid] = self.revision

    def note_exchange(self, at: float, request: RecordedRequest, answer: Answer | None) -> None:
        """Record a request with its response."""
        self.note()
        body = None if answer is None else _without_most_rows(answer.body)
        self._exchanges.append(Exchange(number=self.revision, at=at, request=request, answer=body))

    def note_callback(self, callback: SentCallback) -> None:
        """Record a callback that was sent or lost."""
        self.note()
        self._callbacks.append((self.revision, callback))

    def callbacks_since(self, revision: int) -> list[SentCallback]:
        """Return the stored callbacks after a revision, the newest first."""
        newest = reversed(self._callbacks)
        return [callback for _, callback in takewhile(lambda each: each[0] > revision, newest)]

    def orders_since(self, revision: int) -> list[str]:
        """Return the ids of the orders that changed after a revision, the latest change first."""
        changes = reversed(self._orders.items())
        return [uuid for uuid, _ in takewhile(lambda change: change[1] > revision, changes)]

    def exchanges_since(self, revision: int) -> list[Exchange]:
        """Return the stored requests after a revision, the newest first."""
        return list(takewhile(lambda each: each.number > revision, reversed(self._exchanges)))

    def exchange(self, number: int) -> Exchange | None:
        """Return a request by its number; None if it is not kept."""
        return next((each for each in self._exchanges if each.number == number), None)

    def news(self) -> anyio.Event:
        """Return an event that is set at the next change."""
        if self._news is None:
            self._news = anyio.Event()
        return self._news


def _without_most_rows(body: Json) -> Json:
    """Shorten a long list: a hundred responses with ten thousand orders each would need too much memory."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(data, list) or len(data) <= _MOST_ROWS:
        return body
    return {**body, "data": [*data[:_MOST_ROWS], f"… and {len(data) - _MOST_ROWS} more"]}
