"""`agentlock run`: a program as an agent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from agentlock.cli.output import say
from agentlock.cli.waiting import DEFAULT_WAIT, WaitingCommand, ask
from agentlock.cli.workspace import Workspace, timeout_option
from agentlock.duration import format_duration
from agentlock.environment import PROGRAM
from agentlock.errors import UsageError
from agentlock.guard.report import conflicts_text, tell
from agentlock.patterns.matching import displayed
from agentlock.text import count, foreign, storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Reservation
    from agentlock.reservations.granting import Answer
    from agentlock.store.base import Store

NOT_GRANTED = 75  # EX_TEMPFAIL: try again later
_WORKTREE = "--worktree"
_ITS_NAME = "\0"  # no branch can be called so: the one that is called like the agent
_SHOWN = 5


class RunCommand(WaitingCommand):
    """Everything after ``--`` is the program's; the word after ``--worktree`` may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" not in args and not {"-h", "--help"}.intersection(args):
            raise UsageError(
                "the program is not named", fix="agentlock run --as BlueLake -- claude"
            )
        own = args[: args.index("--")] if "--" in args else args
        words = []
        for position, word in enumerate(own):
            following = own[position + 1 : position + 2]
            is_alone = not following or following[0].startswith("-")
            words.append(f"{word}={_ITS_NAME}" if word == _WORKTREE and is_alone else word)
        return super().parse_args(ctx, [*words, *args[len(own) :]])


@click.command(cls=RunCommand)
@click.option("--as", "name", metavar="NAME", help="The agent's name (default: a drawn one).")
@click.option(
    "--reserve",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Reserve it as long as the program runs (repeatable).",
)
@click.option("--reason", default="", metavar="TEXT", help="Why; agents that are refused see it.")
@click.option(
    "--wait",
    metavar="[DURATION]",
    help=f"If it is not free, wait for your turn, {DEFAULT_WAIT} at most if nothing else is said.",
)
@click.option(
    _WORKTREE,
    "branch",
    metavar="[BRANCH]",
    help="In a worktree of its own, on this branch (default: one with the agent's name).",
)
@click.option(
    "--conflict-exit-code",
    "refused",
    type=click.IntRange(0, 255),
    default=NOT_GRANTED,
    metavar="N",
    help=f"The exit code if it is not granted (default {NOT_GRANTED}).",
)
@timeout_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    name: str | None,
    patterns: Sequence[str],
    reason: str,
    wait: str | None,
    branch: str | None,
    refused: int,
    timeout: str | None,
    command: Sequence[str],
) -> int:
    """Run a program as an agent that holds its files meanwhile.

    Its leases are short (2m) and renewed while the program lives, so they end soon after a crash.
    At its end, what was reserved here is released. The exit code is the program's: 128 and the
    signal's number if a signal ended it, 126 or 127 if it cannot be started, 75 if what it should
    reserve is not granted.

    \b
    Example:
      agentlock run --as BlueLake --reserve 'src/auth/**' --wait -- claude
      agentlock run --worktree -- codex exec 'mend the tests'
    """
    from agentlock.git import own_worktree
    from agentlock.git.repository import discover
    from agentlock.running.keeping import Keeper
    from agentlock.running.run import run as run_program

    if wait is not None and not patterns:
        raise UsageError("there is nothing to wait for", fix="give --reserve PATTERN too")
    workspace = Workspace(name, timeout)
    workspace.tells_news = workspace.records = False  # the agent is the program, not this process
    program = os.environ.get(PROGRAM) or os.path.basename(command[0])
    with workspace.store(take_in=True, takes=False) as store:
        agent = _registered(store, workspace, program)
    place = None
    if branch is not None:
        branch = agent if branch == _ITS_NAME else branch
        place = own_worktree.place_for(workspace.repository, agent)
    reserving = _Reserving(workspace, agent, reason or f"run: {program}", program, place)
    taken: Sequence[Reservation] = ()
    if patterns:
        answer, taken = reserving.reserve(patterns, wait)
        if not answer.granted:
            return refused
    keeper = Keeper(workspace.repository, workspace.folding, agent, taken)
    repository = workspace.repository
    if place is not None and branch is not None:
        try:
            own_worktree.make(repository, place, branch)
        except BaseException:
            keeper.give_back()
            raise
        os.chdir(_same_folder(workspace, place))
        repository = discover()
    return run_program(repository, agent, keeper, command, lambda text: say(f"agentlock: {text}"))


def _registered(store: Store, workspace: Workspace, program: str) -> str:
    """The agent's name, which is drawn if none is set."""
    from agentlock.agents.registry import register
    from agentlock.agents.sessions import drawn_name

    name = workspace.identity.name
    if name is None:
        name = drawn_name(store)
        say(f"agentlock: this program is {name}")
    register(store, name, program=storable(program))
    return name


class _Reserving:
    """What is reserved for a program before it starts."""

    def __init__(
        self, workspace: Workspace, agent: str, reason: str, program: str, place: bytes | None
    ) -> None:
        from agentlock.agents.place import worktree_of

        self._workspace = workspace
        self._agent = agent
        self._reason = reason
        self._program = program
        self._worktree = worktree_of(workspace.repository) if place is None else storable(place)

    def reserve(
        self, patterns: Sequence[str], wait: str | None
    ) -> tuple[Answer, list[Reservation]]:
        """The answer, and those of the granted reservations that the agent did not hold before."""
        from agentlock.reservations.granting import Request
        from agentlock.reservations.granting import reserve as reserve_patterns
        from agentlock.running.keeping import LEASE

        workspace = self._workspace
        readings = workspace.readings(patterns, literal=False, glob=False, whole_repository=False)
        workspace.refuse_unsafe()
        with workspace.store(takes=False) as store:
            lease = min(LEASE, store.policy.read().max_ttl)
            before = {
                one.id for one in store.reservations.all(agent=self._agent, live_at=store.now())
            }
            request = Request(
                *(self._agent, readings, lease, True, self._reason, format_duration(lease)),
                *(storable(self._program), "", self._worktree),
            )
            if wait is None:
                where = (workspace.folding, workspace.repository)
                answer = reserve_patterns(store, request, *where)
            else:
                answer = ask(workspace, store, request, wait=wait, place=None).answer
        for note in workspace.notes(readings, answer.limits, []):
            say(f"agentlock: {note}")
        self._told(answer, waited=wait is not None)
        return answer, [one for one in answer.granted if one.id not in before]

    def _told(self, answer: Answer, *, waited: bool) -> None:
        from agentlock.cli.stale import say_refused_as_stale, say_stale

        if answer.conflicts:
            what = "not granted in this time" if waited else "run refused"
            why = conflicts_text(
                answer.conflicts, answer.now, more=answer.more, holders=answer.holders, what=what
            )
            tell(why)
        elif answer.granted:
            say_stale(answer.stale)
            what = ", ".join(foreign(displayed(one.pattern)) for one in answer.granted[:_SHOWN])
            if len(answer.granted) > _SHOWN:
                what = count(len(answer.granted), "pattern")
            say(f"agentlock: {self._agent} holds {what} as long as {foreign(self._program)} runs")
        else:
            say_refused_as_stale(answer.stale.of_others(self._agent))


def _same_folder(workspace: Workspace, place: bytes) -> bytes:
    """The folder in another worktree that this one is here; its root if it has no such folder."""
    here = os.path.relpath(
        os.path.realpath(os.getcwdb()), os.path.realpath(workspace.repository.root)
    )
    there = os.path.normpath(os.path.join(place, here))
    return there if os.path.isdir(there) else place
