"""Which earlier places a claim meets, and what its agent holds already."""

from __future__ import annotations

from agentlock.agent_mail.live import leases, named_for, standing
from agentlock.errors import DatabaseError, PatternError
from agentlock.model import Value
from agentlock.patterns.keys import Folding
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.store.waits import NEWEST
from agentlock.store.wake import alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentlock.agent_mail.lease import Lease
    from agentlock.model import Claim, Reservation
    from agentlock.patterns.pattern import Pattern
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait


_PAGE = 200  # more than the patterns of one place


class Met(Value):
    """A pattern of a claim, the place that it meets, its pattern there, and a path of both.

    Without a path, one of the two patterns cannot be read.
    """

    pattern: bytes
    wait: Wait
    theirs: bytes
    witness: bytes | None


class Meeting:
    """Where patterns overlap, each pair looked at once."""

    def __init__(self, folding: Folding) -> None:
        self.folding = folding
        self._elsewhere: list[Lease] | None = None
        self._compiled: dict[bytes, Pattern | None] = {}
        self._found: dict[tuple[bytes, bytes], tuple[bool, bytes | None]] = {}

    def pattern(self, text: bytes) -> Pattern | None:
        """The pattern; None if its row is damaged."""
        if text not in self._compiled:
            try:
                self._compiled[text] = compile_pattern(text, self.folding)
            except PatternError:
                self._compiled[text] = None
        return self._compiled[text]

    def elsewhere(self, store: Store) -> list[Lease]:
        """What the agents of an Agent Mail hold, looked at once; DatabaseError if nobody knows."""
        if self._elsewhere is None:
            self._elsewhere = leases(store, None)
        return self._elsewhere

    def witness(self, mine: bytes, theirs: bytes) -> tuple[bool, bytes | None]:
        """Whether they overlap, and where; a pattern that cannot be read overlaps any other."""
        pair = (mine, theirs)
        if pair not in self._found:
            one, other = self.pattern(mine), self.pattern(theirs)
            if one is None or other is None:
                self._found[pair] = True, None
            else:
                path = overlap(one, other)
                self._found[pair] = path is not None, path
        return self._found[pair]


def held_already(
    store: Store,
    agent: str,
    texts: Iterable[bytes],
    now: int,
    meeting: Meeting,
    *,
    since: int = NEWEST,
) -> dict[bytes, list[Reservation]]:
    """What the agent holds already of these patterns: the same text, or all of a single file.

    Such a claim meets no place of others, in whatever mode: in the same or a weaker one the agent
    has it, and whoever makes a shared reservation exclusive goes before all places. Only what it
    has held ``since`` a time counts: what an agent reserves later puts no older place forward.
    """
    held = [
        one for one in store.reservations.all(agent=agent, live_at=now) if one.created_ts <= since
    ]
    if not held:
        return {}
    readable = [one for one in held if meeting.pattern(one.pattern) is not None]
    index = PatternIndex([one.pattern for one in readable], meeting.folding)
    by_text: dict[bytes, list[Reservation]] = {}
    for one in held:
        by_text.setdefault(one.pattern, []).append(one)
    found = {}
    for text in texts:
        pattern = meeting.pattern(text)
        own = list(by_text.get(text, ()))
        if pattern is not None and pattern.kind == "literal" and pattern.prefix != text:
            own += [readable[at] for at in index.matching(pattern.prefix)]
        if own:
            found[text] = own
    return found


def covers(held: Reservation, pattern: Pattern) -> bool:
    """Whether a reservation has the text of a pattern, or covers the single file that it names."""
    if held.pattern == pattern.text:
        return True
    is_file = pattern.kind == "literal" and pattern.prefix != pattern.text
    if not is_file:
        return False
    try:
        return compile_pattern(held.pattern, pattern.folding).matches(pattern.prefix)
    except PatternError:
        return False


def earlier(
    store: Store,
    claim: Claim,
    texts: Sequence[bytes],
    meeting: Meeting,
    *,
    after: int = 0,
    before: int = NEWEST,
    check_time: Callable[[], object] = lambda: None,
) -> list[Met]:
    """Every place between two numbers that the claim meets; some may have run out or be gone.

    ``check_time`` is called again and again, and may raise.
    """
    near = []
    for text in texts:
        for number, theirs, _ in _near(store, claim, text, meeting, after=after, before=before):
            check_time()
            if meeting.witness(text, theirs)[0]:
                near.append((text, number, theirs))
    waits = store.waits.with_ids(number for _, number, _ in near)
    found = [
        Met(text, waits[number], theirs, meeting.witness(text, theirs)[1])
        for text, number, theirs in near
    ]
    return sorted(found, key=lambda one: one.wait.fence)


def latest(
    store: Store, wait: Wait, text: bytes, meeting: Meeting, now: int, after: int, gone: list[Wait]
) -> Wait | None:
    """The latest live place before this one, and after a number, that its pattern meets.

    Those on the way whose process has gone are added to ``gone``.
    """
    before = wait.fence
    while True:
        page = _near(store, wait, text, meeting, after=after, before=before, most=_PAGE)
        met = dict.fromkeys(one for one, theirs, _ in page if meeting.witness(text, theirs)[0])
        waits = store.waits.with_ids(met)
        dead = without_process(store, waits.values())
        for one in map(waits.__getitem__, met):
            if one.id in dead:
                gone.append(one)
            elif one.is_live(now):
                return one
        if len(page) < _PAGE:
            return None
        before = page[-1][2] + 1  # the page may end among the patterns of one place


def near_reservations(store: Store, text: bytes, now: int, meeting: Meeting) -> list[Reservation]:
    """The reservations that are live at ``now`` and may overlap a pattern.

    At the time 0 these are all that nobody has released.
    """
    pattern = meeting.pattern(text)
    if pattern is None or not meeting.folding.has_own_keys(text):
        return store.reservations.all(live_at=now)
    return store.reservations.live_near(pattern.keys, now)


def met_elsewhere(store: Store, claim: Claim, text: bytes, meeting: Meeting) -> list[Lease]:
    """What the agents of an Agent Mail hold that a pattern of a claim conflicts with."""
    if store.beside is None:
        return []
    theirs = [named_for(one, claim.agent) for one in meeting.elsewhere(store)]
    return [one for one in theirs if one.meets(claim) and meeting.witness(text, one.pattern)[0]]


def is_met_elsewhere(store: Store, wait: Wait, now: int, meeting: Meeting) -> bool:
    """Whether a place meets what an Agent Mail's agent holds, or nobody knows whether it does."""
    try:
        return any(
            standing(met_elsewhere(store, wait, text, meeting), now) for text in wait.patterns
        )
    except DatabaseError:  # what is released or given up here is, all the same
        return True


def without_process(store: Store, waits: Iterable[Wait]) -> set[int]:
    """Those of the places whose process has gone, and which end with it."""
    asked = [one for one in waits if one.ended_ts is None and not one.queued]
    living = alive(store, {one.bell for one in asked}) if asked else set()
    return {one.id for one in asked if one.bell not in living}


def bits(folding: Folding) -> int:
    """A folding as the table keeps it."""
    return folding.ignore_case + 2 * folding.compose_unicode + 4 * folding.beyond_ascii


def folding_of(wait: Wait) -> Folding:
    """How the agent of a place compares names."""
    return Folding(*(bool(wait.folding & bit) for bit in (1, 2, 4)))


def _near(
    store: Store,
    claim: Claim,
    text: bytes,
    meeting: Meeting,
    *,
    after: int,
    before: int,
    most: int = NEWEST,
) -> list[tuple[int, bytes, int]]:
    pattern = meeting.pattern(text)
    keys = pattern.keys if pattern is not None and meeting.folding.has_own_keys(text) else None
    return store.waits.near(claim, keys, after=after, before=before, most=most)
