"""`agentlock whoami` and `agentlock agent list|show|register|retire`."""

from __future__ import annotations

from contextlib import suppress

from agentlock.cli import declared
from agentlock.cli.output import (
    lease_text,
    print_json,
    put,
    say,
    table,
)
from agentlock.cli.workspace import (
    Workspace,
    agent_option,
    completed,
    json_option,
    named_agent,
    timeout_option,
)
from agentlock.environment import MODEL, PROGRAM
from agentlock.errors import AgentlockError
from agentlock.moments import local_time
from agentlock.records import GONE, SILENT
from agentlock.shapes import agent_json
from agentlock.text import foreign

_NAME = declared.argument("name", metavar="NAME", shell_complete=completed("agents"))


@declared.command()
@agent_option
@json_option
def whoami(agent: str | None, as_json: bool) -> None:
    """Show which agent you are here, and where the name comes from.

    \b
    Example:
      AGENTLOCK_AGENT=BlueLake agentlock whoami
    """
    from agentlock.state import presence_of

    workspace = Workspace(agent)
    name = workspace.agent
    known = None
    if workspace.repository.database is not None:
        # It ends with the news of the agent, if the table can be read.
        with suppress(AgentlockError), workspace.store(read_only=True) as store:
            known = presence_of(store, name)
    if as_json:
        status = None if known is None else known.status
        print_json({"agent": name, "source": workspace.identity.source, "status": status})
        return
    put(f"{name} ({workspace.identity.source})")
    for warning in workspace.shared_name():
        say(f"agentlock: {warning}")


@declared.group()
def agent() -> None:
    """The agents of this project.

    \b
    Example:
      agentlock agent list
    """


@agent.command("list")
@declared.option("--active", is_flag=True, help="Only those that are neither silent nor gone.")
@json_option
@timeout_option
def list_agents(active: bool, as_json: bool, timeout: str | None) -> None:
    """List the agents, and whether each is still there.

    An agent is working (it did something in the last two minutes, or runs a command), at its
    prompt, waiting, silent, or gone (its session has ended).

    \b
    Example:
      agentlock agent list --active
    """
    from agentlock.state import agents  # `whoami` needs none of it

    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True, take_in=True) as store:
        present, now = agents(store), store.now()
    if active:
        present = [one for one in present if one.presence.status not in (SILENT, GONE)]
    if as_json:
        print_json([agent_json(one) for one in present])
        return
    from agentlock.guard.report import status_text

    rows = []
    for one in present:
        known, who = one.presence, one.presence.agent
        numbers = (one.holds, one.waits, one.unread)
        place = (foreign(who.program), foreign(who.model), who.worktree, foreign(who.branch))
        seen = local_time(who.last_active_ts)
        rows.append((who.name, status_text(known, now), *map(str, numbers), seen, *place))
    place = ("program", "model", "worktree", "branch")
    table(("agent", "status", "holds", "waits", "unread", "last active", *place), rows)


@agent.command()
@_NAME
@json_option
@timeout_option
def show(name: str, as_json: bool, timeout: str | None) -> None:
    """Show an agent: is it there, what it holds, what it waits for.

    \b
    Example:
      agentlock agent show BlueLake
    """
    from agentlock.agents.registry import known
    from agentlock.guard.report import seen_text
    from agentlock.patterns.matching import displayed
    from agentlock.state import agents

    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True, take_in=True) as store:
        found = known(store, named_agent(name) or "")
        (one,) = agents(store, [found.name])
        now = store.now()
        held = store.reservations.all(agent=found.name, live_at=now)
        waits = [wait for wait in store.waits.of_agent(found.name) if wait.is_live(now)]
        sessions = [run for run in store.sessions.all(active=True) if run.agent == found.name]
    if as_json:
        print_json(agent_json(one))
        return
    put(f"{found.name}, {seen_text(one.presence, now, whole=True)}")
    for lease in held:
        what = foreign(displayed(lease.pattern))
        put(f"  holds     {lease.id}  {what}  {lease_text(lease, now)}")
    for wait in waits:
        what = ", ".join(foreign(displayed(text)) for text in wait.patterns)
        put(f"  waits     {what} (place {wait.id})")
    for run in sessions:
        started = local_time(run.started_ts)
        put(f"  session   {run.id}  {foreign(run.program)}, since {started}")
    if one.unread:
        put(f"  unread    {one.unread}")


@agent.command()
@_NAME
@declared.option(
    "--program", default="", envvar=PROGRAM, help="The program that the agent runs in."
)
@declared.option("--model", default="", envvar=MODEL, help="The agent's model.")
@timeout_option
def register(name: str, program: str, model: str, timeout: str | None) -> None:
    """Register an agent before its first command.

    Others can write to it then.

    \b
    Example:
      agentlock agent register BlueLake --program claude
    """
    from agentlock.agents import registry
    from agentlock.text import storable

    workspace = Workspace(name, timeout=timeout)
    with workspace.store(takes=False) as store:
        is_new = registry.register(
            store, workspace.agent, program=storable(program), model=storable(model)
        )
    put(f"registered {name}" if is_new else f"{name} is registered already")


@agent.command()
@_NAME
@agent_option
@timeout_option
def retire(name: str, agent: str | None, timeout: str | None) -> None:
    """Note that nobody works under a name any more.

    It must hold nothing and wait for nothing. If the name is used again, it is an agent as
    before.

    \b
    Example:
      agentlock agent retire BlueLake
    """
    from agentlock.agents import registry

    workspace = Workspace(agent, timeout)
    workspace.tells_news = workspace.identity.name != name  # to be told is to be active
    with workspace.store() as store:
        registry.retire(store, named_agent(name) or "", workspace.actor())
    put(f"retired {name}")
