"""`init`: create or join a database, register the project, and record both in the repository."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import TYPE_CHECKING

from agentlock.errors import AgentlockError, NotARepositoryError, RefusedError, UsageError
from agentlock.event_kinds import INITIALISED, OWNER_KEY, STARTED_AFRESH
from agentlock.git.config import record
from agentlock.git.process import output
from agentlock.git.repository import discover
from agentlock.install import registry
from agentlock.install.everybody import give_to_owner
from agentlock.install.lock import exclusively
from agentlock.install.project import default_project, normalised_url
from agentlock.install.siblings import siblings
from agentlock.model import Value
from agentlock.records import BEFORE, Entry
from agentlock.store import (
    connect,
    is_url,
    migrate,
    open_store,
    refuse_unsupported,
)
from agentlock.store.sqlite.filesystem import modes_for
from agentlock.table_errors import LostTableError
from agentlock.text import count, shell_word, storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.event_kinds import Kind
    from agentlock.git.repository import Repository
    from agentlock.store.base import Store

DEFAULT_DATABASE = "agentlock/agentlock.sqlite3"


class Outcome(Value):
    """What `init` did: where the table is, which project it is, and what was lost, if anything.

    ``unlisted`` is why the repository is not on this user's list, or "".
    """

    database: str
    project: str
    created: bool
    new_project: bool
    lost: str = ""
    unlisted: str = ""


def initialise(
    repository: Repository,
    *,
    database: str | None,
    project: str | None,
    new_database: str | None,
    timeout: int,
    server: bool = False,
    identity_variables: Sequence[str] = (),
    owner_key: str | None = None,
    agent: str = "",
    separate: bool = False,
    force: bool = False,
) -> Outcome:
    """Set the repository up. Safe to repeat.

    A repository whose recorded database is gone or is another one is refused, unless
    ``new_database``, which is the reason, starts afresh; what was there is kept beside the new one.
    If the table can still be read, that takes ``force``, too. A bare repository
    has no database by default: it must be the one that the agents use. ``identity_variables`` are
    those in which a server is told who pushes; none given keeps what is recorded. ``owner_key`` is
    the hash of the key that the database is to have; None leaves it as it is. ``agent`` is who does
    it, for the log. RefusedError if a clone of this project has a table on this machine, and no
    ``database`` is named, unless it is to have a ``separate`` one.
    """
    _require_role(repository, server=server)
    _require_variables(identity_variables, server=server)
    with exclusively(repository.common_dir):
        outcome = _initialise(
            *(repository, database, project, owner_key, agent, timeout),
            new_database=new_database,
            separate=separate,
            force=force,
        )
        if identity_variables:
            names = " ".join(dict.fromkeys(identity_variables))
            record(repository.root, "identityVariable", names)
        give_to_owner(repository.common_dir)
        return outcome


def _require_role(repository: Repository, *, server: bool) -> None:
    if server and not repository.is_bare:
        raise UsageError(
            "this repository has a worktree, and --server is for a bare one that agents push to",
            fix="cd into the bare repository; here: agentlock init",
        )
    if repository.is_bare and not server:
        raise NotARepositoryError(
            "this is a bare repository, not a worktree: nobody commits here, agents push to it",
            fix="agentlock init --server --database X, with the table that the agents use",
        )


def _require_variables(names: Sequence[str], *, server: bool) -> None:
    if names and not server:
        raise UsageError("--identity-variable is for a server", fix="agentlock init --server ...")
    for name in names:
        if not (name.isascii() and name.isidentifier()):
            raise UsageError(
                f"{name!r} is not the name of a variable",
                fix="name a variable such as REMOTE_USER or GL_USERNAME",
            )


def _initialise(
    repository: Repository,
    database: str | None,
    project: str | None,
    owner_key: str | None,
    agent: str,
    timeout: int,
    *,
    new_database: str | None,
    separate: bool,
    force: bool,
) -> Outcome:
    repository = discover()  # as it is now that nobody else is setting it up
    location = _location(repository, database)
    known = [] if repository.project else siblings(repository)
    if known and database is None and not separate:
        raise _table_exists(known)
    lost = ""
    if new_database is not None:
        held = _still_held(repository, location, timeout)
        if held is not None and not force:
            raise _is_readable(location, held)
        lost = f"{_set_aside(location, held)} ({new_database})"
    elif repository.database is not None:
        _require_recorded(repository, location, timeout)
    modes = modes_for(_shared_repository(repository))
    identifier, created = migrate.make(location, modes, timeout=timeout)
    key = project or repository.project
    if key is None and repository.is_bare:
        key = _project_of_server(repository, location, identifier, timeout)
    key = key or _key_there(known, location)
    key = storable(key or default_project(repository))  # a path need not be UTF-8
    new_project = migrate.add_project(location, key, timeout=timeout)
    happened = (STARTED_AFRESH, lost) if lost else (INITIALISED, "") if created else None
    with closing(open_store(location, identifier, key, timeout=timeout)) as store:
        kept = log_start(store, happened, owner_key, agent)
        if created and not lost:
            _enter_branches(store, repository)
    unlisted = record_table(repository, location, identifier, key, kept)
    return Outcome(location, key, created, new_project, lost, unlisted)


def _table_exists(known: Sequence[Repository]) -> RefusedError:
    database, folder = known[0].database or "", os.fsdecode(known[0].common_dir)
    return RefusedError(
        f"{folder} is the same project and has a table: {database}; nothing that is reserved there "
        "would be seen in another one (to make one all the same: --separate)",
        fix=f"agentlock init --database {shell_word(database)}",
    )


def _key_there(known: Sequence[Repository], location: str) -> str | None:
    """What the project is called in this table by the others that use it."""
    same = (one.project for one in known if one.database and place(one.database) == place(location))
    return next(same, None)


def _project_of_server(repository: Repository, location: str, identifier: str, timeout: int) -> str:
    """The only project of the table; of several, the one that clones of this path belong to.

    A new project would guard nothing: the agents' reservations are in another one.
    """
    by_path = normalised_url(os.fsdecode(repository.common_dir))
    store = connect(location, identifier, None, timeout=timeout, read_only=True)
    known = store.projects()
    store.close()
    if len(known) == 1:
        return known[0]
    if known and by_path not in known:
        raise UsageError(
            f"the table serves several projects: {', '.join(known)}",
            fix="name the one that is pushed here: --project KEY",
        )
    return by_path


def _location(repository: Repository, database: str | None) -> str:
    recorded = repository.database
    default = os.path.join(os.fsdecode(repository.common_dir), DEFAULT_DATABASE)
    if database is None:
        if recorded is None and repository.is_bare:
            raise UsageError(
                "a server needs the table that the agents use, and none is named",
                fix="agentlock init --server --database X",
            )
        return recorded or default
    return place(database)


def _require_recorded(repository: Repository, location: str, timeout: int) -> None:
    recorded = repository.database
    if recorded is not None and place(recorded) != place(location):
        raise UsageError(
            f"this repository already uses {recorded}, not {location}",
            fix=_switching(repository, location),
        )
    if not (is_url(location) or os.path.lexists(location)):
        raise LostTableError(
            f"the table of this repository, {location}, is missing, and every reservation with it",
            fix="put the file back, or a backup: agentlock db restore FILE",
        )
    migrate.verify(location, repository.database_id, timeout=timeout)


def _switching(repository: Repository, location: str) -> str:
    """The command that makes a repository use another database."""
    using = f"agentlock db use {shell_word(location)}"
    if is_url(location) or os.path.lexists(location):
        key = _key_there(siblings(repository), location)
        return (
            using if key in (None, repository.project) else f"{using} --project {shell_word(key)}"
        )
    recorded = shell_word(repository.database or "")
    return f"agentlock db copy {recorded} {shell_word(location)} && {using}"


def place(database: str) -> str:
    """The location of a database that was named: a URL as it is, a path made absolute."""
    refuse_unsupported(database)
    return database if is_url(database) else os.path.realpath(os.path.expanduser(database))


def _still_held(repository: Repository, location: str, timeout: int) -> str | None:
    """What a new table would lose, in words; None if the one that is there cannot be read.

    One that is not recorded here may be other people's.
    """
    recorded = repository.database
    is_ours = recorded is not None and place(recorded) == place(location)
    identifier = repository.database_id if is_ours else None
    project = repository.project if is_ours else None
    try:
        with closing(
            connect(location, identifier, project, timeout=timeout, read_only=True)
        ) as store:
            held = store.reservations.all(live_at=store.now()) if project else []
    except AgentlockError:
        return None
    if project is None:
        return "all reservations of whoever uses it"
    holders = sorted({one.agent for one in held})
    of = f" of {', '.join(holders)}" if holders else ""
    return f"{count(len(held), 'live reservation')}{of}"


def _is_readable(location: str, held: str) -> RefusedError:
    return RefusedError(
        f"{location} can be read: a new table would lose {held}, the policy and the log",
        see="agentlock init --help",
    )


def _set_aside(location: str, held: str | None) -> str:
    """Keep what lies at ``location`` under another name; a sentence about what is lost.

    What is on a server stays there: other repositories may use it.
    """
    held = held or "an unknown number of live reservations"
    lost = f"{held} {'is' if held.startswith('1 ') else 'are'} lost"
    if is_url(location):
        return f"{lost}: {location} was damaged, replaced or given up"
    if not os.path.lexists(location):
        return f"{lost}: {location} was missing"
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for suffix in ("", "-wal", "-shm"):
        if os.path.lexists(location + suffix):
            os.rename(location + suffix, f"{location}.old-{stamp}{suffix}")
    return f"{lost}; the former table is kept as {location}.old-{stamp}"


def _shared_repository(repository: Repository) -> str | None:
    value = repository.settings.get(b"core.sharedrepository")
    return None if value is None else os.fsdecode(value)


def record_table(
    repository: Repository, location: str, identifier: str, key: str, owner_key: str | None
) -> str:
    common = os.path.realpath(os.fsdecode(repository.common_dir))
    real = place(location)
    inside = real.startswith(common + os.sep)
    wanted = {
        "database": os.path.relpath(real, common) if inside else real,
        "databaseId": identifier,
        "project": key,
        **({} if owner_key is None else {"ownerKey": owner_key}),
    }
    for name, value in wanted.items():
        if repository.settings.get(f"agentlock.{name.lower()}".encode()) != os.fsencode(value):
            record(repository.root, name, value)
    return registry.add(repository.common_dir)


def _enter_branches(store: Store, repository: Repository) -> None:
    """Enter the tips of the local branches in the ledger: nobody held anything before."""
    tips = output("for-each-ref", "--format=%(objectname)", "refs/heads", cwd=repository.root)
    with store.writing():
        now = store.now()
        store.ledger.enter(
            [
                Entry(oid, "", BEFORE, oid, None, "", 0, now)
                for oid in dict.fromkeys(tips.decode().split())
            ]
        )


def log_start(
    store: Store, happened: tuple[Kind, str] | None, owner_key: str | None, agent: str
) -> str | None:
    """Log what happened (kind and detail), keep the hash of an owner's key; the one there is."""
    present = store.owner.key()
    if happened is None and owner_key is None:
        return present
    with store.writing():
        now = store.now()
        if happened is not None:
            store.events.log(happened[0], now, agent=agent, detail=happened[1])
        if owner_key is not None and owner_key != present:
            store.owner.set_key(owner_key)
            store.events.log(OWNER_KEY, now, agent=agent, detail="replaced" if present else "set")
    return owner_key or present
