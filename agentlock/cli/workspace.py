"""What almost every command starts from: the repository, the agent, and the open table."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agentlock.agents.place import here
from agentlock.agents.registry import is_due
from agentlock.cli.letters import say_news
from agentlock.cli.output import say
from agentlock.duration import parse_duration, parse_timeout
from agentlock.environment import TIMEOUT
from agentlock.errors import (
    AgentlockError,
    DatabaseError,
    IdentityError,
    NotARepositoryError,
    OlderSchemaError,
    RefusedError,
    UsageError,
)
from agentlock.git.identity import NAME_RULE, Identity, identify, is_agent_name, person
from agentlock.git.repository import Repository, discover
from agentlock.git.shared_name import shared_name
from agentlock.git.worktree import WorkTree
from agentlock.guard.judge import folding_of
from agentlock.guard.report import tell
from agentlock.guard.take_in import enter_made
from agentlock.install.hooks import NOT_OVERRIDDEN, overridden, put_back
from agentlock.reservations.losses import losses, take, untold
from agentlock.store import BRIEF_TIMEOUT, DEFAULT_TIMEOUT, open_table
from agentlock.text import printable
from agentlock.waiting.turn import is_any_due, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from click.shell_completion import CompletionItem

    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.patterns.syntax import Reading
    from agentlock.store.base import Store

    Function = TypeVar("Function", bound=Callable[..., Any])

_SHORTEST_WAIT = 100_000  # microseconds for the write lock, to record where the agent works


class _Identifier(click.types.IntParamType):
    """The number of a reservation, which is at most 2**63 - 1 in SQLite and PostgreSQL."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number: int = super().convert(value, param, ctx)
        if not 0 < number < 2**63:
            self.fail(f"{value!r} is not the number of a reservation", param, ctx)
        return number

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from agentlock.cli import completing  # only a shell that completes needs it

        return completing.ids(ctx, param, incomplete)


IDENTIFIER = _Identifier()


def put_guard_back(repository: Repository, *, silent: bool = False) -> bool:
    """Install the hooks again if `npm install` or the like has led git away from them."""
    try:
        where = put_back(repository)
    except (AgentlockError, OSError):
        return False  # `status`, `reserve` and `doctor` say what is not in place, and why
    if where and not silent:
        tell(
            f"agentlock: core.hooksPath led git to {printable(where)}, where no hook of agentlock "
            "runs; the guard is back in place\n"
        )
    return bool(where)


class Workspace:
    """The worktree that a command runs in, seen by one agent.

    It may be a bare repository if that is guarded (`init --server`), or is about to be. Unless the
    command ``only_looks``, the guard is put back if git was led away from it.
    """

    def __init__(
        self,
        agent: str | None = None,
        timeout: str | None = None,
        *,
        unguarded_bare: bool = False,
        only_looks: bool = False,
    ) -> None:
        self.repository: Repository = discover()
        if self.repository.is_bare and self.repository.database is None and not unguarded_bare:
            raise NotARepositoryError(
                "this is a bare repository, not a worktree",
                fix="cd into a worktree; to guard the pushes to it: agentlock init --server",
            )
        self.identity: Identity = identify(self.repository, agent)
        self.timeout = timeout_of(timeout)
        self.tells_news = True  # at the end of the command
        self._is_news_waiting = self._is_record_due = False
        self.taken: tuple[Reservation, ...] = ()
        context = click.get_current_context()
        opened: list[Workspace] = context.obj
        opened.append(self)
        silent = bool(context.params.get("as_json"))
        if not only_looks and put_guard_back(self.repository, silent=silent):
            self.repository = discover()
        if not silent and (why := overridden(self.repository)):
            tell(f"agentlock: warning: {printable(why)}; fix: {NOT_OVERRIDDEN}\n")

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
        """How the patterns are read here; ``literal`` and ``glob`` are the ``reading_options``."""
        if literal and glob:
            raise UsageError("--literal and --glob exclude each other", fix="give only one of them")
        from agentlock.patterns.syntax import read_patterns  # few commands need it

        return read_patterns(
            [os.fsencode(pattern) for pattern in patterns],
            self.tree,
            force="literal" if literal else "glob" if glob else None,
            whole_repository=whole_repository,
        )

    @contextmanager
    def store(
        self, *, read_only: bool = False, take_in: bool = False, takes: bool = True
    ) -> Iterator[Store]:
        """The open table; ``take_in``: after the commits that were made here were entered.

        ``takes``: after the agent has taken what was handed over to it.
        """
        with migrated_table(self.repository, timeout=self.timeout, read_only=read_only) as store:
            if take_in:
                enter_made(store, self.repository)
            if takes:
                self._take_offers(store)
            try:
                yield store
            except AgentlockError:
                self._look_ahead(store)
                raise
            self._look_ahead(store)

    def _take_offers(self, store: Store) -> None:
        """Hand over what is due, and take what was handed over to the agent that asks.

        Both need a table that can be written; if it cannot, the command goes on without.
        """
        name = None if self.identity.overruled is not None else self.identity.name
        if not is_any_due(store) and not (name and store.offers.of_agent(name, store.now())):
            return
        from agentlock.waiting.taking import take  # few commands have something to take

        with (
            suppress(DatabaseError),
            migrated_table(self.repository, timeout=min(self.timeout, BRIEF_TIMEOUT)) as writable,
        ):
            settle(writable)
            if name is not None:
                taken = take(writable, name, self.repository, self.folding)
                self.taken = taken.granted
                if taken.stale is not None:
                    from agentlock.cli.stale import say_refused_as_stale

                    say("agentlock: your turn came, and went to the next agent")
                    say_refused_as_stale(taken.stale.of_others(name))

    def _look_ahead(self, store: Store) -> None:
        """What there is to do when the command has ended."""
        if self.identity.name is not None and self.identity.overruled is None:
            with suppress(AgentlockError):
                self._is_news_waiting = bool(untold(store, self.identity.name))
                self._is_record_due = is_due(store, self.identity.name)

    def end(self, *, quiet: bool) -> None:
        """Record where the agent works, and tell it the news on stderr, unless ``quiet``."""
        name = self.identity.name
        if name is None:
            return
        if self._is_record_due:
            with (
                suppress(AgentlockError),
                migrated_table(self.repository, timeout=_SHORTEST_WAIT) as store,
                store.writing(durable=False),
            ):
                store.agents.locate(here(self.repository, name, store.now()))
        if self._is_news_waiting and self.tells_news and not quiet:
            self._tell_news(name)

    def _tell_news(self, name: str) -> None:
        """Each thing is told once; if that cannot be marked, it is told all the same."""
        wait = min(self.timeout, BRIEF_TIMEOUT)
        try:
            with migrated_table(self.repository, timeout=wait) as store:
                news = losses(store, take(store, name), self.folding)
                say_news(news, store.messages.count_unread(name))
        except DatabaseError:
            with migrated_table(self.repository, timeout=wait, read_only=True) as store:
                say_news(losses(store, untold(store, name), self.folding), 0)


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


def timeout_of(option: str | None) -> int:
    """The time-out in microseconds: the option, AGENTLOCK_TIMEOUT, or 30 s."""
    text = option or os.environ.get(TIMEOUT)
    return parse_timeout(text) if text else DEFAULT_TIMEOUT


def moment_of(text: str, now: int) -> int:
    """Microseconds since the epoch: of a time, or of a duration before ``now``."""
    if text[-1:] in ("s", "m", "h", "d"):
        return now - parse_duration(text)
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):  # not a time, or out of range
        raise UsageError(
            f"{text!r} is neither a duration nor a time",
            fix="write it like 2h, or 2026-01-31T12:00:00Z",
        ) from None


def named_agent(name: str | None) -> str | None:
    """A name to look for, which need not exist; IdentityError if it is not a valid name."""
    if name is not None and not is_agent_name(name):
        raise IdentityError(f"{name!r} is not a valid agent name", fix=f"use {NAME_RULE}")
    return name


def completed(what: str) -> Callable[..., list[CompletionItem]]:
    """The function of ``cli.completing`` with this name, which is loaded when a shell completes."""

    def found(
        context: click.Context, parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        from agentlock.cli import completing

        items: list[CompletionItem] = getattr(completing, what)(context, parameter, typed)
        return items

    return found


def agent_option(function: Function) -> Function:
    return click.option(
        "--agent",
        metavar="NAME",
        shell_complete=completed("agents"),
        help="The agent that asks (default: AGENTLOCK_AGENT).",
    )(function)


def json_option(function: Function) -> Function:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def reading_options(function: Function) -> Function:
    """``--literal`` and ``--glob``: how to read a text that could be a path or a glob."""
    literal = click.option("--literal", is_flag=True, help="Read PATTERN as a plain path.")
    glob = click.option("--glob", is_flag=True, help="Read PATTERN as a glob.")
    return literal(glob(function))


def timeout_option(function: Function) -> Function:
    text = "How long to wait and to compute at most (default 30s)."
    return click.option("--timeout", metavar="DURATION", help=text)(function)
