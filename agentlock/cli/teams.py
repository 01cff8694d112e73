"""`agentlock team set|list|show|remove|run`: named sets of agents."""

from __future__ import annotations

import os

from agentlock.agents import templates
from agentlock.cli import declared
from agentlock.cli.optional_value import with_values
from agentlock.cli.output import print_json, put, say, table
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.errors import UsageError
from agentlock.shapes import team_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.store.teams import Team

_NAME = declared.argument("name", metavar="NAME")


@declared.group()
def team() -> None:
    """Teams: named sets of agents, each with its template.

    \b
    Example:
      agentlock team set garden BlueLake=writer GreenHill=tester
    """


@team.command("set")
@_NAME
@declared.argument("members", nargs=-1, required=True, metavar="AGENT=TEMPLATE...")
@json_option
@timeout_option
def set_team(name: str, members: Sequence[str], as_json: bool, timeout: str | None) -> None:
    """Set a team, in the place of an older one of this name.

    \b
    Example:
      agentlock team set garden BlueLake=writer GreenHill=tester
    """
    pairs = {}
    for word in members:
        agent, equals, template = word.partition("=")
        if not equals:
            raise UsageError(
                f"{word!r} does not name a template", fix=f"write it like {word}=TEMPLATE"
            )
        pairs[agent] = template
    with Workspace(timeout=timeout).store() as store:
        made = templates.set_team(store, name, pairs)
    if as_json:
        print_json(team_json(made))
    else:
        put(f"set the team {made.name}: {_members(made)}")


@team.command("list")
@json_option
@timeout_option
def list_teams(as_json: bool, timeout: str | None) -> None:
    """List the teams.

    \b
    Example:
      agentlock team list
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        found = store.teams.all()
    if as_json:
        print_json([team_json(one) for one in found])
        return
    table(("name", "members"), [(one.name, _members(one)) for one in found])


@team.command()
@_NAME
@json_option
@timeout_option
def show(name: str, as_json: bool, timeout: str | None) -> None:
    """Show a team: each agent, its template, and whether it is there.

    \b
    Example:
      agentlock team show garden
    """
    from agentlock.guard.report import status_text
    from agentlock.state import agents

    with Workspace(timeout=timeout).store(read_only=True) as store:
        one = templates.team(store, name)
        known = [agent for agent in one.members if store.agents.named([agent])]
        there = {each.presence.agent.name: each.presence for each in agents(store, known)}
        now = store.now()
    if as_json:
        print_json(team_json(one))
        return
    rows = [
        (agent, kind, status_text(there[agent], now) if agent in there else "never seen")
        for agent, kind in one.members.items()
    ]
    table(("agent", "template", "status"), rows)


@team.command()
@_NAME
@timeout_option
def remove(name: str, timeout: str | None) -> None:
    """Remove a team; its agents and templates stay.

    \b
    Example:
      agentlock team remove garden
    """
    with Workspace(timeout=timeout).store() as store:
        templates.remove_team(store, name)
    put(f"removed the team {name}")


@team.command(prepare=with_values)
@_NAME
@declared.option("--wait", metavar="[DURATION]", help="Each waits for its turn, 1h at most.")
@declared.option("--worktree", "apart", is_flag=True, help="Each in a worktree of its own.")
@timeout_option
@declared.argument("words", nargs=-1, metavar="[-- WORD...]")
def run(name: str, wait: str | None, apart: bool, timeout: str | None, words: Sequence[str]) -> int:
    """Run the program of each member, until all have ended.

    Each runs with `agentlock run`. What each prints has the agent's name before it. The words after
    -- are added to each command line. ^C ends all. The exit code is that of the first member that
    failed, or 0.

    \b
    Example:
      agentlock team run garden --worktree -- 'mend the failing tests'
    """
    from agentlock.running.team import together

    workspace = Workspace(timeout=timeout)
    workspace.tells_news = workspace.records = False  # each member is an agent of its own
    with workspace.store(read_only=True, takes=False) as store:
        one = templates.team(store, name)
    options = [*(["--worktree"] if apart else []), *([f"--wait={wait}"] if wait else [])]
    calls = {
        agent: _call(["run", "--as", agent, "--template", kind, *options, "--", *words])
        for agent, kind in one.members.items()
    }
    width = max(map(len, calls))

    def pass_on(agent: str, line: bytes) -> None:
        data = f"{agent.ljust(width)} | ".encode() + line + b"\n"
        while data:
            data = data[os.write(1, data) :]

    codes = together(calls, pass_on)
    failed = {agent: code for agent, code in codes.items() if code}
    for agent, code in failed.items():
        say(f"agentlock: {agent} ended with {code}")
    return next(iter(failed.values()), 0)


def _call(arguments: Sequence[str]) -> Callable[[], int]:
    """The command with these arguments, to be called in a process of its own."""

    def call() -> int:
        from agentlock.cli.main import main

        return main(arguments)

    return call


def _members(one: Team) -> str:
    return " ".join(f"{agent}={kind}" for agent, kind in one.members.items())
