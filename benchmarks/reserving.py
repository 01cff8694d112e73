"""`reserve` against many live reservations of others: how long is the write lock held?"""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import Folding, PatternIndex, compile_pattern, path_keys
from agentlock.patterns.syntax import Reading
from agentlock.reservations.granting import Request, reserve
from agentlock.store import agents, migrate, reservations
from agentlock.store.base import READ_PROJECT
from agentlock.store.sqlite import SQLiteStore, schema
from agentlock.store.sqlite.filesystem import Modes
from benchmarks.pages import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HOUR = 3600 * MICROSECONDS
PROJECT = "bench"
HOLDERS = 1_000
SIZES = (1_000, 100_000, 1_000_000)

_EVENTS = """
INSERT INTO events (project_id, created_ts, kind, agent, reservation_id, path_pattern)
SELECT r.project_id, r.created_ts, 'granted', a.name, r.id, r.path_pattern
FROM file_reservations AS r JOIN agents AS a ON a.id = r.agent_id
"""


class Sample(NamedTuple):
    """Milliseconds inside the write transaction and in all, and how many conflicts were found."""

    inside: float
    whole: float
    conflicts: int


class Case(NamedTuple):
    """What is asked for, again and again; ``{}`` becomes a number that nobody has used."""

    name: str
    pattern: str
    exclusive: bool = True


APART = (
    Case("a file", "/src/3/0/new{}.py"),
    Case("`dir/**`", "/fresh/part{}/**"),
    Case("`*.ext` below a folder", "/src/3/**/*.new{}"),
    Case("`*.ext` below `src`, which holds 80 %", "/src/**/*.new{}"),
    Case("a file, refused", "/src/0/0/module0.py"),
    Case("`dir/**`, refused", "/packages/part8/**"),
    Case("`*.ext` anywhere, refused by every `dir/**`", "**/*.new{}"),
    Case("`src/**`, refused by 80 %", "/src/**"),
)
AMONG_FLOATING = (
    Case("a file, 10 % of theirs float", "/src/3/0/new{}.py"),
    Case("`dir/**` shared, 10 % of theirs float", "/fresh/part{}/**", exclusive=False),
    Case("`*.ext` shared, 10 % of theirs float", "**/*.new{}", exclusive=False),
)


def theirs(at: int, *, floating: bool) -> tuple[bytes, bool]:
    """The pattern of one row, and whether it is exclusive: rows that can stand side by side."""
    if at % 10 < 7:
        return b"/src/%d/%d/module%d.py" % (at % 37, at // 1000, at), True
    if at % 10 < 9:
        return b"/packages/part%d/**" % at, not floating
    if floating:
        return (b"**/*.x%d", b"**/NAME%d.toml", b"**/*_%d.py")[at // 10 % 3] % at, False
    return b"/src/%d/%d/*.x%d" % (at % 37, at // 1000, at), True


class TimedStore(SQLiteStore):
    """Remembers how long its last write transaction took, its commit included."""

    inside = 0.0

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[None]:  # type: ignore[override]
        with super().writing(durable=durable):
            started = time.perf_counter()
            yield
        self.inside = (time.perf_counter() - started) * 1000


class Table:
    """A database with so many live reservations of a thousand agents."""

    def __init__(self, folder: Path, rows: int, *, floating: bool) -> None:
        self.path = str(folder / f"{rows}-{floating}.sqlite3")
        self._identifier = schema.create(self.path, Modes())
        migrate.add_project(self.path, PROJECT)
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            self._fill(connection, rows, floating=floating)

    def _fill(self, connection: sqlite3.Connection, rows: int, *, floating: bool) -> None:
        now = time.time_ns() // 1000
        ((project,),) = connection.execute(READ_PROJECT, (PROJECT,))
        named = [(project, f"Other{number}", "", "", now) for number in range(HOLDERS)]
        connection.executemany(agents.WRITE, named)

        def row(at: int) -> tuple[object, ...]:
            text, exclusive = theirs(at, floating=floating)
            keys = compile_pattern(text).keys
            texts = (text, text, keys.prefix, keys.name, keys.extension)
            agent = f"Other{at % HOLDERS}"
            return (
                project,
                project,
                agent,
                *texts,
                exclusive,
                "bd-42",
                now,
                now + 12 * HOUR,
                at + 1,
            )

        # in the order of a table that has grown for long, not sorted by path
        order = random.Random(3).sample(range(rows), rows)  # noqa: S311 -- the same every time
        connection.executemany(reservations.WRITE, map(row, order))
        connection.execute("UPDATE projects SET last_fence = ?", (rows,))
        connection.execute(_EVENTS)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def open(self) -> TimedStore:
        """As a command opens it: with nothing in its cache."""
        path, identifier = self.path, self._identifier
        return TimedStore(path, identifier, PROJECT, timeout=600 * MICROSECONDS, read_only=False)

    def reserve(self, case: Case, turn: int) -> Sample:
        pattern = case.pattern.format(turn).encode()
        readings = [Reading(pattern, pattern, "glob")]
        request = Request("Mine", readings, HOUR, case.exclusive, "bd-43")
        with contextlib.closing(self.open()) as store:
            started = time.perf_counter()
            answer = reserve(store, request, Folding())
            whole = (time.perf_counter() - started) * 1000
            return Sample(store.inside, whole, len(answer.conflicts))

    def touch(self, _turn: int) -> Sample:
        """One changed row, as durably: what the disk alone takes."""
        with contextlib.closing(self.open()) as store:
            started = time.perf_counter()
            with store.writing():
                store.agents.register("Mine", store.now())
            return Sample(store.inside, (time.perf_counter() - started) * 1000, 0)

    def look_up(self, turn: int) -> Sample:
        """What a hook does for one changed path."""
        path = b"src/3/0/old%d.py" % turn
        with contextlib.closing(self.open()) as store:
            started = time.perf_counter()
            live = store.reservations.live_on(*path_keys(path), store.now())
            found = PatternIndex([held.pattern for held in live]).matching(path)
            return Sample(0, (time.perf_counter() - started) * 1000, len(found))


def reserve_among_many(*, quick: bool) -> Section:
    """Every case against every size; the cases take turns."""
    sizes, seconds = (SIZES[:2], 2.0) if quick else (SIZES, 10.0)
    table: list[Sequence[str]] = [
        (
            "what, against how many",
            "p50 inside",
            "p99 inside",
            "p50 in all",
            "p99 in all",
            "met",
            "samples",
        )
    ]
    for rows in sizes:
        for floating, cases in ((False, APART), (True, AMONG_FLOATING)):
            with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
                filled = Table(Path(folder), rows, floating=floating)
                runs: dict[str, Callable[[int], Sample]] = {
                    f"{case.name}; {rows:,}": partial(filled.reserve, case) for case in cases
                }
                if not floating:
                    runs[f"(the least that any writer waits for; {rows:,})"] = filled.touch
                    runs[f"(a hook's look-up of one path; {rows:,})"] = filled.look_up
                table += measured(runs, seconds)
    text = (
        "Milliseconds, in process: inside the write transaction (to the end of its commit, which "
        "waits for the disk) and the whole of `reserve`, with a fresh connection each time. The "
        "others hold 70 % files, 20 % `dir/**`, 10 % globs in a folder; where 10 % float, folders "
        "and floating globs are shared, or they could not stand side by side. Met: the conflicts "
        f"of the answer. 200 samples of each, or what {seconds:g} s allow (one where that takes "
        "longer). The disk is shared: compare with the row that is the least."
    )
    return Section("`reserve` among many", text, table)


def measured(runs: dict[str, Callable[[int], Sample]], seconds: float) -> list[Sequence[str]]:
    """A line for each, p50 and p99; those that have used up their seconds stop taking turns."""
    samples: dict[str, list[Sample]] = {name: [] for name in runs}
    for turn in itertools.count():
        going = [
            name
            for name, own in samples.items()
            if len(own) < 200 and sum(one.whole for one in own) < seconds * 1000
        ]
        if not going:
            break
        for name in going:
            sample = runs[name](turn)
            if turn or sample.whole > seconds * 100:  # the first turn warms the disk's cache
                samples[name].append(sample)
    table: list[Sequence[str]] = []
    for name, own in samples.items():
        numbers = []
        for times in ([one.inside for one in own], [one.whole for one in own]):
            numbers += [statistics.median(times), sorted(times)[len(times) * 99 // 100]]
        shown = [f"{number:,.2f}" if number else "-" for number in numbers]
        table.append((name, *shown, f"{own[-1].conflicts:,}", str(len(own))))
        print(*table[-1], sep=" | ", file=sys.stderr, flush=True)
    return table
