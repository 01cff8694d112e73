"""`agentlock whoami` and `agentlock agent list`."""

from __future__ import annotations

from contextlib import suppress

import click

from agentlock.cli.output import print_json, put, say, table
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.errors import AgentlockError
from agentlock.moments import local_time
from agentlock.shapes import presence_json
from agentlock.text import foreign


@click.command()
@agent_option
@json_option
def whoami(agent: str | None, as_json: bool) -> None:
    """Show which agent you are here, and where the name comes from.

    \b
    Example:
      AGENTLOCK_AGENT=BlueLake agentlock whoami
    """
    workspace = Workspace(agent)
    name = workspace.agent
    if as_json:
        print_json({"agent": name, "source": workspace.identity.source})
        return
    put(f"{name} ({workspace.identity.source})")
    if workspace.repository.database is not None:
        with suppress(AgentlockError), workspace.store(read_only=True):
            pass  # it ends with the news of the agent, if the table can be read
    for warning in workspace.shared_name():
        say(f"agentlock: {warning}")


@click.group()
def agent() -> None:
    """The agents of this project.

    \b
    Example:
      agentlock agent list
    """


@agent.command("list")
@json_option
@timeout_option
def list_agents(as_json: bool, timeout: str | None) -> None:
    """List every agent that has reserved here, and when it was last seen.

    \b
    Example:
      agentlock agent list --json
    """
    from agentlock.state import agents  # `whoami` needs none of it

    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True, take_in=True) as store:
        present = agents(store)
    if as_json:
        print_json([presence_json(one) for one in present])
        return
    rows = [
        (
            *(one.agent.name, str(one.holds), str(one.unread)),
            local_time(one.agent.last_active_ts),
            *(foreign(one.agent.program), foreign(one.agent.model)),
            *(one.agent.worktree, foreign(one.agent.branch)),
        )
        for one in present
    ]
    place = ("program", "model", "worktree", "branch")
    table(("agent", "holds", "unread", "last active", *place), rows)
