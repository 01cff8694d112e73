"""What an agent still holds of what it pushes, and the command that releases it."""

from __future__ import annotations

from agentlock.errors import DatabaseError
from agentlock.guard.verdict import index_of
from agentlock.text import and_more, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.model import Changes
    from agentlock.patterns.keys import Folding
    from agentlock.store.base import Store

_SHOWN = 3
_MOST_IDS = 12


def still_held(store: Store, agent: str, changes: Changes, folding: Folding) -> str:
    """Two lines for whoever pushes these changes; "" if the agent holds none of their paths."""
    held = store.reservations.all(agent=agent, live_at=store.now())
    if not held:
        return ""
    try:
        index = index_of(held, folding)
    except DatabaseError:  # a damaged pattern of the agent's own is no reason to refuse a push
        return ""
    mine = [
        held[position]
        for position in sorted(
            {
                position
                for path in changes.paths
                for position in index.matching(path, path in changes.submodules)
            }
        )
    ]
    if not mine:
        return ""
    from agentlock.patterns.plain import displayed

    shown = ", ".join(
        [f"{printable(displayed(one.pattern))} (id {one.id})" for one in mine[:_SHOWN]]
    )
    if len(mine) == len(held):
        command = "agentlock release --all"
    elif len(mine) <= _MOST_IDS:
        command = " ".join(["agentlock release", *(f"--id {one.id}" for one in mine)])
    else:
        command = "agentlock list --mine"
    more = and_more(len(mine) - _SHOWN)
    return f"agentlock: you still hold {shown}{more}; once the push is through:\n  {command}\n"
