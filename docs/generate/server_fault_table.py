"""Write docs/evidence/server-faults.md: what every fault of a PostgreSQL server comes to.

python docs/generate/server_fault_table.py
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from faults.server_scenes import FAULTS, OPERATIONS, Fault, guarded
from support.postgresql import OwnServer, running
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE

if TYPE_CHECKING:
    from pathlib import Path

TABLE = EVIDENCE / "server-faults.md"
WIDEST = 130
INTRODUCTION = """\
# A server that cannot be asked

The table is on a PostgreSQL server ([how](../how-to/postgresql.md)), each fault is made for real,
with a time-out of one second. A cell shows the exit code of the command (git says 1) and the first
line that it prints; no ref is changed, and no row. Made by `python
docs/generate/server_fault_table.py` from the scenarios that `tests/faults` holds the code to.

| fault | commit | push | reserve | release |
|---|---|---|---|---|
"""


def main() -> int:
    arguments(__doc__).parse_args()
    with sealed_folder("faults") as folder:
        passed: list[str] = []
        with running(folder / "server") as server:
            rows = [
                _row(fault, server, folder / f"scene {number}", passed)
                for number, fault in enumerate(FAULTS)
            ]
    TABLE.write_text(INTRODUCTION + "".join(rows), encoding="utf-8")
    print(f"{len(rows)} faults, {len(passed)} cells that are not closed: {TABLE}")
    print(*passed, sep="\n", end="")
    return 1 if passed else 0


def _row(fault: Fault, server: OwnServer, folder: Path, passed: list[str]) -> str:
    folder.mkdir()
    with guarded(server, folder) as scene:
        fault.arrange(scene)
        done = scene.try_everything()
    server.revive()
    cells = []
    for operation in OPERATIONS:
        result = done[operation]
        if operation not in fault.only:
            cells.append("does not concern it")
            continue
        if result.code == 0:
            passed.append(f"{fault.name}, {operation}: {result}")
        cells.append(f"{result.code}: {_shown(result.err)}")
    return f"| {fault.name} | {' | '.join(cells)} |\n"


def _shown(told: str) -> str:
    """The first line of ours, without what differs from run to run."""
    line = told.partition("agentlock: ")[2].partition("\n")[0]
    line = re.sub(r"postgresql://\S+", "…", line)
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\bt?\d{4,}\w*", "…", line)
    line = line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"
    return re.sub(r"([|\\*_<>\[\]])", r"\\\1", line)


if __name__ == "__main__":
    sys.exit(main())
