"""The reservation table. SQL stands nowhere else."""

from __future__ import annotations

from agentlock.errors import ConfigurationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
        @property
        def agent_mail(self) -> str | None: ...
        @property
        def common_dir(self) -> bytes: ...


DEFAULT_TIMEOUT = 30 * 1_000_000
BRIEF_TIMEOUT = 2 * 1_000_000
"""For what is written beside an answer, which stands without it: a line in the log, a message."""
NOT_INITIALISED = "this repository has no reservation table yet"


def open_table(
    recorded: Recorded,
    timeout: int = DEFAULT_TIMEOUT,
    *,
    read_only: bool = False,
    lazily: bool = False,
    door: str = "",
) -> Store:
    """The project's table, as a repository records it; see ``open_store``.

    ``door`` is the hook that opens it, which loads all that a verdict needs of its kind of database
    from one file (ADR 24).
    """
    bundle = None
    if door:
        from agentlock.bundle import Bundle

        bundle = Bundle(f"{door}-{'postgres' if is_url(recorded.database or '') else 'sqlite'}")
    store = open_store(
        recorded.database,
        recorded.database_id,
        recorded.project,
        timeout=timeout,
        read_only=read_only,
        lazily=lazily,
    )
    if recorded.agent_mail:
        store.beside = recorded
    if bundle is not None:
        import agentlock.store.policy
        import agentlock.store.reservations  # noqa: F401

        bundle.note()
        bundle.keep()
    return store


def write_aside(
    recorded: Recorded,
    change: Callable[[Store], object],
    timeout: int = BRIEF_TIMEOUT,
    *,
    durable: bool = False,
) -> None:
    """Do ``change`` in a transaction of its own. DatabaseError if it cannot be written in time."""
    store = open_table(recorded, timeout)
    try:
        with store.writing(durable=durable):
            change(store)
    finally:
        store.close()


def open_store(
    location: str | None,
    database_id: str | None,
    project: str | None,
    *,
    timeout: int = DEFAULT_TIMEOUT,
    read_only: bool = False,
    lazily: bool = False,
) -> Store:
    """The project's table in an existing database; it never makes one.

    ``location``, ``database_id`` and ``project`` are what `init` recorded. All waiting together
    takes at most ``timeout`` microseconds. ConfigurationError if nothing is recorded, DatabaseError
    (and its kinds) if the database is not the recorded one or cannot be used; on a server, the
    first question may find that out, if it is opened ``lazily``.
    """
    if not location or not database_id or not project:
        raise ConfigurationError(NOT_INITIALISED, fix="agentlock init")
    refuse_unsupported(location)
    how = {"read_only": read_only, "lazily": lazily}
    return connect(location, database_id, project, timeout=timeout, **how)


def connect(
    location: str,
    database_id: str | None,
    project: str | None,
    *,
    timeout: int,
    read_only: bool,
    lazily: bool = False,
) -> Store:
    """As ``open_store``, but without an id any database will do, and without a project none."""
    if is_url(location):
        from agentlock.store.postgres import PostgresStore

        how = {"read_only": read_only, "lazily": lazily}
        return PostgresStore(location, database_id, project, timeout=timeout, **how)
    from agentlock.store.sqlite import SQLiteStore

    return SQLiteStore(location, database_id, project, timeout=timeout, read_only=read_only)


def is_url(location: str) -> bool:
    """Whether the database is on a server; otherwise it is a file."""
    return "://" in location


def refuse_unsupported(location: str) -> None:
    """UsageError for a URL of another engine, or one with a password.

    The URL is kept in the repository's settings, where many can read it, so a password must not be
    part of it. The message does not repeat the password.
    """
    scheme, separator, rest = location.partition("://")
    if separator and scheme not in ("postgresql", "postgres"):
        raise UsageError(
            f"databases of kind {scheme}:// are not supported",
            fix="name a file, or postgresql://host/database",
        )
    address, _, query = rest.partition("?")
    keys = [pair.partition("=")[0] for pair in query.split("&")]
    if ":" in address.rpartition("@")[0] or any(
        "%" in key or key.lower().endswith("password") for key in keys
    ):
        raise UsageError(
            "the URL of a database must not contain a password: it is kept in git's settings",
            fix="leave it out, and put it into ~/.pgpass (chmod 600), the file that PGPASSFILE "
            "names, or a service file",
        )
