"""Write docs/faults.md: what every fault of the tests comes to, for a commit and for a push.

python benchmarks/fault_table.py
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from conftest import sealed_environment  # noqa: E402 -- the tests are found only now
from faults.scenarios import FAULTS, Cell, arranged, observe  # noqa: E402
from faults.world import OPERATIONS, World, build  # noqa: E402

TABLE = ROOT / "docs" / "faults.md"
WIDEST = 150
INTRODUCTION = """\
# Closed when in doubt

What the hooks do when they cannot decide, each fault arranged for real. A cell shows the exit
code of the hook and the first line that it prints (a second one says what mends it); git refuses
the commit or the push with it, changes no ref, and no byte of the table is changed. Made by
`python benchmarks/fault_table.py` from the scenarios that `tests/faults` holds the code to.

| fault | commit | push |
|---|---|---|
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="agentlock-faults-") as folder:
        environment = sealed_environment(Path(folder))
        os.environ.clear()
        os.environ.update(environment)
        template = Path(folder) / "template"
        build(template)
        passed: list[str] = []
        rows = []
        for fault in FAULTS:
            cells = []
            for operation in OPERATIONS:
                if operation not in fault.only:
                    cells.append("does not concern it")
                    continue
                with arranged(fault, template) as world:
                    cell = observe(world, fault, operation)
                if not _is_closed(cell):
                    passed.append(f"{fault.name}, {operation}: {cell}")
                cells.append(_told(cell, world))
            rows.append(f"| {_escaped(fault.name)} | {' | '.join(cells)} |\n")
    TABLE.write_text(INTRODUCTION + "".join(rows), encoding="utf-8")
    print(f"{len(rows)} faults, {len(passed)} cells that are not closed: {TABLE}")
    print(*passed, sep="\n", end="")
    return 1 if passed else 0


def _is_closed(cell: Cell) -> bool:
    refused = cell.git is None or cell.git.code != 0
    return refused and cell.hook.code == 3 and not cell.landed and not cell.table_changed


def _told(cell: Cell, world: World) -> str:
    said = [line for line in cell.hook.err.splitlines() if line.startswith("agentlock: ")]
    line = said[0] if said else "(nobody to tell)"
    for path, name in (
        (world.database.parent, "…"),
        (world.folder, "…"),
        (ROOT, "…"),
        (Path(sys.prefix), "…"),
    ):
        line = line.replace(str(path), name)
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…", line)
    shown = line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"
    return f"{cell.hook.code}: {_escaped(shown.removeprefix('agentlock: '))}"


def _escaped(text: str) -> str:
    return re.sub(r"([|\\*_<>\[\]])", r"\\\1", text)


if __name__ == "__main__":
    sys.exit(main())
