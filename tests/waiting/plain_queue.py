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
    """A live reservation."""

    agent: str
    pattern: str
    exclusive: bool
    offer: bool


class Place(NamedTuple):
    """A place in the queue. Their order is the order of the list."""

    agent: str
    patterns: tuple[str, ...]
    exclusive: bool


class Queue:
    """The whole table."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.places: list[Place] = []

    def ask(self, agent: str, patterns: Sequence[str], *, exclusive: bool, waits: bool) -> str:
        """What comes of a claim: granted, refused, waits or deadlock."""
        claim = Place(agent, tuple(dict.fromkeys(patterns)), exclusive)
        if not self._blockers(claim, self.places):
            if self._closes_circle(claim, only_raised=True):
                return "deadlock"
            self._grant(claim, offer=False)
            self.places = [one for one in self.places if not self._fulfils(claim, one)]
            self.settle()
            return "granted"
        if not waits:
            return "refused"
        if not any(self._is_same(claim, one) for one in self.places):
            if self._closes_circle(claim):
                return "deadlock"
            self.places.append(claim)
        return "waits"

    def release(self, agent: str) -> None:
        """A place that named what is released may wait for somebody who waits for its agent now."""
        named = [
            place
            for place in self.places
            if place.agent == agent
            and any(self._mode(agent, pattern) is not None for pattern in place.patterns)
        ]
        self.held = [one for one in self.held if one.agent != agent]
        for place in named:
            if self._is_in_circle(place):
                self.places.remove(place)
        self.settle()

    def end(self, held: Held) -> None:
        """A lease that runs out, or an offer that lapses."""
        self.held.remove(held)
        self.settle()

    def leave(self, agent: str) -> None:
        self.places = [one for one in self.places if one.agent != agent]
        self.settle()

    def take(self, agent: str) -> None:
        taken = [one.pattern for one in self.held if one.agent == agent and one.offer]
        kept = [one for one in self.held if not self._is_replaced(one, agent, taken)]
        self.held = [one._replace(offer=False) if one.agent == agent else one for one in kept]
        self.settle()

    def settle(self) -> None:
        """Hand over, the first place first."""
        for place in list(self.places):
            before = self.places[: self.places.index(place)]
            if not self._blockers(place, before):
                self.places.remove(place)
                self._grant(place, offer=True)

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
            if self._mode(claim.agent, pattern) is None:
                found += [
                    one
                    for one in before
                    for theirs in one.patterns
                    if _meet(claim, pattern, one, theirs)
                ]
        return found

    def _mode(self, agent: str, pattern: str) -> bool | None:
        """Whether the agent holds it exclusively; None if it does not hold it."""
        modes = [
            one.exclusive
            for one in self.held
            if one.agent == agent
            and (
                one.pattern == pattern
                or (len(PATTERNS[pattern]) == 1 and PATTERNS[pattern] <= PATTERNS[one.pattern])
            )
        ]
        return any(modes) if modes else None

    def _grant(self, claim: Place, *, offer: bool) -> None:
        for pattern in claim.patterns:
            own = [one for one in self.held if (one.agent, one.pattern) == (claim.agent, pattern)]
            own.sort(key=lambda one: not one.exclusive)
            if own and not offer:
                self.held.remove(own[0])
            self.held.append(Held(claim.agent, pattern, claim.exclusive, offer))

    def _closes_circle(self, claim: Place, *, only_raised: bool = False) -> bool:
        """Whether the agent would wait for itself, through any number of others."""
        raised = {
            pattern
            for pattern in claim.patterns
            if claim.exclusive and self._mode(claim.agent, pattern) is False
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
                    if self._mode(place.agent, pattern) is None
                    and _meet(place, pattern, claim, mine)
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

    def _is_replaced(self, held: Held, agent: str, taken: Sequence[str]) -> bool:
        return held.agent == agent and not held.offer and held.pattern in taken


def _meet(mine: Held | Place, pattern: str, other: Held | Place, theirs: str) -> bool:
    is_conflict = mine.agent != other.agent and (mine.exclusive or other.exclusive)
    return is_conflict and bool(PATTERNS[pattern] & PATTERNS[theirs])
