"""Finds places in the queue that contradict its rules, and repairs them, for `db check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.event_kinds import REPAIRED
from agentlock.model import Value
from agentlock.waiting.order import Meeting, folding_of, without_process
from agentlock.waiting.telling import place_ended
from agentlock.waiting.turn import blocker, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.store.base import Store
    from agentlock.store.waits import Wait


class Fault(Value):
    """One thing that is wrong with a place, and what repairs it.

    ``pattern``: the keys of that row must become those of its text. ``ends``: the place must end.
    Neither: it must be tested again.
    """

    sentence: str
    wait: Wait
    pattern: int | None = None
    ends: bool = False


def examine(store: Store) -> list[Fault]:
    """Every fault of the live places, from one snapshot. Cost: a search or two for each place.

    There is none if every pattern can be read and has its search keys, and if no place waits for
    nothing.
    """
    with store.reading():
        return list(_faults(store, store.now()))


def repair(store: Store) -> list[str]:
    """Repair every fault in one transaction; a sentence for each, which is also in the log."""
    with store.writing():
        now, done = store.now(), []
        for fault in _faults(store, now):
            done.append(f"{fault.sentence}: {_repaired(store, fault, now)}")
            store.events.log(REPAIRED, now, detail=done[-1])
    settle(store)
    return done


def _repaired(store: Store, fault: Fault, now: int) -> str:
    wait = fault.wait
    if fault.ends:
        store.waits.end(wait, now, "damaged")
        place_ended(store, wait, "db check --repair ended it", now)
        return f"place {wait.id} of {wait.agent} was ended"
    if fault.pattern is not None:
        texts = {number: text for number, _, text, _ in store.waits.keys_of_live()}
        pattern = Meeting(folding_of(wait)).pattern(texts[fault.pattern])
        if pattern is not None:
            store.waits.correct_keys(fault.pattern, pattern.keys)
        return "its keys were corrected"
    store.waits.test_again(wait)
    return "it is tested again"


def _faults(store: Store, now: int) -> Iterator[Fault]:
    waits = {one.id: one for one in store.waits.live()}
    meetings = {one.folding: Meeting(folding_of(one)) for one in waits.values()}
    for number, place, text, keys in store.waits.keys_of_live():
        wait = waits[place]
        pattern = meetings[wait.folding].pattern(text)
        if pattern is None:
            yield Fault(f"a pattern of place {place} cannot be read", wait, ends=True)
            continue
        kept = store.kept(pattern.keys)
        if keys != (kept.prefix, kept.name, kept.extension):
            sentence = f"place {place} has search keys that do not fit its pattern"
            yield Fault(sentence, wait, pattern=number)
    gone = without_process(store, waits.values())
    for wait in waits.values():
        meeting = meetings[wait.folding]
        is_counted = wait.is_live(now) and wait.id not in gone
        if not is_counted or any(meeting.pattern(text) is None for text in wait.patterns):
            continue
        if wait.due_ts > now and blocker(store, wait, now, meeting, []) is None:
            yield Fault(f"place {wait.id} of {wait.agent} waits for nothing", wait)
