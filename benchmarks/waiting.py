"""How soon does who waits go on, and what does that cost? Writes docs/evidence/waiting.md.

    python benchmarks/waiting.py            (about ten minutes)
    python benchmarks/waiting.py --quick    (three minutes, noisier)

One agent holds a file for each of many processes that wait, through the functions that `reserve
--wait` calls. It releases one file after the other. Measured is the time from the return of
`release` to the end of the process that waited, and between two of these a `reserve` of a free
file. A process that polls calls `reserve` each 100 ms.
"""

from __future__ import annotations

import gc
import mmap
import os
import signal
import struct
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.postgresql import running
from support.scripts import arguments

from agentlock.model import MICROSECONDS
from agentlock.patterns.keys import Folding
from agentlock.patterns.syntax import Reading
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, reserve
from agentlock.reservations.naming import Selection
from agentlock.store import migrate, open_store
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.wake import PLACE, listening
from agentlock.store.wake.pipes import PipeBell
from agentlock.waiting.foreground import wait_for
from agentlock.waiting.queue import ask
from benchmarks.pages import EVIDENCE, Page, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.store.base import Store

HOUR = 3600 * MICROSECONDS
EXACT = Folding()
POLLED_EVERY = 0.1  # seconds
CONNECTIONS = 90  # of PostgreSQL; a process that begins to wait needs a second one for a moment


def request(agent: str, number: int) -> Request:
    text = b"/src/file%d.py" % number
    return Request(agent, [Reading(text, text, "literal")], HOUR)


def wait_in_queue(store: Store, number: int, ready: Callable[[], None]) -> None:
    agent = f"Waiter{number}"
    with listening(store, PLACE) as bell:
        asked = ask(
            store, request(agent, number), EXACT, None, last=HOUR, queued=False, bell=bell.name
        )
        ready()
        if asked.wait is not None:
            until = store.now() + HOUR
            wait_for(
                store,
                bell,
                agent,
                [asked.wait.id],
                every=True,
                until=until,
                repository=None,
                folding=EXACT,
            )


def poll(store: Store, number: int, ready: Callable[[], None]) -> None:
    wanted = request(f"Waiter{number}", number)
    answer = reserve(store, wanted, EXACT)
    ready()
    while not answer.granted:
        time.sleep(POLLED_EVERY)
        answer = reserve(store, wanted, EXACT)


class Crowd:
    """Forked processes that wait, each for a file of its own that one agent holds."""

    def __init__(
        self, location: str, count: int, how: Callable[[Store, int, Callable[[], None]], None]
    ) -> None:
        identifier, _ = migrate.make(location, Modes())
        migrate.add_project(location, "p")
        self._table = (location, identifier, "p")
        self.count = count
        self._how = how
        self._ends = mmap.mmap(-1, 16 * count)
        store = self._opened()
        for number in range(count):
            reserve(store, request("Holder", number), EXACT)
        store.close()
        gc.freeze()
        self.processes = [self._forked(number) for number in range(count)]
        self.holder = self._opened()

    def _opened(self) -> Store:
        return open_store(*self._table, timeout=60 * MICROSECONDS)

    def _forked(self, number: int) -> int:
        process = os.fork()
        if process:
            while not self._slot(number)[0]:  # one after the other: they would slow each other down
                if os.waitpid(process, os.WNOHANG)[0]:
                    raise RuntimeError(f"process {number} of {self.count} could not wait")
                time.sleep(0.001)
            return process
        try:
            self._how(self._opened(), number, lambda: self._note(number, 0))
            self._note(number, 8)
        except BaseException:  # noqa: BLE001 -- the parent sees that this one has ended
            traceback.print_exc()
        finally:
            os._exit(0)

    def _note(self, number: int, offset: int) -> None:
        struct.pack_into("q", self._ends, 16 * number + offset, time.monotonic_ns())

    def _slot(self, number: int) -> tuple[int, int]:
        ready, end = struct.unpack_from("qq", self._ends, 16 * number)
        return ready, end

    def hand_over(self, number: int) -> float:
        """Release one file; milliseconds until the process that waited for it has ended."""
        text = b"/src/file%d.py" % number
        release(self.holder, "Holder", Selection(patterns=((text, frozenset([text])),)))
        returned = time.monotonic_ns()
        os.waitpid(self.processes[number], 0)
        self.processes[number] = 0
        return max(self._slot(number)[1] - returned, 0) / 1e6

    def reserved(self, number: int) -> float:
        """Milliseconds that a `reserve` of a free file takes, which is then released again."""
        text = b"/free/file%d.py" % number
        started = time.monotonic_ns()
        wanted = Request("Holder", [Reading(text, text, "literal")], HOUR)
        assert reserve(self.holder, wanted, EXACT).granted
        taken = time.monotonic_ns() - started
        release(self.holder, "Holder", Selection(patterns=((text, frozenset([text])),)))
        return taken / 1e6

    def busy(self) -> float:
        """Milliseconds that all that wait have kept a processor busy until now."""
        total = 0
        for process in filter(None, self.processes):
            with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e6

    def memory(self) -> float:
        """Megabytes of one waiting process that no other shares."""
        with open(f"/proc/{self.processes[-1]}/smaps_rollup", encoding="ascii") as file:
            lines = file.read().splitlines()
        private = [int(line.split()[1]) for line in lines if line.startswith("Private")]
        return sum(private) / 1024

    def close(self) -> None:
        self.holder.close()
        for process in filter(None, self.processes):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


class Measured(NamedTuple):
    """Milliseconds of each hand-over, and of a `reserve` after each; what those who wait use."""

    times: list[float]
    reserves: list[float]
    used: str
    memory: str

    def row(self) -> list[str]:
        """The number of hand-overs, then median, 99th percentile and worst."""
        times, reserves = sorted(self.times), sorted(self.reserves)
        known = (*_middle_and_last(times), times[-1], *_middle_and_last(reserves))
        return [f"{len(times)}", *(f"{one:.1f}" for one in known), self.used, self.memory]


def _middle_and_last(times: Sequence[float]) -> tuple[float, float]:
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def measured(
    location: str,
    count: int,
    how: Callable[[Store, int, Callable[[], None]], None],
    rings: int,
    idle: float,
) -> Measured:
    crowd = Crowd(location, count, how)
    try:
        used = "-"
        if idle:
            time.sleep(1.5 * PipeBell.look_every)  # each looks once more: others came after it
            before = crowd.busy()
            time.sleep(idle)
            used = f"{(crowd.busy() - before) / (idle * 10):.2f} %"
        memory = f"{crowd.memory():.1f}"
        times, reserves = [], []
        for number in range(0, count, max(count // rings, 1)):
            times.append(crowd.hand_over(number))
            time.sleep(0.05)
            reserves.append(crowd.reserved(number))
    finally:
        crowd.close()
    return Measured(times, reserves, used, memory)


def repeated(
    place: Callable[[], str],
    count: int,
    how: Callable[[Store, int, Callable[[], None]], None],
    rings: int,
    idle: float,
) -> list[str]:
    """``measured``; a single process is measured again and again, each time in a new table."""
    if count > 1:
        return measured(place(), count, how, rings, idle).row()
    all_of = [measured(place(), 1, how, 1, idle if not at else 0) for at in range(min(rings, 30))]
    times = [time for one in all_of for time in one.times]
    reserves = [time for one in all_of for time in one.reserves]
    return Measured(times, reserves, all_of[0].used, all_of[0].memory).row()


def section(rings: int, idle: float) -> Section:
    table: list[Sequence[str]] = [
        (
            *("table, processes that wait", "hand-overs", "p50", "p99", "worst"),
            *("`reserve` p50", "p99", "idle", "MB each"),
        )
    ]

    def row(name: str, *arguments: object) -> None:
        table.append((name, *repeated(*arguments)))  # type: ignore[arg-type]
        print(*table[-1], sep=" | ", flush=True)

    with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
        Path(folder).chmod(0o755)  # the server in it runs as another user

        def sqlite() -> str:
            return str(Path(tempfile.mkdtemp(dir=folder)) / "agentlock.sqlite3")

        for count in (1, 100, 1000):
            row(f"SQLite, {count:,} wait", sqlite, count, wait_in_queue, rings, idle)
        for count in (1, 100):
            row(f"SQLite, {count:,} poll", sqlite, count, poll, rings, 0)
        settings = (f"max_connections={CONNECTIONS + 10}",)
        with running(Path(folder) / "data", settings=settings) as server:
            for count in (1, CONNECTIONS):
                row(f"PostgreSQL, {count} wait", server.database, count, wait_in_queue, rings, idle)
            row("PostgreSQL, 1 poll", server.database, 1, poll, rings, 0)
    text = (
        "Milliseconds from the return of `release` to the end of the process that waited; how long "
        "a `reserve` of a free file takes in between, in a process that has the table open; the "
        "part of one core that all of them use together while nothing happens "
        f"({idle:g} s); memory of one process that it shares with no other (they are forked; a "
        "command of its own takes about 25 MB)."
    )
    return Section("Waiting for a hand-over", text, table)


def main() -> None:
    """Measure and write docs/evidence/waiting.md."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true")
    rings, idle = (40, 30.0) if parser.parse_args().quick else (100, 60.0)
    Page(EVIDENCE / "waiting.md", "Waiting").replace(section(rings, idle))


if __name__ == "__main__":
    main()
