"""A list that the API answered with, and the rows of it that could not be read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T_co = TypeVar("T_co", covariant=True)


class Listing(tuple[T_co, ...]):  # noqa: SLOT001 - a tuple can have no slots of its own
    """The rows of a list, in the API's order; a tuple.

    A row that cannot be read does not hide the others. It is kept in ``unreadable``, so a listing proves the
    absence of something only where ``unreadable`` is empty.

    Args:
        rows: The rows that could be read.
        unreadable: The other rows, as received; they may hold personal data and stay out of reprs. If the API
            says that there are more rows than it shows, such as on further pages, the last one is None.
    """

    unreadable: tuple[object, ...]

    def __new__(cls, rows: Iterable[T_co] = (), unreadable: Iterable[object] = ()) -> Self:  # noqa: D102
        listing = super().__new__(cls, rows)
        listing.unreadable = tuple(unreadable)
        return listing

    def __getnewargs__(self) -> tuple[tuple[T_co, ...], tuple[object, ...]]:
        return tuple(self), self.unreadable

    def __repr__(self) -> str:
        rows = super().__repr__()
        return f"{rows} and {len(self.unreadable)} unreadable" if self.unreadable else rows
