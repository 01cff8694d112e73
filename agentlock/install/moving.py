"""Move a repository's table: copy its project elsewhere, switch to another table, restore one."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from agentlock.errors import AgentlockError, ConfigurationError, UsageError
from agentlock.event_kinds import MOVED, RESTORED
from agentlock.install.initialise import log_start, place, record_table
from agentlock.install.lock import exclusively
from agentlock.model import Value
from agentlock.store import (
    NOT_INITIALISED,
    connect,
    migrate,
    open_store,
    open_table,
    refuse_unsupported,
)
from agentlock.store.copy import copy
from agentlock.store.sqlite import backup
from agentlock.store.sqlite.filesystem import Modes
from agentlock.text import storable
from agentlock.waiting.queue import disband

if TYPE_CHECKING:
    from agentlock.git.repository import Repository


class Copied(Value):
    """A project that was copied: both locations, and how many rows of each table."""

    source: str
    target: str
    project: str
    rows: dict[str, int]


class Restored(Value):
    """A database that was replaced: where the former one is kept, and what is live now."""

    kept: str
    live: int


def copy_project(
    repository: Repository, source: str, target: str, *, project: str | None, timeout: int
) -> Copied:
    """Copy a project with its history to another database, which is made if there is none.

    Commands that wait in ``source`` end. Raises UsageError where both are the same.
    """
    key = project or repository.project
    if key is None:
        raise ConfigurationError(NOT_INITIALISED, fix="agentlock init, or give --project KEY")
    old, new = place(source), place(target)
    if old == new:
        raise UsageError(f"{target} is the database itself", fix="agentlock db copy FROM TO")
    migrate.verify(old, None, timeout=timeout)
    migrate.make(new, Modes(), timeout=timeout)
    with closing(connect(old, None, key, timeout=timeout, read_only=False)) as store:
        disband(store)
    return Copied(old, new, key, copy(old, new, key, timeout=timeout))


def use(
    repository: Repository,
    database: str,
    *,
    project: str | None,
    owner_key: str | None,
    agent: str,
    timeout: int,
) -> str:
    """Guard the repository by another database, which knows its project already; its location.

    ``project`` is what it is called there, None if as here. What lies in the former one is left as
    it is: ``copy_project`` takes it along. A database without an owner's key gets this one, by its
    hash.
    """
    key = project or repository.project
    if key is None or repository.project is None:
        raise ConfigurationError(NOT_INITIALISED, fix="agentlock init")
    with exclusively(repository.common_dir):
        location = place(database)
        identifier = migrate.join(location, timeout=timeout)
        # If the former table cannot be read, the commands that wait there find out themselves.
        with suppress(AgentlockError), closing(open_table(repository, timeout)) as store:
            disband(store)
        with closing(open_store(location, identifier, key, timeout=timeout)) as store:
            happened = (MOVED, f"from {repository.database}")
            kept = log_start(store, happened, None if store.owner.key() else owner_key, agent)
        record_table(repository, location, identifier, key, kept)
    return location


def restore(
    repository: Repository,
    source: str,
    *,
    owner_key: str | None,
    force: bool,
    agent: str,
    timeout: int,
) -> Restored:
    """Replace the repository's database, which is a file, with a backup; as ``backup.restore``.

    Places in the queue and offers end, those of the former database and those of the backup.
    """
    location, identifier = recorded_file(repository)
    bells: list[str] = []  # a table that cannot be read rings for nobody
    with (
        suppress(AgentlockError),
        closing(open_table(repository, timeout, read_only=True)) as store,
    ):
        bells = store.waits.bells()
    kept = backup.restore(
        location, source, identifier, owner_key=owner_key, force=force, timeout=timeout
    )
    migrate.add_project(location, repository.project or "", timeout=timeout)
    detail = f"from {source}; the former database is kept as {kept}"
    with closing(open_table(repository, timeout)) as store:
        disband(store, bells, everything=True)
        with store.writing():
            now = store.now()
            live = len(store.reservations.all(live_at=now))
            store.events.log(RESTORED, now, agent=agent, detail=storable(detail))
    return Restored(kept, live)


def _bells(repository: Repository, timeout: int) -> list[str]:
    with closing(open_table(repository, timeout, read_only=True)) as store:
        return store.waits.bells()


def recorded_file(repository: Repository) -> tuple[str, str]:
    """The location and the id of the recorded database, which has to be a file."""
    location, identifier = recorded_database(repository)
    if "://" in location:
        raise UsageError(
            "this database is on a server", fix="use its own tools: pg_dump, pg_restore, VACUUM"
        )
    return location, identifier


def recorded_database(repository: Repository) -> tuple[str, str]:
    """The location and the id of the recorded database."""
    location, identifier = repository.database, repository.database_id
    if location is None or identifier is None:
        raise ConfigurationError(NOT_INITIALISED, fix="agentlock init")
    refuse_unsupported(location)
    return location, identifier
