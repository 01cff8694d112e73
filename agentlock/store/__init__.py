"""The reservation table. SQL stands nowhere else."""

from __future__ import annotations

from agentlock.errors import ConfigurationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from agentlock.store.base import Store

    class Recorded(Protocol):
        """What `init` recorded in a repository; None where it did not."""

        @property
        def database(self) -> str | None: ...
        @property
        def database_id(self) -> str | None: ...
        @property
        def project(self) -> str | None: ...


DEFAULT_TIMEOUT = 30 * 1_000_000
NOT_INITIALISED = "no reservation table is recorded for this repository"


def open_table(
    recorded: Recorded, timeout: int = DEFAULT_TIMEOUT, *, read_only: bool = False
) -> Store:
    """The project's table, as a repository records it; see ``open_store``."""
    return open_store(
        recorded.database,
        recorded.database_id,
        recorded.project,
        timeout=timeout,
        read_only=read_only,
    )


def open_store(
    location: str | None,
    database_id: str | None,
    project: str | None,
    *,
    timeout: int = DEFAULT_TIMEOUT,
    read_only: bool = False,
) -> Store:
    """The project's table in an existing database; never makes one.

    ``location``, ``database_id`` and ``project`` are what `init` recorded. ``timeout`` bounds the
    whole wait, in microseconds. ConfigurationError where nothing is recorded, DatabaseError (and
    its kinds) where the database is not the recorded one or cannot be used.
    """
    if not location or not database_id or not project:
        raise ConfigurationError(NOT_INITIALISED, fix="agentlock init")
    refuse_unsupported(location)
    return connect(location, database_id, project, timeout=timeout, read_only=read_only)


def connect(
    location: str,
    database_id: str | None,
    project: str | None,
    *,
    timeout: int,
    read_only: bool,
) -> Store:
    """As ``open_store``; without an id any database will do, without a project none is chosen."""
    if is_url(location):
        from agentlock.store.postgres import PostgresStore

        return PostgresStore(location, database_id, project, timeout=timeout, read_only=read_only)
    from agentlock.store.sqlite import SQLiteStore

    return SQLiteStore(location, database_id, project, timeout=timeout, read_only=read_only)


def is_url(location: str) -> bool:
    """Whether the database is on a server; else it is a file."""
    return "://" in location


def refuse_unsupported(location: str) -> None:
    """UsageError for a URL of an engine that this program does not speak, or with a password.

    It is kept in the repository's settings, which many read. The sentence does not repeat it.
    """
    scheme, separator, rest = location.partition("://")
    if separator and scheme not in ("postgresql", "postgres"):
        raise UsageError(
            f"databases of kind {scheme}:// are not supported",
            fix="give a path, or postgresql://host/database",
        )
    address, _, query = rest.partition("?")
    keys = [pair.partition("=")[0] for pair in query.split("&")]
    if ":" in address.rpartition("@")[0] or any(
        "%" in key or key.lower().endswith("password") for key in keys
    ):
        raise UsageError(
            "the URL of a database must not hold a password: it is kept in the settings",
            fix="leave it out, and keep it in ~/.pgpass (chmod 600), in the file that PGPASSFILE "
            "names, or in a service file",
        )
