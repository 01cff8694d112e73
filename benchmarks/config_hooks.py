"""What do hooks of git's configuration add, beside those of the folder? Needs git 2.54 or newer.

    python benchmarks/config_hooks.py [--rounds 100]

Prints the table of docs/explanation/adr/0010-configuration-hooks.md; the rounds are interleaved as
in run.py.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from agentlock.hook_kinds import RECEIVES, with_role
from agentlock.install.config_hooks import EVENTS
from benchmarks.pages import Section, machine
from benchmarks.scratch import Scratch
from benchmarks.timing import commits, interleaved, ratio, timed

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.scratch import Repository
    from benchmarks.timing import Sample


def guarded(scratch: Scratch, name: str, *, configured: bool) -> Repository:
    repo = scratch.repository(name, 100)
    repo.must("init", program="agentlock")
    if not configured:
        for event in set(EVENTS) - set(with_role(RECEIVES)):
            repo.must("config", "--remove-section", f"hook.agentlock-{event}")
    repo.must("init", "-q", "--bare", "remote.git")
    return repo


def pushes(repo: Repository) -> Callable[[], Sample]:
    """Times one push of one commit to a repository beside it; making the commit is not counted."""
    commit = commits(repo)

    def push() -> Sample:
        commit()
        return timed(repo, ("git", "push", "-q", "remote.git", "main"), expected=0)

    return push


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=100, metavar="N")
    rounds = parser.parse_args().rounds
    table: list[tuple[str, ...]] = [("", "folder alone, ms", "with both, ms", "ratio")]
    with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
        scratch = Scratch(Path(folder))
        for what, measured in (("commit", commits), ("push", pushes)):
            alone = measured(guarded(scratch, f"{what}-alone", configured=False))
            both = measured(guarded(scratch, f"{what}-both", configured=True))
            samples = interleaved({"alone": alone, "both": both}, rounds)
            first, second = ([one.wall for one in samples[name]] for name in ("alone", "both"))
            medians = (f"{statistics.median(times):.1f}" for times in (first, second))
            table.append((what, *medians, f"{ratio(second, first):.2f}"))
    text = f"{machine()} {rounds} rounds; medians, and the median of the ratios of each round."
    print(Section("Hooks of the configuration", text, list(table)).markdown())


if __name__ == "__main__":
    main()
