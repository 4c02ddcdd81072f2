"""The file of an SQLite journal: checked and protected before SQLite opens it.

*Guarantee*: only journals are changed. Links, directories, devices, files that are not SQLite databases, and
databases without a journal are rejected. The mode is set only on files that are journals or were created
here; a file that was created here and did not become a journal is removed.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_OWNER_ONLY = 0o600
_OTHERS = 0o077
_MARK = "frontpay_notes"
_BESIDE = ("-wal", "-shm")
_ORPHANS = (*_BESIDE, "-journal")
_LEAST_PAGE = 512
_ATTEMPTS = 20
_PAUSE = 0.01
_KINDS = (
    (stat.S_ISLNK, "a symbolic link: give the path of the file itself"),
    (stat.S_ISDIR, "a directory: give the path of a file"),
    (stat.S_ISREG, None),
)


def claim_file(path: str) -> Callable[[], None]:
    """Check the file of a journal, and create it if it does not exist."""
    # Checked first, because another process may be creating the file and these at the same time.
    orphans = [path + ending for ending in _ORPHANS if os.path.lexists(path + ending)]
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
        os.close(os.open(path, flags, _OWNER_ONLY))
    except FileExistsError:
        _check(path)
        return lambda: None
    except OSError as error:
        raise ConfigurationError(f"the journal {path!r} cannot be opened: {error.strerror}") from None
    if orphans:
        Path(path).unlink()
        raise ConfigurationError(
            f"the journal {path!r} does not exist, but {orphans[0]!r} does: it belongs to a database that was"
            " moved or deleted, and SQLite would remove it; put the database back, or choose another path"
        )
    made = identity(path)

    def undo() -> None:
        # By now, another process may have made it a journal.
        with suppress(ConfigurationError):
            if identity(path) == made and not _tables(path):
                for each in (path, *(path + ending for ending in _BESIDE)):
                    Path(each).unlink(missing_ok=True)

    return undo


def identity(path: str) -> tuple[int, int] | None:
    """Return the identity of the file at a path; None if there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _check(path: str) -> None:
    """Reject a file that cannot be a journal, and protect it from other readers."""
    try:
        mode = os.lstat(path).st_mode
        wrong = next((what for is_it, what in _KINDS if is_it(mode)), "not a file")
        if wrong:
            raise ConfigurationError(f"the journal {path!r} is {wrong}")
        if not _holds_a_journal(path):
            if mode & _OTHERS and not os.lstat(path).st_size:
                raise ConfigurationError(
                    f"the journal {path!r} can be read by other users: run chmod 600, or remove it"
                )
            return
        _protect(path)
    except OSError as error:
        raise ConfigurationError(f"the journal {path!r} cannot be opened: {error.strerror}") from None


def _holds_a_journal(path: str) -> bool:
    """Whether the file contains a journal; False if it is empty."""
    if 0 < os.lstat(path).st_size < _LEAST_PAGE:
        # SQLite treats a very short file as empty, and overwrites it.
        raise ConfigurationError(f"the journal {path!r} is not a journal; choose another path")
    tables = _tables(path)
    if tables and _MARK not in tables:
        raise ConfigurationError(
            f"the journal {path!r} is a database, but not a journal; choose another path"
        )
    return bool(tables)


def _tables(path: str) -> frozenset[str]:
    """Return the names of a database's tables. No file is created or removed."""
    for _ in range(_ATTEMPTS):
        before = _state(path)
        try:
            if before[0]:
                # This fails if the process that used the database died, or is just closing it.
                with suppress(sqlite3.OperationalError):
                    return _read_tables(path, "mode=ro")
            return _read_tables(path, "mode=ro&immutable=1")
        except sqlite3.OperationalError as error:
            raise ConfigurationError(f"the journal {path!r} cannot be opened: {error}") from None
        except sqlite3.DatabaseError:
            if not before[0] and before == _state(path):
                break
        # `immutable` takes no locks: another process was writing the file.
        time.sleep(_PAUSE)
    raise ConfigurationError(f"the journal {path!r} is not a journal; choose another path")


def _state(path: str) -> tuple[bool, int, int]:
    """Return whether SQLite's files are next to a database, its size, and its time of change."""
    found = os.lstat(path)
    return any(os.path.lexists(path + ending) for ending in _ORPHANS), found.st_size, found.st_mtime_ns


def _read_tables(path: str, mode: str) -> frozenset[str]:
    # SQLite reads it, because closing any descriptor of a file drops all locks of this process on it.
    uri = f"{Path(path).absolute().as_uri()}?{mode}"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        return frozenset(str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master"))


def _protect(path: str) -> None:
    """Restrict the file, and SQLite's files next to it, to the owner."""
    for each in (path, *(path + ending for ending in _BESIDE)):
        with suppress(FileNotFoundError):
            mode = os.lstat(each).st_mode
            if stat.S_ISREG(mode) and mode & _OTHERS:
                _change_mode(each, stat.S_IMODE(mode) & ~_OTHERS)


def _change_mode(path: str, mode: int) -> None:
    """Change a file's mode without following links."""
    if not (hasattr(os, "O_PATH") and Path("/proc/self/fd").is_dir()):
        os.chmod(path, mode)  # noqa: PTH101 - as the calls around it
        return
    # With O_PATH, closing the descriptor drops no locks.
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        os.chmod(f"/proc/self/fd/{handle}", mode)  # noqa: PTH101 - as the calls around it
    finally:
        os.close(handle)
