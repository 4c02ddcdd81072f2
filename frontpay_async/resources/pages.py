"""A list in pages, each requested on demand."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

from frontpay_async.errors import InvalidOrderError, NotFoundError, OutcomeUnknownError, Violation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from frontpay_async._protocol.operations import Operation
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.pages import Page

T = TypeVar("T")


class Pages(Generic[T]):
    """The rows of a list: ``async for`` asks for one page after the other, ``page`` for one of them.

    Each page is a separate call, with the client's priority, rate-limited and retried like any other. Rows
    that are added or removed while the pages are read can be missed or seen twice.
    """

    def __init__(
        self,
        session: Session,
        options: CallOptions,
        operation: Operation[Page[T]],
        query: Mapping[str, str],
        steps: tuple[str, ...],
    ) -> None:
        self._session = session
        self._options = options
        self._operation = operation
        self._query = query
        self._steps = steps
        self._last: int | None = None

    async def page(self, number: int) -> Page[T]:
        """Return one page.

        Args:
            number: The page's number, from 1.

        Raises:
            InvalidOrderError: The number is less than 1, or beyond the last page that an earlier page has
                shown; nothing was sent.
            NotFoundError: It is beyond the last page, as the response shows.
        """
        self._check(number)
        query = {**self._query, "page": str(number)}
        found = await self._session.execute(self._operation, self._options, steps=self._steps, query=query)
        self._last = found.last
        if found.last is not None and number > max(1, found.last):
            raise NotFoundError(
                f"{self._operation.name}: page {number} does not exist: the last page"
                f" is {max(1, found.last)}."
                " Nothing was changed: this is a read.",
                status=HTTPStatus.OK,
                operation=self._operation.name,
            )
        return found

    async def __aiter__(self) -> AsyncIterator[T]:
        number = 1
        while True:
            found = await self.page(number)
            for item in found.items:
                yield item
            if not found.has_next:
                return
            if found.number != number or not found.items:
                what = f"page {found.number}" if found.items else "an empty page, although more follow"
                raise OutcomeUnknownError(
                    f"{self._operation.name}: page {number} was requested, but the API returned {what}:"
                    " the list cannot be read further. Nothing was changed: this is a read.",
                    operation=self._operation.name,
                )
            number += 1

    def _check(self, number: int) -> None:
        must = None
        if type(number) is not int or number < 1:
            must = "must be a whole number from 1 on"
        elif self._last is not None and number > max(1, self._last):
            must = f"must be at most {max(1, self._last)}, the last page"
        if must is not None:
            raise InvalidOrderError([Violation("page", must)], operation=self._operation.name)
