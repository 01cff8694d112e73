"""The resources: the board, and each agent's inbox, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from mcp.server.mcpserver.exceptions import ResourceError

from agentlock.errors import AgentlockError
from agentlock.git.identity import is_agent_name
from agentlock.mcp.calls import sendable
from agentlock.mcp.holding import listing
from agentlock.mcp.mailing import letters, presences
from agentlock.mcp.queueing import queued

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server import MCPServer

    from agentlock.mcp.door import Door, Place

BOARD = "agentlock://board"
_INBOX = "agentlock://inbox/"
_MIME = "application/json"
_NEWEST = 50


def inbox_of(uri: str) -> str | None:
    """The agent whose inbox this is."""
    name = uri.removeprefix(_INBOX)
    return name if name != uri and is_agent_name(name) else None


def add_resources(server: MCPServer[Any], door: Door) -> None:
    """Offer the board and the inboxes."""

    @server.resource(
        BOARD,
        name="board",
        mime_type=_MIME,
        description="Who is here, what each holds, and who waits for what.",
    )
    async def board() -> str:
        return await _read(door, _board)

    @server.resource(
        _INBOX + "{agent}",
        name="inbox",
        mime_type=_MIME,
        description="The newest messages of an agent. Reading them here marks nothing as read.",
    )
    async def inbox(agent: str) -> str:
        if not is_agent_name(agent):
            raise ResourceError(f"{agent!r} is not a valid agent name")
        return await _read(door, lambda place: _inbox(place, agent))


async def _read(door: Door, make: Callable[[Place], Any]) -> str:
    def made() -> Any:
        with door.workspace(None) as place:
            return make(place)

    try:
        return json.dumps(sendable(await anyio.to_thread.run_sync(made)), ensure_ascii=False)
    except AgentlockError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise ResourceError(f"{error.message}{hint}") from error


def _board(place: Place) -> dict[str, Any]:
    return {
        "agents": presences(place),
        "reservations": listing(place),
        "queue": queued(place),
    }


def _inbox(place: Place, agent: str) -> Any:
    return letters(place, agent, unread=False, since=None, limit=_NEWEST)
