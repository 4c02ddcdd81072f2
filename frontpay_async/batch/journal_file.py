"""The file of a journal in SQLite: found, checked and protected before SQLite touches it.

*Guarantee*: a path that is not a journal's is never changed. A link, a directory or a device is refused; so
is a file that is not an SQLite database, and a database of something else. Only a file that was made here, or
that holds a journal, gets its mode; a file that was made here and did not become a journal is removed.
"""

from __future__ import annotations

import os
import sqlite3
import stat
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
_KINDS = (
    (stat.S_ISLNK, "a symbolic link: give the path of the file itself"),
    (stat.S_ISDIR, "a directory: give the path of a file"),
    (stat.S_ISREG, None),
)


def claim_file(path: str) -> Callable[[], None]:
    """Check the file of a journal, and make it where there is none."""
    # Checked first: another process may make the file, and these, in this moment.
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
        if identity(path) == made:
            for each in (path, *(path + ending for ending in _BESIDE)):
                with suppress(FileNotFoundError):
                    Path(each).unlink()

    return undo


def identity(path: str) -> tuple[int, int] | None:
    """Return which file stands at a path; None if there is none."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _check(path: str) -> None:
    """Refuse what stands at a path unless it may be a journal; then keep others from reading it."""
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
    """Whether the file holds a journal; False where it is empty."""
    if 0 < os.lstat(path).st_size < _LEAST_PAGE:
        # SQLite takes a few bytes for nothing, and overwrites them.
        raise ConfigurationError(f"the journal {path!r} is not a journal; choose another path")
    # It is read by SQLite and not opened here: closing any descriptor of a file drops all locks that this
    # process has on it. `immutable` leaves nothing beside it.
    uri = f"{Path(path).absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"the journal {path!r} cannot be opened: {error}") from None
    except sqlite3.DatabaseError:
        raise ConfigurationError(f"the journal {path!r} is not a journal; choose another path") from None
    if tables and _MARK not in tables:
        raise ConfigurationError(
            f"the journal {path!r} is a database, but not a journal; choose another path"
        )
    return bool(tables)


def _protect(path: str) -> None:
    """Make the file its owner's alone, with those beside it; they may have been made before it was."""
    for each in (path, *(path + ending for ending in _BESIDE)):
        with suppress(FileNotFoundError):
            mode = os.lstat(each).st_mode
            if stat.S_ISREG(mode) and mode & _OTHERS:
                _change_mode(each, stat.S_IMODE(mode) & ~_OTHERS)


def _change_mode(path: str, mode: int) -> None:
    """Change a file's mode without following a link that was put in its place."""
    if not (hasattr(os, "O_PATH") and Path("/proc/self/fd").is_dir()):
        os.chmod(path, mode)  # noqa: PTH101 - as the calls around it
        return
    # A descriptor that can only name the file: closing it drops no locks.
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        os.chmod(f"/proc/self/fd/{handle}", mode)  # noqa: PTH101 - as the calls around it
    finally:
        os.close(handle)
