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
from typing import TYPE_CHECKING

from support.scripts import arguments

import agentlock.__main__ as door
from agentlock.edit_hooks.run import ALLOWED, DENIED
from benchmarks.pages import ROOT, Page, Section
from benchmarks.scratch import Scratch, reserve_by_others
from benchmarks.timing import Sample, cpu_of_children, interleaved, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository

PAGE = ROOT / "benchmarks" / "EDIT_HOOKS.md"
IDLE = "`python -I -S -c pass`"
LIVE = 1_000
HELD = "src/0/1.txt"
HOOK = (sys.executable, "-I", "-S", door.__file__, "hook", "edit", "claude")


def hooks(scratch: Scratch, rounds: int) -> Section:
    """One call of an edit hook, as Claude Code makes it, but for the shell of the entry."""
    repo = scratch.repository("repo", 500)
    repo.must("init", program="agentlock")
    reserve_by_others(repo, LIVE)
    repo.must("reserve", HELD, program="agentlock", agent="Other")
    repo.must("reserve", "src/0/2.txt", "--ttl", "20h", program="agentlock", agent="Bench")
    for session in ("S", "T"):
        call(repo, "SessionStart", {"session_id": session})()
    plain = scratch.repository("plain")
    names = itertools.count()

    def new() -> Sample:
        return edit(repo, f"src/new/{next(names)}.txt")()

    variants: dict[str, tuple[str, Callable[[], Sample]]] = {
        IDLE: ("1", partial(_run, repo, (sys.executable, "-I", "-S", "-c", "pass"), b"", 0)),
        "allowed, held already": ("2.0", edit(repo, "src/0/2.txt")),
        "allowed, and reserved": ("3.0", new),
        "denied": ("2.0", edit(repo, HELD, DENIED)),
        "allowed, with a parsed command line": ("4.0", shell(repo, "sort a > src/0/2.txt")),
        "denied, with a parsed command line": ("4.0", shell(repo, f"sort a > {HELD}", DENIED)),
        "a command line that writes nothing": ("", shell(repo, "pytest -q")),
        "in a repository without agentlock": ("", edit(plain, "src/0/0.txt")),
        "outside of every repository": ("", edit(repo, str(scratch.folder / "x.txt"))),
        "after a tool": ("", call(repo, "PostToolUse", {"tool_name": "Read", "session_id": "T"})),
    }
    samples = interleaved({name: one for name, (_, one) in variants.items()}, rounds)
    table: list[Sequence[str]] = [
        ("the hook", "processor, ms", "to idle", "goal", "median, ms", "to idle")
    ]
    idle = samples[IDLE]
    for name, own in samples.items():
        busy, walls = [one.cpu for one in own], [one.wall for one in own]
        table.append(
            (
                name,
                f"{statistics.median(busy):.1f}",
                f"{ratio(busy, [one.cpu for one in idle]):.2f}",
                variants[name][0],
                f"{statistics.median(walls):.1f}",
                f"{ratio(walls, [one.wall for one in idle]):.2f}",
            )
        )
    text = (
        f"The whole process with its git commands, {LIVE:,} live reservations of others, {rounds} "
        "rounds in turn. Ratios are medians of the ratios of each round. Other load on the machine "
        "hardly moves the processor time, so the goals are for it."
    )
    return Section("One call", text, table)


def edit(repo: Repository, path: str, expected: int = ALLOWED) -> Callable[[], Sample]:
    given = {"tool_name": "Edit", "tool_input": {"file_path": path}}
    return call(repo, "PreToolUse", given, expected)


def shell(repo: Repository, command: str, expected: int = ALLOWED) -> Callable[[], Sample]:
    given = {"tool_name": "Bash", "tool_input": {"command": command}}
    return call(repo, "PreToolUse", given, expected)


def call(
    repo: Repository, event: str, given: Mapping[str, object], expected: int = ALLOWED
) -> Callable[[], Sample]:
    """Times one call of the hook in session S."""
    payload = {"session_id": "S", "cwd": str(repo.path), "permission_mode": "default", **given}
    return partial(_run, repo, (*HOOK, event), json.dumps(payload).encode(), expected)


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
