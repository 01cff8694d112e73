"""How a place in the queue stands: how many come before it, and behind whom it is."""

from __future__ import annotations

from contextlib import suppress

from agentlock.errors import DatabaseError
from agentlock.model import Value
from agentlock.patterns.matching import PatternIndex
from agentlock.waiting.order import (
    Meeting,
    earlier,
    folding_of,
    held_already,
    met_elsewhere,
    near_reservations,
    without_process,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentlock.patterns.keys import Folding
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait


class Behind(Value):
    """Whom a place is behind: a ``reservation`` with its pattern, or an earlier ``wait``.

    A ``source`` is the other program in whose table the reservation stands.
    """

    agent: str
    pattern: bytes
    reservation: int | None = None
    wait: int | None = None
    source: str = ""


class Standing(Value):
    """``place`` is 1 and how many live places come before it that it meets."""

    place: int
    behind: tuple[Behind, ...]


def standings(store: Store, waits: Iterable[Wait], now: int) -> dict[int, Standing]:
    """How each of these places stands, by its id."""
    meetings: dict[int, Meeting] = {}
    found = {}
    for wait in waits:
        if wait.id not in found:
            meeting = meetings.setdefault(wait.folding, Meeting(folding_of(wait)))
            found[wait.id] = _standing(store, wait, now, meeting)
    return found


def waiting_for(
    store: Store,
    agent: str | None,
    paths: Mapping[bytes, bytes | None],
    now: int,
    folding: Folding,
) -> dict[bytes, tuple[Behind, ...]]:
    """The live places of other agents that meet each path; or its pattern, if it has one."""
    if store.waits.next_due() is None:
        return {}
    waits = [one for one in store.waits.live() if one.agent != agent and one.is_live(now)]
    gone = without_process(store, waits)
    pairs = [(one, text) for one in waits if one.id not in gone for text in one.patterns]
    meeting = Meeting(folding)
    readable = [pair for pair in pairs if meeting.pattern(pair[1]) is not None]
    index = PatternIndex([text for _, text in readable], folding)
    found = {}
    for path, pattern in paths.items():
        if pattern is None:
            met = [readable[at] for at in index.matching(path)]
        else:
            met = [pair for pair in readable if meeting.witness(pattern, pair[1])[0]]
        found[path] = tuple(Behind(one.agent, text, wait=one.id) for one, text in met)
    return found


def _standing(store: Store, wait: Wait, now: int, meeting: Meeting) -> Standing:
    mine = held_already(store, wait.agent, wait.patterns, now, meeting, since=wait.created_ts)
    texts = [text for text in wait.patterns if text not in mine]
    met = earlier(store, wait, texts, meeting, before=wait.fence)
    gone = without_process(store, [one.wait for one in met])
    behind = [
        Behind(held.agent, held.pattern, reservation=held.id)
        for text in wait.patterns
        for held in near_reservations(store, text, now, meeting)
        if held.meets(wait) and meeting.witness(text, held.pattern)[0]
    ]
    with suppress(DatabaseError):  # then nobody knows who it is
        behind += [
            Behind(held.agent, held.typed, reservation=held.id, source=held.source)
            for text in wait.patterns
            for held in met_elsewhere(store, wait, text, meeting)
        ]
    places = [
        Behind(one.wait.agent, one.theirs, wait=one.wait.id)
        for one in met
        if one.wait.is_live(now) and one.wait.id not in gone
    ]
    before = {one.wait for one in places}
    return Standing(1 + len(before), tuple(dict.fromkeys([*behind, *places])))
