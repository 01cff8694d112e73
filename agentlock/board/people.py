"""Whether each agent is at work, as far as the table tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_remaining
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentlock.model import Agent
    from agentlock.store.base import Store

WORKING, AT_PROMPT, WAITING = "working", "at its prompt", "waiting"
SILENT, GONE = "silent", "gone"


class Presence(Value):
    """An agent, its state, why it is taken to be in it, and since when."""

    agent: Agent
    state: str
    why: str
    since: int


def presences(store: Store, agents: Mapping[str, Agent]) -> dict[str, Presence]:
    """Whether each of these agents is there, by its name."""
    now, idle = store.now(), store.policy.read().idle_limit
    waits = {one.agent: one for one in reversed(store.waits.live()) if one.is_live(now)}
    found = {}
    for name, one in agents.items():
        seen = one.last_active_ts
        if name in waits:
            found[name] = Presence(one, WAITING, "in the queue", waits[name].created_ts)
        elif now - seen <= idle:
            why = f"active within {format_remaining(idle)}"
            found[name] = Presence(one, WORKING, why, seen)
        else:
            found[name] = Presence(one, SILENT, "nothing was seen of it", seen)
    return found
