"""What hooks cost where git makes many commits or moves many refs; writes parts of RESULTS.md.

    python benchmarks/strict.py            (about three minutes)
    python benchmarks/strict.py rebase     (one section; another git: put it first in PATH)

A rebase and a cherry-pick of 50 commits and a fetch of 500 branches, each round with no hooks, with
hooks that do nothing, and guarded. The floor of a replay is the two hooks that git runs for each
commit, or the three of strict mode, as an sh that ends at once. What a command leaves running
counts until it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from benchmarks.pages import Page, Section
from benchmarks.scratch import Scratch
from benchmarks.timing import Sample, cpu_of_children, interleaved, ratio, spread, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository

COMMITS = 50
REFS = 500
RESERVED = 1000
NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
NONE, IDLE, DEFAULT, STRICT = (
    "no hooks",
    "reference-transaction does nothing (sh)",
    "agentlock init",
    "agentlock init --strict",
)
# The hooks that git runs in a replay, doing nothing.
FLOORS = {
    "two hooks do nothing (sh)": ("prepare-commit-msg", "post-commit"),
    "two and reference-transaction do nothing (sh)": (
        *("prepare-commit-msg", "post-commit", "reference-transaction"),
    ),
}


def rebase(scratch: Scratch, rounds: int) -> Section:
    """`git rebase` of a branch onto another."""
    return _replay(scratch, rounds, "A rebase", "side", "start", ("git", "rebase", "-q", "main"))


def cherry_pick(scratch: Scratch, rounds: int) -> Section:
    """`git cherry-pick` of a branch's commits onto another."""
    command = ("git", "cherry-pick", "main..start")
    return _replay(scratch, rounds, "A cherry-pick", "other", "main", command)


def _replay(
    scratch: Scratch, rounds: int, what: str, branch: str, start: str, command: Sequence[str]
) -> Section:
    """A command that replays commits, on a branch that begins anew each round."""

    def replays(repo: Repository) -> Callable[[], Sample]:
        def once() -> Sample:
            repo.must(*NO_HOOKS, "checkout", "-q", "-B", branch, start)
            return _timed_whole(repo, command)

        return once

    repos = {name: _diverged(scratch, f"floor{at}") for at, name in enumerate((NONE, *FLOORS))}
    for name, hooks in FLOORS.items():
        for hook in hooks:
            repos[name].hook(hook, "exit 0")
    repos |= _guarded((DEFAULT, STRICT), lambda name: _diverged(scratch, name))
    samples = interleaved({name: replays(repo) for name, repo in repos.items()}, rounds, warm=1)
    text = (
        f"{rounds} rounds, {RESERVED:,} live reservations of others. Ratios are medians of the "
        "ratios of each round. The goal: at most 4 times no hooks, and strict at most 8 times."
    )
    return Section(f"{what} of {COMMITS} commits", text, _comparison(samples, NONE))


def fetch(scratch: Scratch, rounds: int) -> Section:
    """`git fetch` of branches that are all new."""
    upstream = scratch.repository("upstream")
    oid = upstream.must("rev-parse", "HEAD").strip()
    _update_refs(upstream, [f"create refs/heads/topic/{at} {oid}" for at in range(REFS)])

    def clone(name: str) -> Repository:
        repo = scratch.repository(name)
        repo.must("remote", "add", "origin", str(upstream.path))
        return repo

    repos = {name: clone(f"floor{at}") for at, name in enumerate((NONE, IDLE))}
    repos[IDLE].hook("reference-transaction", "exit 0")
    repos |= _guarded((DEFAULT, STRICT), clone)
    variants = {name: _fetches(repo) for name, repo in repos.items()}
    samples = interleaved(variants, rounds, warm=1)
    title = f"A fetch of {REFS} branches"
    text = (
        f"{rounds} rounds. Ratios are medians of the ratios of each round. The goal: strict at "
        "most 1.3 times the hook that does nothing."
    )
    return Section(title, text, _comparison(samples, IDLE))


def _guarded(names: Sequence[str], make: Callable[[str], Repository]) -> dict[str, Repository]:
    """The same repository under each set of agentlock's hooks."""
    found = {name: make(f"guarded{at}") for at, name in enumerate(names)}
    for name, repo in found.items():
        options = ("--strict",) if name == STRICT else ()
        repo.must("init", "--separate", *options, program="agentlock")
        patterns = [f"elsewhere/{at}/**" for at in range(RESERVED)]
        repo.must("reserve", *patterns, program="agentlock", agent="Other")
    return found


def _diverged(scratch: Scratch, name: str) -> Repository:
    """A branch of many commits, and main a commit further than where it began."""
    repo = scratch.repository(name, 100)
    repo.must("checkout", "-q", "-b", "side")
    for at in range(COMMITS):
        repo.write(f"src/0/{at}.txt", f"side {at}\n")
        repo.must("commit", "-q", "-a", "-m", f"side {at}")
    repo.must("checkout", "-q", "main")
    repo.write("src/0/99.txt", "main\n")
    repo.must("commit", "-q", "-a", "-m", "main")
    repo.must("tag", "start", "side")
    return repo


def _timed_whole(repo: Repository, command: Sequence[str]) -> Sample:
    """As ``timed``, with the processor time of what the command leaves running."""
    _adopt_orphans()
    busy = cpu_of_children()
    wall = timed(repo, command, expected=0).wall
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    return Sample(wall, cpu_of_children() - busy)


def _adopt_orphans() -> None:
    """Become the parent of those whose parent ends: getrusage(2) counts only children."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _fetches(repo: Repository) -> Callable[[], Sample]:
    def once() -> Sample:
        known = repo.must("for-each-ref", "--format=delete %(refname)", "refs/remotes/")
        _update_refs(repo, known.splitlines())
        return timed(repo, ("git", "fetch", "-q", "origin"), expected=0)

    return once


def _update_refs(repo: Repository, lines: Sequence[str]) -> None:
    subprocess.run(
        ("git", *NO_HOOKS, "update-ref", "--stdin"),
        cwd=repo.path,
        env=repo.scratch.environment,
        input="".join(f"{line}\n" for line in lines).encode(),
        check=True,
    )


def _comparison(samples: Mapping[str, Sequence[Sample]], goal: str) -> list[Sequence[str]]:
    """A row for each variant, compared with what the goal is a multiple of."""
    goal_is = "sh" if goal == IDLE else goal
    table: list[Sequence[str]] = [
        (
            *("hooks", "median, ms", "10 to 90 %, ms", f"to {goal_is}"),
            *("processor, ms", f"to {goal_is}"),
        )
    ]
    walls = {name: [sample.wall for sample in own] for name, own in samples.items()}
    busy = {name: [sample.cpu for sample in own] for name, own in samples.items()}
    for name, own in walls.items():
        cells = (name, f"{statistics.median(own):.1f}", spread(own))
        processor = (f"{statistics.median(busy[name]):.1f}", f"{ratio(busy[name], busy[goal]):.2f}")
        table.append((*cells, f"{ratio(own, walls[goal]):.2f}", *processor))
    return table


SECTIONS = {"rebase": rebase, "cherry-pick": cherry_pick, "fetch": fetch}


def main() -> None:
    """Measure the sections that are named, or all."""
    parser = arguments(__doc__)
    parser.add_argument("sections", nargs="*", metavar="|".join(SECTIONS), choices=[[], *SECTIONS])
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="so many rounds (15)")
    options = parser.parse_args()
    page = Page()
    for name in options.sections or SECTIONS:
        with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
            page.replace(SECTIONS[name](Scratch(Path(folder)), options.rounds))


if __name__ == "__main__":
    main()
