"""The server: its tools, and how it is run over stdio."""

from __future__ import annotations

from typing import Any

import anyio
from mcp.server import MCPServer

from agentlock import __version__
from agentlock.mcp.agent_mail import AgentMailReservations
from agentlock.mcp.agent_mail_letters import AgentMailLetters
from agentlock.mcp.calls import Calls
from agentlock.mcp.door import Door, go_to_root
from agentlock.mcp.holding import Holding
from agentlock.mcp.mailing import Mailing
from agentlock.mcp.queueing import Queueing
from agentlock.mcp.resources import add_resources
from agentlock.mcp.teaching import day, instructions
from agentlock.mcp.watching import Watching


def made(door: Door, *, agent_mail_names: bool = False) -> MCPServer[Any]:
    """The server for the callers that this door knows, also with Agent Mail's names."""
    watching = Watching(door)
    server: MCPServer[Any] = MCPServer(
        name="agentlock",
        title="agentlock",
        version=__version__,
        instructions=instructions(door.read_first()),
        log_level="ERROR",
        lifespan=watching.lifespan,
        subscriptions=False,
    )
    calls = Calls()
    for tools in (Holding(door), Queueing(door), Mailing(door)):
        calls.add_all(server, tools)
    if agent_mail_names:
        calls.add_all(server, AgentMailReservations(door))
        calls.add_all(server, AgentMailLetters(door))
    add_resources(server, door)
    watching.add_to(server)
    server.prompt(name="day", description="How to work here next to other agents.")(day)
    return server


def serve_stdio(name: str | None, *, agent_mail_names: bool = False) -> None:
    """Serve the program that started this process, until it closes stdin."""
    go_to_root()
    server = made(Door(name, is_of_one_program=True), agent_mail_names=agent_mail_names)
    anyio.run(server.run_stdio_async)
