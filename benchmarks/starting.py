"""What does a command cost that agents call all day? Writes benchmarks/RESULTS.md.

python benchmarks/starting.py [--rounds 60]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from benchmarks.pages import Page, Section, short
from benchmarks.scratch import Scratch
from benchmarks.timing import interleaved, ratio, timed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.scratch import Repository
    from benchmarks.timing import Sample

HERE = Path(__file__).resolve().parent
CLICK = "`python -c 'import click'`"
AGENTLOCK = os.path.join(os.path.dirname(sys.executable), "agentlock")


def starting(scratch: Scratch, rounds: int) -> Section:
    repo = scratch.repository("starting", 500)
    repo.must("init", program="agentlock")
    repo.must("reserve", "src/0/0.txt", program="agentlock")
    commands: dict[str, Sequence[str]] = {
        "`python -c pass`": (sys.executable, "-c", "pass"),
        CLICK: (sys.executable, "-c", "import click"),
        "`agentlock --version`": (AGENTLOCK, "--version"),
        "`agentlock reserve FILE`": (AGENTLOCK, "reserve", "src/0/0.txt"),
        "`agentlock renew --all`": (AGENTLOCK, "renew", "--all"),
        "`agentlock check FILE`": (AGENTLOCK, "check", "src/0/0.txt"),
        "`agentlock status`": (AGENTLOCK, "status"),
        "`agentlock inbox`": (AGENTLOCK, "inbox"),
        "`agentlock queue list`": (AGENTLOCK, "queue", "list"),
        "`agentlock whoami`": (AGENTLOCK, "whoami"),
    }
    variants = {
        name: partial(timed, repo, command, expected=0) for name, command in commands.items()
    }
    variants["`agentlock release FILE`"] = partial(_release, repo)
    samples = interleaved(variants, rounds)
    table: list[Sequence[str]] = [
        ("command", "median, ms", "processor, ms", "to import click", "processor to it")
    ]
    base = samples[CLICK]
    for name, own in samples.items():
        walls, busy = [one.wall for one in own], [one.cpu for one in own]
        ratios = (
            ratio(walls, [one.wall for one in base]),
            ratio(busy, [one.cpu for one in base]),
        )
        medians = (statistics.median(walls), statistics.median(busy))
        table.append((name, *(short(number) for number in (*medians, *ratios))))
    text = (
        f"The installed script, as a whole process with its git commands, {rounds} rounds. Ratios "
        "are medians of the ratios of each round."
    )
    return Section("Starting", text, table)


def _release(repo: Repository) -> Sample:
    """Only the release is timed, of what was reserved just before it."""
    repo.must("reserve", "src/0/1.txt", program="agentlock")
    return timed(repo, (AGENTLOCK, "release", "src/0/1.txt"), expected=0)


def main() -> None:
    """Measure and write RESULTS.md."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=60, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
        section = starting(Scratch(Path(folder)), options.rounds)
    Page().replace(section)


if __name__ == "__main__":
    main()
