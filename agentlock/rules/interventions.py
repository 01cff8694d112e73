"""Reads from the log who changed the rules for everybody, or bypassed them, in the last day."""

from __future__ import annotations

from agentlock.model import MICROSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.records import Event
    from agentlock.store.base import Store

DAY = 24 * 3600 * MICROSECONDS


def interventions(store: Store, now: int) -> list[Event]:
    """The interventions of the 24 hours before ``now``, oldest first."""
    return store.events.interventions(now - DAY)


def new_to(store: Store, agent: str | None, now: int) -> list[Event]:
    """Those of them that an agent has neither made nor been shown; without a name, all."""
    found = interventions(store, now)
    if agent is None:
        return found
    seen = store.agents.seen(agent)
    return [event for event in found if event.id > seen and event.agent != agent]


def mark_shown(store: Store, agent: str, events: Sequence[Event]) -> None:
    """Show these events to the agent no more."""
    with store.writing(durable=False):
        store.agents.mark_seen(agent, max(event.id for event in events))
