"""Make a database, and bring an old one up to date: numbered .sql files, run by one at a time.

In SQLite under a file lock, each step committed together with its record (``PRAGMA user_version``);
in PostgreSQL see ``postgres.schema``. A step that was interrupted has not happened. The guard never
comes here.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import uuid
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from agentlock.errors import (
    DatabaseError,
    DatabaseUnreachableError,
    OlderSchemaError,
)
from agentlock.store import DEFAULT_TIMEOUT, connect, is_url
from agentlock.store import statements as sql
from agentlock.store.postgres import schema
from agentlock.store.sqlite.filesystem import Modes, refuse_unsafe_filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

_FOLDER = os.path.join(os.path.dirname(__file__), "migrations")


def steps(dialect: Literal["sqlite", "postgres"] = "sqlite") -> list[tuple[int, str]]:
    """(number, SQL) of every migration, in order."""
    folder = os.path.join(_FOLDER, dialect)
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".sql"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found.append((int(name.partition("_")[0]), file.read()))
    return found


def migrate(path: str, database_id: str, *, timeout: int = DEFAULT_TIMEOUT) -> tuple[int, int]:
    """Run what is due; (schema before, schema after). Only the recorded database is touched."""
    if is_url(path):
        return schema.migrate(path, database_id, steps("postgres"), timeout=timeout)
    with _locked(path, timeout), _connection(path, timeout) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (before,) = connection.execute("PRAGMA user_version").fetchone()
        if application != sql.APPLICATION_ID:
            raise DatabaseError(f"{path} is not an agentlock database")
        (found,) = connection.execute(sql.READ_IDENTITY).fetchone()
        if found != database_id:
            raise DatabaseError(
                f"{path} is another database (id {found}) than the one recorded for this "
                f"repository (id {database_id})"
            )
        _run_steps(connection, before)
        (after,) = connection.execute("PRAGMA user_version").fetchone()
    return before, after


def create(path: str, modes: Modes, *, timeout: int = DEFAULT_TIMEOUT) -> str:
    """Make an empty database at ``path``, whole or not at all; its id.

    DatabaseError where something is there already, or where the file system is one on which
    SQLite's write-ahead log is not safe.
    """
    folder = os.path.dirname(path)
    try:
        modes.make_folder(folder)
        refuse_unsafe_filesystem(path)
        with _locked(path, timeout):
            if os.path.lexists(path):
                raise DatabaseError(f"{path} is there already", fix="agentlock init")
            draft = f"{path}.new-{os.getpid()}"
            try:
                identifier = _draft(draft, modes, timeout)
                os.replace(draft, path)
            finally:
                for suffix in ("", "-wal", "-shm", "-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(draft + suffix)
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be made: {error.strerror or error}", fix="check the folder"
        ) from error
    return identifier


def make(location: str, modes: Modes, *, timeout: int = DEFAULT_TIMEOUT) -> tuple[str, bool]:
    """The id of the database that is there, or was made, and whether it was.

    Others may be making it at the same moment. On a server the database itself has to be there.
    """
    if is_url(location):
        return schema.prepare(location, steps("postgres"), timeout=timeout)
    if not os.path.lexists(location):
        try:
            return create(location, modes, timeout=timeout), True
        except DatabaseError:
            if not os.path.lexists(location):
                raise
    refuse_unsafe_filesystem(location)
    return join(location, timeout=timeout), False


def verify(path: str, database_id: str | None, *, timeout: int = DEFAULT_TIMEOUT) -> None:
    """Check that this is the recorded database, and run the migrations that are due."""
    try:
        connect(path, database_id, None, timeout=timeout, read_only=True).close()
    except OlderSchemaError:
        migrate(path, database_id or _identity(path, timeout), timeout=timeout)


def join(path: str, *, timeout: int = DEFAULT_TIMEOUT) -> str:
    """The id of an existing database, for a repository that joins it."""
    verify(path, None, timeout=timeout)
    return _identity(path, timeout)


def _identity(path: str, timeout: int) -> str:
    if is_url(path):
        return schema.identity(path, timeout=timeout)
    with _connection(path, timeout) as connection:
        (found,) = connection.execute(sql.READ_IDENTITY).fetchone()
        return str(found)


def add_project(path: str, key: str, *, timeout: int = DEFAULT_TIMEOUT) -> bool:
    """Make the project known to the database; whether it is new."""
    words = "".join(letter if letter.isalnum() else " " for letter in key.lower()).split()
    slug = "-".join(words[-3:])
    if is_url(path):
        return schema.add_project(path, key, slug, timeout=timeout)
    with _connection(path, timeout) as connection:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute(sql.READ_PROJECT, (key,)).fetchone() is not None:
            connection.execute("ROLLBACK")
            return False
        connection.execute(sql.WRITE_PROJECT, (key, slug, time.time_ns() // 1000))
        connection.execute("COMMIT")
    return True


def _draft(path: str, modes: Modes, timeout: int) -> str:
    identifier = str(uuid.uuid4())
    modes.make_file(path)
    with _connection(path, timeout) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {sql.APPLICATION_ID}")
        _run_steps(connection, 0)
        connection.execute(sql.WRITE_IDENTITY, (identifier, time.time_ns() // 1000))
    return identifier


def _run_steps(connection: sqlite3.Connection, before: int) -> None:
    for number, script in steps():
        if number > before:
            step = f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
            connection.executescript(step)


@contextlib.contextmanager
def _connection(path: str, timeout: int) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(
            sqlite3.connect(path, timeout=timeout / 1_000_000, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
    except sqlite3.Error as error:
        raise DatabaseError(f"{path} cannot be written: {error}") from error


@contextlib.contextmanager
def _locked(path: str, timeout: int) -> Iterator[None]:
    try:
        with FileLock(f"{path}.lock", timeout=timeout / 1_000_000):
            yield
    except Timeout as error:
        raise DatabaseUnreachableError(
            f"another process is making or migrating {path}", fix="try again"
        ) from error
