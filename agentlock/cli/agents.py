"""`agentlock whoami` and `agentlock agent list`."""

from __future__ import annotations

import click

from agentlock.cli.output import local_time, print_json, put, rfc3339, table
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option


@click.command()
@agent_option
@json_option
def whoami(agent: str | None, as_json: bool) -> None:
    """Say which agent you are here, and where the name comes from.

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
    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True) as store:
        now = store.now()
        agents = store.agents()
        live = store.reservations(live_at=now)
    holds = {one.name: sum(held.agent == one.name for held in live) for one in agents}
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "program": one.program,
                    "model": one.model,
                    "registered_ts": rfc3339(one.registered_ts),
                    "last_active_ts": rfc3339(one.last_active_ts),
                    "holds": holds[one.name],
                }
                for one in agents
            ]
        )
        return
    rows = [
        (one.name, str(holds[one.name]), local_time(one.last_active_ts), one.program, one.model)
        for one in agents
    ]
    table(("agent", "holds", "last active", "program", "model"), rows)
