"""What an MCP Agent Mail's agents hold, as a value."""

from __future__ import annotations

from agentlock.model import Reservation


class Lease(Reservation):
    """A reservation that stands in another program's table: ``id`` is its number there.

    ``agent`` is the holder's name with the program's behind it, which no agent of ours can have, or
    the plain name where the agent that asks has the same. ``typed`` is the pattern as it stands
    there, which may mean several of ours. ``active_ts`` is when its agent was last active there,
    if that is known; ``idle``: so long ago that Agent Mail itself is about to release it.
    ``worktree`` is the folder that the pattern is relative to.
    """

    source: str = "Agent Mail"
    active_ts: int | None = None
    idle: bool = False
