"""What wakes a process when the table changes? Writes docs/evidence/waking.md.

    python benchmarks/waking.py            (about eight minutes)
    python benchmarks/waking.py --quick    (two minutes, noisier)

Many processes wait for the same SQLite file, each in one of five ways. Another process commits and
wakes one of them, again and again. Then nobody does anything for a while.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import signal
import socket
import sqlite3
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.scripts import arguments

from benchmarks.pages import EVIDENCE, Page, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COUNTS = (1, 100, 1000)
POLLED_EVERY = 0.1  # seconds
NEVER = 600.0
CLOSE_WRITE_OR_MODIFY = 0x2 | 0x8


class Way(NamedTuple):
    """``waiter`` makes a function that returns when woken; ``ring`` wakes the one with a number."""

    waiter: Callable[[Path, int], Callable[[], None]]
    ring: Callable[[Path, int], None]


def _no_ring(_folder: Path, _number: int) -> None:
    pass


def pipe(folder: Path, number: int) -> Callable[[], None]:
    path = folder / f"bell-{number}"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)

    def wait() -> None:
        waiting.poll(NEVER * 1000)
        os.read(descriptor, 4096)

    return wait


def ring_pipe(folder: Path, number: int) -> None:
    descriptor = os.open(folder / f"bell-{number}", os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, b".")
    os.close(descriptor)


def datagram(folder: Path, number: int) -> Callable[[], None]:
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.bind(str(folder / f"bell-{number}"))

    def wait() -> None:
        bell.recv(1)

    return wait


def ring_datagram(folder: Path, number: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b".", str(folder / f"bell-{number}"))


def inotify(folder: Path, _number: int) -> Callable[[], None]:
    library = ctypes.CDLL(None, use_errno=True)
    watching = library.inotify_init1(os.O_CLOEXEC)
    wal = os.fsencode(folder / "table.sqlite3-wal")
    if watching < 0 or library.inotify_add_watch(watching, wal, CLOSE_WRITE_OR_MODIFY) < 0:
        raise OSError(ctypes.get_errno(), "inotify")

    def wait() -> None:
        os.read(watching, 4096)

    return wait


def data_version(folder: Path, _number: int) -> Callable[[], None]:
    connection = sqlite3.connect(folder / "table.sqlite3")

    def version() -> int:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])

    seen = [version()]

    def wait() -> None:
        while version() == seen[0]:
            time.sleep(POLLED_EVERY)
        seen[0] = version()

    return wait


def stat_only(folder: Path, _number: int) -> Callable[[], None]:
    wal = folder / "table.sqlite3-wal"
    seen = [wal.stat().st_mtime_ns]

    def wait() -> None:
        while (now := wal.stat().st_mtime_ns) == seen[0]:
            time.sleep(POLLED_EVERY)
        seen[0] = now

    return wait


WAYS = {
    "named pipe": Way(pipe, ring_pipe),
    "datagram socket": Way(datagram, ring_datagram),
    "inotify on the log": Way(inotify, _no_ring),
    "`PRAGMA data_version`, each 100 ms": Way(data_version, _no_ring),
    "the log's time, each 100 ms": Way(stat_only, _no_ring),
}


class Crowd:
    """Forked processes that wait; each writes down when it was last woken, and how often."""

    def __init__(self, way: Way, count: int, folder: Path) -> None:
        self.count = count
        self._way = way
        self._folder = folder
        self._slots = mmap.mmap(-1, 16 * count)
        self.connection = sqlite3.connect(folder / "table.sqlite3", isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("CREATE TABLE t (n)")
        self.processes: list[int] = []
        for number in range(count):
            process = os.fork()
            if not process:
                self._live(number)
            self.processes.append(process)
        self._until(lambda: all(self.slot(number)[1] for number in range(count)))

    def slot(self, number: int) -> tuple[int, int]:
        moment, rings = struct.unpack_from("qq", self._slots, 16 * number)
        return moment, rings

    def _live(self, number: int) -> None:
        try:
            wait = self._way.waiter(self._folder, number)
            rings = 1
            while True:
                struct.pack_into("qq", self._slots, 16 * number, time.monotonic_ns(), rings)
                wait()
                rings += 1
        except OSError:
            struct.pack_into("qq", self._slots, 16 * number, 0, -1)
        finally:
            os._exit(0)

    def _until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not is_so() and time.monotonic() < deadline:
            time.sleep(0.01)

    @property
    def failed(self) -> int:
        return sum(self.slot(number)[1] < 0 for number in range(self.count))

    def latency(self, number: int) -> float:
        """Milliseconds from the commit until one process has been woken."""
        before = self.slot(number)[1]
        self.connection.execute("INSERT INTO t VALUES (1)")
        started = time.monotonic_ns()
        self._way.ring(self._folder, number)
        while self.slot(number)[1] <= before:
            time.sleep(0)
            if time.monotonic_ns() - started > 5e9:
                return 5000.0
        return (self.slot(number)[0] - started) / 1e6

    def busy(self) -> float:
        """Milliseconds that all of them have kept a processor busy until now."""
        total = 0
        for process in self.processes:
            with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e6

    def close(self) -> None:
        for process in self.processes:
            os.kill(process, signal.SIGKILL)
        for process in self.processes:
            os.waitpid(process, 0)
        self.connection.close()


def measured(way: Way, count: int, rings: int, idle: float) -> tuple[str, ...]:
    """p50, p99 and worst latency, and the part of a core that all use while nothing happens."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("AGENTLOCK_BENCHMARK_FOLDER")) as folder:
        crowd = Crowd(way, count, Path(folder))
        try:
            if crowd.failed:
                return (f"{crowd.failed} of {count} could not", "", "", "")
            found = []
            for turn in range(rings):
                found.append(crowd.latency(turn * 7919 % count))
                time.sleep(0.02)
            found.sort()
            time.sleep(1)
            before = crowd.busy()
            time.sleep(idle)
            used = (crowd.busy() - before) / (idle * 10)
        finally:
            crowd.close()
    worst = (found[len(found) // 2], found[int(len(found) * 0.99)], found[-1])
    return (*(f"{one:.1f}" for one in worst), f"{used:.2f} %")


def section(rings: int, idle: float) -> Section:
    table: list[Sequence[str]] = [("way, processes", "p50", "p99", "worst", "idle")]
    for name, way in WAYS.items():
        for count in COUNTS:
            table.append((f"{name}, {count:,}", *measured(way, count, rings, idle)))
            print(*table[-1], sep=" | ", flush=True)
    text = (
        "Milliseconds from the end of a commit until the process that it concerns runs again, and "
        f"the part of one core that all processes use together while nothing happens ({idle:g} s). "
        "Only a pipe and a socket wake one process; with the others each commit wakes all."
    )
    return Section("Ways to wake a process on SQLite", text, table)


def main() -> None:
    """Measure and write docs/evidence/waking.md."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true")
    rings, idle = (60, 10.0) if parser.parse_args().quick else (300, 60.0)
    Page(EVIDENCE / "waking.md", "Waking processes that wait").replace(section(rings, idle))


if __name__ == "__main__":
    main()
