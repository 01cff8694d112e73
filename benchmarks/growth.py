"""Does a table in use for years answer as a fresh one? Writes benchmarks/RESULTS.md.

    python benchmarks/growth.py            (about ten minutes, 5 GB of disk)
    python benchmarks/growth.py --quick    (a tenth of the rows)

Each operation is called in this process, on all tables in turning order, so that whatever else the
machine does meets all of them alike.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.scripts import arguments

from agentlock.model import MICROSECONDS
from agentlock.patterns.keys import Folding, keys_of
from agentlock.patterns.syntax import Reading
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, renew, reserve
from agentlock.reservations.naming import Selection
from agentlock.store import agents as agent_rows
from agentlock.store import migrate
from agentlock.store.sqlite import SQLiteStore, schema
from agentlock.store.sqlite.filesystem import Modes
from benchmarks.pages import Page, Section, short

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

HERE = Path(__file__).resolve().parent
HOUR = 3600 * MICROSECONDS
YEAR = 365 * 24 * HOUR
AGENTS = (100, 10_000)
EVENTS = 10_000_000
ENDED = 1_000_000
ROUNDS = 200

_NUMBERS = "WITH RECURSIVE n(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n LIMIT ?1)"
# Of each three, one was released, one ran out, one ran out on a file that everybody wants.
_ENDED = f"""{_NUMBERS}
INSERT INTO file_reservations (project_id, agent_id, path_pattern, typed_pattern, prefix_key,
    name_key, extension_key, exclusive, reason, created_ts, expires_ts, released_ts, fence,
    expiry_logged)
SELECT 1, at % ?2 + 1, path, path, substr(path, 2), 'module.py', '.py', 1, 'bd-42', moment,
    moment + 1000000, CASE at % 3 WHEN 0 THEN moment + 500000 END, at + 1, at % 3 <> 0
FROM (SELECT at, ?3 + at * ?4 AS moment,
    CASE at % 3 WHEN 2 THEN '/src/hot/module.py' ELSE '/src/' || at || '/module.py' END AS path
    FROM n)
"""  # noqa: S608 -- of constants
_EVENTS = f"""{_NUMBERS}
INSERT INTO events (project_id, created_ts, kind, agent, reservation_id, path_pattern, detail)
SELECT 1, ?3 + at * ?4, 'renewed', 'Agent' || at % ?2, at % ?5 + 1,
    '/src/' || at || '/module.py', ''
FROM n
"""  # noqa: S608 -- of constants


class Table(NamedTuple):
    """An open table, how many agents hold a file each, and whether it has a past."""

    store: SQLiteStore
    agents: int
    grown: bool


class Operation(NamedTuple):
    """Something that an agent asks for, and the milliseconds that were promised for it."""

    name: str
    promise: str
    call: Callable[[Table, int], object]


def new_table(folder: Path, agents: int, events: int, ended: int) -> Table:
    path = str(folder / f"{agents}-{events}.sqlite3")
    identifier = schema.create(path, Modes())
    migrate.add_project(path, "p")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        _fill(connection, agents, events, ended)
    with contextlib.closing(
        _Filling(path, identifier, "p", timeout=HOUR, read_only=False)
    ) as store:
        for at in range(agents):
            _reserve(store, agent_of(at), b"/held/%d/module.py" % at)
    kept = SQLiteStore(path, identifier, "p", timeout=HOUR, read_only=False)
    return Table(kept, agents, grown=events > 0)


class _Filling(SQLiteStore):
    """The same store, which does not wait for the disk."""

    def writing(self, *, durable: bool = False) -> Any:  # noqa: ARG002 -- nothing has to last
        return super().writing(durable=False)


def _fill(connection: sqlite3.Connection, agents: int, events: int, ended: int) -> None:
    now = time.time_ns() // 1000
    named = [(1, agent_of(at), "", "", now) for at in range(agents)]
    connection.executemany(agent_rows.WRITE, named)
    if ended:
        connection.execute(_ENDED, (ended, agents, now - YEAR, YEAR // ended // 2))
        connection.execute(_EVENTS, (events, agents, now - YEAR, YEAR // events // 2, ended))
        connection.execute("UPDATE projects SET last_fence = ?", (ended,))
    connection.commit()


def agent_of(at: int) -> str:
    return f"Agent{at}"


def _reserve(store: SQLiteStore, agent: str, pattern: bytes) -> None:
    reading = Reading(pattern, pattern, "literal")
    answer = reserve(store, Request(agent, [reading], HOUR), Folding())
    assert answer.granted, answer


def _own(at: int) -> Selection:
    pattern = b"/new/%d.py" % at
    return Selection(patterns=((pattern, frozenset({pattern})),))


def _standing(table: Table, at: int) -> object:
    paths = (b"src/hot/module.py", b"held/%d/module.py" % (at % table.agents), b"new.py")
    return table.store.standing(*keys_of(paths))


def _holdings(table: Table, at: int) -> object:
    store = table.store
    return store.reservations.all(agent=agent_of(at % table.agents), live_at=store.now())


def _history(table: Table, at: int) -> object:
    return table.store.reservations.get(at + 1), table.store.events.find(reservation=at + 1)


def _latest(table: Table, _at: int) -> object:
    return table.store.events.find(since=table.store.now() - 60 * MICROSECONDS, limit=100)


OPERATIONS = (
    Operation("who holds what, of one agent (`status`)", "agent lookup < 1", _holdings),
    Operation("a hook's read, three paths", "pending query < 10", _standing),
    Operation(
        "`reserve` a file",
        "acknowledge < 5",
        lambda table, at: _reserve(table.store, agent_of(at), b"/new/%d.py" % at),
    ),
    Operation(
        "`renew` it",
        "acknowledge < 5",
        lambda table, at: renew(table.store, agent_of(at), _own(at), HOUR),
    ),
    Operation(
        "`release` it",
        "acknowledge < 5",
        lambda table, at: release(table.store, agent_of(at), _own(at)),
    ),
    Operation("`show` one with its history", "any query < 20", _history),
    Operation("`log` of the last minute, 100 lines", "any query < 20", _latest),
)


def measured(tables: Sequence[Table]) -> list[list[list[float]]]:
    """Milliseconds: for each operation, for each table, of each round."""
    found: list[list[list[float]]] = [[[] for _ in tables] for _ in OPERATIONS]
    for turn in range(ROUNDS + 1):
        at = turn % min(AGENTS)
        for operation, times in zip(OPERATIONS, found, strict=True):
            for place in range(len(tables)):
                chosen = (place + turn) % len(tables)
                started = time.perf_counter()
                operation.call(tables[chosen], at)
                if turn:  # the first round reads the disk
                    times[chosen].append((time.perf_counter() - started) * 1000)
    return found


def section(tables: Sequence[Table], events: int, ended: int) -> Section:
    heads = [f"{table.agents:,} agents, {'grown' if table.grown else 'fresh'}" for table in tables]
    table: list[Sequence[str]] = [("operation", "promise, ms", *heads)]
    for operation, times in zip(OPERATIONS, measured(tables), strict=True):
        cells = []
        for own in times:
            ordered = sorted(own)
            median, most = ordered[len(own) // 2], ordered[len(own) * 99 // 100]
            cells.append(f"{short(median)} ({short(most)})")
        table.append((operation.name, operation.promise, *cells))
    text = (
        f"Medians in ms, and in brackets what 99 of 100 stay below; {ROUNDS} rounds. Each agent "
        f"holds one file. Grown: {events:,} events and {ended:,} reservations that ended besides, "
        "two thirds of them by running out, half of those on one file. The promises are those of "
        "the coordination databases that this one grew from, for up to 100 agents."
    )
    return Section("A grown table beside a fresh one", text, table)


def main() -> None:
    """Fill the tables, measure and write RESULTS.md."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    events, ended = EVENTS // share, ENDED // share
    with tempfile.TemporaryDirectory(prefix="agentlock-growth-") as name:
        tables = [
            new_table(Path(name), agents, *size)
            for agents in AGENTS
            for size in ((0, 0), (events, ended))
        ]
        Page().replace(section(tables, events, ended))
        for table in tables:
            table.store.close()


if __name__ == "__main__":
    main()
