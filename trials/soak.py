"""Agents who work and die at one table for minutes: does every answer stay true?

python trials/soak.py --minutes 10

Prints the figures of the run, and writes them to docs/evidence/soak.md where --write is given.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from histories.stage import CROWDED, WEIGHTS, Stage, build, explained, faults, look
from histories.upgrade import age, kill_while_upgrading
from support import Repo
from support.glob_oracle import seeded
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, origin

if TYPE_CHECKING:
    from pathlib import Path

    from histories.checker import Event
    from histories.table import Answer, Call, Table

PAGE = EVIDENCE / "soak.md"
HISTORIES = 8  # in one repository
UPGRADES = 10
ROWS = (
    ("operations", "commands that were answered"),
    ("commits", "of them commits that landed"),
    ("histories", "histories, each explained by one order of its calls"),
    ("crashes", "commands killed with SIGKILL at a random moment"),
    ("upgrades", "upgrades of the table killed so, and done by the next command"),
    ("grants", "grants that were acknowledged"),
    ("places", "places in the queue that were acknowledged"),
    ("hand-overs", "reservations that the queue handed over"),
    ("lost", "grants and places lost that were acknowledged"),
    ("violations", "histories that no order explains, and tables with a fault"),
)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), metavar="N")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    figures: Counter[str] = Counter()
    end = time.monotonic() + 60 * options.minutes
    seed = options.seed
    with sealed_folder("soak") as folder:
        template = build(folder / "template")
        old = build(folder / "old")
        old.reserve("BlueLake", "src/")
        held = age(old)
        while time.monotonic() < end and not figures["violations"]:
            figures += histories(template, folder / "turn", seed)
            figures += upgrades(old, held, folder / "upgrade", seed)
            seed += 1
            print(f"seed {seed}: {dict(figures)}", flush=True)
    text = page(figures)
    print(text)
    if options.write:
        PAGE.write_text(text, encoding="utf-8")
    return 1 if figures["violations"] or figures["lost"] else 0


def histories(template: Repo, folder: Path, seed: int) -> Counter[str]:
    """What four agents did in a fresh copy of the repository, some of it killed."""
    figures: Counter[str] = Counter()
    shutil.copytree(template.path, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo")
    with Stage(repo) as stage:
        for turn in range(HISTORIES):
            stage.weights = CROWDED if turn % 2 else WEIGHTS
            before, events = stage.history(HISTORIES * seed + turn, calls=12, kills=0.25)
            figures += _counted(before, events, look(repo))
            wrong = faults(repo)
            if wrong or not explained(before, events):
                figures["violations"] += 1
                print(f"seed {HISTORIES * seed + turn}: {wrong}", before, *events, sep="\n")
        figures["crashes"] += stage.killed
    shutil.rmtree(folder)
    return figures


def _counted(before: Table, events: list[Event[Call, Answer]], after: Table) -> Counter[str]:
    told = [(one.call.kind, one.answer) for one in events if one.answer is not None]
    yes = [(kind, answer.told) for kind, answer in told if not answer.code]
    granted = {one[0] for kind, rows in yes if kind in ("reserve", "queued") for one in rows}
    placed = {-number for kind, one in told if kind == "queued" and one.code for number in one.told}
    handed = [{row.number for row in table.rows if row.place} for table in (before, after)]
    lost = granted - {row.number for row in after.rows}
    left = placed - {place.number for place in after.places}
    return Counter(
        {
            "operations": sum(kind not in ("arrive", "queued") for kind, _ in told),
            "commits": sum(kind == "commit" for kind, _ in yes),
            "grants": len(granted),
            "places": len(placed),
            "hand-overs": len(handed[1] - handed[0]),
            "lost": len(lost) + len(left),
            "histories": 1,
        }
    )


def upgrades(old: Repo, held: Table, folder: Path, seed: int) -> Counter[str]:
    chance = seeded(seed)
    killed = 0
    for _ in range(UPGRADES):
        shutil.copytree(old.path, folder, symlinks=True)
        killed += kill_while_upgrading(Repo(folder), held, chance)
        shutil.rmtree(folder)
    return Counter(upgrades=killed)


def page(figures: Counter[str]) -> str:
    rows = "".join(f"| {figures[key]:,} | {what} |\n" for key, what in ROWS)
    return f"# Soak\n\n| | |\n|---:|---|\n{rows}\n{origin()}\n"


if __name__ == "__main__":
    sys.exit(main())
