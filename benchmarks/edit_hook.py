"""What does an edit hook cost, as a whole process? Writes benchmarks/EDIT_HOOKS.md.

python benchmarks/edit_hook.py [--rounds 100]
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support.scripts import arguments

import agentlock.__main__ as program
from agentlock.edit_hooks.run import ALLOWED, DENIED
from benchmarks.pages import ROOT, Page, Section
from benchmarks.scratch import Scratch, reserve_by_others
from benchmarks.timing import Sample, cpu_of_children, interleaved, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository

PAGE = ROOT / "benchmarks" / "EDIT_HOOKS.md"
IDLE = "`python -I -S -c pass`"
# What a hook cannot do without: each runs as a process of its own.
LOOKS = "floor: `os`"
LOOK = "import os; os._exit(0)"
ASKS = "floor: `os`, `_sqlite3`, one question to the table"
_SQLITE = """
import os, sys
without_functools = type(sys)("functools")  # as agentlock/store/sqlite/driver.py loads it
without_functools.lru_cache = lambda size: lambda function: function
sys.modules["functools"] = without_functools
import _sqlite3
"""
_ASK = """
table = _sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
table.execute("SELECT last_fence FROM projects").fetchall()
table.close()
os._exit(0)
"""
WRITES = "floor: `os`, `_sqlite3`, one row written"
_WRITE = """
table = _sqlite3.connect(sys.argv[1], isolation_level=None)
table.execute("PRAGMA synchronous = NORMAL")
table.execute("UPDATE projects SET last_fence = last_fence + 1")
table.close()
os._exit(0)
"""
# Once the hook has run, so that its bundles are there.
LOADS = "the same question, and the code of a denial loaded"
_LOAD = """
import gc
gc.disable()
sys.path.insert(0, sys.argv[2])
from agentlock.bundle import Bundle
for door in ("edit", "edit-judged", "edit-refused"):
    assert Bundle(door).is_loaded
"""
ASK, WRITE, LOAD = _SQLITE + _ASK, _SQLITE + _WRITE, _SQLITE + _LOAD + _ASK
LIVE = 1_000
HELD = "src/0/1.txt"
DOOR = Path(program.__file__)


class Row(NamedTuple):
    """A process, the most that it may cost, and what it cannot do without."""

    run: Callable[[], Sample]
    goal: str = ""
    floor: str = ""


def hooks(scratch: Scratch, rounds: int) -> Section:
    """One call of an edit hook, as Claude Code makes it, but for the shell of the entry."""
    repo = scratch.repository("repo", 500)
    repo.must("init", program="agentlock")
    reserve_by_others(repo, LIVE)
    repo.must("reserve", HELD, program="agentlock", agent="Other")
    repo.must("reserve", "src/0/2.txt", "--ttl", "20h", program="agentlock", agent="Bench")
    for session in ("S", "T"):
        call(repo, "SessionStart", {"session_id": session})()
    edit(repo, HELD, DENIED)()
    plain, linked = scratch.repository("plain"), repo.linked()
    names = itertools.count()

    def new() -> Sample:
        return edit(repo, f"src/new/{next(names)}.txt")()

    table = database(repo)
    looks, asks, writes = (python(repo, script, table) for script in (LOOK, ASK, WRITE))
    in_front = ("sh", "-c", '"$@"; exit $?', "sh")
    rows = {
        IDLE: Row(python(repo, "pass"), "1"),
        LOOKS: Row(looks),
        ASKS: Row(asks),
        "the same, with `sh` in front": Row(python(repo, ASK, table, before=in_front)),
        LOADS: Row(python(repo, LOAD, table, str(DOOR.parents[1]))),
        WRITES: Row(writes),
        "allowed, held already": Row(edit(repo, "src/0/2.txt"), "2.0", ASKS),
        "allowed, in a linked worktree": Row(edit(linked, "src/0/2.txt"), "2.0", ASKS),
        "allowed, and reserved": Row(new, "3.0", WRITES),
        "denied": Row(edit(repo, HELD, DENIED), "2.0", ASKS),
        "allowed, with a parsed command line": Row(
            shell(repo, "sort a > src/0/2.txt"), "4.0", ASKS
        ),
        "denied, with a parsed command line": Row(
            shell(repo, f"sort a > {HELD}", DENIED), "4.0", ASKS
        ),
        "a command line that writes nothing": Row(shell(repo, "pytest -q 2>&1 | tail"), "", ASKS),
        "in a repository without agentlock": Row(edit(plain, "src/0/0.txt"), "", LOOKS),
        "outside of every repository": Row(edit(repo, str(scratch.folder / "x.txt")), "", LOOKS),
        "after a tool": Row(
            call(repo, "PostToolUse", {"tool_name": "Read", "session_id": "T"}), "", WRITES
        ),
    }
    samples = interleaved({name: row.run for name, row in rows.items()}, rounds)
    to_idle = {
        name: ratio([one.cpu for one in own], [one.cpu for one in samples[IDLE]])
        for name, own in samples.items()
    }
    listed: list[Sequence[str]] = [
        ("the process", "processor, ms", "to idle", "goal", "floor", "median, ms", "to idle")
    ]
    for name, own in samples.items():
        walls = [one.wall for one in own]
        floor = rows[name].floor
        listed.append(
            (
                name,
                f"{statistics.median(one.cpu for one in own):.1f}",
                f"{to_idle[name]:.2f}",
                rows[name].goal,
                f"{to_idle[floor]:.2f}" if floor else "",
                f"{statistics.median(walls):.1f}",
                f"{ratio(walls, [one.wall for one in samples[IDLE]]):.2f}",
            )
        )
    text = (
        f"The whole process with its git commands, {LIVE:,} live reservations of others, {rounds} "
        "rounds in turn. Ratios are medians of the ratios of each round. Other load on the machine "
        "hardly moves the processor time, so the goals are for it.\n\n"
        "The floor is what cannot be less, measured in the same rounds, without a line of ours: "
        "an interpreter that loads the module `os` and ends at once, or that also opens the table "
        "with SQLite, reads or writes one row, and closes it. What it costs to load our own code, "
        "without a call of it, has a row too. The entry in a program's settings puts `sh` in front "
        "of the hook. A denial asks the table four times more than an allowed edit, and loads what "
        "tells who the holder is and whether they are there."
    )
    return Section("One call", text, listed)


def database(repo: Repository) -> str:
    """The file of its table."""
    return repo.must("db", "path", program="agentlock").strip()


def python(
    repo: Repository, script: str, *arguments: str, before: Sequence[str] = ()
) -> Callable[[], Sample]:
    """Times a process that runs this script."""
    command = (*before, sys.executable, "-I", "-S", "-c", script, *arguments)
    return partial(_run, repo, command, b"", 0)


def edit(
    repo: Repository, path: str, expected: int = ALLOWED, door: Path = DOOR
) -> Callable[[], Sample]:
    given = {"tool_name": "Edit", "tool_input": {"file_path": path}}
    return call(repo, "PreToolUse", given, expected, door)


def shell(repo: Repository, command: str, expected: int = ALLOWED) -> Callable[[], Sample]:
    given = {"tool_name": "Bash", "tool_input": {"command": command}}
    return call(repo, "PreToolUse", given, expected)


def call(
    repo: Repository,
    event: str,
    given: Mapping[str, object],
    expected: int = ALLOWED,
    door: Path = DOOR,
) -> Callable[[], Sample]:
    """Times one call of the hook in session S."""
    payload = {"session_id": "S", "cwd": str(repo.path), "permission_mode": "default", **given}
    command = (sys.executable, "-I", "-S", str(door), "hook", "edit", "claude", event)
    return partial(_run, repo, command, json.dumps(payload).encode(), expected)


def _run(repo: Repository, command: Sequence[str], stdin: bytes, expected: int) -> Sample:
    environment, quiet = repo.scratch.environment, subprocess.DEVNULL
    busy, started = cpu_of_children(), time.perf_counter()
    code = subprocess.run(
        command,
        cwd=repo.path,
        env=environment,
        input=stdin,
        stdout=quiet,
        stderr=quiet,
        check=False,
    ).returncode
    sample = Sample((time.perf_counter() - started) * 1000, cpu_of_children() - busy)
    assert code == expected, f"{command} with {stdin!r}: exit code {code}"
    return sample


def main() -> None:
    """Measure and write the page."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=100, metavar="N")
    parser.add_argument("--output", type=Path, default=PAGE, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
        section = hooks(Scratch(Path(folder)), options.rounds)
    Page(options.output, "What an edit hook costs").replace(section)


if __name__ == "__main__":
    main()
