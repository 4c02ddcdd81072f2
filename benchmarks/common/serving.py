"""How the benchmarks' servers run: on a free port, which standard output tells, until a signal comes."""

import asyncio
import signal
import sys
from collections.abc import Callable

_BACKLOG = 1024


async def serve(connection: Callable[[asyncio.AbstractEventLoop], asyncio.BaseProtocol]) -> None:
    """Serve until SIGTERM or SIGINT, each connection by a protocol of its own."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: connection(loop), "127.0.0.1", 0, backlog=_BACKLOG)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
