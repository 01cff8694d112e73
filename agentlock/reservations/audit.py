"""Do the rows of a project keep what the design promises? `db check` asks, `--repair` mends.

The database's own checks (pages, foreign keys) are the store's; here is what only rows and
patterns together can tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.errors import PatternError
from agentlock.event_kinds import REPAIRED
from agentlock.model import Value
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.model import Keys, Reservation
    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.store.base import Store

_SENDER = ""


class Fault(Value):
    """One thing that is wrong with a live reservation, and what mends it.

    ``keys``: it is to be found by these. ``ends``: it has to end. Neither: its fence is above the
    last one given.
    """

    sentence: str
    reservation: Reservation
    keys: Keys | None = None
    ends: bool = False


def examine(store: Store, folding: Folding) -> list[Fault]:
    """Every fault of the live rows, from one snapshot.

    No two agents hold overlapping ones of which one is exclusive; each can be read, is found by
    the keys that its pattern gives, and has a fence that was given. One search per row.
    """
    with store.reading():
        return list(_faults(store, folding))


def repair(store: Store, folding: Folding) -> list[str]:
    """Mend every fault in one transaction; a sentence for each, which also stands in the log.

    Of two that overlap the newer one (by its fence) ends, and its holder is told.
    """
    with store.writing():
        now = store.now()
        done = []
        ended: set[int] = set()
        for fault in _faults(store, folding):
            held = fault.reservation
            if held.id in ended:
                continue
            if fault.keys is not None:
                store.reservations.correct_keys(held.id, fault.keys)
                remedy = "it is found by its pattern again"
            elif fault.ends:
                store.reservations.change(held, released=now)
                ended.add(held.id)
                remedy = f"reservation {held.id} of {held.agent} was ended"
                subject = f"reservation {held.id} was ended by db check --repair"
                store.messages.send(_SENDER, held.agent, subject, fault.sentence, now)
            else:
                store.raise_fence(held.fence)
                remedy = "no fence up to it will be given again"
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
            sentence = f"reservation {held.id} is filed under another pattern than its own"
            yield Fault(sentence, held, keys=pattern.keys)
        if held.fence > last_fence:
            yield Fault(f"reservation {held.id} has a fence that was never given", held)
        readable[held.id] = (held, pattern)
    for held, pattern in readable.values():
        for near in store.reservations.live_near(pattern.keys, now, below=True):
            # Each pair once: the newer one, by its fence, is the one that should not be there.
            if not near.meets(held) or (near.fence, near.id) <= (held.fence, held.id):
                continue
            if near.id not in readable:
                continue
            witness = overlap(pattern, readable[near.id][1])
            if witness is not None:
                where = storable(witness)
                sentence = f"reservations {held.id} and {near.id} both hold {where}"
                yield Fault(sentence, near, ends=True)
