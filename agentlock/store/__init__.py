"""The reservation table: the only place that holds SQL."""

from __future__ import annotations

from agentlock.errors import ConfigurationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.store.protocol import Store

DEFAULT_TIMEOUT = 30 * 1_000_000
NOT_INITIALISED = "no reservation table is recorded for this repository"


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
        raise ConfigurationError(NOT_INITIALISED, hint="agentlock init")
    refuse_unsupported(location)
    from agentlock.store.sqlite import SQLiteStore

    return SQLiteStore(location, database_id, project, timeout=timeout, read_only=read_only)


def refuse_unsupported(location: str) -> None:
    """UsageError for a URL of an engine that this version does not speak."""
    if "://" in location:
        scheme = location.partition("://")[0]
        raise UsageError(
            f"databases of kind {scheme}:// are not supported by this version",
            hint="agentlock init --database /a/path/agentlock.sqlite3",
        )
