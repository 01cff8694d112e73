"""What almost every action starts from: the repository, the agent, and the open table."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from agentlock.agents.place import here, worktree_of
from agentlock.agents.registry import is_due
from agentlock.duration import parse_duration
from agentlock.errors import (
    AgentlockError,
    DatabaseError,
    NotARepositoryError,
    RefusedError,
    UsageError,
)
from agentlock.git.identity import person
from agentlock.git.shared_name import shared_name
from agentlock.git.worktree import WorkTree
from agentlock.guard.committed import noticed, write
from agentlock.guard.judge import folding_of
from agentlock.guard.take_in import enter_made
from agentlock.moments import local_time
from agentlock.patterns.matching import displayed
from agentlock.reservations.losses import untold
from agentlock.store import BRIEF_TIMEOUT, DEFAULT_TIMEOUT, is_url, open_table
from agentlock.table_errors import OlderSchemaError
from agentlock.text import and_more, plural
from agentlock.waiting.turn import is_any_due, settle
from agentlock.waiting.working import is_needed, keep_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agentlock.git.identity import Identity
    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.patterns.syntax import Reading
    from agentlock.reservations.granting import Request
    from agentlock.reservations.naming import Selection
    from agentlock.reservations.stale import StaleCopies
    from agentlock.store.base import Store

_SHORTEST_WAIT = 100_000  # microseconds for the write lock, to record where the agent works
_MOST_NOTES = 3


class Workspace:
    """The worktree, or bare repository, that an action works in, seen by one agent."""

    def __init__(
        self, repository: Repository, identity: Identity, timeout: int = DEFAULT_TIMEOUT
    ) -> None:
        self.repository = repository
        self.identity = identity
        self.timeout = timeout
        self.taken: tuple[Reservation, ...] = ()
        self._is_news_waiting = self._is_record_due = False

    @property
    def agent(self) -> str:
        """The agent that asks; IdentityError if no name is set."""
        return self.identity.required()

    def shared_name(self) -> list[str]:
        """A warning if other worktrees have the agent's name, because they share a setting."""
        remark = shared_name(self.repository, self.identity)
        return [] if remark is None else [f"warning: {remark.message}; fix: {remark.fix}"]

    def actor(self, whose: str | None = None) -> str:
        """Who forces something: the agent that is set here, else a person, by git's user.name.

        ``whose`` reservations are forced, if ``--agent`` says so: then it is somebody else. Without
        any name it is an IdentityError.
        """
        named = (self.identity.overruled, self.identity.name)
        return next((name for name in named if name not in (None, whose)), None) or (
            person() or self.agent
        )

    @property
    def correspondent(self) -> str:
        """Who takes part in mail: the agent that is set here, else a person, by git's user.name."""
        return self.identity.name or person() or self.agent

    def writer(self) -> str:
        """The same, for what changes somebody's mail; RefusedError if it is another agent's."""
        if self.identity.overruled is not None:
            raise RefusedError(
                f"you are {self.identity.overruled} here, and the mail of {self.identity.name} is "
                "not yours",
                see=f"agentlock inbox --agent {self.identity.name}",
            )
        return self.correspondent

    @property
    def folding(self) -> Folding:
        return folding_of(self.repository)

    @property
    def tree(self) -> WorkTree:
        return WorkTree(self.repository)

    def path_named(self, typed: str | None) -> Pattern | None:
        """The pattern of a path or folder that was given to an option, or None without one."""
        if typed is None:
            return None
        from agentlock.reservations.naming import path_named  # few commands need it

        return path_named(os.fsencode(typed), self.tree, self.folding)

    def readings(
        self, patterns: Iterable[str], *, literal: bool, glob: bool, whole_repository: bool
    ) -> list[Reading]:
        """How the patterns are read here, as plain paths (``literal``) or globs if that is said."""
        if literal and glob:
            raise UsageError("--literal and --glob exclude each other", fix="give only one of them")
        from agentlock.patterns.syntax import read_patterns  # few commands need it

        return read_patterns(
            [os.fsencode(pattern) for pattern in patterns],
            self.tree,
            force="literal" if literal else "glob" if glob else None,
            whole_repository=whole_repository,
        )

    def selection(
        self, patterns: Sequence[str], ids: Sequence[int], *, everything: bool
    ) -> Selection:
        """Which reservations are meant: exactly one of patterns, numbers, and all."""
        from agentlock.reservations.naming import Selection, stored_texts

        ways = [bool(patterns), bool(ids), everything]
        fix = "give patterns, or --id N, or --all"
        if not any(ways):
            raise UsageError("no reservation is named", fix=fix)
        if sum(ways) > 1:
            raise UsageError("patterns, --id and --all exclude each other", fix=fix)
        named = tuple(stored_texts(os.fsencode(pattern), self.tree) for pattern in patterns)
        return Selection(patterns=named, ids=tuple(ids), all=everything)

    def request(
        self,
        readings: Sequence[Reading],
        ttl: str,
        *,
        shared: bool,
        reason: str,
        program: str = "",
        model: str = "",
    ) -> Request:
        """What `reserve` asks for; an error if the table lies where SQLite is not safe."""
        from agentlock.reservations.granting import Request

        lease = parse_duration(ttl)
        worktree = worktree_of(self.repository)
        self.refuse_unsafe()
        return Request(
            *(self.agent, list(readings), lease, not shared, reason, ttl, program, model),
            worktree,
            self.identity.overruled is not None,
        )

    def refuse_unsafe(self) -> None:
        """An error if the table lies where SQLite is not safe."""
        from agentlock.store.sqlite.filesystem import refuse_unsafe_filesystem

        database = self.repository.database
        if database is not None and not is_url(database):
            refuse_unsafe_filesystem(database)

    def notes(
        self, readings: Iterable[Reading], limits: Iterable[str], elsewhere: Sequence[Reservation]
    ) -> list[str]:
        """What `reserve` remarks besides its answer."""
        notes = [f"note: {note}" for one in readings for note in one.notes]
        notes += [f"note: {limit}" for limit in limits]
        return [*notes, *_elsewhere(elsewhere), *self._unguarded(), *self.shared_name()]

    def _unguarded(self) -> list[str]:
        """A warning if not all changes here are guarded."""
        from agentlock.install.hooks import guarding, is_guarded

        found = guarding(self.repository)
        if is_guarded(found):
            return []
        lacking = [one for one in found if not one.guards]
        names = ", ".join(one.hook for one in lacking)
        hooks = f"{names} {plural(len(lacking), 'does', 'do')}"
        unguarded = f"so some changes are not guarded; fix: {lacking[0].mend}"
        return [f"warning: {hooks} not run agentlock here, {unguarded}"]

    @contextmanager
    def store(
        self,
        *,
        read_only: bool = False,
        take_in: bool = False,
        takes: bool = True,
        notices: bool = True,
    ) -> Iterator[Store]:
        """The open table; ``take_in``: after the commits that were made here were entered.

        ``takes``: after the agent has taken what was handed over to it. ``notices``: after the
        automatic reservations of these commits have ended.
        """
        with migrated_table(self.repository, timeout=self.timeout, read_only=read_only) as store:
            if take_in:
                enter_made(store, self.repository)
            if take_in and notices:
                self._end_committed(store)
            if takes:
                self._take_offers(store)
            try:
                yield store
            except AgentlockError:
                self._look_ahead(store)
                raise
            self._look_ahead(store)

    def _end_committed(self, store: Store) -> None:
        """End the automatic reservations of what was committed here, if the table is writable."""
        with suppress(AgentlockError):
            found = noticed(store, self.repository)
            if found:
                timeout = min(self.timeout, BRIEF_TIMEOUT)
                with migrated_table(self.repository, timeout=timeout) as writable:
                    write(writable, found)

    def _take_offers(self, store: Store) -> None:
        """Hand over what is due, and take what was handed over to the agent that asks.

        Both need a table that can be written; if it cannot, the command goes on without.
        """
        name = None if self.identity.overruled is not None else self.identity.name
        is_offered = name and store.offers.of_agent(name, store.now())
        if not (is_any_due(store) or is_offered or is_needed(store)):
            return
        from agentlock.waiting.taking import take  # few commands have something to take

        with (
            suppress(DatabaseError),
            migrated_table(self.repository, timeout=min(self.timeout, BRIEF_TIMEOUT)) as writable,
        ):
            keep_all(writable)
            settle(writable)
            if name is not None:
                taken = take(writable, name, self.repository, self.folding)
                self.taken = taken.granted
                if taken.stale is not None:
                    self.turn_went_on(taken.stale)

    def taken_until_now(self, store: Store) -> tuple[Reservation, ...]:
        """What the agent has taken of what was handed over to it, also since it opened the table.

        Another agent may have released something just before this one looked at its places.
        """
        from agentlock.waiting.taking import take

        late = take(store, self.agent, self.repository, self.folding)
        self.taken = (*self.taken, *late.granted)
        return self.taken

    def turn_went_on(self, stale: StaleCopies) -> None:
        """The agent's turn came, and went to the next one, because of these stale copies."""

    def _look_ahead(self, store: Store) -> None:
        """What there is to do when the action has ended."""
        if self.identity.name is not None and self.identity.overruled is None:
            with suppress(AgentlockError):
                self._is_news_waiting = bool(untold(store, self.identity.name))
                self._is_record_due = is_due(store, self.identity.name)

    def record(self) -> None:
        """Record where the agent works, if that is due."""
        name = self.identity.name
        if name is None or not self._is_record_due:
            return
        with (
            suppress(AgentlockError),
            migrated_table(self.repository, timeout=_SHORTEST_WAIT) as store,
            store.writing(durable=False),
        ):
            store.agents.locate(here(self.repository, name, store.now()))


def refuse_unguarded_bare(repository: Repository) -> None:
    """NotARepositoryError in a bare repository whose pushes are not guarded."""
    if repository.is_bare and repository.database is None:
        raise NotARepositoryError(
            "this is a bare repository, not a worktree",
            fix="cd into a worktree; to guard the pushes to it: agentlock init --server",
        )


@contextmanager
def migrated_table(
    repository: Repository, *, timeout: int, read_only: bool = False
) -> Iterator[Store]:
    """The open table, after running any migration that is due."""
    try:
        store = open_table(repository, timeout, read_only=read_only)
    except OlderSchemaError:
        from agentlock.store.migrate import migrate  # loads as much as all the rest

        migrate(repository.database or "", repository.database_id or "", timeout=timeout)
        store = open_table(repository, timeout, read_only=read_only)
    try:
        yield store
    finally:
        store.close()


def _elsewhere(held: Sequence[Reservation]) -> list[str]:
    """What the agent's name holds from other worktrees: another agent may work under it."""
    notes = []
    for one in held[:_MOST_NOTES]:
        since, worktree = local_time(one.created_ts)[11:16], os.path.basename(one.worktree)
        what = f"{displayed(one.pattern)} is already yours since {since}, from worktree {worktree}"
        notes.append(f"note: {what}")
    if held:
        notes[-1] += and_more(len(held) - _MOST_NOTES)
        notes.append("note: if another agent works there, choose a name that nobody else has")
    return notes
