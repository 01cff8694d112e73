"""What does the guard cost? `make bench` runs this and writes benchmarks/RESULTS.md.

    python benchmarks/run.py            (about two minutes)
    python benchmarks/run.py --quick    (half a minute, noisier)

Rounds are interleaved: each round measures every variant once, in turning order, so that whatever
else the machine does meets all of them alike. Absolute times drift from run to run; the ratios,
taken round by round, are what can be compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shlex
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from scratch import Scratch

from agentlock import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scratch import Repository

AnySample = TypeVar("AnySample")
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
LIVE = 1000
FILES = 500
NO_HOOK = "no hook"
IDLE = "`python -I -S -c pass`"
FLOOR = "`python -I -S -c 'import sqlite3'`"


class Sample(NamedTuple):
    """Milliseconds that one command took, and that it and its children kept a processor busy."""

    wall: float
    cpu: float


class Section(NamedTuple):
    """One measurement as it is written down."""

    title: str
    text: str
    table: list[Sequence[str]]

    def markdown(self) -> str:
        head, *rows = self.table
        rule = ["---", *["---:"] * (len(head) - 1)]
        lines = [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
        return "\n".join([f"## {self.title}", "", self.text, "", *lines, ""])


def interleaved(
    variants: Mapping[str, Callable[[], AnySample]], rounds: int, warm: int = 3
) -> dict[str, list[AnySample]]:
    """A sample of each variant for each round, after a few rounds that do not count."""
    names = list(variants)
    samples: dict[str, list[AnySample]] = {name: [] for name in names}
    for turn in range(rounds + warm):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            sample = variants[name]()
            if turn >= warm:
                samples[name].append(sample)
    return samples


def timed(repo: Repository, command: Sequence[str], *, expected: int) -> Sample:
    environment = repo.scratch.environment
    quiet = subprocess.DEVNULL
    busy, started = cpu_of_children(), time.perf_counter()
    code = subprocess.call(command, cwd=repo.path, env=environment, stdout=quiet, stderr=quiet)
    sample = Sample((time.perf_counter() - started) * 1000, cpu_of_children() - busy)
    assert code == expected, f"{command} in {repo.path.name}: exit code {code}"
    return sample


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """The median of the ratios, round by round."""
    return statistics.median(mine / other for mine, other in zip(times, base, strict=True))


def added(times: Sequence[float], base: Sequence[float]) -> float:
    """The median of the differences, round by round."""
    return statistics.median(mine - other for mine, other in zip(times, base, strict=True))


def spread(times: Sequence[float]) -> str:
    tenths = statistics.quantiles(times, n=10)
    return f"{tenths[0]:.1f} to {tenths[-1]:.1f}"


# Measurements: each takes the scratch folder and the number of rounds, and returns a section


def guarded_commit(scratch: Scratch, rounds: int) -> Section:
    """`git commit` of one staged file, under several hooks."""
    python = shlex.quote(sys.executable)
    scripts = {
        NO_HOOK: None,
        "sh, does nothing": ":",
        IDLE: f"exec {python} -I -S -c pass",
        FLOOR: f"exec {python} -I -S -c 'import sqlite3'",
    }
    variants = {}
    for at, (name, script) in enumerate(scripts.items()):
        repo = scratch.repository(f"plain{at}", FILES)
        if script is not None:
            repo.hook("pre-commit", script)
        variants[name] = commits(repo)
    for at, live in enumerate((0, LIVE, LIVE)):
        repo = scratch.repository(f"guarded{at}", FILES)
        repo.must("init", program="agentlock")
        reserve_by_others(repo, live)
        name = f"agentlock, {live:,} live reservations of others"
        if at < 2:
            variants[name] = commits(repo)
        else:
            variants[f"{name}, refused"] = refusals(repo)
    text = (
        f"One staged file in a repository of {FILES} files; the whole command, {rounds} rounds. "
        "70 % of the reservations are literal files, 20 % folders, 10 % globs. A refused commit "
        "also writes a line into the log, and git makes no commit. Ratios are medians of the "
        "ratios of each round. Processor time is what all the processes of a commit use together; "
        "other load on the machine hardly moves it. The last column compares what a hook adds to "
        "the commit with what an interpreter that does nothing adds."
    )
    return Section("A guarded commit", text, comparison(interleaved(variants, rounds)))


def comparison(samples: Mapping[str, Sequence[Sample]]) -> list[Sequence[str]]:
    """A row for each variant, beside no hook and the two interpreters."""
    table: list[Sequence[str]] = [
        (
            *("pre-commit hook", "median, ms", "10 to 90 %, ms", "processor, ms"),
            *("to no hook", "to sqlite3", "added"),
        )
    ]
    walls = {name: [sample.wall for sample in own] for name, own in samples.items()}
    added_by_idle = added(walls[IDLE], walls[NO_HOOK])
    for name, own in walls.items():
        busy = statistics.median(sample.cpu for sample in samples[name])
        ratios = (
            ratio(own, walls[NO_HOOK]),
            ratio(own, walls[FLOOR]),
            added(own, walls[NO_HOOK]) / added_by_idle,
        )
        row = (name, f"{statistics.median(own):.1f}", spread(own), f"{busy:.1f}")
        table.append((*row, *(f"{number:.2f}" for number in ratios)))
    return table


def commits(repo: Repository) -> Callable[[], Sample]:
    """Times one commit of one file; staging it is not counted."""
    turns = iter(range(10**9))

    def commit() -> Sample:
        repo.write("src/0/0.txt", f"change {next(turns)}\n")
        repo.must("add", "src/0/0.txt")
        return timed(repo, ("git", "commit", "-q", "-m", "change"), expected=0)

    return commit


def refusals(repo: Repository) -> Callable[[], Sample]:
    """Times one commit that is refused, of the same staged file each time."""
    repo.must("reserve", "src/0/0.txt", program="agentlock", agent="Other")
    repo.write("src/0/0.txt", "change\n")
    repo.must("add", "src/0/0.txt")
    return lambda: timed(repo, ("git", "commit", "-q", "-m", "change"), expected=1)


def reserve_by_others(repo: Repository, count: int) -> None:
    """So many live reservations, none of which meets src/0/0.txt, in calls of a thousand."""
    patterns = []
    for at in range(count):
        kind = at % 10
        if kind < 7:
            patterns.append(f"src/{at}/module{at}.py")
        elif kind < 9:
            patterns.append(f"packages/part{at}/**")
        else:
            patterns.append(f"src/{at}/*.rs")
    for start in range(0, count, 1000):
        chunk = patterns[start : start + 1000]
        repo.must("reserve", *chunk, program="agentlock", agent=f"Other{start}")


MEASUREMENTS = (guarded_commit,)


def machine() -> str:
    git = subprocess.run(("git", "version"), capture_output=True, text=True, check=True).stdout
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    facts = {
        "machine": f"{processor()}, {os.cpu_count()} cores{load}",
        "system": f"{platform.system()} {platform.release()}",
        "versions": f"agentlock {__version__}, Python {platform.python_version()}, "
        f"{git.strip()}, SQLite {sqlite3.sqlite_version}",
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items())


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Run every measurement and write RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: 25 instead of 200")
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args()
    rounds = options.rounds or (25 if options.quick else 200)
    command = " ".join(["python", f"benchmarks/{Path(__file__).name}", *sys.argv[1:]])
    parts = ["# What the guard costs", "", f"Made by `{command}`.", "", machine(), ""]
    for measure in MEASUREMENTS:
        with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
            parts.append(measure(Scratch(Path(folder)), rounds).markdown())
    text = "\n".join(parts)
    options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
