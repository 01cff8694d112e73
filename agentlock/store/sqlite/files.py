"""SQLite files for what is not a git hook: opened, and identified."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from agentlock.store.base import READ_IDENTITY
from agentlock.store.sqlite import connect, explained, read_mode, require_application
from agentlock.store.sqlite.driver import driver

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from typing import Literal

_RESTORE = "restore a backup: agentlock db restore FILE"


@contextlib.contextmanager
def opened(
    path: str, timeout: int, *, mode: Literal["ro", "rw"] = "rw"
) -> Iterator[sqlite3.Connection]:
    """A connection to an existing file, without a transaction; an error becomes a DatabaseError."""
    try:
        how = read_mode(path) if mode == "ro" else mode
        with contextlib.closing(connect(path, how, timeout / 1_000_000)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
    except driver.Error as error:
        raise explained(error, path, timeout, remedy=_RESTORE) from error


def identified(connection: sqlite3.Connection, path: str) -> tuple[str, int]:
    """The id and the schema of a database; DatabaseError if it is not one of agentlock's."""
    require_application(path, connection.execute("PRAGMA application_id").fetchone())
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (found,) = connection.execute(READ_IDENTITY).fetchone()
    return str(found), int(version)


def remove_draft(path: str) -> None:
    """Remove a database that did not become one, with all that SQLite keeps next to it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)
