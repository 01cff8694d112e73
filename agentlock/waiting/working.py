"""Lets leases and offers last while a tool of their agent runs, so that nobody gets what is in use.

Nobody speaks for an agent whose tool runs. So whoever finds that a lease ends soon, or has run out,
looks on this host whether a tool of its agent runs that began before that, and lets the lease last
for a few minutes more. It ends for good once somebody else was granted what it covers.

It lasts no longer than the policy's `idle_limit` after the tool began if anybody in the project
waits for anything, and never longer than LONGEST_TOOL: a tool that was refused or interrupted looks
the same. Other hosts see no tool, and there a lease ends with its time.
"""

from __future__ import annotations

from agentlock.agents.presence import LONGEST_TOOL, tools_of
from agentlock.event_kinds import RENEWED
from agentlock.model import MICROSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.sessions import Tool
    from agentlock.model import Reservation
    from agentlock.store.base import Store
    from agentlock.store.whereabouts import Run

STEP = 5 * 60 * MICROSECONDS
"""How long a lease lasts from each look on, so that it ends soon after the tool."""
_SOON = 2 * 60 * MICROSECONDS
_DETAIL = "a tool of its agent runs"


def keep_all(store: Store) -> None:
    """Let leases last whose agents' tools run, in a transaction if there are any."""
    if is_needed(store):
        with store.writing(durable=False):
            keep(store, store.now())


def is_needed(store: Store) -> bool:
    """Whether a lease ends soon, or ran out untold, whose agent's tool runs."""
    return bool(_at_work(store, _ending(store, store.now())))


def keep(store: Store, now: int) -> bool:
    """Let leases last whose agents' tools run, in a write transaction; whether there are any.

    Call it before leases that ran out are told, or ended for good.
    """
    return _keep(store, now, _at_work(store, _ending(store, now)))


def keep_ending(store: Store, now: int) -> bool:
    """The same; whether any lease ends soon or ran out untold, so that there is one to note."""
    ending = _ending(store, now)
    _keep(store, now, _at_work(store, ending))
    return bool(ending)


def _keep(store: Store, now: int, found: list[tuple[Reservation, list[Tool]]]) -> bool:
    if not found:
        return False
    policy = store.policy.read()
    is_wanted = store.waits.next_due() is not None
    longest = min(policy.idle_limit, LONGEST_TOOL) if is_wanted else LONGEST_TOOL
    is_kept = False
    for held, tools in found:
        ages = [tool.age for tool in tools if tool.age < longest]
        if not ages:
            continue
        ends = [now + STEP, now + longest - min(ages)]
        if policy.max_hold is not None:
            ends.append(held.created_ts + policy.max_hold)
        if held.offer:
            ends.append(_end_of_offer(store, held))
        if min(ends) > max(held.expires_ts, now):
            store.reservations.extend(held, RENEWED, now, expires=min(ends), detail=_DETAIL)
            is_kept = True
    return is_kept


def _ending(store: Store, now: int) -> list[Reservation]:
    return store.reservations.ending(now + _SOON)


def _at_work(store: Store, ending: Sequence[Reservation]) -> list[tuple[Reservation, list[Tool]]]:
    """Of leases that end soon or ran out untold those whose agents' tools began before that."""
    if not ending:
        return []
    runs: dict[str, list[Run]] = {}
    for run in store.whereabouts.runs_of({held.agent for held in ending}):
        runs.setdefault(run.agent, []).append(run)
    tools = {agent: tools_of(of_agent) for agent, of_agent in runs.items()}
    found = [(held, _begun_before(tools.get(held.agent, ()), held)) for held in ending]
    return [(held, began) for held, began in found if began]


def _begun_before(tools: Sequence[Tool], held: Reservation) -> list[Tool]:
    return [tool for tool in tools if tool.began_ts < held.expires_ts]


def _end_of_offer(store: Store, held: Reservation) -> int:
    """Until when an offer can last at most: for as long as its agent had asked."""
    place = store.offers.place_of(held)
    wait = None if place is None else store.waits.get(place)
    return held.expires_ts if wait is None or wait.ended_ts is None else wait.ended_ts + wait.ttl
