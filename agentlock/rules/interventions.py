"""What people did in the last day that changed the rules for everybody, or bypassed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.model import MICROSECONDS

if TYPE_CHECKING:
    from agentlock.model import Event
    from agentlock.store.base import Store

_DAY = 24 * 3600 * MICROSECONDS


def interventions(store: Store, now: int) -> list[Event]:
    """The interventions of the 24 hours before ``now``, the oldest first."""
    return store.events.interventions(now - _DAY)
