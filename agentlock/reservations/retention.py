"""What ended long ago is removed: a little with each change, or all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_duration
from agentlock.errors import UsageError
from agentlock.event_kinds import PRUNED
from agentlock.model import SETTINGS

if TYPE_CHECKING:
    from agentlock.model import Policy
    from agentlock.store.base import Store

SHORTEST_RETENTION = SETTINGS["retention"].shortest
BITE = 50  # rows that a write removes for those before it; it adds two or three itself
LARGE_BITE = 1000  # everybody waits for about 10 ms


def check_retention(retention: int, typed: str) -> int:
    """The retention, which must outlive every command that is under way."""
    if retention < SHORTEST_RETENTION:
        raise UsageError(f"{typed} is too short a time to keep things", fix="1h is the shortest")
    return retention


def prune(store: Store, agent: str, retention: int) -> tuple[int, int]:
    """Remove what ended longer ago than that; how many events and reservations went.

    Many short transactions, so that nobody waits for all of it; the first one says so in the log.
    """
    events = reservations = 0
    with store.writing():
        now = store.now()
        detail = f"everything of more than {format_duration(retention)} ago"
        store.events.log(PRUNED, now, agent=agent, detail=detail)
    while True:
        with store.writing():
            gone = store.events.prune(now - retention, LARGE_BITE)
        events, reservations = events + gone[0], reservations + gone[1]
        if not any(gone):
            return events, reservations


def tidy(store: Store, policy: Policy, now: int) -> None:
    """What every change does for all: log the leases that ran out, remove some of what is too old.

    A full bite or none: it takes an event to say what went.
    """
    store.reservations.log_expired(now)
    if policy.retention is None:
        return
    events, reservations = store.events.prune(now - policy.retention, BITE, least=BITE)
    if events or reservations:
        what = f"{events} events and {reservations} reservations"
        age = format_duration(policy.retention)
        store.events.log(PRUNED, now, detail=f"{what} of more than {age} ago")
