"""What almost every command starts from: the repository, the agent, and the open table."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from agentlock import workspace
from agentlock.cli import declared
from agentlock.cli.letters import say_news
from agentlock.cli.output import say
from agentlock.duration import parse_timeout
from agentlock.environment import TIMEOUT
from agentlock.errors import (
    AgentlockError,
    DatabaseError,
    IdentityError,
)
from agentlock.git.identity import NAME_RULE, identify, is_agent_name, person
from agentlock.git.repository import Repository, discover
from agentlock.guard.report import tell
from agentlock.install.hooks import NOT_OVERRIDDEN, overridden, put_back
from agentlock.reservations.losses import losses, take, untold
from agentlock.store import BRIEF_TIMEOUT, DEFAULT_TIMEOUT
from agentlock.text import count, printable
from agentlock.workspace import migrated_table, refuse_unguarded_bare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    import click
    from click.shell_completion import CompletionItem

    from agentlock.reservations.stale import StaleCopies
    from agentlock.store.base import Store

    Function = TypeVar("Function", bound=Callable[..., Any])

_SHORTEST_WAIT = 100_000  # microseconds for the write lock, to record where the agent works


IDENTIFIER = declared.Identifier()


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


class Workspace(workspace.Workspace):
    """The worktree that a command runs in, which tells on stderr what its user must know.

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
        repository = discover()
        if not unguarded_bare:
            refuse_unguarded_bare(repository)
        super().__init__(repository, identify(repository, agent), timeout_of(timeout))
        self.tells_news = self.records = True  # at the end of the command
        self._unread = 0  # of a person
        call = declared.current_call()
        call.workspaces.append(self)
        silent = call.as_json
        if not only_looks and put_guard_back(self.repository, silent=silent):
            self.repository = discover()
        if not silent and (why := overridden(self.repository)):
            tell(f"agentlock: warning: {printable(why)}; fix: {NOT_OVERRIDDEN}\n")

    def _look_ahead(self, store: Store) -> None:
        super()._look_ahead(store)
        is_watched = sys.stdin.isatty() and sys.stderr.isatty()  # else an agent without a name asks
        if self.identity.name is None and is_watched and (name := person()) is not None:
            with suppress(AgentlockError):
                self._unread = store.messages.count_unread(name)

    def turn_went_on(self, stale: StaleCopies) -> None:
        from agentlock.cli.stale import say_refused_as_stale

        say("agentlock: your turn came, and went to the next agent")
        say_refused_as_stale(stale.of_others(self.agent))

    def end(self, *, quiet: bool) -> None:
        """Record where the agent works, and tell it the news on stderr, unless ``quiet``."""
        if self.records:
            self.record()
        if quiet or not self.tells_news:
            return
        if self._is_news_waiting:
            self._tell_news(self.agent)
        elif self._unread:
            say(f"agentlock: you have {count(self._unread, 'unread message')}: "
                "agentlock inbox --unread")  # fmt: skip

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


def timeout_of(option: str | None) -> int:
    """The time-out in microseconds: the option, AGENTLOCK_TIMEOUT, or 30 s."""
    text = option or os.environ.get(TIMEOUT)
    return parse_timeout(text) if text else DEFAULT_TIMEOUT


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
    return declared.option(
        "--agent",
        metavar="NAME",
        shell_complete=completed("agents"),
        help="The agent that asks (default: AGENTLOCK_AGENT).",
    )(function)


def json_option(function: Function) -> Function:
    return declared.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def reading_options(function: Function) -> Function:
    """``--literal`` and ``--glob``: how to read a text that could be a path or a glob."""
    literal = declared.option("--literal", is_flag=True, help="Read PATTERN as a plain path.")
    glob = declared.option("--glob", is_flag=True, help="Read PATTERN as a glob.")
    return literal(glob(function))


def timeout_option(function: Function) -> Function:
    text = "How long to wait and to compute at most (default 30s)."
    return declared.option("--timeout", metavar="DURATION", help=text)(function)
