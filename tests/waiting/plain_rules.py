"""The rules of the queue by hand: who stands behind whom, and who would wait for ever.

They know nothing of globs: each pattern stands for the paths that are written down for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class Holds(Protocol):
    """A live reservation; ``since`` says in which order all of this came."""

    @property
    def agent(self) -> str: ...
    @property
    def pattern(self) -> str: ...
    @property
    def exclusive(self) -> bool: ...
    @property
    def since(self) -> int: ...


class Asks(Protocol):
    """A claim, which may have a place in the queue."""

    @property
    def agent(self) -> str: ...
    @property
    def patterns(self) -> tuple[str, ...]: ...
    @property
    def exclusive(self) -> bool: ...
    @property
    def since(self) -> int: ...


class Rules:
    """The rules for patterns that stand for these paths."""

    def __init__(self, paths: Mapping[str, frozenset[str]]) -> None:
        self._paths = paths

    def meet(self, mine: Holds | Asks, pattern: str, other: Holds | Asks, theirs: str) -> bool:
        is_conflict = mine.agent != other.agent and (mine.exclusive or other.exclusive)
        return is_conflict and bool(self._paths[pattern] & self._paths[theirs])

    def covers(self, held: Holds, pattern: str) -> bool:
        """Whether it is of the same text, or covers the single file that this is."""
        if held.pattern == pattern:
            return True
        return len(self._paths[pattern]) == 1 and self._paths[pattern] <= self._paths[held.pattern]

    def names(self, claim: Asks, held: Collection[Holds]) -> bool:
        """Whether the claim names what its agent holds there."""
        own = [one for one in held if one.agent == claim.agent]
        return any(self.covers(one, pattern) for one in own for pattern in claim.patterns)

    def mode(self, claim: Asks, pattern: str, held: Collection[Holds]) -> bool | None:
        """Whether the agent held it exclusively when it asked; None if it did not hold it."""
        modes = [
            one.exclusive
            for one in held
            if one.agent == claim.agent and one.since <= claim.since and self.covers(one, pattern)
        ]
        return any(modes) if modes else None

    def blockers(
        self, claim: Asks, held: Collection[Holds], before: Sequence[Asks]
    ) -> list[Holds | Asks]:
        found: list[Holds | Asks] = []
        for pattern in claim.patterns:
            found += [one for one in held if self.meet(claim, pattern, one, one.pattern)]
            if self.mode(claim, pattern, held) is None:
                found += [
                    one
                    for one in before
                    for theirs in one.patterns
                    if self.meet(claim, pattern, one, theirs)
                ]
        return found

    def raised(self, claim: Asks, held: Collection[Holds]) -> set[str]:
        """What the claim makes exclusive that its agent holds shared."""
        if not claim.exclusive:
            return set()
        return {one for one in claim.patterns if self.mode(claim, one, held) is False}

    def would_close_circle(
        self,
        claim: Asks,
        held: Collection[Holds],
        places: Sequence[Asks],
        *,
        only_raised: bool = False,
    ) -> bool:
        """Whether the agent would wait for itself, through any number of others.

        ``only_raised``: the claim is granted, and becomes exclusive.
        """
        raised = self.raised(claim, held)
        if only_raised and not raised:
            return False
        edges = self._edges(held, places)
        if not only_raised:
            names = {one.agent for one in self.blockers(claim, held, places)}
            edges.setdefault(claim.agent, set()).update(names)
        for place in places:  # what becomes exclusive comes before all places
            if any(
                self.mode(place, pattern, held) is None and self.meet(place, pattern, claim, mine)
                for pattern in place.patterns
                for mine in raised
            ):
                edges[place.agent].add(claim.agent)
        return claim.agent in _reached(edges, edges.get(claim.agent, set()))

    def is_in_circle(self, place: Asks, held: Collection[Holds], places: Sequence[Asks]) -> bool:
        before = places[: places.index(place)]
        first = {one.agent for one in self.blockers(place, held, before)}
        return place.agent in _reached(self._edges(held, places), first)

    def _edges(self, held: Collection[Holds], places: Sequence[Asks]) -> dict[str, set[str]]:
        """Who waits for whom."""
        edges: dict[str, set[str]] = {}
        for number, place in enumerate(places):
            names = {one.agent for one in self.blockers(place, held, places[:number])}
            edges.setdefault(place.agent, set()).update(names)
        return edges


def _reached(edges: Mapping[str, set[str]], first: Collection[str]) -> set[str]:
    reached: set[str] = set()
    following = set(first)
    while following:
        agent = following.pop()
        reached.add(agent)
        following |= edges.get(agent, set()) - reached
    return reached
