"""`agentlock agent-mail import`."""

from __future__ import annotations

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, say
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.shapes import reservation_json
from agentlock.taking_over import take_over
from agentlock.text import count


@declared.group("agent-mail")
def agent_mail() -> None:
    """Take over what an MCP Agent Mail has.

    \b
    Example:
      agentlock agent-mail import
    """


@agent_mail.command("import")
@json_option
@timeout_option
def import_(as_json: bool, timeout: str | None) -> None:
    """Enter its agents, messages and live reservations here.

    It reads the Agent Mail that `init --agent-mail` has recorded, and changes nothing there. It can
    be repeated: nothing is entered twice. What two agents hold there at once goes to neither.

    \b
    Example:
      agentlock init --agent-mail
      agentlock agent-mail import
    """
    workspace = Workspace(timeout=timeout)
    with workspace.store() as store:
        taken = take_over(store, workspace.repository, workspace.folding)
    if as_json:
        print_json(
            {
                "agents": taken.agents,
                "messages": taken.messages,
                "granted": [reservation_json(held) for held in taken.granted],
                "left": list(taken.left),
            }
        )
        return
    put(f"agents:       {count(taken.agents, 'new agent')}")
    put(f"messages:     {count(taken.messages, 'new message')}")
    put(f"reservations: {count(len(taken.granted), 'granted reservation')}")
    for sentence in taken.left:
        say(f"agentlock: not taken over: {sentence}")
