"""Plain data of a value as lines for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._protocol.to_dict import Plain


def flat(value: Plain, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each member that is not empty with its path, such as ``products.0.name``."""
    match value:
        case dict():
            for name, member in value.items():
                yield from flat(member, f"{path}.{name}" if path else name)
        case list():
            for index, member in enumerate(value):
                yield from flat(member, f"{path}.{index}")
        case None | "":
            return
        case bool():
            yield path, "yes" if value else "no"
        case _:
            yield path, str(value)
