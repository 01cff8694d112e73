"""Write docs/evidence/faults.md: what every fault of the tests comes to, for each command and hook.

python docs/generate/fault_table.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from faults.hardships import HARDSHIPS, Hardship, attempt, lifted
from faults.scenarios import COMMAND_FAULTS, FAULTS, Fault, arranged, observe
from faults.world import COMMANDS, OPERATIONS, RESERVED, World, build, copied
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, ROOT

if TYPE_CHECKING:
    from support import Result

TABLE = EVIDENCE / "faults.md"
WIDEST = 130
COLUMNS = (*COMMANDS, *OPERATIONS, "db check")
INTRODUCTION = """\
# Closed when in doubt

What agentlock does when something is broken, each fault arranged for real. A cell shows the exit
code of the command, or of the hook, which is asked about a path that another agent holds: 0 yes,
1 refused, 3 could not decide and therefore refused, `signal` ended by it, other codes where not
even Python or the shell could start. Made by `python docs/generate/fault_table.py` from the
scenarios that `tests/faults` holds the code to: a command that ends with 0 has done what it says,
any other has changed no reservation, but where its answer cannot be printed (it says so); no hook
lets the reserved path through. How long they wait for a table that another process holds is told in
[held.md](held.md).

`db check` is asked last: 0 the table is whole, 1 something in it is wrong, 2 or 3 it was not read.

Where a pattern is garbled, `list` shows the row as it stands, and `release` gives up one's own:
neither decides anything by it. What would (`list --path`, `reserve`, the hooks near it) refuses,
and names `db check`, which tells the row and the command that ends it.
"""
DECIDED = """
## Nothing can be decided

No ref moves and no byte of the table is changed. `db check`, asked under the fault too, never calls
the table whole.
"""
LIVED_THROUGH = """
## What must be lived through

Where the table can still be read, the answer is the right one. Afterwards, when it is over, the
table is whole: `db check` and SQLite's own `PRAGMA integrity_check` find nothing.
"""
LIMITS = """
## Published limits

Here a reserved path does get through, and nothing notices it:
"""
WHY = {
    "clock set forward by a day": "a lease is a time; whoever sets the clock ends it",
    "log deleted": "what was granted since the last checkpoint was only there. The log is gone "
    "whenever the last process that had the table open has ended in peace; a kill -9 leaves it",
    "log of another table": "as above: SQLite finds that it does not belong here, and ignores it",
}


def main() -> int:
    arguments(__doc__).parse_args()
    with sealed_folder("faults") as folder:
        template = folder / "template"
        build(template)
        wrong: list[str] = []
        decided = [_fault_row(fault, template, wrong) for fault in FAULTS]
        lived = [_hardship_row(one, template, wrong) for one in HARDSHIPS if one.kept]
        limits = [_hardship_row(one, template, []) for one in HARDSHIPS if not one.kept]
    head = f"\n| fault | {' | '.join(COLUMNS)} | in words |\n|---|{'---|' * (len(COLUMNS) + 1)}\n"
    reasons = "".join(f"\n- {name}: {why}." for name, why in WHY.items()) + "\n"
    parts = (DECIDED, head, *decided, LIVED_THROUGH, head, *lived, LIMITS, head, *limits, reasons)
    TABLE.write_text(INTRODUCTION + "".join(parts), encoding="utf-8")
    count = len(decided) + len(lived) + len(limits)
    print(f"{count} faults, {len(wrong)} cells that are wrong: {TABLE}", *wrong, sep="\n")
    return 1 if wrong else 0


def _fault_row(fault: Fault, template: Path, wrong: list[str]) -> str:
    cells: dict[str, Result] = {}
    for operation in fault.only:
        with arranged(fault, template) as world:
            cell = observe(world, fault, operation)
            cells[operation] = cell.hook
            passed = cell.git is not None and cell.git.code == 0
            if passed or cell.hook.code != 3 or cell.landed or cell.table_changed:
                wrong.append(f"{fault.name}, {operation}: {cell}")
    if fault in COMMAND_FAULTS and not fault.other_user:
        with arranged(fault, template) as world:
            _attempt_all(fault.name, world, cells, wrong)
            cells["db check"] = world.check()
            if cells["db check"].code not in (1, 2, 3):
                wrong.append(f"{fault.name}, db check: {cells['db check']}")
    return _row(fault.name, cells)


def _hardship_row(hardship: Hardship, template: Path, wrong: list[str]) -> str:
    cells: dict[str, Result] = {}
    with copied(template) as world:
        hardship.arrange(world)
        refs = world.landed()
        for operation in OPERATIONS:
            by_git, cells[operation] = world.git(operation, RESERVED), world.hook(operation)
            if by_git.code == 0 or cells[operation].code == 0 or world.landed() != refs:
                wrong.append(f"{hardship.name}, {operation}: {by_git} {cells[operation]}")
        _attempt_all(hardship.name, world, cells, wrong if hardship.printed else [])
        lifted(world)
        cells["db check"] = world.check()
        if cells["db check"].code != 0:
            wrong.append(f"{hardship.name}, db check: {cells['db check']}")
    return _row(hardship.name, cells)


def _attempt_all(name: str, world: World, cells: dict[str, Result], wrong: list[str]) -> None:
    for command in COMMANDS:
        cells[command], honest = attempt(world, command)
        if not honest:
            wrong.append(f"{name}, {command}: {cells[command]}")


def _row(name: str, cells: dict[str, Result]) -> str:
    codes = [_code(cells[column]) if column in cells else "-" for column in COLUMNS]
    told = [one for name, one in cells.items() if one.code not in (0, 1) or name == "db check"]
    said = {_told(result) for result in told}
    return f"| {_escaped(name)} | {' | '.join(codes)} | {'; '.join(sorted(said - {''}))} |\n"


def _code(result: Result) -> str:
    return str(result.code) if result.code >= 0 else "signal"


def _told(result: Result) -> str:
    """The sentence that a refusal begins with; of an undecided one nothing else is needed."""
    said = [line for line in result.err.splitlines() if line.startswith(("agentlock: ", "wrong: "))]
    line = re.sub(r"^agentlock: ((commit|push) )?(refused: )?", "", said[0]) if said else ""
    line = re.sub(r"[^\s(]*/agentlock-fault-\w+/world(/repo/\.git/agentlock)?", "…", line)
    for path in (ROOT, Path(sys.prefix)):
        line = line.replace(str(path), "…")
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…", line)
    return _escaped(line if len(line) <= WIDEST else line[: WIDEST - 1] + "…")


def _escaped(text: str) -> str:
    return re.sub(r"([|\\*_<>\[\]])", r"\\\1", text)


if __name__ == "__main__":
    sys.exit(main())
