"""What the queue must do, in a page: plain tuples, and every step by hand.

It knows nothing of globs, keys or due times: each pattern stands for the paths beside it, and after
each step it tries all places from the first on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from waiting.plain_rules import Rules

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
RULES = Rules(PATTERNS)


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
        if not RULES.blockers(claim, self.held, self.places):
            if RULES.would_close_circle(claim, self.held, self.places, only_raised=True):
                return "deadlock"
            own = [one for one in self.held if one.agent == agent and one.pattern in patterns]
            self._grant(claim, offer=False)
            self.places = [one for one in self.places if not self._fulfils(claim, one)]
            self.settle([] if exclusive else [one for one in own if one.exclusive])
            return "granted"
        if not waits:
            return "refused"
        if not any(self._is_same(claim, one) for one in self.places):
            if RULES.would_close_circle(claim, self.held, self.places):
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
        ended = list(ended)
        for place in list(self.places):
            before = self.places[: self.places.index(place)]
            if not RULES.blockers(place, self.held, before):
                self.places.remove(place)
                self._grant(place, offer=True)
                if not place.exclusive:  # what becomes exclusive met the place not, but the grant
                    ended += [one for one in self.held if one.agent != place.agent]
            elif RULES.names(place, ended) and RULES.is_in_circle(place, self.held, self.places):
                self.places.remove(place)

    def overlaps(self) -> bool:
        """Whether two agents hold the same path, one of them exclusively."""
        return any(
            RULES.meet(one, one.pattern, other, other.pattern)
            for one in self.held
            for other in self.held
        )

    def _grant(self, claim: Place, *, offer: bool) -> None:
        for pattern in claim.patterns:
            mine = [one for one in self.held if one.agent == claim.agent]
            since = [one.since for one in mine if RULES.covers(one, pattern)]
            own = [one for one in mine if one.pattern == pattern]
            own.sort(key=lambda one: not one.exclusive)
            age = min(since, default=self._step)
            if own and not offer:
                new = own[0]._replace(exclusive=claim.exclusive, offer=False)
                self.held[self.held.index(own[0])] = new
            else:
                self.held.append(Held(claim.agent, pattern, claim.exclusive, offer, age))

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
