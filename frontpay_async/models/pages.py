"""One page of a list. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen(kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Args:
        items: The rows on this page.
        number: The page's number, from 1.
        last: The number of the last page; None if the API omitted it.
        total: How many rows the list has; None if the API omitted it.
        per_page: How many rows a page has at most; None if the API omitted it.
        has_next: Whether another page follows.
    """

    items: tuple[T, ...]
    number: int
    last: int | None = None
    total: int | None = None
    per_page: int | None = None
    has_next: bool = False
