"""Make a database on either engine, and bring an old one up to date. The guard never does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agentlock.errors import DatabaseError
from agentlock.store import DEFAULT_TIMEOUT, connect, is_url
from agentlock.store.postgres import schema as postgres
from agentlock.store.sqlite import schema as sqlite
from agentlock.store.sqlite.filesystem import refuse_unsafe_filesystem
from agentlock.table_errors import OlderSchemaError

if TYPE_CHECKING:
    from agentlock.store.sqlite.filesystem import Modes


def make(location: str, modes: Modes, *, timeout: int = DEFAULT_TIMEOUT) -> tuple[str, bool]:
    """The id of the database, and whether it was made just now.

    Others may make it at the same time. On a server the database itself must exist; its tables
    are made.
    """
    if is_url(location):
        return postgres.prepare(location, timeout=timeout)
    if not os.path.lexists(location):
        try:
            return sqlite.create(location, modes, timeout=timeout), True
        except DatabaseError:
            if not os.path.lexists(location):
                raise
    refuse_unsafe_filesystem(location)
    return join(location, timeout=timeout), False


def migrate(location: str, database_id: str, *, timeout: int = DEFAULT_TIMEOUT) -> tuple[int, int]:
    """Run what is due; (schema before, schema after). Only the recorded database is touched."""
    if is_url(location):
        return postgres.migrate(location, database_id, timeout=timeout)
    return sqlite.migrate(location, database_id, timeout=timeout)


def verify(location: str, database_id: str | None, *, timeout: int = DEFAULT_TIMEOUT) -> None:
    """Check that this is the recorded database, and run the migrations that are due."""
    try:
        connect(location, database_id, None, timeout=timeout, read_only=True).close()
    except OlderSchemaError:
        migrate(location, database_id or _identity(location, timeout), timeout=timeout)


def join(location: str, *, timeout: int = DEFAULT_TIMEOUT) -> str:
    """The id of an existing database, for a repository that joins it."""
    verify(location, None, timeout=timeout)
    return _identity(location, timeout)


def add_project(location: str, key: str, *, timeout: int = DEFAULT_TIMEOUT) -> bool:
    """Make the project known to the database; whether it is new."""
    words = "".join(letter if letter.isalnum() else " " for letter in key.lower()).split()
    slug = "-".join(words[-3:])
    if is_url(location):
        return postgres.add_project(location, key, slug, timeout=timeout)
    return sqlite.add_project(location, key, slug, timeout=timeout)


def _identity(location: str, timeout: int) -> str:
    if is_url(location):
        return postgres.identity(location, timeout=timeout)
    return sqlite.identity(location, timeout=timeout)
