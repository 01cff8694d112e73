"""How fast are patterns? Matching, overlap, hostile patterns, and `reserve` among many.

    pip install --group bench                   (google-re2, to compare with)
    python benchmarks/patterns.py               (about half an hour)
    python benchmarks/patterns.py --quick       (some minutes, noisier)
    python benchmarks/patterns.py --only reserve

Writes benchmarks/PATTERNS.md, or with --only that section of it. Each cell of the matching table
is a process of its own, and the methods take turns, so that other load meets all of them alike.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pathspec
from support.scripts import arguments

from agentlock.patterns.matching import PatternIndex
from benchmarks.meeting import hostile, meeting
from benchmarks.pages import Page, Section, short
from benchmarks.reserving import reserve_among_many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Matcher = Callable[[bytes], Sequence[int]]

PAGE = Path(__file__).resolve().parent / "PATTERNS.md"
SIZES = tuple(itertools.product((10, 100, 1_000, 10_000), (1, 100, 10_000, 100_000)))
_MIB = 1024 * 1024 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere


# What is matched


def some_patterns(count: int) -> list[bytes]:
    """Canonical texts: 70 % files, 20 % folders, 10 % floating globs of four shapes."""
    return [_pattern(at) for at in range(count)]


def _pattern(at: int) -> bytes:
    if at % 10 < 7:
        return b"/src/%d/%d/module%d.py" % (at % 37, at // 100, at)
    if at % 10 < 9:
        return b"/packages/part%d/**" % at
    shapes = (b"**/*.x%d", b"**/NAME%d.toml", b"**/*_%d.py", b"**/gen%d/**")
    return shapes[at // 10 % 4] % at


def some_paths(count: int) -> list[bytes]:
    """Paths of five shapes; of 100,000 some 4,500 match one of 10,000 patterns."""
    shapes = (
        lambda at: b"src/%d/%d/module%d.py" % (at % 37, at // 100, at),
        lambda at: b"packages/part%d/lib/a%d.c" % (at % 20_000, at),
        lambda at: b"docs/guide/chapter%d.x%d" % (at, at % 2_000),
        lambda at: b"src/%d/test_%d.py" % (at % 50, at % 3_000),
        lambda at: b"web/app/gen%d/page%d.tsx" % (at % 3_000, at),
    )
    return [shapes[at % 5](at) for at in range(count)]


def as_expression(pattern: bytes) -> str:
    """The regular expression of one of these patterns (no others)."""
    text = pattern.decode().removeprefix("/")
    start = "(?:.*/)?" if text.startswith("**/") else ""
    text = text.removeprefix("**/")
    end = "/.+" if text.endswith("/**") else ""
    return start + "[^/]*".join(map(re.escape, text.removesuffix("/**").split("*"))) + end


# The methods: each takes patterns and returns what finds the positions that match a path


def with_index(patterns: Sequence[bytes]) -> Matcher:
    return PatternIndex(patterns).matching


def with_pathspec(patterns: Sequence[bytes]) -> Matcher:
    specs = [pathspec.PathSpec.from_lines("gitignore", [text.decode()]) for text in patterns]

    def matching(path: bytes) -> list[int]:
        name = path.decode()
        return [at for at, spec in enumerate(specs) if spec.match_file(name)]

    return matching


def with_one_expression(patterns: Sequence[bytes]) -> Matcher:
    """It names one of the patterns that match, not all: less than what is asked for."""
    combined = re.compile("|".join(f"({as_expression(text)})" for text in patterns), re.DOTALL)

    def matching(path: bytes) -> list[int]:
        found = combined.fullmatch(path.decode())
        return [found.lastindex - 1] if found and found.lastindex else []

    return matching


def with_re2_set(patterns: Sequence[bytes]) -> Matcher:
    re2 = import_module("re2")
    options = re2.Options()
    options.max_mem = 1 << 30  # with less it gives up on 10,000 patterns
    combined = re2.Set.FullMatchSet(options)
    for text in patterns:
        combined.Add(as_expression(text))
    combined.Compile()
    return lambda path: combined.Match(path.decode()) or ()


METHODS = {
    "PatternIndex": with_index,
    "re2 Set": with_re2_set,
    "one `re`": with_one_expression,
    "pathspec each": with_pathspec,
}


class Cell(NamedTuple):
    """One method on one size: seconds, MiB over the inputs' own, and how much was really done."""

    set_up: float
    match: float
    memory: float
    matched: int
    hits: int

    def total(self, paths: int) -> float:
        return self.set_up + self.match * paths / self.matched


def measured_here(method: str, patterns: int, paths: int, budget: float) -> Cell:
    texts, names = some_patterns(patterns), some_paths(paths)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    matching = METHODS[method](texts)
    ready = time.perf_counter()
    hits = matched = 0
    for name in names:
        hits += len(matching(name))
        matched += 1
        if time.perf_counter() - ready > budget:
            break
    done = time.perf_counter()
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / _MIB
    return Cell(ready - started, done - ready, memory, matched, hits)


def measured_apart(method: str, patterns: int, paths: int, budget: float) -> Cell:
    """The same in a fresh process."""
    numbers = (str(patterns), str(paths), str(budget))
    command = (sys.executable, __file__, "--cell", method, *numbers)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cell(*json.loads(done.stdout))


def matching(*, quick: bool) -> Section:
    """The table patterns × paths."""
    budget, rounds = (1.0, 1) if quick else (10.0, 3)
    table: list[Sequence[str]] = [("patterns, paths", *METHODS, "re2 Set / PatternIndex")]
    for patterns, paths in SIZES:
        runs: dict[str, list[Cell]] = {method: [] for method in METHODS}
        for turn in range(rounds):
            for method in METHODS:
                if turn == 0 or runs[method][0].matched == paths:
                    runs[method].append(measured_apart(method, patterns, paths, budget))
        hits = {
            cells[0].hits
            for name, cells in runs.items()
            if name in ("PatternIndex", "re2 Set")
            if cells[0].matched == paths
        }
        assert len(hits) <= 1, (patterns, paths, hits)
        ratio = statistics.median(
            theirs.total(paths) / ours.total(paths)
            for ours, theirs in zip(runs["PatternIndex"], runs["re2 Set"] * rounds, strict=False)
        )
        cells = [_cell(runs[method], paths) for method in METHODS]
        table.append((f"{patterns:,}, {paths:,}", *cells, f"{ratio:.1f}"))
        print(*table[-1], sep=" | ", file=sys.stderr, flush=True)
    text = (
        "Set-up + matching, milliseconds, and the peak of memory over that of the inputs, MiB; "
        f"each cell a fresh process, median of {rounds}. 70 % of the patterns are files, 20 % "
        "`dir/**`, 10 % floating: `*.ext`, `NAME`, `*_suffix.py`, `gen/**` in equal parts. "
        f"`~`: stopped after {budget:g} s, matching extrapolated from the paths done by then. "
        "PatternIndex, re2 and pathspec say which patterns match; the one `re` names the first. "
        "A process that has the patterns in memory pays set-up once."
    )
    return Section("Many patterns, many paths", text, table)


def _cell(cells: Sequence[Cell], paths: int) -> str:
    set_up = statistics.median(cell.set_up for cell in cells) * 1000
    match = statistics.median(cell.match * paths / cell.matched for cell in cells) * 1000
    memory = statistics.median(cell.memory for cell in cells)
    sampled = "~" if cells[0].matched < paths else ""
    return f"{short(set_up)} + {sampled}{short(match)}; {memory:.0f}"


MEASUREMENTS = {
    "matching": matching,
    "meeting": meeting,
    "hostile": hostile,
    "reserve": reserve_among_many,
}


def main() -> None:
    """Run the measurements and write them into PATTERNS.md."""
    parser = arguments(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller samples")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="only this one")
    parser.add_argument("--output", type=Path, default=PAGE, metavar="FILE")
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        method, patterns, paths, budget = options.cell
        print(json.dumps(measured_here(method, int(patterns), int(paths), float(budget))))
        return
    page = Page(options.output, "What patterns cost")
    for name, measure in MEASUREMENTS.items():
        if name in (options.only or MEASUREMENTS):
            page.replace(measure(quick=options.quick))


if __name__ == "__main__":
    main()
