"""Removes what ended long ago: a little with each change, or everything at once."""

from __future__ import annotations

from agentlock.duration import format_duration
from agentlock.errors import UsageError
from agentlock.event_kinds import PRUNED
from agentlock.model import SETTINGS
from agentlock.waiting.telling import note_expired
from agentlock.waiting.working import keep_ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.model import Policy
    from agentlock.store.base import Store

SHORTEST_RETENTION = SETTINGS["retention"].shortest
BITE = 50  # rows that one change removes; it adds two or three itself
LARGE_BITE = 1000  # rows that `db prune` removes at once; other writers wait about 10 ms


def check_retention(retention: int, typed: str) -> int:
    """The retention; UsageError if it is shorter than a running command may take."""
    if retention < SHORTEST_RETENTION:
        raise UsageError(f"a retention of {typed} is too short", fix="use 1h or longer")
    return retention


def prune(store: Store, agent: str, retention: int) -> tuple[int, int]:
    """Remove what ended longer ago than ``retention``; how many events and reservations.

    This takes many short transactions, so that other writers need not wait for all of it. The first
    one logs it.
    """
    events = reservations = 0
    with store.writing():
        now = store.now()
        detail = f"everything older than {format_duration(retention)}"
        store.events.log(PRUNED, now, agent=agent, detail=detail)
    while True:
        with store.writing():
            gone = store.events.prune(now - retention, LARGE_BITE)
        events, reservations = events + gone[0], reservations + gone[1]
        if not any(gone):
            return events, reservations


def tidy(store: Store, policy: Policy, now: int) -> bool:
    """Note the leases that have expired, and remove some of what is older than the retention.

    Every change does this; whether a lease had expired untold, or ends soon.
    """
    is_any_ending = keep_ending(store, now)
    clean(store, policy, now, is_any_ending=is_any_ending)
    return is_any_ending


def clean(store: Store, policy: Policy, now: int, *, is_any_ending: bool) -> None:
    """The same, for a caller who has let leases last: see ``working.keep_ending``.

    It removes a full BITE or nothing, because each removal adds an event.
    """
    if is_any_ending:
        note_expired(store, now)
    if policy.retention is None:
        return
    events, reservations = store.events.prune(now - policy.retention, BITE, least=BITE)
    if events or reservations:
        what = f"{events} events and {reservations} reservations"
        age = format_duration(policy.retention)
        store.events.log(PRUNED, now, detail=f"{what} older than {age}")
