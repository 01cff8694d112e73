"""Reads from the log who changed the rules for everybody, or bypassed them, in the last day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.model import MICROSECONDS

if TYPE_CHECKING:
    from agentlock.model import Event
    from agentlock.store.base import Store

DAY = 24 * 3600 * MICROSECONDS


def interventions(store: Store, now: int) -> list[Event]:
    """The interventions of the 24 hours before ``now``, oldest first."""
    return store.events.interventions(now - DAY)
