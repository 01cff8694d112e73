"""Releases an agent's own reservations, or ends those of another agent by force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.event_kinds import FORCE_RELEASED, RELEASED
from agentlock.reservations.losses import note_forced, taken
from agentlock.reservations.naming import Selection, choose
from agentlock.reservations.retention import tidy
from agentlock.text import check_reason

if TYPE_CHECKING:
    from agentlock.model import Reservation
    from agentlock.store.base import Store

_AFTER_EXPIRY = "after it had expired"


def release(
    store: Store, agent: str, selection: Selection, *, force: bool = False, reason: str = ""
) -> list[Reservation]:
    """Release the agent's own reservations; with ``force``, end any, and tell their holders."""
    reason = check_reason(reason)
    with store.writing(durable=force):  # if a release is lost, the lease still expires
        now = store.now()
        tidy(store, store.policy.read(), now)
        store.agents.register(agent, now)
        chosen = choose(store, agent, selection, now, foreign=force)
        released = []
        for held in chosen:
            if held.released_ts is not None:
                continue
            ended = store.reservations.change(held, released=now)
            released.append(ended)
            if held.agent == agent or not held.is_live(now):
                late = "" if held.is_live(now) else _AFTER_EXPIRY
                store.events.log(
                    RELEASED, now, agent=agent, reservation=held, detail=reason or late
                )
                continue
            store.events.log(FORCE_RELEASED, now, agent=agent, reservation=held, detail=reason)
            note_forced(store, held, agent, reason, now)
        ended_now = {held.id for held in released}
        # The answer to this command says which of them had expired.
        taken(store, agent, now, lambda one: one.reservation_id in ended_now)
    return released
