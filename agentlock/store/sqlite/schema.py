"""Make an SQLite database, and bring an old one up to date.

One process at a time does it, under a file lock. Each migration is committed together with its
record (``PRAGMA user_version``), so that one that was interrupted has not happened.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from agentlock.errors import DatabaseError
from agentlock.store import DEFAULT_TIMEOUT
from agentlock.store.base import APPLICATION_ID, READ_PROJECT, require_identity
from agentlock.store.migrations import steps
from agentlock.store.sqlite.files import identified, opened, remove_draft
from agentlock.store.sqlite.filesystem import Modes, refuse_unsafe_filesystem
from agentlock.table_errors import DatabaseUnreachableError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_WRITE_IDENTITY = "INSERT INTO database_identity (id, created_ts) VALUES (?, ?)"
_WRITE_PROJECT = "INSERT INTO projects (human_key, slug, created_ts) VALUES (?, ?, ?)"


def create(path: str, modes: Modes, *, timeout: int = DEFAULT_TIMEOUT) -> str:
    """Make an empty database at ``path``, completely or not at all; its id.

    DatabaseError if ``path`` already exists, or is on a file system on which SQLite's write-ahead
    log is not safe.
    """
    folder = os.path.dirname(path)
    try:
        modes.make_folder(folder)
        refuse_unsafe_filesystem(path)
        with _locked(path, timeout):
            if os.path.lexists(path):
                raise DatabaseError(f"{path} already exists", fix="agentlock init")
            draft = f"{path}.new-{os.getpid()}"
            try:
                identifier = _draft(draft, modes, timeout)
                os.replace(draft, path)
            finally:
                remove_draft(draft)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be made: {error.strerror or error}", fix="check its folder"
        ) from error
    return identifier


def migrate(path: str, database_id: str, *, timeout: int) -> tuple[int, int]:
    """Migrate the database, if it is the recorded one; its schema before and after."""
    with _locked(path, timeout), opened(path, timeout) as connection:
        found, before = identified(connection, path)
        require_identity(path, found, database_id)
        return before, _run_steps(connection, before)


def identity(path: str, *, timeout: int) -> str:
    """The id of the database."""
    with opened(path, timeout) as connection:
        return identified(connection, path)[0]


def add_project(path: str, key: str, slug: str, *, timeout: int) -> bool:
    """Make the project known to the database; whether it is new."""
    with opened(path, timeout) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute(READ_PROJECT, (key,)).fetchone() is not None:
            return False
        connection.execute(_WRITE_PROJECT, (key, slug, time.time_ns() // 1000))
        connection.execute("COMMIT")
    return True


def _draft(path: str, modes: Modes, timeout: int) -> str:
    identifier = str(uuid.uuid4())
    modes.make_file(path)
    with opened(path, timeout) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _run_steps(connection, 0)
        connection.execute(_WRITE_IDENTITY, (identifier, time.time_ns() // 1000))
    return identifier


def _run_steps(connection: sqlite3.Connection, schema: int) -> int:
    """Run the migrations after ``schema``; the schema that the database has then."""
    for number, script in steps("sqlite"):
        if number > schema:
            step = f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            connection.executescript(step)
            schema = number
    return schema


@contextlib.contextmanager
def _locked(path: str, timeout: int) -> Iterator[None]:
    try:
        with FileLock(f"{path}.lock", timeout=timeout / 1_000_000):
            yield
    except Timeout as error:
        raise DatabaseUnreachableError(
            f"another process is making or migrating {path}", fix="try again"
        ) from error
