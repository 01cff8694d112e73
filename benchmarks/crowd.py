"""How long do writers wait for each other, and hooks for writers? Writes benchmarks/RESULTS.md.

    python benchmarks/crowd.py            (about seven minutes)
    python benchmarks/crowd.py --quick    (two minutes, noisier)

Every process reserves a file of its own and releases it again, over and over, through the
functions that the commands call. The plain variant differs in one thing: no turns are taken, only
BEGIN IMMEDIATE with SQLite's busy handler. Variants are measured one right after the other.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from array import array
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.scripts import arguments

from agentlock.errors import AgentlockError
from agentlock.model import MICROSECONDS
from agentlock.patterns.keys import Folding, keys_of
from agentlock.patterns.syntax import Reading
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, reserve
from agentlock.reservations.naming import Selection
from agentlock.store import migrate
from agentlock.store.sqlite import SQLiteStore, schema
from agentlock.store.sqlite.filesystem import Modes
from benchmarks.pages import Page, Section, short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

HERE = Path(__file__).resolve().parent
COUNTS = (1, 10, 100, 500, 1000)
HOUR = 3600 * MICROSECONDS
TIMEOUT = 60 * MICROSECONDS


class InTurns(SQLiteStore):
    """The store as it is, which notes for how long each transaction keeps all others from writing.

    It is the base of the other variants.
    """

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.turns = array("d")
        self._since: float | None = None
        super().__init__(*positional, **named)

    def begin(self, statement: str) -> None:
        super().begin(statement)
        if statement != "BEGIN":
            self._since = time.monotonic()

    def _give_up_turn(self) -> None:  # after COMMIT
        if self._since is not None:
            self.turns.append(time.monotonic() - self._since)
            self._since = None
        super()._give_up_turn()


class Plain(InTurns):
    """The same store without turns: SQLite's busy handler waits, for all of the time-out."""

    def _connect(self, *, read_only: bool) -> Any:
        connection = super()._connect(read_only=read_only)
        connection.execute(f"PRAGMA busy_timeout = {TIMEOUT // 1000}")
        return connection

    def _take_turn(self) -> None:
        pass


class FullInTurn(InTurns):
    """The same store, which waits for the disk in COMMIT: all others wait with it."""

    def _log_to_sync(self) -> str:
        return ""


class Alone(InTurns):
    """The same store, of which each process has one of its own: nobody waits for anybody."""


VARIANTS: dict[str, type[InTurns]] = {"plain": Plain, "in turns": InTurns}
WITH_PAUSES = {
    **VARIANTS,
    "in turns, which wait for the disk": FullInTurn,
    "a table for each": Alone,
}
_SETTLING = 2.0  # seconds; the first call is no part of the rush of those that all start now


class Table(NamedTuple):
    """A database, and how its processes open it."""

    path: str
    identifier: str
    kind: type[InTurns]

    def of(self, process: int) -> Table:
        """The table that a process uses, which may be its own copy."""
        if self.kind is not Alone:
            return self
        return self._replace(path=shutil.copy(self.path, f"{self.path}.{process}"))

    def open(self, *, read_only: bool = False) -> InTurns:
        return self.kind(self.path, self.identifier, "p", timeout=TIMEOUT, read_only=read_only)


class Load(NamedTuple):
    """How many processes write, for how many seconds, and how each goes about it."""

    processes: int
    seconds: float
    kept: bool = True  # one connection for all calls, or one for each, as the commands do
    pause: float = 0


class Outcome(NamedTuple):
    """Seconds that each call took, how many failed, and seconds of the processors in all.

    ``turns``: seconds for which each transaction kept all others from writing.
    """

    times: Sequence[float]
    failures: int
    processor: float = 0
    turns: Sequence[float] = ()


def warm_up(folder: Path) -> None:
    """Load what the processes share before they are made."""
    store = new_table(folder, InTurns).open()
    reading = Reading(b"/src/a.py", b"/src/a.py", "literal")
    reserve(store, Request("Warm", [reading], HOUR), Folding())
    release(store, "Warm", Selection(all=True))
    store.close()
    gc.collect()
    gc.freeze()


def new_table(folder: Path, kind: type[InTurns]) -> Table:
    path = str(Path(tempfile.mkdtemp(dir=folder)) / "agentlock.sqlite3")
    identifier = schema.create(path, Modes())
    migrate.add_project(path, "p")
    return Table(path, identifier, kind)


def crowd(
    table: Table,
    load: Load,
    beside: Callable[[], None] | None = None,
    worker: Callable[..., None] | None = None,
) -> Outcome:
    """Let the processes write, all from the same moment on; ``beside`` runs meanwhile here."""
    ready, tell_ready = os.pipe()
    gate, opened = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(at) for at in range(load.processes)]
        children = []
        for at, file in enumerate(files):
            child = os.fork()
            if not child:
                os.close(opened)
                _exit_after(partial(worker or work, table, load, at, (tell_ready, gate), file))
            children.append(child)
        os.close(gate)
        waiting = load.processes
        while waiting:
            waiting -= len(os.read(ready, waiting))
        os.close(opened)
        if beside is not None:
            beside()
        lost = sum(os.waitpid(child, 0)[1] != 0 for child in children)
        os.close(ready)
        os.close(tell_ready)
        found = Outcome(array("d"), lost, 0, array("d"))
        for file in files:
            if file.exists():
                found = _added(found, array("d", file.read_bytes()))
    return found


def _added(found: Outcome, one: array[float]) -> Outcome:
    """What ``work`` wrote, with what others did."""
    count, failures, processor = int(one.pop()), int(one.pop()), one.pop()
    assert isinstance(found.times, array)
    assert isinstance(found.turns, array)
    found.times.extend(one[:count])
    found.turns.extend(one[count:])
    return found._replace(failures=found.failures + failures, processor=found.processor + processor)


def _exit_after(action: Callable[[], None]) -> None:
    code = 1
    try:
        action()
        code = 0
    finally:
        os._exit(code)


def work(table: Table, load: Load, at: int, gate: tuple[int, int], file: Path) -> None:
    """One process: reserve and release until the time is over."""
    times, failures = array("d"), 0
    table = table.of(at)
    agent, pattern = f"Agent{at}", b"/src/%d/module.py" % at
    request = Request(agent, [Reading(pattern, pattern, "literal")], HOUR)
    selection = Selection(patterns=((pattern, frozenset({pattern})),))
    kept = table.open() if load.kept else None
    if kept is not None:  # what a process does for the first time is not what is measured
        reserve(kept, request, Folding())
        release(kept, agent, selection)
    os.write(gate[0], b".")
    os.read(gate[1], 1)
    if load.pause:  # so that not all come in the same millisecond
        time.sleep(_SETTLING + load.pause * (at / load.processes))
    end = time.monotonic() + load.seconds
    turn, turns, processor = 0, array("d"), time.process_time()
    while time.monotonic() < end:
        started = time.monotonic()
        try:
            store = kept or table.open()
            store.turns = turns
            if turn % 2:
                release(store, agent, selection)
            else:
                reserve(store, request, Folding())
            if kept is None:
                store.close()
        except AgentlockError:
            failures += 1
        times.append(time.monotonic() - started)
        turn += 1
        if load.pause:
            time.sleep(load.pause)
    counted = (time.process_time() - processor, failures, len(times))
    file.write_bytes(array("d", [*times, *turns, *counted]).tobytes())


def figures(times: Sequence[float]) -> tuple[str, str, str]:
    """p50, p99 and the worst, in milliseconds."""
    ordered = sorted(times)
    chosen = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    p50, p99, worst = (short(seconds * 1000) for seconds in chosen)
    return p50, p99, worst


# Measurements: each takes the scratch folder and the seconds of one run, and returns a section


def compared(
    folder: Path,
    loads: Sequence[Load],
    variants: Mapping[str, type[InTurns]] = VARIANTS,
    parts: Callable[[Load, Outcome], Sequence[str]] | None = None,
    names: Sequence[str] = (),
) -> list[Sequence[str]]:
    """A row for each load and variant; the variants of a load one right after the other.

    ``parts`` are cells of further columns, with these ``names``.
    """
    head = ("processes", "variant", "calls a second", "p50 ms", "p99 ms", "worst ms", "failed")
    table: list[Sequence[str]] = [(*head, *names)]
    for load in loads:
        for name, kind in variants.items():
            outcome = crowd(new_table(folder, kind), load)
            rate = short(len(outcome.times) / load.seconds)
            numbers = (*figures(outcome.times), str(outcome.failures))
            more = parts(load, outcome) if parts is not None else ()
            table.append((f"{load.processes:,}", name, rate, *numbers, *more))
    return table


def shares(load: Load, outcome: Outcome) -> tuple[str, str, str, str]:
    """How long a turn takes, for how much of the time there is one, and what a call computes."""
    p50, p99, _ = figures(outcome.turns)
    used = short(sum(outcome.turns) / load.seconds * 100)
    return p50, p99, used, short(outcome.processor / len(outcome.times) * 1000)


def closed_loop(folder: Path, seconds: float) -> Section:
    text = (
        f"{seconds:g} s, no pause between calls, one connection kept by each process. What was "
        "begun in time is counted however long it took. The time-out is "
        f"{TIMEOUT // MICROSECONDS} s."
    )
    loads = [Load(count, seconds) for count in COUNTS]
    return Section("Writers in a closed loop", text, compared(folder, loads))


def as_commands(folder: Path, seconds: float) -> Section:
    text = f"{seconds:g} s; each call opens the table, writes and closes it, as a command does."
    loads = [Load(count, seconds, kept=False) for count in COUNTS[:3]]
    return Section("A connection for each call", text, compared(folder, loads))


def with_pauses(folder: Path, seconds: float) -> Section:
    text = (
        f"{seconds:g} s, a second between two calls of a process, the connection kept. The goal: "
        "at most 100 ms for 99 of 100 calls of 1,000 processes. With a table for each, nobody "
        "waits for another writer: what is left is the floor, the processors and the disk. A turn "
        "is what a writer lets all others wait for, from BEGIN IMMEDIATE to the end of COMMIT, and "
        "*taken* the share of the time in which there is one (of a table for each: the sum). "
        "*Processor* is what one call computes, of which a second has as many seconds as there are "
        "processors. Where one of the two comes near the whole, waits grow beyond all measure."
    )
    loads = [Load(count, seconds, pause=1) for count in COUNTS[2:]]
    names = ("turn, p50 ms", "turn, p99 ms", "taken, %", "processor, ms")
    table = compared(folder, loads, WITH_PAUSES, shares, names)
    return Section("Writers that think for a second", text, table)


def reading_beside(folder: Path, seconds: float) -> Section:
    """What a hook reads of the table, in one process, while others write."""
    text = (
        f"{seconds:g} s. Opening the table read-only, the policy and the reservations near five "
        "paths, closing it; a hundredth of a second between two reads. Without Python's start. "
        "The writers take the processors too: as many processes that only compute, and never "
        "touch the table, show how much of a wait comes of that."
    )
    table: list[Sequence[str]] = [("beside", "reads", "p50 ms", "p99 ms", "worst ms")]
    for name, load, worker in (
        ("nobody", Load(0, seconds), work),
        ("100 processes that only compute", Load(100, seconds), burn),
        ("100 writers", Load(100, seconds), work),
    ):
        times: list[float] = []
        held = new_table(folder, InTurns)
        crowd(held, load, partial(read, held, seconds, times), worker)
        table.append((name, f"{len(times):,}", *figures(times)))
    return Section("A hook's read while others write", text, table)


def read(table: Table, seconds: float, times: list[float]) -> None:
    prefixes, names = keys_of([b"src/%d/module.py" % at for at in range(5)])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        store = table.open(read_only=True)
        store.standing(prefixes, names)
        store.close()
        times.append(time.monotonic() - started)
        time.sleep(0.01)


def burn(_table: Table, load: Load, _at: int, gate: tuple[int, int], _file: Path) -> None:
    os.write(gate[0], b".")
    os.read(gate[1], 1)
    end = time.monotonic() + load.seconds
    while time.monotonic() < end:
        sum(range(1000))


# For how many seconds each of its runs lasts: long enough for thousands of calls.
MEASUREMENTS = {closed_loop: 8, as_commands: 8, with_pauses: 15, reading_beside: 8}


def main() -> None:
    """Run every measurement, or those that are named, and write RESULTS.md."""
    known = {measure.__name__: measure for measure in MEASUREMENTS}
    parser = arguments(__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(known), choices=[[], *known])
    parser.add_argument("--quick", action="store_true", help="shorter runs, of 4 s")
    options = parser.parse_args()
    page = Page()
    with tempfile.TemporaryDirectory(prefix="agentlock-crowd-") as name:
        folder = Path(name)
        warm_up(folder)
        for measure in options.names or known:
            seconds = MEASUREMENTS[known[measure]]
            page.replace(known[measure](folder, 4 if options.quick else seconds))


if __name__ == "__main__":
    main()
