"""Does the engine match what git matches? Millions of random pairs, as many as asked for.

    python trials/differential.py --pairs 10000000
    python trials/differential.py --pairs 600000 --seed 4711
    PATH=/opt/git-next/bin:$PATH python trials/differential.py --record

The oracle is the `git` found first on PATH: `git ls-files ':(glob,top)…'` over an index of random
names, and the same with `icase`. Prints every mismatch; the exit code is 1 where there is one.
`--record` writes what was tried into docs/evidence/differential.md.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from support.glob_oracle import (
    IndexedRepository,
    compiled,
    named_by,
    random_globs,
    random_paths,
    seeded,
)
from support.scripts import arguments

from agentlock.errors import PatternError
from agentlock.patterns.matching import Folding
from benchmarks.pages import EVIDENCE, Page, Section

PAGE = EVIDENCE / "differential.md"
GLOBS = 500
PATHS = 600
CONSTRUCTS = {
    "`*`": rb"(?<![\\*])\*(?!\*)",
    "`?`": rb"(?<!\\)\?",
    "leading `**/`": rb"^\*\*/",
    "inner `/**/`": rb"/\*\*/",
    "trailing `/**`": rb"/\*\*$",
    "`foo**/bar`": rb"[^/*]\*\*+/",
    "`**foo`": rb"(^|/)\*\*+[^*/]",
    "range `[a-c]`": rb"\[[^]]*\w-[^]]",
    "empty range `[c-a]`": rb"\[c-a\]",
    "negated `[!a]`, `[^a]`": rb"\[[!^]",
    "POSIX class": rb"\[\[:\w+:\]",
    "`]` first in a class": rb"\[[!^]?\]",
    "escape in a class": rb"\[[^]]*\\",
    "slash in a class": rb"\[a/b\]",
    "escape": rb"\\",
    "not ASCII": rb"[\x80-\xff]",
    "unclosed `[`": rb"\[[^]]*$",
}


class Tally(NamedTuple):
    """What one seed gave: how many pairs, how many of them match, refused globs, mismatches."""

    pairs: int
    met: int
    refused: int
    mismatches: list[str]
    constructs: Counter[str]
    version: str


def compared(seed: int, *, ignore_case: bool) -> Tally:
    """One repository of random names against globs of one seed; every second seed folds case."""
    folding = Folding(ignore_case=ignore_case and seed % 2 == 1)
    magic = b"glob,top,icase" if folding.ignore_case else b"glob,top"
    pairs = met = refused = 0
    mismatches = []
    constructs: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="agentlock-differential-") as folder:
        repository = IndexedRepository(Path(folder))
        repository.fill(random_paths(seeded(seed), PATHS))
        for glob in random_globs(seed, GLOBS, paths_seed=seed):
            if folding.ignore_case and b"[" in glob:
                continue  # git folds the path but not the inside of a class; ours folds both
            expected = repository.matched(glob, magic)
            pairs += len(repository.paths)
            met += len(expected)
            constructs.update(name for name, has in CONSTRUCTS.items() if re.search(has, glob))
            try:
                pattern = compiled(glob, folding)
            except PatternError:
                refused += 1
                ours = set()
            else:
                ours = {path for path in repository.paths if pattern.matches(path)}
            ours = {path for path in ours if not named_by(glob, path)}
            mismatches += [f"seed {seed}: {glob!r} {path!r}" for path in ours ^ expected]
        version = repository.git("version").decode().strip()
    return Tally(pairs, met, refused, mismatches, constructs, version)


def main() -> int:
    """Compare seed by seed until the pairs are done."""
    parser = arguments(__doc__)
    parser.add_argument("--pairs", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1000, metavar="N", help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--exact-case", action="store_true", help="no seeds that fold case")
    parser.add_argument("--record", action="store_true", help="write it into differential.md")
    options = parser.parse_args()
    started = time.perf_counter()
    total = Tally(0, 0, 0, [], Counter(), "")
    seeds = range(options.seed, options.seed - (-options.pairs // (GLOBS * PATHS)))
    work = partial(compared, ignore_case=not options.exact_case)
    with multiprocessing.Pool(options.jobs) as pool:
        for tally in pool.imap_unordered(work, seeds):
            print(*tally.mismatches, sep="\n", end="\n" * bool(tally.mismatches), flush=True)
            total = added(total, tally)
    section = report(total, seeds, time.perf_counter() - started)
    print(section.markdown())
    if options.record:
        Page(PAGE, "Patterns compared with git").replace(section)
    return 1 if total.mismatches else 0


def added(total: Tally, one: Tally) -> Tally:
    return Tally(
        total.pairs + one.pairs,
        total.met + one.met,
        total.refused + one.refused,
        total.mismatches + one.mismatches,
        total.constructs + one.constructs,
        one.version,
    )


def report(total: Tally, seeds: range, seconds: float) -> Section:
    """One section for each version of git, so that several can stand side by side."""
    text = (
        f"{total.pairs:,} pairs of a random glob and a random path, of which {total.met:,} match; "
        f"{total.refused:,} globs that are refused here and match nothing there; seeds "
        f"{seeds.start} to {seeds[-1]} (every second one folds case); {seconds:.0f} s. "
        f"**Mismatches: {len(total.mismatches)}.** Globs that hold each construct:"
    )
    counts = [(name, f"{total.constructs[name]:,}") for name in CONSTRUCTS]
    return Section(f"The same as {total.version}", text, [("construct", "globs"), *counts])


if __name__ == "__main__":
    sys.exit(main())
