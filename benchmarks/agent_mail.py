"""What does an Agent Mail next to the table add to a guarded commit? Writes AGENT_MAIL.md.

    python benchmarks/agent_mail.py              (about two minutes)
    python benchmarks/agent_mail.py --rounds 10

One file is committed that nobody holds. The rows are like those of `benchmarks/scratch.py`: files,
folders and globs of other agents. An archive has two files for each reservation, as Agent Mail's.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from support.agent_mail import HOUR, Archive, Mailbox, kept
from support.scripts import arguments

from benchmarks.pages import ROOT, Page, Section
from benchmarks.scratch import Scratch, reserve_by_others
from benchmarks.timing import added, commits, interleaved, ratio, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.scratch import Repository
    from benchmarks.timing import Sample

PAGE = ROOT / "benchmarks" / "AGENT_MAIL.md"
FILES = 500
OWN = 1_000  # live reservations of others in our own table
FEW, MANY = 10, 10_000
NONE = "none"


def pattern(at: int) -> str:
    """70 % files, 20 % folders, 10 % globs, none of which meets src/0/0.txt."""
    if at % 10 < 7:
        return f"src/{at % 997 + 1}/module{at}.py"
    return f"packages/part{at}/**" if at % 10 < 9 else f"src/{at % 997 + 1}/*.x{at}"


def database(repo: Repository, folder: Path, rows: int, live: int) -> Path:
    """A database of so many reservations, of which so many are live."""
    mailbox = Mailbox(folder / "storage.sqlite3")
    project = mailbox.project(repo.path)
    agents = [mailbox.agent(project, f"Other{at}") for at in range(100)]
    values = [
        (
            *(project, agents[at % 100], pattern(at), True, "bd-42", kept(-HOUR)),
            *((kept(12 * HOUR), None) if at < live else (kept(-60), kept(-60))),
        )
        for at in range(rows)
    ]
    with closing(sqlite3.connect(mailbox.path)) as connection, connection:
        connection.executemany(
            "INSERT INTO file_reservations (project_id, agent_id, path_pattern, exclusive, reason,"
            " created_ts, expires_ts, released_ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
    return mailbox.path


def archive(repo: Repository, folder: Path, rows: int, live: int) -> Path:
    """The same as files."""
    made = Archive(folder, repo.path, generation="ab12")
    for at in range(rows):
        path = made.reserve(at + 1, f"Other{at % 100}", pattern(at))
        if at >= live:
            value = json.loads(path.read_text(encoding="utf-8"))
            over = {"expires_ts": value["created_ts"], "released_ts": value["created_ts"]}
            made.reserve(at + 1, f"Other{at % 100}", pattern(at), **over)
    return folder


def measure(folder: Path, rounds: int) -> Section:
    scratch = Scratch(folder)
    variants: dict[str, Callable[[], Sample]] = {}

    def add(name: str, make: Callable[[Repository, Path], Path] | None) -> None:
        repo = scratch.repository(f"repo{len(variants)}", FILES)
        repo.must("init", program="agentlock")
        reserve_by_others(repo, OWN)
        if make is not None:
            place = make(repo, folder / f"mail{len(variants)}")
            repo.must("init", "--agent-mail", str(place), program="agentlock")
        variants[name] = commits(repo)

    add(NONE, None)
    for rows, live in ((FEW, FEW), (MANY, FEW), (MANY, MANY)):
        add(
            f"a database of {rows:,} reservations, {live:,} live",
            partial(database, rows=rows, live=live),
        )
    for rows, live in ((FEW, FEW), (MANY // 2, FEW), (MANY, FEW), (MANY, MANY)):
        add(
            f"an archive of {rows:,} reservations, {live:,} live: {2 * rows:,} files",
            partial(archive, rows=rows, live=live),
        )
    text = (
        f"One staged file in a repository of {FILES} files, {OWN:,} live reservations of others in "
        f"our own table; the whole command, {rounds} rounds in turn. Ratios are medians of the "
        "ratios round by round, and what is added is the median of the differences: in time, and "
        "in time of the processor, which other load hardly moves."
    )
    if os.sched_getscheduler(0) == os.SCHED_RR:
        text += " Measured with real-time priority (`chrt -r 1`), because the machine was busy."
    samples = interleaved(variants, rounds)
    return Section("A guarded commit next to an Agent Mail", text, compared(samples))


def compared(samples: Mapping[str, Sequence[Sample]]) -> list[Sequence[str]]:
    walls = {name: [sample.wall for sample in own] for name, own in samples.items()}
    busy = {name: [sample.cpu for sample in own] for name, own in samples.items()}
    table: list[Sequence[str]] = [
        (
            "Agent Mail",
            "median, ms",
            "10 to 90 %, ms",
            "to none",
            "added, ms",
            "processor, added, ms",
        )
    ]
    for name, own in walls.items():
        table.append(
            (
                name,
                f"{statistics.median(own):.1f}",
                spread(own),
                f"{ratio(own, walls[NONE]):.2f}",
                f"{added(own, walls[NONE]):.1f}",
                f"{added(busy[name], busy[NONE]):.1f}",
            )
        )
    return table


def main() -> None:
    """Measure, and replace the section of AGENT_MAIL.md."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=40, metavar="N")
    parser.add_argument("--output", type=Path, default=PAGE, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(
        prefix="agentlock-bench-", ignore_cleanup_errors=True
    ) as folder:
        page = Page(options.output, "What an Agent Mail next to the table costs")
        page.replace(measure(Path(folder), options.rounds))


if __name__ == "__main__":
    main()
