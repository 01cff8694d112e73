"""What the table must do, in a page: reservations as a plain tuple, and every call as a function.

It knows nothing of globs: each pattern stands for the paths written down beside it, and two
patterns meet where they share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind = Literal["reserve", "renew", "release", "force", "expire", "list", "check", "commit", "look"]
Ended = Literal["", "expired", "released"]

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


class Call(NamedTuple):
    """One command of one agent. Without ``names`` and ``number``: all that the agent holds."""

    agent: str
    kind: Kind
    names: tuple[str, ...] = ()
    number: int | None = None
    shared: bool = False


class Answer(NamedTuple):
    """How a call ended, and what it told: reservations by number, or whole rows.

    ``lost`` are those of the agent that ended without it, and that it hears of now.
    """

    code: int
    told: tuple[Any, ...] = ()
    lost: tuple[int, ...] = ()


class Row(NamedTuple):
    """A reservation; a live one is not ``ended``.

    ``untold``: it ran out or was ended by force, and its holder has not heard of it.
    """

    number: int
    agent: str
    pattern: str
    exclusive: bool
    fence: int
    ended: Ended = ""
    untold: bool = False


class Table(NamedTuple):
    """Every reservation that there ever was, the oldest first, and the last fence."""

    rows: tuple[Row, ...] = ()
    fence: int = 0

    def live(self) -> list[Row]:
        return [row for row in self.rows if not row.ended]

    def get(self, number: int) -> Row | None:
        return self.rows[number - 1] if 0 < number <= len(self.rows) else None

    def changed(self, *rows: Row) -> Table:
        by_number = {row.number: row for row in (*self.rows, *rows)}
        fence = max(self.fence, *(row.fence for row in rows), 0)
        return Table(tuple(by_number[number] for number in sorted(by_number)), fence)

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


def apply(table: Table, call: Call) -> tuple[Table, Answer]:
    """The table after a call, and what the call must answer."""
    return _CALLS[call.kind](table, call)


def _reserve(table: Table, call: Call) -> tuple[Table, Answer]:
    in_the_way = {
        row.number
        for row in table.live()
        for name in call.names
        if row.agent != call.agent
        and (row.exclusive or not call.shared)
        and PATTERNS[row.pattern] & PATTERNS[name]
    }
    if in_the_way:
        return table, Answer(1, tuple(sorted(in_the_way)))
    table = table.changed(*_over(table, call))
    granted = []
    for name in call.names:
        mine = [row for row in table.live() if (row.agent, row.pattern) == (call.agent, name)]
        new = Row(len(table.rows) + 1, call.agent, name, not call.shared, table.fence + 1)
        if mine:
            (row,) = mine
            new = row if row.exclusive is not call.shared else new._replace(number=row.number)
        table = table.changed(new)
        granted.append((new.number, new.exclusive, new.fence))
    return table, Answer(0, tuple(granted))


def _over(table: Table, call: Call) -> list[Row]:
    """What had run out, and is ended for good by what somebody else is granted over it."""
    return [
        row._replace(ended="released")
        for row in table.rows
        if row.ended == "expired"
        and row.agent != call.agent
        and (row.exclusive or not call.shared)
        and any(PATTERNS[row.pattern] & PATTERNS[name] for name in call.names)
    ]


def _renew(table: Table, call: Call) -> tuple[Table, Answer]:
    """Whoever renews all that is left hears, once, what is lost."""
    if call.number is None:
        mine = tuple(row.number for row in table.live() if row.agent == call.agent)
        if not mine:
            return table, Answer(1)
        lost = [row for row in table.rows if row.agent == call.agent and row.untold]
        numbers = tuple(row.number for row in lost)
        table = table.changed(*(row._replace(untold=False) for row in lost))
        return table, Answer(1 if lost else 0, mine, numbers)
    row = table.get(call.number)
    if row is None:
        return table, Answer(2)
    return table, Answer(1) if row.ended or row.agent != call.agent else Answer(0, (row.number,))


def _release(table: Table, call: Call) -> tuple[Table, Answer]:
    """Whether its lease has run out makes no difference to a release.

    Whose reservation is ended by somebody else has yet to hear of it, or of its end before that.
    """
    if call.number is None:
        chosen = [row for row in table.rows if row.agent == call.agent]
    else:
        row = table.get(call.number)
        if row is None:
            return table, Answer(2)
        if row.agent != call.agent and call.kind != "force":
            return table, Answer(1)
        chosen = [row]
    ended = [
        row._replace(
            ended="released", untold=row.agent != call.agent and (row.untold or not row.ended)
        )
        for row in chosen
        if row.ended != "released"
    ]
    if not ended:
        return table, Answer(1)
    return table.changed(*ended), Answer(0, tuple(row.number for row in ended))


def _expire(table: Table, call: Call) -> tuple[Table, Answer]:
    """What time does, done by an UPDATE: it tells how many leases it ended."""
    row = table.get(call.number or 0)
    if row is None or row.ended == "released":
        return table, Answer(0, (0,))
    untold = row.untold or not row.ended
    return table.changed(row._replace(ended="expired", untold=untold)), Answer(0, (1,))


def _list(table: Table, _call: Call) -> tuple[Table, Answer]:
    return table, Answer(0, tuple(row.number for row in table.live()))


def _check(table: Table, call: Call) -> tuple[Table, Answer]:
    theirs = {
        row.number
        for row in table.live()
        if row.exclusive and row.agent != call.agent and PATTERNS[row.pattern] & {*call.names}
    }
    return table, Answer(1 if theirs else 0, tuple(sorted(theirs)))


def _commit(table: Table, call: Call) -> tuple[Table, Answer]:
    """As ``check``; git tells only whether."""
    table, answer = _check(table, call)
    return table, Answer(answer.code)


def _look(table: Table, _call: Call) -> tuple[Table, Answer]:
    """The whole table, as an SQLite client reads it."""
    return table, Answer(0, table)


_CALLS: Mapping[Kind, Callable[[Table, Call], tuple[Table, Answer]]] = {
    "reserve": _reserve,
    "renew": _renew,
    "release": _release,
    "force": _release,
    "expire": _expire,
    "list": _list,
    "check": _check,
    "commit": _commit,
    "look": _look,
}
