"""What does `--strict` cost where git moves many refs? Writes its sections into RESULTS.md.

    python benchmarks/strict.py            (about three minutes)
    python benchmarks/strict.py rebase     (one section; another git: put it first in PATH)

A rebase of 50 commits and a fetch of 500 branches, each round with no hooks, with a hook
reference-transaction that does nothing, and guarded. One guard run is the script of pre-commit by
itself, with a file staged: a rebase needs one like it for each new commit.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from benchmarks.pages import Page, Section
from benchmarks.scratch import Scratch
from benchmarks.timing import Sample, interleaved, ratio, spread, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository

COMMITS = 50
REFS = 500
RESERVED = 1000
NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
NONE, IDLE, DEFAULT, STRICT, GUARD = (
    "no hooks",
    "reference-transaction does nothing (sh)",
    "agentlock init",
    "agentlock init --strict",
    "one guard run",
)


def rebase(scratch: Scratch, rounds: int) -> Section:
    """`git rebase` of a branch onto another."""
    variants: dict[str, Callable[[], Sample]] = {}
    for name, repo in _guarded(lambda name: _diverged(scratch, name)).items():
        variants[name] = _rebases(repo)
        if name == DEFAULT:
            variants[GUARD] = _guard_runs(repo)
    samples = interleaved(variants, rounds, warm=1)
    samples["sh, and a guard run for each commit"] = [
        Sample(idle.wall + COMMITS * guard.wall, idle.cpu + COMMITS * guard.cpu)
        for idle, guard in zip(samples[IDLE], samples[GUARD], strict=True)
    ]
    title = f"A rebase of {COMMITS} commits"
    text = (
        f"{rounds} rounds, {RESERVED:,} live reservations of others. Ratios are medians of the "
        "ratios of each round. The goal: strict at most 1.3 times the last line. Other load on the "
        "machine hardly moves the processor time."
    )
    return Section(title, text, _comparison(samples, list(samples)[-1]))


def fetch(scratch: Scratch, rounds: int) -> Section:
    """`git fetch` of branches that are all new."""
    upstream = scratch.repository("upstream")
    oid = upstream.must("rev-parse", "HEAD").strip()
    _update_refs(upstream, [f"create refs/heads/topic/{at} {oid}" for at in range(REFS)])

    def clone(name: str) -> Repository:
        repo = scratch.repository(name)
        repo.must("remote", "add", "origin", str(upstream.path))
        return repo

    guarded = _guarded(clone)
    variants = {name: _fetches(repo) for name, repo in guarded.items()}
    samples = interleaved(variants, rounds, warm=1)
    title = f"A fetch of {REFS} branches"
    text = (
        f"{rounds} rounds. Ratios are medians of the ratios of each round. The goal: strict at "
        "most 1.5 times the hook that does nothing."
    )
    return Section(title, text, _comparison(samples, IDLE))


def _guarded(make: Callable[[str], Repository]) -> dict[str, Repository]:
    """The same repository under each set of hooks."""
    found = {name: make(f"variant{at}") for at, name in enumerate((NONE, IDLE, DEFAULT, STRICT))}
    found[IDLE].hook("reference-transaction", "exit 0")
    found[DEFAULT].must("init", program="agentlock")
    found[STRICT].must("init", "--strict", program="agentlock")
    for name in (DEFAULT, STRICT):
        patterns = [f"elsewhere/{at}/**" for at in range(RESERVED)]
        found[name].must("reserve", *patterns, program="agentlock", agent="Other")
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


def _rebases(repo: Repository) -> Callable[[], Sample]:
    def once() -> Sample:
        repo.must(*NO_HOOKS, "checkout", "-q", "-B", "side", "start")
        return timed(repo, ("git", "rebase", "-q", "main"), expected=0)

    return once


def _guard_runs(repo: Repository) -> Callable[[], Sample]:
    """As many as a rebase needs, so that one is measured as well as the rebase is; for one."""
    hook = repo.path / ".git" / "hooks" / "pre-commit"
    command = f'for each in $(seq {COMMITS}); do "$0" || exit; done'

    def once() -> Sample:
        repo.must(*NO_HOOKS, "checkout", "-q", "-B", "side", "start")
        repo.write("src/0/0.txt", "staged\n")
        repo.must("add", "src/0/0.txt")
        sample = timed(repo, ("sh", "-c", command, str(hook)), expected=0)
        repo.must(*NO_HOOKS, "reset", "-q", "--hard")
        return Sample(sample.wall / COMMITS, sample.cpu / COMMITS)

    return once


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
    """A row for each variant, beside no hooks and beside what the goal is a multiple of."""
    goal_is = "sh" if goal == IDLE else "the last line"
    table: list[Sequence[str]] = [
        (
            *("hooks", "median, ms", "10 to 90 %, ms", "to no hooks", f"to {goal_is}"),
            *("processor, ms", f"to {goal_is}"),
        )
    ]
    walls = {name: [sample.wall for sample in own] for name, own in samples.items()}
    busy = {name: [sample.cpu for sample in own] for name, own in samples.items()}
    for name, own in walls.items():
        cells = (name, f"{statistics.median(own):.1f}", spread(own))
        ratios = (f"{ratio(own, walls[NONE]):.2f}", f"{ratio(own, walls[goal]):.2f}")
        processor = (f"{statistics.median(busy[name]):.1f}", f"{ratio(busy[name], busy[goal]):.2f}")
        table.append((*cells, *ratios, *processor))
    return table


SECTIONS = {"rebase": rebase, "fetch": fetch}


def main() -> None:
    """Measure the sections that are named, or all."""
    parser = arguments(__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="so many rounds (15)")
    options = parser.parse_args()
    page = Page()
    for name in options.sections or SECTIONS:
        with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
            page.replace(SECTIONS[name](Scratch(Path(folder)), options.rounds))


if __name__ == "__main__":
    main()
