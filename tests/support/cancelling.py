"""Cancel a coroutine at its n-th await point, deterministically, for n = 1, 2, … until it ends before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

__all__ = ["HOWS", "How", "cancelled_at", "each_await_point"]

How: TypeAlias = Literal["task", "scope"]
HOWS: tuple[How, ...] = ("task", "scope")
# A coroutine that never ends would be cancelled for ever.
_MOST = 2000


class _Stepped:
    """An awaitable that acts at the n-th suspension of another one."""

    def __init__(self, inner: Awaitable[Any], at: int, act: Callable[[], object]) -> None:
        self.inner = inner
        self.at = at
        self.act = act
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.inner.__await__()
        step: Callable[[], Any] = lambda: steps.send(None)  # noqa: E731 - replaced in the loop
        while True:
            try:
                waited = step()
            except StopIteration as end:
                return end.value
            self.suspensions += 1
            if self.suspensions == self.at:
                self.act()
            try:
                got = yield waited
            except BaseException as error:  # noqa: BLE001 - handed on as it came
                thrown = error
                step = lambda: steps.throw(thrown)  # noqa: B023, E731
            else:
                step = lambda: steps.send(got)  # noqa: B023, E731


async def cancelled_at(call: Callable[[], Awaitable[object]], at: int, how: How) -> bool:
    """Run a call and cancel it at an await point; return whether that was reached."""
    if how == "scope":
        with anyio.CancelScope() as scope:
            stepped = _Stepped(call(), at, scope.cancel)
            await stepped
        return stepped.suspensions >= at

    made: list[_Stepped] = []

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        made.append(_Stepped(call(), at, task.cancel))
        await made[0]

    task = asyncio.ensure_future(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return made[0].suspensions >= at


async def each_await_point(
    call: Callable[[], Awaitable[object]],
    how: How,
    after: Callable[[int], Awaitable[None]],
    *,
    first: int = 1,
    step: int = 1,
) -> int:
    """Cancel a call at its await points, and check after each; return the first that it does not reach.

    Args:
        call: Makes the call.
        how: Whether its task or a scope around it is cancelled.
        after: Checks what is left, given the point.
        first: The first point.
        step: Every how many points.
    """
    for at in range(first, _MOST, step):
        is_reached = await cancelled_at(call, at, how)
        await after(at)
        if not is_reached:
            return at
    raise AssertionError("the call never ends")
