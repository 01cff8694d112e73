"""`agentlock run`: a program as an agent."""

from __future__ import annotations

import os

from agentlock.agents import templates
from agentlock.cli import declared
from agentlock.cli.optional_value import DEFAULT_WAIT, with_values
from agentlock.cli.output import say
from agentlock.cli.waiting import ask
from agentlock.cli.workspace import Workspace, timeout_option
from agentlock.duration import format_duration
from agentlock.environment import PROGRAM
from agentlock.errors import UsageError
from agentlock.guard.report import conflicts_text, tell
from agentlock.patterns.matching import displayed
from agentlock.text import count, foreign, storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.syntax import Reading
    from agentlock.reservations.granting import Answer
    from agentlock.running.keeping import Keeper
    from agentlock.running.run import Start
    from agentlock.store.base import Store
    from agentlock.store.templates import Template

NOT_GRANTED = 75  # EX_TEMPFAIL: try again later
_WORKTREE = "--worktree"
_ENOUGH = ("--template", "-h", "--help")
_ITS_NAME = "\0"  # no branch can be called so: the one that is called like the agent
_SHOWN = 5


def _with_values(args: Sequence[str]) -> list[str]:
    """The words with the values of options that may stand without one.

    Everything after ``--`` is the program's.
    """
    if not _is_complete(args):
        raise UsageError("the program is not named", fix="agentlock run --as BlueLake -- claude")
    own = args[: args.index("--")] if "--" in args else args
    words = []
    for position, word in enumerate(own):
        following = own[position + 1 : position + 2]
        is_alone = not following or following[0].startswith("-")
        words.append(f"{word}={_ITS_NAME}" if word == _WORKTREE and is_alone else word)
    return with_values([*words, *args[len(own) :]])


def _is_complete(args: Sequence[str]) -> bool:
    """Whether the program is named: after ``--``, or by a template."""
    own = args[: args.index("--")] if "--" in args else args
    return "--" in args or any(one.partition("=")[0] in _ENOUGH for one in own)


@declared.command(prepare=_with_values)
@declared.option("--as", "name", metavar="NAME", help="The agent's name (default: a drawn one).")
@declared.option(
    "--template", "kind", metavar="NAME", help="Start what this template says: agentlock template."
)
@declared.option(
    "--reserve",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Reserve it as long as the program runs (repeatable).",
)
@declared.option(
    "--reason", default="", metavar="TEXT", help="Why; agents that are refused see it."
)
@declared.option(
    "--wait",
    metavar="[DURATION]",
    help=f"If it is not free, wait for your turn, {DEFAULT_WAIT} at most if nothing else is said.",
)
@declared.option(
    _WORKTREE,
    "branch",
    metavar="[BRANCH]",
    help="In a worktree of its own, on this branch (default: one with the agent's name).",
)
@declared.option(
    "--conflict-exit-code",
    "refused",
    type=declared.Range(0, 255),
    default=NOT_GRANTED,
    metavar="N",
    help=f"The exit code if it is not granted (default {NOT_GRANTED}).",
)
@timeout_option
@declared.argument("command", nargs=-1, metavar="-- COMMAND...")
def run(
    name: str | None,
    kind: str | None,
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
    from agentlock.running.keeping import LEASE, Keeper
    from agentlock.running.run import run as run_program

    workspace = Workspace(name, timeout)
    workspace.tells_news = workspace.records = False  # the agent is the program, not this process
    with workspace.store(take_in=True, takes=False) as store:
        template = None if kind is None else templates.template(store, kind)
        command = [*(template.command if template else ()), *command]
        program = os.environ.get(PROGRAM) or os.path.basename(command[0])
        agent = _registered(store, workspace, program, kind or "")
    readings = _readings(workspace, patterns, template)
    if wait is not None and not readings and template is None:
        raise UsageError("there is nothing to wait for", fix="give --reserve PATTERN too")
    start = None if template is None else _start(workspace, template)
    lease = template.ttl if template is not None and template.ttl else LEASE
    place = None
    if branch is not None:
        branch = agent if branch == _ITS_NAME else branch
        place = own_worktree.place_for(workspace.repository, agent)
    why = (reason or f"run: {program}", program)
    where = workspace.repository.root if place is None else place
    reserving = _Reserving(workspace, agent, why, where, lease)
    taken: Sequence[Reservation] = ()
    if readings:
        answer, taken = reserving.reserve(readings, wait)
        if not answer.granted:
            return refused
    keeper = Keeper(workspace.repository, workspace.folding, agent, taken, lease)
    repository = workspace.repository
    if place is not None and branch is not None:
        repository = _moved(workspace, keeper, place, branch)

    def say_it(text: str) -> None:
        say(f"agentlock: {text}")

    return run_program(repository, agent, keeper, command, say_it, start)


def _registered(store: Store, workspace: Workspace, program: str, template: str) -> str:
    """The agent's name, which is drawn if none is set."""
    from agentlock.agents.registry import register
    from agentlock.agents.sessions import drawn_name

    name = workspace.identity.name
    if name is None:
        name = drawn_name(store)
        say(f"agentlock: this program is {name}")
    register(store, name, program=storable(program), template=template)
    return name


def _readings(
    workspace: Workspace, patterns: Sequence[str], template: Template | None
) -> list[Reading]:
    """The patterns, seen from here, and those of the template, which are seen from the root."""
    how = {"literal": False, "glob": False, "whole_repository": False}
    found = workspace.readings(patterns, **how)
    if template is not None and template.patterns:
        here = os.getcwd()
        os.chdir(workspace.repository.root)
        try:
            found += workspace.readings(template.patterns, **how)
        finally:
            os.chdir(here)
    return found


def _start(workspace: Workspace, template: Template) -> Start:
    """What the program is given at its start; UsageError if a file of it is not there."""
    from agentlock.running.run import Start

    size = 0
    for name in template.bootstrap:
        path = os.path.join(os.fsdecode(workspace.repository.root), name)
        try:
            size += os.stat(path).st_size
        except OSError as error:
            raise UsageError(
                f"the template {template.name} gives {name}: {error.strerror}",
                see=f"agentlock template show {template.name}",
            ) from error
    return Start(f"template {template.name}", template.bootstrap, size)


def _moved(workspace: Workspace, keeper: Keeper, place: bytes, branch: str) -> Repository:
    """The worktree that the program runs in, which is made, and becomes the current one."""
    from agentlock.git import own_worktree
    from agentlock.git.repository import discover

    try:
        own_worktree.make(workspace.repository, place, branch)
    except BaseException:
        keeper.give_back()
        raise
    os.chdir(_same_folder(workspace, place))
    return discover()


class _Reserving:
    """What is reserved for a program before it starts, ``lease`` microseconds at a time."""

    def __init__(
        self, workspace: Workspace, agent: str, why: tuple[str, str], worktree: bytes, lease: int
    ) -> None:
        self._workspace = workspace
        self._agent = agent
        self._reason, self._program = why
        self._worktree = storable(worktree)
        self._lease = lease

    def reserve(
        self, readings: Sequence[Reading], wait: str | None
    ) -> tuple[Answer, list[Reservation]]:
        """The answer, and those of the granted reservations that the agent did not hold before."""
        from agentlock.reservations.granting import Request
        from agentlock.reservations.granting import reserve as reserve_patterns

        workspace = self._workspace
        workspace.refuse_unsafe()
        with workspace.store(takes=False) as store:
            lease = min(self._lease, store.policy.read().max_ttl)
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
