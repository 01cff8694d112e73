"""Waits in the foreground for places in the queue, and takes what is granted."""

from __future__ import annotations

from agentlock.errors import UndecidedError
from agentlock.model import MICROSECONDS, Value
from agentlock.store.wake import ring
from agentlock.waiting.queue import end_place
from agentlock.waiting.standing import standings
from agentlock.waiting.taking import give_back, take
from agentlock.waiting.turn import GRANTED, MOVED, hand_over, settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.reservations.stale import StaleCopies
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait
    from agentlock.store.wake import Bell
    from agentlock.waiting.standing import Standing

_LOOK_AGAIN = 10 * MICROSECONDS  # whether the process of the place before is still there
_TAKEN_OVER = MICROSECONDS  # where another process of the agent waits for the same place


class Waited(Value):
    """What was granted while somebody waited, the places that are left, and how they stand.

    ``stale``: why something was given back again.
    """

    granted: tuple[Reservation, ...] = ()
    waits: tuple[Wait, ...] = ()
    standings: Mapping[int, Standing] = {}
    now: int = 0
    stale: StaleCopies | None = None


def wait_for(
    store: Store,
    bell: Bell,
    agent: str,
    places: Sequence[int],
    *,
    every: bool,
    until: int,
    repository: Repository | None,
    folding: Folding,
) -> Waited:
    """Wait until one of these places is granted, or ``every`` one, or until a time.

    What is granted is taken. UndecidedError if the table was moved or restored meanwhile.
    """
    granted: dict[int, Reservation] = {}
    stale: StaleCopies | None = None
    watched: list[str] = []
    while True:
        store.rested()
        settle(store, watched)
        found = store.waits.with_ids(places)
        if len(found) < len(set(places)) or any(one.outcome == MOVED for one in found.values()):
            raise _moved()
        taken = take(store, agent, repository, folding, set(places))
        stale = taken.stale or stale
        for one in found.values():
            if one.outcome == GRANTED:
                granted |= {held.id: held for held in _held_from(store, one)}
        live = [one for one in store.waits.with_ids(places).values() if one.ended_ts is None]
        now = store.now()
        is_over = not live or (bool(granted) and not every) or now >= until
        if is_over:
            live = [one for one in live if one.is_live(now)]
            shown = standings(store, live, now)
            return Waited(tuple(granted.values()), tuple(live), shown, now, stale)
        watched = _in_the_way(store, live)
        bell.sleep(_next_look(live, bell, until, now, is_watching=bool(watched)))


def _held_from(store: Store, wait: Wait) -> list[Reservation]:
    """What a granted place became, as far as its agent still holds it."""
    now = store.now()
    return [held for held in store.offers.of_place(wait.id) if held.is_live(now) and not held.offer]


def _in_the_way(store: Store, live: Sequence[Wait]) -> list[str]:
    """The processes of places right before these: if one goes, somebody must notice."""
    before = store.waits.with_ids(
        one.behind_wait for one in live if one.behind_wait is not None
    ).values()
    return [one.bell for one in before if one.bell and not one.queued]


def _next_look(live: Sequence[Wait], bell: Bell, until: int, now: int, *, is_watching: bool) -> int:
    if any(not one.bell for one in live):  # nobody would ring: the table was copied elsewhere
        raise _moved()
    moments = [until, *(one.due_ts for one in live)]
    if is_watching:
        moments.append(now + _LOOK_AGAIN)
    if any(one.bell != bell.name for one in live):
        moments.append(now + _TAKEN_OVER)
    return min(moments)


def _moved() -> UndecidedError:
    return UndecidedError(
        "the table was copied, replaced or restored while this command waited, and the place may "
        "be gone",
        see="agentlock queue list --mine",
    )


def listen(store: Store, places: Sequence[int], agent: str, bell: str) -> None:
    """Let a process be woken for the agent's places; it must listen already."""
    with store.writing():
        for wait in store.waits.with_ids(places).values():
            if wait.ended_ts is None and wait.agent == agent:
                store.waits.ring_for(wait, bell)


def stop_listening(store: Store, places: Sequence[int], bell: str) -> None:
    """The process no longer waits: its places that are not queued end, the others stay.

    What was granted at the last moment and not taken is given back.
    """
    store.rested()
    with store.writing():
        now = store.now()
        for wait in store.waits.with_ids(places).values():
            if wait.ended_ts is None and wait.bell == bell:
                if wait.queued:
                    store.waits.ring_for(wait, "")
                else:
                    end_place(store, wait, now)
            elif wait.outcome == GRANTED and not wait.queued:
                give_back(store, store.offers.of_place(wait.id), now, "nobody waits any more")
        handed = hand_over(store, now)
    ring(store, handed.bells)
    settle(store)
