"""The words of the model: what an agent does, what it is told, and what is in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from waiting.plain_rules import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal[
    "reserve",
    "renew",
    "release",
    "force",
    "expire",
    "list",
    "check",
    "commit",
    "look",
    "arrive",
    "queue",
    "queued",
    "leave",
    "run out",
]
Ended = Literal["", "expired", "released"]
Outcome = Literal["", "over", "granted", "left", "expired", "deadlock"]
NOW = 10**18
"""Later than any time in the table: what a history adds counts from here."""

FILES = ("src/a.py", "src/b.py", "src/lib/c.py", "docs/x.md")
# Every path that can tell two of the patterns apart; all of FILES are among them.
PATTERNS: Mapping[str, frozenset[str]] = {
    "src/a.py": frozenset({"src/a.py"}),
    "src/b.py": frozenset({"src/b.py"}),
    "src/*.py": frozenset({"src/a.py", "src/b.py"}),
    "src/": frozenset({"src/a.py", "src/b.py", "src/lib/c.py", "src/n.md", "src/lib/n.md"}),
    "src/lib/**": frozenset({"src/lib/c.py", "src/lib/n.md"}),
    "**/*.md": frozenset({"docs/x.md", "src/n.md", "src/lib/n.md"}),
    "docs/x.md": frozenset({"docs/x.md"}),
}


RULES = Rules(PATTERNS)


class Call(NamedTuple):
    """One command of one agent. Without ``names`` and ``number``: all that the agent holds.

    Each command first arrives: it takes what was handed over to its agent. ``queue`` ends with
    ``queued``, which takes what was handed over meanwhile. Time lets leases ``expire``, and places
    ``run out``.
    """

    agent: str
    kind: Kind
    names: tuple[str, ...] = ()
    number: int | None = None
    shared: bool = False


class Answer(NamedTuple):
    """How a call ended, and what it told: reservations by number, or whole rows.

    Places in the queue that it told of have a negative number. ``lost`` are those of the agent that
    ended without it, and that it hears of now.
    """

    code: int
    told: tuple[Any, ...] = ()
    lost: tuple[int, ...] = ()


class Row(NamedTuple):
    """A reservation; a live one is not ``ended``.

    ``untold``: it ran out or was ended by force, and its holder has not heard of it. ``place`` is
    the place in the queue that it comes from, ``since`` its age, which it may have from another.
    """

    number: int
    agent: str
    pattern: str
    exclusive: bool
    fence: int
    ended: Ended = ""
    untold: bool = False
    offer: bool = False
    place: int | None = None
    since: int = 0


class Place(NamedTuple):
    """A place in the queue. Its time may be over before somebody ends it.

    ``lost``: something has ended that its agent held of what it names. ``asked``: the command that
    asked for it has not returned.
    """

    number: int
    agent: str
    patterns: tuple[str, ...]
    exclusive: bool
    fence: int
    outcome: Outcome = ""
    since: int = 0
    lost: bool = False
    asked: bool = False


class Table(NamedTuple):
    """Every reservation and place that there ever was, the oldest first, and the last fence."""

    rows: tuple[Row, ...] = ()
    fence: int = 0
    places: tuple[Place, ...] = ()

    def waiting(self) -> list[Place]:
        return [place for place in self.places if not place.outcome]

    def moved(self, *places: Place) -> Table:
        """The same table in which these places are so."""
        by_number = {place.number: place for place in (*self.places, *places)}
        fence = max(self.fence, *(place.fence for place in places), 0)
        ordered = tuple(by_number[number] for number in sorted(by_number))
        return self._replace(places=ordered, fence=fence)

    def without_ages(self) -> Table:
        """What an SQLite client can compare, once every command has returned."""
        rows = tuple(row._replace(since=0) for row in self.rows)
        places = tuple(one._replace(since=0, lost=False, asked=False) for one in self.places)
        return Table(rows, self.fence, places)

    def live(self) -> list[Row]:
        return [row for row in self.rows if not row.ended]

    def get(self, number: int) -> Row | None:
        return self.rows[number - 1] if 0 < number <= len(self.rows) else None

    def changed(self, *rows: Row) -> Table:
        by_number = {row.number: row for row in (*self.rows, *rows)}
        fence = max(self.fence, *(row.fence for row in rows), 0)
        ordered = tuple(by_number[number] for number in sorted(by_number))
        return self._replace(rows=ordered, fence=fence)

    def overlaps(self) -> list[tuple[Row, Row]]:
        """Two agents' live reservations that meet, one of them exclusive: there must be none."""
        live = self.live()
        return [
            (one, other)
            for one in live
            for other in live
            if one.number < other.number
            and one.agent != other.agent
            and (one.exclusive or other.exclusive)
            and PATTERNS[one.pattern] & PATTERNS[other.pattern]
        ]
