"""Finds live reservations that contradict each other or their patterns, and repairs them.

`db check` and `db check --repair` call it. The store checks pages and foreign keys; this checks
what only rows and patterns together can show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.errors import PatternError
from agentlock.event_kinds import REPAIRED
from agentlock.model import Value
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.reservations.deadline import Deadline
from agentlock.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.model import Keys, Reservation
    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.store.base import Store


class Fault(Value):
    """One thing that is wrong with a live reservation, and what repairs it.

    ``keys``: its search keys must become these. ``ends``: it must end. Neither: its fence is above
    the last one issued.
    """

    sentence: str
    reservation: Reservation
    keys: Keys | None = None
    ends: bool = False


def examine(store: Store, folding: Folding) -> list[Fault]:
    """Every fault of the live reservations, from one snapshot.

    There is none if no two of them conflict, every pattern can be read, every row has the search
    keys of its pattern, and every fence was issued. Cost: one search per row.
    """
    with store.reading():
        return list(_faults(store, folding))


def repair(store: Store, folding: Folding) -> list[str]:
    """Repair every fault in one transaction; a sentence for each, which is also in the log.

    Of two reservations that conflict the newer one (by its fence) ends, and its holder is told.
    """
    with store.writing():
        now = store.now()
        done: list[str] = []
        ended: set[int] = set()
        for fault in _faults(store, folding):
            held = fault.reservation
            if held.id in ended:
                continue
            if fault.keys is not None:
                store.reservations.correct_keys(held.id, fault.keys)
                remedy = "its keys were corrected"
            elif fault.ends:
                store.reservations.change(held, released=now)
                ended.add(held.id)
                remedy = f"reservation {held.id} of {held.agent} was ended"
                subject = f"reservation {held.id} was ended by db check --repair"
                store.messages.send(
                    "", held.agent, subject, fault.sentence, now, reservation=held.id
                )
            else:
                store.raise_fence(held.fence)
                remedy = "new fences continue after it"
            done.append(f"{fault.sentence}: {remedy}")
            store.events.log(REPAIRED, now, reservation=held, detail=done[-1])
    return done


def _faults(store: Store, folding: Folding) -> Iterator[Fault]:
    now = store.now()
    last_fence = store.last_fence()
    stored = store.reservations.keys_of_live(now)
    readable: dict[int, tuple[Reservation, Pattern]] = {}
    for held in store.reservations.all(live_at=now):
        try:
            pattern = compile_pattern(held.pattern, folding)
        except PatternError as error:
            sentence = f"the pattern of reservation {held.id} cannot be read ({error})"
            yield Fault(sentence, held, ends=True)
            continue
        if stored.get(held.id) != store.kept(pattern.keys):
            sentence = f"reservation {held.id} has search keys that do not fit its pattern"
            yield Fault(sentence, held, keys=pattern.keys)
        if held.fence > last_fence:
            yield Fault(f"reservation {held.id} has a fence that was never issued", held)
        readable[held.id] = (held, pattern)
    deadline = Deadline(store)
    for held, pattern in readable.values():
        for near in store.reservations.live_near(pattern.keys, now):
            # Each pair once: the newer one, by its fence, is the one that was granted wrongly.
            if not near.meets(held) or (near.fence, near.id) <= (held.fence, held.id):
                continue
            if near.id not in readable:
                continue
            deadline.check()
            witness = overlap(pattern, readable[near.id][1])
            if witness is not None:
                where = storable(witness)
                sentence = f"reservations {held.id} and {near.id} both hold {where}"
                yield Fault(sentence, near, ends=True)
