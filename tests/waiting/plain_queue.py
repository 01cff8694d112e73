"""What the queue must do, in a page: plain tuples, and every step by hand.

It knows nothing of globs, keys or due times: each pattern stands for the paths beside it, and after
each step it tries all places from the first on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATTERNS: Mapping[str, frozenset[str]] = {
    "/a": frozenset("a"),
    "/b": frozenset("b"),
    "/c": frozenset("c"),
    "/[ab]": frozenset("ab"),
    "/[bc]": frozenset("bc"),
    "/*": frozenset("abcz"),
}


class Held(NamedTuple):
    """A live reservation; ``since`` counts the steps."""

    agent: str
    pattern: str
    exclusive: bool
    offer: bool
    since: int = 0


class Place(NamedTuple):
    """A place in the queue. Their order is the order of the list."""

    agent: str
    patterns: tuple[str, ...]
    exclusive: bool
    since: int = 0


class Queue:
    """The whole table."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.places: list[Place] = []
        self._step = 0

    def ask(self, agent: str, patterns: Sequence[str], *, exclusive: bool, waits: bool) -> str:
        """What comes of a claim: granted, refused, waits or deadlock."""
        self._step += 1
        claim = Place(agent, tuple(dict.fromkeys(patterns)), exclusive, self._step)
        if not self._blockers(claim, self.places):
            if self._closes_circle(claim, only_raised=True):
                return "deadlock"
            own = [one for one in self.held if one.agent == agent and one.pattern in patterns]
            self._grant(claim, offer=False)
            self.places = [one for one in self.places if not self._fulfils(claim, one)]
            self.settle([] if exclusive else [one for one in own if one.exclusive])
            return "granted"
        if not waits:
            return "refused"
        if not any(self._is_same(claim, one) for one in self.places):
            if self._closes_circle(claim):
                return "deadlock"
            self.places.append(claim)
        return "waits"

    def release(self, agent: str) -> None:
        self._step += 1
        ended = [one for one in self.held if one.agent == agent]
        self.held = [one for one in self.held if one.agent != agent]
        self.settle(ended)

    def end(self, held: Held) -> None:
        """A lease that runs out, or an offer that lapses."""
        self._step += 1
        ended = next(one for one in self.held if one._replace(since=0) == held._replace(since=0))
        self.held.remove(ended)
        self.settle([ended])

    def leave(self, agent: str) -> None:
        self._step += 1
        self.places = [one for one in self.places if one.agent != agent]
        self.settle()

    def take(self, agent: str) -> None:
        self._step += 1
        kept = [
            one
            for number, one in enumerate(self.held)
            if not any(_replaces(later, one, agent) for later in self.held[number + 1 :])
        ]
        self.held = [one._replace(offer=False) if one.agent == agent else one for one in kept]
        self.settle()

    def settle(self, ended: Sequence[Held] = ()) -> None:
        """Hand over, the first place first.

        A place that named what its agent held, until it ``ended``, may wait for ever now.
        """
        for place in list(self.places):
            before = self.places[: self.places.index(place)]
            if not self._blockers(place, before):
                self.places.remove(place)
                self._grant(place, offer=True)
            elif self._named(place, ended) and self._is_in_circle(place):
                self.places.remove(place)

    def overlaps(self) -> bool:
        """Whether two agents hold the same path, one of them exclusively."""
        return any(
            _meet(one, one.pattern, other, other.pattern)
            for one in self.held
            for other in self.held
        )

    # What the rules say

    def _blockers(self, claim: Place, before: Sequence[Place]) -> list[Held | Place]:
        found: list[Held | Place] = []
        for pattern in claim.patterns:
            found += [one for one in self.held if _meet(claim, pattern, one, one.pattern)]
            if self._mode(claim, pattern) is None:
                found += [
                    one
                    for one in before
                    for theirs in one.patterns
                    if _meet(claim, pattern, one, theirs)
                ]
        return found

    def _mode(self, claim: Place, pattern: str) -> bool | None:
        """Whether the agent held it exclusively when it asked; None if it did not hold it."""
        held = [one for one in self._covering(claim.agent, pattern) if one.since <= claim.since]
        return any(one.exclusive for one in held) if held else None

    def _covering(self, agent: str, pattern: str) -> list[Held]:
        return [one for one in self.held if one.agent == agent and _covers(one, pattern)]

    def _named(self, place: Place, ended: Sequence[Held]) -> bool:
        own = [one for one in ended if one.agent == place.agent]
        return any(_covers(one, pattern) for one in own for pattern in place.patterns)

    def _grant(self, claim: Place, *, offer: bool) -> None:
        for pattern in claim.patterns:
            since = [one.since for one in self._covering(claim.agent, pattern)]
            own = [one for one in self.held if (one.agent, one.pattern) == (claim.agent, pattern)]
            own.sort(key=lambda one: not one.exclusive)
            age = min(since, default=self._step)
            if own and not offer:
                new = own[0]._replace(exclusive=claim.exclusive, offer=False)
                self.held[self.held.index(own[0])] = new
            else:
                self.held.append(Held(claim.agent, pattern, claim.exclusive, offer, age))

    def _closes_circle(self, claim: Place, *, only_raised: bool = False) -> bool:
        """Whether the agent would wait for itself, through any number of others."""
        raised = {
            pattern
            for pattern in claim.patterns
            if claim.exclusive and self._mode(claim, pattern) is False
        }
        if only_raised and not raised:
            return False
        places = [*self.places, claim]
        edges: dict[str, set[str]] = {}
        for number, place in enumerate(places):
            blockers = self._blockers(place, places[:number])
            if place is not claim:  # what becomes exclusive comes before all places
                blockers += [
                    claim
                    for pattern in place.patterns
                    for mine in raised
                    if self._mode(place, pattern) is None and _meet(place, pattern, claim, mine)
                ]
            if only_raised and place is claim:
                blockers = []
            edges.setdefault(place.agent, set()).update(one.agent for one in blockers)
        reached, following = set(), set(edges.get(claim.agent, ()))
        while following:
            agent = following.pop()
            reached.add(agent)
            following |= edges.get(agent, set()) - reached
        return claim.agent in reached

    def _is_in_circle(self, place: Place) -> bool:
        edges: dict[str, set[str]] = {}
        for number, one in enumerate(self.places):
            names = {other.agent for other in self._blockers(one, self.places[:number])}
            edges.setdefault(one.agent, set()).update(names)
        number = self.places.index(place)
        reached: set[str] = set()
        following = {one.agent for one in self._blockers(place, self.places[:number])}
        while following:
            agent = following.pop()
            reached.add(agent)
            following |= edges.get(agent, set()) - reached
        return place.agent in reached

    def _fulfils(self, claim: Place, place: Place) -> bool:
        same = claim.agent == place.agent and {*claim.patterns} == {*place.patterns}
        return same and (claim.exclusive or not place.exclusive)

    def _is_same(self, claim: Place, place: Place) -> bool:
        same = claim.agent == place.agent and {*claim.patterns} == {*place.patterns}
        return same and claim.exclusive == place.exclusive


def _replaces(later: Held, held: Held, agent: str) -> bool:
    """Whether what the agent takes ends what it had: the same, in the same or a weaker mode."""
    is_same = later.offer and later.agent == held.agent == agent and later.pattern == held.pattern
    return is_same and (later.exclusive or not held.exclusive)


def _covers(held: Held, pattern: str) -> bool:
    """Whether it is of the same text, or covers the single file that this is."""
    is_file = len(PATTERNS[pattern]) == 1
    return held.pattern == pattern or (is_file and PATTERNS[pattern] <= PATTERNS[held.pattern])


def _meet(mine: Held | Place, pattern: str, other: Held | Place, theirs: str) -> bool:
    is_conflict = mine.agent != other.agent and (mine.exclusive or other.exclusive)
    return is_conflict and bool(PATTERNS[pattern] & PATTERNS[theirs])
