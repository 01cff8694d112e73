"""Finds the reservations that conflict with a request, meet a pattern, or cover a path."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from agentlock.errors import PatternError
from agentlock.model import MOST_CONFLICTS, Conflict, Reservation
from agentlock.patterns.matching import Folding, Pattern, PatternIndex
from agentlock.patterns.overlap import overlap
from agentlock.patterns.pattern import compile_stored
from agentlock.reservations.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentlock.reservations.granting import Request
    from agentlock.store.base import Store

_LOOKED_UP = 100


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
        self.found: list[Conflict] = []
        self._deadline = Deadline(store)
        self._fence = 0
        self._event = 0
        self._at = 0

    @property
    def is_cut_short(self) -> bool:
        return len(self.found) >= MOST_CONFLICTS

    def everything(self) -> None:
        """Search the whole table, in the caller's snapshot, until MOST_CONFLICTS are found."""
        self._at = self._store.now()
        self._fence = self._store.last_fence()
        self._event = self._store.last_event()
        conflicts = (
            conflict
            for pattern in self._patterns
            for theirs in self._near(pattern)
            for conflict in self._tested(pattern, theirs)
        )
        self.found = list(islice(conflicts, MOST_CONFLICTS))

    def _near(self, pattern: Pattern) -> list[Reservation]:
        """The live reservations that may overlap the pattern."""
        self._deadline.check()
        near = _near(self._store, pattern, self._at)
        return _worth_testing(near, pattern, self._folding)

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
            near = [pattern.keys for pattern in self._patterns]
            if not all(map(_has_own_keys, self._patterns)):
                near = []
            new = [
                *self._store.reservations.live_since(self._fence, now, near),
                *self._store.reservations.extended_since(self._event, now, near),
            ]
            again = [
                conflict
                for pattern in self._patterns
                for theirs in new
                for conflict in self._tested(pattern, theirs)
            ]
            again = list({(one.pattern, one.reservation.id): one for one in again}.values())
            changed = {one.reservation.id for one in again}
            cut_short = self.is_cut_short
            self.found = [
                *(one for one in self._standing(now) if one.reservation.id not in changed),
                *again,
            ]
            self._at = now
            if cut_short and not self.found:  # all have ended, and there were more than these
                self.everything()
        return tuple(self.found)

    def _standing(self, now: int) -> list[Conflict]:
        """The conflicts whose reservations are still live.

        If one of the first _LOOKED_UP is, the others are taken as they are: other writers wait
        meanwhile, and one conflict is enough for a refusal.
        """
        first, rest = self.found[:_LOOKED_UP], self.found[_LOOKED_UP:]
        standing = [one for one in first if self._stands(one.reservation, now)]
        if standing:
            return standing + rest
        return [one for one in rest if self._stands(one.reservation, now)]

    def _stands(self, theirs: Reservation, now: int) -> bool:
        current = self._store.reservations.get(theirs.id)
        return current is not None and current.is_live(now)

    def _tested(self, pattern: Pattern, theirs: Reservation) -> Iterable[Conflict]:
        self._deadline.check()
        if not theirs.meets(self._request):
            return
        compiled = self._compiled.get(theirs.pattern)
        if compiled is None:
            compiled = self._compiled[theirs.pattern] = compile_stored(theirs, self._folding)
        witness = overlap(pattern, compiled)
        if witness is not None:
            yield Conflict(pattern.text, witness, theirs)


def _near(store: Store, pattern: Pattern, now: int) -> list[Reservation]:
    """The live reservations that may overlap the pattern, by the keys of both."""
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
    counts: Callable[[Reservation], bool],
) -> list[tuple[Reservation, bytes]]:
    """The live reservations that ``counts`` accepts and that overlap the pattern.

    Each comes with a path that both match. DatabaseError if one of them cannot be read.
    """
    near = _near(store, pattern, now)
    deadline, met = Deadline(store), []
    for held in filter(counts, near):
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
    if path is not None:
        near = _worth_testing(found, path, folding)
        found = [held for held in near if overlap(path, compile_stored(held, folding)) is not None]
    if within is not None:
        found = [held for held in found if held.expires_ts < now + within]
        found.sort(key=lambda held: held.expires_ts)
    return found, now
