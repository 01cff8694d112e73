"""What the table costs on a PostgreSQL server, beside SQLite and psql in the same run.

python benchmarks/postgres.py [--processes 200] [--rounds 15] [--write]

The server is started for the run, on this machine, and waits for its disk as SQLite does.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.postgresql import OwnServer, binaries, running
from support.scripts import arguments
from support.wire import wire_to

from agentlock.patterns.matching import Folding
from agentlock.patterns.syntax import Reading
from agentlock.reservations import audit
from agentlock.reservations.granting import Request, reserve
from agentlock.store import migrate, open_store
from agentlock.store.postgres import loopback
from agentlock.store.postgres.libpq import Connection
from agentlock.store.postgres.values import PostgresError
from agentlock.store.sqlite.filesystem import Modes
from benchmarks.scratch import Scratch
from benchmarks.timing import Sample, commits, interleaved, ratio, timed

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).with_name("POSTGRES.md")
GRANTS = 5
FILES = 200
BLOCK = 20
_EMPTY = "an empty connection, in a running process"
HOUR = 3600 * 1_000_000
PATIENCE = 600 * 1_000_000
_WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from postgres import work
work(*sys.argv[2:])
"""
_LIBPQ = "from agentlock.store.postgres.libpq import library; library()"
_LAYER = """
import sys
from importlib.util import find_spec
psycopg = type(sys)("psycopg")  # without what its own __init__ imports
psycopg.__path__ = list(find_spec("psycopg").submodule_search_locations)
sys.modules["psycopg"] = psycopg
import psycopg.pq
"""
_SERIALIZABLE = "40001"


def main() -> int:
    """Measure everything; 0 where nothing was violated and nothing failed."""
    parser = arguments(__doc__)
    parser.add_argument("--processes", type=int, default=200, metavar="N")
    parser.add_argument("--rounds", type=int, default=15, metavar="N")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-postgres-") as folder:
        Path(folder).chmod(0o755)
        settings = ("fsync=on", "max_connections=300", "shared_buffers=64MB")
        with running(Path(folder) / "data", settings=settings) as server:
            scratch = Scratch(Path(folder))
            wrong, crowd_lines = crowd(scratch, server, options.processes)
            lines = [
                *crowd_lines,
                *hooks(scratch, server, options.rounds),
                *drivers(scratch, options.rounds),
                *silence(scratch, server),
                *locking(server),
            ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        RESULTS.write_text(text, encoding="utf-8")
    return wrong


# Many processes


def crowd(scratch: Scratch, server: OwnServer, processes: int) -> tuple[int, list[str]]:
    """Each process makes its grants, opening the table for each; the next store, the same."""
    lines = [
        "# PostgreSQL beside SQLite",
        "",
        "Made by `python benchmarks/postgres.py --write`, server and clients on one machine.",
        "",
        f"{processes} processes at once, {GRANTS} times `reserve` each (open, reserve, close),",
        "one in five for a file that all want:",
        "",
        "| table | granted | refused | errors | violated | p50 ms | p99 ms | worst ms | a second |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    wrong = 0
    places = {"SQLite": str(scratch.folder / "crowd.sqlite3"), "PostgreSQL": server.database()}
    figures = {}
    for name, location in places.items():
        identifier, _ = migrate.make(location, Modes())
        migrate.add_project(location, "p")
        started = time.perf_counter()
        said = _at_once(location, identifier, processes)
        seconds = time.perf_counter() - started
        words = [line.split() for line in said.splitlines()]
        waits = sorted(float(word[1]) for word in words if word[0] in ("granted", "refused"))
        counts = {what: sum(word[0] == what for word in words) for what in ("granted", "refused")}
        errors = processes * GRANTS - len(waits)
        store = open_store(location, identifier, "p", read_only=True)
        violations = len(audit.examine(store, Folding()))
        held = len(store.reservations.all())
        store.close()
        violations += held != counts["granted"]
        wrong += errors + violations
        figures[name] = (_at(waits, 0.5), _at(waits, 0.99))
        lines.append(
            f"| {name} | {counts['granted']} | {counts['refused']} | {errors} | {violations} "
            f"| {_at(waits, 0.5):.0f} | {_at(waits, 0.99):.0f} | {waits[-1]:.0f} "
            f"| {len(waits) / seconds:.0f} |"
        )
    p50, p99 = (figures["PostgreSQL"][at] / figures["SQLite"][at] for at in range(2))
    lines += ["", f"PostgreSQL / SQLite: p50 {p50:.1f}, p99 {p99:.1f}.", ""]
    return min(wrong, 1), lines


def _at_once(location: str, identifier: str, processes: int) -> str:
    """What the workers print; they start at the same moment, when all of them are ready."""
    gate, hold = os.pipe()
    command = (sys.executable, "-c", _WORKER, str(Path(__file__).parent), location, identifier)
    workers = [
        subprocess.Popen(
            (*command, str(at), str(gate)), stdout=subprocess.PIPE, text=True, pass_fds=(gate,)
        )
        for at in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    os.close(hold)
    os.close(gate)
    return "".join(worker.communicate()[0] for worker in workers)


def work(location: str, identifier: str, number: str, gate: str) -> None:
    """One process: its grants, a line for each."""
    print("ready", flush=True)
    os.read(int(gate), 1)
    for turn in range(GRANTS):
        name = b"/contested.py" if turn == int(number) % GRANTS else b"/%b/%d.py"
        pattern = name % (number.encode(), turn) if b"%" in name else name
        started = time.perf_counter()
        store = open_store(location, identifier, "p", timeout=PATIENCE)
        request = Request(f"Agent{number}", [Reading(pattern, pattern, "literal")], HOUR)
        answer = reserve(store, request, Folding())
        store.close()
        waited = (time.perf_counter() - started) * 1000
        print("granted" if answer.granted else "refused", f"{waited:.3f}")


# A commit


def hooks(scratch: Scratch, server: OwnServer, rounds: int) -> list[str]:
    """A guarded commit and its hook alone, on both stores, beside what cannot be less."""
    url = server.database()
    places = {
        "SQLite": (),
        "PostgreSQL": ("--database", url),
        # a setting that is left to libpq
        "PostgreSQL by libpq": ("--database", f"{url}?application_name=agentlock"),
    }
    bare = scratch.repository("bare", files=FILES)
    calls: dict[str, Callable[[], Sample]] = {
        "`psql -c 'select 1'`": lambda: timed(
            bare, (str(binaries() / "psql"), "-X", url, "-c", "select 1"), expected=0
        ),
        _EMPTY: lambda: _empty_connection(url),
        "commit, no hook": commits(bare),
    }
    repos = {name: scratch.repository(name.replace(" ", "-"), files=FILES) for name in places}
    for name, repo in repos.items():
        repo.must("init", "--project", name, *places[name], program="agentlock")
        held = [f"held/{at}.py" for at in range(200)]
        repo.must("reserve", *held, program="agentlock", agent="Other")
        calls[f"commit, {name}"] = commits(repo)
    for name, repo in repos.items():
        hook = (str(repo.path / ".git/hooks/pre-commit"),)
        calls[f"pre-commit alone, {name}"] = lambda repo=repo, hook=hook: timed(  # type: ignore[misc]
            repo, hook, expected=0
        )
    samples = interleaved(calls, rounds)
    rows = []
    for name, found in samples.items():
        own = _servers_own(server, calls[name])
        median = [statistics.median(column) for column in zip(*found, strict=True)]
        sqlite = samples.get(f"{name.partition(', ')[0]}, SQLite")
        ratios = "| |" if sqlite is None else _ratios(found, own, sqlite)
        rows.append(f"| {name} | {median[0]:.1f} | {median[1]:.1f} | {own:.1f} | {ratios} |")
    return [
        f"A commit of one file, 200 live reservations of others, medians of {rounds} rounds. The",
        "goal: at most 1.2 times SQLite's. The floor is SQLite's and an empty connection, for",
        f"which the server starts a process. The server's processor time is the mean of {BLOCK}",
        "calls. *By libpq*: the URL has a setting that `loopback.py` leaves to libpq. Ratios are",
        "medians of the ratios of each round.",
        "",
        "| | ms | processor, ms | the server's, ms | to SQLite | processor | with the server's |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _ratios(found: list[Sample], own: float, sqlite: list[Sample]) -> str:
    """Of the whole time, the processor time, and that with the server's."""
    wall, busy = zip(*found, strict=True)
    base_wall, base_busy = zip(*sqlite, strict=True)
    ratios = (
        ratio(wall, base_wall),
        ratio(busy, base_busy),
        ratio([one + own for one in busy], base_busy),
    )
    return " | ".join([f"{one:.2f}" for one in ratios])


def _empty_connection(url: str) -> Sample:
    busy, started = time.process_time(), time.perf_counter()
    assert loopback.ask(url, "SELECT 1", (), 60) == [(1,)]
    return Sample((time.perf_counter() - started) * 1000, (time.process_time() - busy) * 1000)


def _servers_own(server: OwnServer, call: Callable[[], object]) -> float:
    """Milliseconds of the server's processors for one call."""
    before = server.processor
    for _ in range(BLOCK):
        call()
    time.sleep(0.2)  # until the server has seen all of its processes end
    return (server.processor - before) / BLOCK


def drivers(scratch: Scratch, rounds: int) -> list[str]:
    """What each way to a first question loads, over Python alone, started as it needs to be."""
    bare = scratch.repository("drivers")
    root = str(Path(__file__).resolve().parents[1])
    loading = {
        "`_sqlite3`": ("-S", "import _sqlite3"),
        "libpq by ctypes": ("-S", f"import sys; sys.path.append({root!r}); {_LIBPQ}"),
        "psycopg's C layer alone": ("-s", _LAYER),
        "psycopg": ("-s", "import psycopg"),
    }
    python = (sys.executable, "-I")
    calls: dict[str, Callable[[], object]] = {
        name: lambda how=how: bare.run(*python, how[0], "-c", how[1])  # type: ignore[misc]
        for name, how in {"-S": ("-S", ""), "-s": ("-s", ""), **loading}.items()
    }
    medians = _medians(calls, rounds)
    over = {name: medians[name] - medians[how[0]] for name, how in loading.items()}
    rows = [f"| {name} | {ms:.1f} | {ms / over['`_sqlite3`']:.1f} |" for name, ms in over.items()]
    head = ["Loading a driver, over the bare interpreter:", "", "| | ms | in `_sqlite3` |"]
    return [*head, "|---|---|---|", *rows, ""]


def _medians(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds; in turns, so that whatever else the machine does meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


# A network that says nothing


def silence(scratch: Scratch, server: OwnServer) -> list[str]:
    """How long each command waits where every packet is dropped, at several time-outs."""
    url = server.database()
    repo = scratch.repository("silent")
    with wire_to(server.port) as wire:
        repo.must("init", "--database", wire.url(url), program="agentlock")
        repo.must("reserve", "mine.py", program="agentlock")
        wire.silent = True
        repo.write("changed.txt", "changed")
        repo.must("add", "changed.txt")
        commands = {
            "commit": ("git", "commit", "-q", "-m", "change"),
            "reserve": (sys.executable, "-m", "agentlock", "reserve", "x.py"),
            "release": (sys.executable, "-m", "agentlock", "release", "--all"),
        }
        rows = []
        for name, command in commands.items():
            cells = []
            for seconds in (1, 3):
                started = time.perf_counter()
                done = subprocess.run(
                    command,
                    cwd=repo.path,
                    env={**scratch.environment, "AGENTLOCK_TIMEOUT": str(seconds)},
                    capture_output=True,
                    check=False,
                )
                cells.append(f"exit {done.returncode} after {time.perf_counter() - started:.2f} s")
            rows.append(f"| {name} | {' | '.join(cells)} |")
    head = ["Packets dropped:", "", "| | time-out 1 s | time-out 3 s |", "|---|---|---|"]
    return [*head, *rows, ""]


# Which lock


def locking(server: OwnServer, clients: int = 16, transactions: int = 40) -> list[str]:
    """Look and insert, as a grant does: under an advisory lock, or serializable with retries."""
    begins = {
        "advisory lock of the transaction": "BEGIN ISOLATION LEVEL READ COMMITTED; "
        "SELECT pg_advisory_xact_lock(1, 1)",
        "serializable, tried again": "BEGIN ISOLATION LEVEL SERIALIZABLE",
    }
    rows = []
    for name, begin in begins.items():
        url = server.database()
        server.run("CREATE TABLE held (id BIGSERIAL PRIMARY KEY, name TEXT)", url=url)
        waits: list[float] = []
        retries: list[int] = []
        threads = [
            threading.Thread(target=_client, args=(url, begin, transactions, waits, retries))
            for _ in range(clients)
        ]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - started
        waits.sort()
        assert len(waits) == clients * transactions
        rows.append(
            f"| {name} | {len(waits) / seconds:.0f} | {_at(waits, 0.5):.1f} "
            f"| {_at(waits, 0.99):.1f} | {waits[-1]:.1f} | {len(retries)} |"
        )
    return [
        f"{clients} clients that look and insert in a closed loop, {transactions} times each:",
        "",
        "| | a second | p50 ms | p99 ms | worst ms | tried again |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def _client(
    url: str, begin: str, transactions: int, waits: list[float], retries: list[int]
) -> None:
    connection = Connection({"dbname": url}, 60)
    look: tuple[str, tuple[Any, ...]] = ("SELECT count(*) FROM held WHERE name = $1", ("x",))
    for _ in range(transactions):
        started = time.perf_counter()
        while True:
            try:
                connection.script(begin, 60)
                connection.rows(*look, 60)
                connection.rows("INSERT INTO held (name) VALUES ($1)", ("y",), 60)
                connection.script("COMMIT", 60)
                break
            except PostgresError as error:
                if error.state != _SERIALIZABLE:
                    raise
                connection.script("ROLLBACK", 60)
                retries.append(1)
        waits.append((time.perf_counter() - started) * 1000)
    connection.close()


def _at(ordered: list[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


if __name__ == "__main__":
    sys.exit(main())
