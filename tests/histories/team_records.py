"""What the oracle of the team histories keeps of leases and commits, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HELD, UNCOVERED, NO_RECORD = "held", "no cover", "no record"
EDITOR, LANDING, DROPPED = "editor", "landing now", "dropped"
SECOND = "same second"


@dataclass
class Lease:
    """Who holds what from when to when, by the oracle's own clock.

    ``second`` is when it was granted by the clock of this machine, to the second.
    """

    agent: str
    pattern: str
    granted: int
    second: int
    ended: int | None = None

    def covers(self, path: str) -> bool:
        if self.pattern.endswith("/"):
            return path.startswith(self.pattern)
        return path == self.pattern


class Entry(NamedTuple):
    """A commit that was judged, or is made of those that were; ``void``: but for these paths.

    So is ``unsure``, where only git's time of the commit is known: somebody got them in its second.
    """

    agent: str
    origin: str
    void: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()


class Note(NamedTuple):
    """A gate let an agent commit this tree, on these parents."""

    agent: str
    at: int


class Update(NamedTuple):
    """A ref of a push: what it is at and what it would be at; "" is nothing."""

    ref: str
    old: str
    new: str

    @property
    def is_branch(self) -> bool:
        return self.ref.startswith("refs/heads/")


class Reason(NamedTuple):
    """Why a commit or a push has to be refused; with the rule SECOND, why it may be."""

    rule: str
    oid: str
    path: str
    holder: str


class Rules(NamedTuple):
    """A project's policy."""

    landing_now: bool = False
    cover: bool = False  # whether a commit needs reservations of one's own
    protected: tuple[str, ...] = ("main",)

    def protects(self, ref: str) -> bool:
        name = ref.removeprefix("refs/heads/")
        return ref != name and any(fnmatchcase(name, pattern) for pattern in self.protected)


class Elsewhere(NamedTuple):
    """What another remote has: its branches that are here, and its default branch among them."""

    branches: frozenset[str]
    default: frozenset[str] = frozenset()


def is_refused(why: Iterable[Reason]) -> bool:
    """Whether one of the reasons is not only possible."""
    return any(one.rule != SECOND for one in why)
