"""Finds what conflicts with a request, meets a pattern, or covers a path."""

from __future__ import annotations

from itertools import islice

from agentlock.agent_mail.live import leases, near, standing
from agentlock.errors import PatternError
from agentlock.model import MOST_CONFLICTS, Reservation, Value
from agentlock.patterns.matching import Folding, Pattern, PatternIndex
from agentlock.patterns.overlap import overlap
from agentlock.patterns.pattern import compile_stored
from agentlock.reservations.deadline import Deadline
from agentlock.store.waits import NEWEST
from agentlock.waiting.order import Meeting, covers, earlier, held_already, without_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentlock.agent_mail.lease import Lease
    from agentlock.reservations.granting import Request
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait
    from agentlock.waiting.order import Met

_LOOKED_UP = 100
_MOST_PLACES = 100


class Conflict(Value):
    """My pattern, what it conflicts with, and a path that both match, if known.

    That is a ``reservation``, or else an earlier ``wait``, whose pattern is ``waiting``.
    ``exists``: there is a file at that path.
    """

    pattern: bytes
    witness: bytes | None
    reservation: Reservation | None
    exists: bool = False
    wait: Wait | None = None
    waiting: bytes = b""

    @property
    def other(self) -> Reservation | Wait:
        """What it conflicts with."""
        found = self.reservation or self.wait
        assert found is not None  # noqa: S101 -- one of the two is given
        return found

    @property
    def theirs(self) -> bytes:
        """The other pattern."""
        return self.waiting if self.reservation is None else self.reservation.pattern


class Claimed(Value):
    """A claim that comes after all places in the queue."""

    agent: str
    patterns: tuple[bytes, ...]
    exclusive: bool
    created_ts: int
    fence: int = NEWEST


def places_met(
    store: Store, agent: str, texts: Sequence[bytes], now: int, folding: Folding
) -> tuple[Conflict, ...]:
    """The live places of others that an exclusive claim meets, if it is all new."""
    claim = Claimed(agent, tuple(texts), True, now)
    met = earlier(store, claim, texts, Meeting(folding))
    gone = without_process(store, [one.wait for one in met])
    return tuple(
        Conflict(one.pattern, one.witness, None, wait=one.wait, waiting=one.theirs)
        for one in met
        if one.wait.is_live(now) and one.wait.id not in gone
    )[:_MOST_PLACES]


class Search:
    """The search for the conflicts of one request, most of it before the write transaction."""

    def __init__(
        self, store: Store, request: Request, patterns: Sequence[Pattern], folding: Folding
    ) -> None:
        self._store = store
        self._request = request
        self._patterns = patterns
        self._folding = folding
        self._compiled: dict[bytes, Pattern] = {}
        self._held: list[tuple[Conflict, Reservation]] = []
        self._places: list[Met] = []
        self._elsewhere: list[Conflict] = []
        self._over: list[Reservation] = []
        self._expired: list[tuple[Pattern, Reservation]] = []  # not yet tested
        self.mine: dict[bytes, list[Reservation]] = {}
        """What the agent holds already of what it asks for; see ``order.held_already``."""
        self._own: set[bytes] = set()
        self.meeting = Meeting(folding)
        self._deadline = Deadline(store)
        near = [pattern.keys for pattern in patterns] if all(map(_has_own_keys, patterns)) else []
        self._newer = store.reservations.newer(near)
        self._fence = 0
        self._event = 0
        self._newest = 0  # the number of the newest place
        self._at = 0

    @property
    def is_cut_short(self) -> bool:
        return len(self._held) >= MOST_CONFLICTS

    @property
    def has_met(self) -> bool:
        """Whether anything was found that may conflict."""
        return bool(self._held or self._elsewhere or self._places)

    def all_confirmed(self, now: int) -> tuple[Conflict, ...]:
        """The conflicts at ``now``: with reservations, those of an Agent Mail, and with places."""
        held = [one for one in self._elsewhere if one.reservation and one.reservation.is_live(now)]
        return (*self.confirmed(now), *held, *self.places(now))

    def somebody_waits(self) -> bool:
        """Whether anybody has a place, when ``everything`` or ``places`` looked last."""
        return self._newest > 0

    @property
    def found(self) -> list[Conflict]:
        """The conflicts with reservations."""
        return [conflict for conflict, _ in self._held]

    def everything(self, fence: int | None = None) -> None:
        """Search the whole table, in the caller's snapshot, until MOST_CONFLICTS are found.

        ``fence`` is the last one there, if the caller knows it.
        """
        self._at = self._store.now()
        self._fence = self._store.last_fence() if fence is None else fence
        self._event = self._store.last_event()
        expired: list[tuple[Pattern, Reservation]] = []
        conflicts = (
            conflict
            for pattern in self._patterns
            for theirs in self._near(pattern, expired)
            for conflict in self._tested(pattern, theirs)
        )
        self._held = list(islice(conflicts, MOST_CONFLICTS))
        self._expired = expired
        if not self._held:
            self._test_expired()
        self._elsewhere = self._met_elsewhere()
        self._places = self._places_met()

    def _met_elsewhere(self) -> list[Conflict]:
        """The conflicts with what the agents of an Agent Mail hold, but for what is held already.

        Its table is not ours, so what they reserve from now on is not seen.
        """
        found: list[tuple[Conflict, Lease]] = []
        prefixes = [pattern.prefix for pattern in self._patterns]
        for theirs in near(self._store, self._request.agent, prefixes):
            if len(found) >= MOST_CONFLICTS:
                break
            for pattern in self._patterns:
                if not self._is_mine_as_asked(pattern.text):
                    found += [(conflict, theirs) for conflict, _ in self._tested(pattern, theirs)]
        stand = standing(dict.fromkeys(theirs for _, theirs in found), self._at)
        return [conflict for conflict, theirs in found if theirs in stand]

    def _is_mine_as_asked(self, text: bytes) -> bool:
        own = self.mine.get(text, ())
        return any(held.exclusive or not self._request.exclusive for held in own)

    def _near(
        self, pattern: Pattern, expired: list[tuple[Pattern, Reservation]]
    ) -> list[Reservation]:
        """The live reservations that may overlap the pattern; ``expired`` gets the others.

        Nobody has released those, and if the clock is set back they are live again.
        """
        self._deadline.check()
        near = _worth_testing(_near(self._store, pattern, 0), pattern, self._folding)
        own = [held for held in near if held.agent == self._request.agent]
        self._own.update(held.pattern for held in own)
        mine = [held for held in own if held.is_live(self._at) and covers(held, pattern)]
        if mine:
            self.mine[pattern.text] = mine
        expired += [(pattern, held) for held in near if not held.is_live(self._at)]
        return [held for held in near if held.is_live(self._at)]

    def may_be_held(self, text: bytes) -> bool:
        """Whether the agent may hold just this pattern, once the conflicts were ``confirmed``."""
        return text in self._own

    # Places in the queue

    def makes_exclusive(self) -> bool:
        """Whether the request makes something exclusive that its agent holds shared."""
        own = self.mine.values() if self._request.exclusive else ()
        return any(not any(held.exclusive for held in each) for each in own)

    def claim(self) -> Claimed:
        """What the request asks for, as a place after all others."""
        texts = tuple(pattern.text for pattern in self._patterns)
        return Claimed(self._request.agent, texts, self._request.exclusive, self._at)

    def _places_met(self, after: int = 0) -> list[Met]:
        """The places of others, after a number, that the request meets if it is all new."""
        self._newest = self._store.waits.newest()
        if self._newest <= after:
            return []
        texts = [pattern.text for pattern in self._patterns]
        return earlier(
            self._store,
            self._request,
            texts,
            self.meeting,
            after=after,
            check_time=self._deadline.check,
        )

    def places(self, now: int) -> tuple[Conflict, ...]:
        """The conflicts with places that are live at ``now``, in a transaction of the caller.

        Also with those that were taken since the search: they are earlier than what is granted
        after them.
        """
        met = [*self._places, *self._places_met(self._fence)]
        if not met:
            return ()
        texts = [pattern.text for pattern in self._patterns]
        mine = held_already(self._store, self._request.agent, texts, now, self.meeting)
        met = [one for one in met if one.pattern not in mine]
        current = self._store.waits.with_ids(one.wait.id for one in met)
        gone = without_process(self._store, current.values())
        live = [one for one in met if one.wait.id not in gone and one.wait.id in current]
        return tuple(
            Conflict(one.pattern, one.witness, None, wait=current[one.wait.id], waiting=one.theirs)
            for one in live
            if current[one.wait.id].is_live(now)
        )[:_MOST_PLACES]

    def over(self, now: int) -> list[Reservation]:
        """Leases of others that ran out before a grant at ``now`` that overlaps them."""
        self._test_expired()  # where there were conflicts, which have gone since the search
        seen = [*self._over, *(held for _, held in self._held)]
        current = map(self._store.reservations.get, dict.fromkeys(held.id for held in seen))
        return [
            held
            for held in current
            if held is not None and held.released_ts is None and not held.is_live(now)
        ]

    def _test_expired(self) -> None:
        self._over += (one for pair in self._expired for _, one in self._tested(*pair))
        self._expired = []

    # Reservations

    def confirmed(self, now: int) -> tuple[Conflict, ...]:
        """The conflicts at ``now``, found quickly, in a transaction of the caller.

        Only two kinds of reservations are tested that the search has not seen: those with a newer
        fence (a grant and a change of mode have one), and those whose lease was extended since. The
        search may have seen such a lease as expired, if it was extended at its last moment by a
        transaction that committed only after the search.
        """
        if now < self._at:  # the clock was set back, so leases that had expired are live again
            self.everything()
        else:
            new = self._newer(self._fence, self._event, now)
            self._own.update(held.pattern for held in new if held.agent == self._request.agent)
            again = [
                conflict
                for pattern in self._patterns
                for theirs in new
                for conflict in self._tested(pattern, theirs)
            ]
            again = list({(one.pattern, held.id): (one, held) for one, held in again}.values())
            changed = {held.id for _, held in again}
            cut_short = self.is_cut_short
            standing = [pair for pair in self._standing(now) if pair[1].id not in changed]
            self._over += [held for _, held in self._held]
            self._held = [*standing, *again]
            self._at = now
            if cut_short and not self._held:  # all have ended, and there were more than these
                self.everything()
        return tuple(self.found)

    def _standing(self, now: int) -> list[tuple[Conflict, Reservation]]:
        """The conflicts whose reservations are still live.

        If one of the first _LOOKED_UP is, the others are taken as they are: other writers wait
        meanwhile, and one conflict is enough for a refusal.
        """
        first, rest = self._held[:_LOOKED_UP], self._held[_LOOKED_UP:]
        standing = [pair for pair in first if self._stands(pair[1], now)]
        if standing:
            return standing + rest
        return [pair for pair in rest if self._stands(pair[1], now)]

    def _stands(self, theirs: Reservation, now: int) -> bool:
        current = self._store.reservations.get(theirs.id)
        return current is not None and current.is_live(now)

    def _tested(
        self, pattern: Pattern, theirs: Reservation
    ) -> Iterable[tuple[Conflict, Reservation]]:
        self._deadline.check()
        if not theirs.meets(self._request):
            return
        compiled = self._compiled.get(theirs.pattern)
        if compiled is None:
            compiled = self._compiled[theirs.pattern] = compile_stored(theirs, self._folding)
        witness = overlap(pattern, compiled)
        if witness is not None:
            yield Conflict(pattern.text, witness, theirs), theirs


def _near(store: Store, pattern: Pattern, now: int) -> list[Reservation]:
    """The live reservations that may overlap the pattern, by the keys of both.

    At the time 0 these are all that nobody has released.
    """
    if not _has_own_keys(pattern):
        return store.reservations.all(live_at=now)
    return store.reservations.live_near(pattern.keys, now)


def _has_own_keys(pattern: Pattern) -> bool:
    return pattern.folding.has_own_keys(pattern.text)


def _worth_testing(
    held: list[Reservation], pattern: Pattern, folding: Folding
) -> list[Reservation]:
    """The reservations that may overlap the pattern.

    For a plain path these are the ones that hold it, which an index finds without parsing each. If
    one of them cannot be read, all are returned: testing each then names the damaged one.
    """
    if pattern.kind != "literal":
        return held
    try:
        index = PatternIndex([one.pattern for one in held], folding)
        return [held[position] for position in index.matching(pattern.prefix, added=True)]
    except PatternError:
        return held


def meeting(
    store: Store,
    pattern: Pattern,
    now: int,
    folding: Folding,
    agent: str | None,
    counts: Callable[[Reservation], bool],
) -> list[tuple[Reservation, bytes]]:
    """The live reservations that ``counts`` accepts and that overlap the pattern.

    Each comes with a path that both match. ``agent`` is who asks. DatabaseError if one of them
    cannot be read.
    """
    found = [*_near(store, pattern, now), *near(store, agent, [pattern.prefix])]
    deadline, met = Deadline(store), []
    for held in filter(counts, found):
        deadline.check()
        witness = overlap(pattern, compile_stored(held, folding))
        if witness is not None:
            met.append((held, witness))
    return met


def listed(
    store: Store,
    folding: Folding,
    *,
    agent: str | None = None,
    path: Pattern | None = None,
    history: bool = False,
    within: int | None = None,
) -> tuple[list[Reservation], int]:
    """The live reservations and the time; with ``history``, also those that have ended.

    ``agent`` limits them to those of one agent, ``path`` to those that cover a path (or meet a
    folder), ``within`` to those whose lease ends in less than that time, the next first.
    DatabaseError if one of them cannot be read.
    """
    now = store.now()
    found = store.reservations.all(agent=agent, live_at=None if history else now)
    found += [one for one in leases(store, agent) if agent in (None, one.agent)]
    if path is not None:
        near = _worth_testing(found, path, folding)
        found = [held for held in near if overlap(path, compile_stored(held, folding)) is not None]
    found = list(
        {
            (held.source, held.id, held.worktree if held.source else ""): held
            for held in reversed(found)
        }.values()
    )[::-1]
    if within is not None:
        found = [held for held in found if held.expires_ts < now + within]
        found.sort(key=lambda held: held.expires_ts)
    return found, now
