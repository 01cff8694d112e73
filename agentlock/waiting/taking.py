"""Takes what the queue has handed over to an agent, or gives it back."""

from __future__ import annotations

from agentlock.event_kinds import RELEASED, TAKEN
from agentlock.model import Value
from agentlock.reservations.holding import hold_limit
from agentlock.reservations.stale import StaleCopies, stale_copies
from agentlock.store.wake import ring
from agentlock.waiting.order import Meeting
from agentlock.waiting.turn import Handed, hand_over, reservations_ended, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Policy, Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store


class Taken(Value):
    """What an agent took at the time ``now``; ``stale`` says why it gave something back."""

    granted: tuple[Reservation, ...] = ()
    now: int = 0
    stale: StaleCopies | None = None


def take(
    store: Store,
    agent: str,
    repository: Repository | None,
    folding: Folding,
    places: Collection[int] | None = None,
) -> Taken:
    """Take the agent's offers, or those of some places: their leases start now.

    What a stale copy forbids by the policy is given back, and goes to the next one.
    """
    offers = store.offers.of_agent(agent, store.now())
    if not offers:
        return Taken(now=store.now())
    stale = StaleCopies()
    policy = store.policy.read()
    if repository is not None:
        patterns = [held.pattern for held in offers]
        stale = stale_copies(store, repository, policy, folding, patterns=patterns)
    is_refused = policy.stale == "refuse" and bool(stale.of_others(agent))
    granted: list[Reservation] = []
    handed = Handed()
    with store.writing():
        now = store.now()
        offers = [
            held
            for held in store.offers.of_agent(agent, now)
            if places is None or store.offers.place_of(held) in places
        ]
        if is_refused:
            give_back(store, offers, now, "another branch has changed it")
        else:
            meeting = Meeting(folding)
            granted = [_taken(store, held, policy, now, meeting) for held in offers]
            _replace_older(store, granted, now)
        handed = hand_over(store, now)
    ring(store, handed.bells)
    settle(store)
    return Taken(tuple(granted), now, stale if is_refused and offers else None)


def give_back(store: Store, offers: Iterable[Reservation], now: int, why: str) -> None:
    """End offers that nobody will take, in a write transaction."""
    back = [held for held in offers if held.offer and held.is_live(now)]
    for held in back:
        store.reservations.change(held, released=now)
        store.events.log(RELEASED, now, agent=held.agent, reservation=held, detail=why)
    reservations_ended(store, back)


def _taken(
    store: Store, held: Reservation, policy: Policy, now: int, meeting: Meeting
) -> Reservation:
    place = store.offers.place_of(held)
    wait = None if place is None else store.waits.get(place)
    ttl = policy.max_ttl if wait is None else min(wait.ttl, policy.max_ttl)
    until = (held.created_ts, now + ttl, now, meeting)
    limit = hold_limit(store, policy, held, held.pattern, *until)
    expires = max(held.expires_ts, limit.capped(now + ttl))
    return store.reservations.extend(store.offers.take(held), TAKEN, now, expires=expires)


def _replace_older(store: Store, granted: Sequence[Reservation], now: int) -> None:
    """End what the agent held of the same patterns, in the same or a weaker mode."""
    if not granted:
        return
    older = {}
    for held in store.reservations.all(agent=granted[0].agent, live_at=now):
        for new in granted:
            is_stronger = new.exclusive or not held.exclusive
            if new.pattern == held.pattern and new.id > held.id and is_stronger:
                older[held] = new
    for held, new in older.items():
        store.reservations.change(held, released=now)
        detail = f"reservation {new.id} took its place"
        store.events.log(RELEASED, now, agent=held.agent, reservation=held, detail=detail)
    reservations_ended(store, list(older))
