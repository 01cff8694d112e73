"""Write docs/evidence/operations.md: what each operation of git does, and which gate catches it.

python docs/generate/operation_table.py [--git DIR]...
"""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from operations.operations import GROUPS
from operations.world import MODES, PATHS, build, copied, missing, observe, stopped_by
from support import run
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from operations.operations import Operation
    from operations.world import Mode, Outcome

TABLE = EVIDENCE / "operations.md"
INTRODUCTION = """\
# Every operation of git, and the gate that stops it

Tried in real repositories with
%s,
by an agent, once on a path that is reserved by another and once on a path that is free.

- *Refused by* names the hook. What follows it brings the former state back; where nothing
  follows, nothing had changed.
- What *happens* all the same is handed on, as it is, to the gate in the column *later*, which
  refused it.
- *Untouched*: it happened, nothing was said, and the later gate let it through too.
- A git that does not know an operation, or comes without its program (`git subtree` is one), is
  left out of its row.

A merge that git settles by itself touches nothing, and a fast-forward makes no commit. The commits
that came in by them are judged at the push, one by one, unless a gate let them pass when they were
made.

Made by `python docs/generate/operation_table.py` from the operations to which `tests/operations`
holds the code.
"""
# Roads that cannot be tried here.
OTHERS = (
    (
        "jj (Jujutsu), GitButler, Sapling, JGit and whatever else writes commits by itself",
        "as with libgit2 the push by git; where it pushes by itself too, the server",
    ),
    (
        "the merge button and the web editor of a forge",
        "the [server](../how-to/server.md), where the forge runs `pre-receive` for them",
    ),
)
LATER = {"pre-commit": "the commit", "pre-push": "the push", "pre-receive": "the server"}
_UNKNOWN = "not tried"

Cells = tuple[str, ...]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument(
        "--git", action="append", default=[], metavar="DIR", help="another git, too"
    )
    folders = ["", *parser.parse_args().git]
    path = os.environ["PATH"]
    tables: dict[str, dict[str, Cells]] = {}
    for folder in folders:
        with sealed_folder("operations") as scratch:
            os.environ["PATH"] = f"{folder}:{path}" if folder else path
            version = run("git", "--version", cwd=ROOT).out.removeprefix("git version ").strip()
            tables[f"git {version}"] = dict(_rows(scratch))
    TABLE.write_text("".join(_page(tables)), encoding="utf-8")
    wrong = [row for table in tables.values() for row in table.items() if "WRONG" in str(row)]
    print(f"{len(tables)} gits, {len(wrong)} rows that are wrong: {TABLE}")
    print(*wrong, sep="\n", end="")
    return 1 if wrong else 0


def _rows(folder: Path) -> Iterator[tuple[str, Cells]]:
    for mode in MODES:
        build(folder / mode, mode)
    operations = [operation for group in GROUPS for operation in group.operations]
    with ProcessPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        found = pool.map(partial(_cells, folder), operations)
        yield from zip((operation.name for operation in operations), found, strict=True)


def _cells(folder: Path, operation: Operation) -> Cells:
    if missing(operation):
        return (_UNKNOWN,) * (len(MODES) + 2)
    reserved, free, later = [], [], ""
    for mode in MODES:
        seen = {}
        for kind, path in PATHS.items():
            with copied(folder / mode, path) as world:
                seen[kind] = observe(world, operation)
        reserved.append(_when_reserved(seen["reserved"], mode, operation))
        later = later or _later(seen["reserved"], operation)
        free.append(_when_free(seen["free"]))
    return (*reserved, later, "; ".join(dict.fromkeys(free)))


def _when_reserved(seen: Outcome, mode: Mode, operation: Operation) -> str:
    if seen.tried.hook != stopped_by(operation, mode):
        return f"WRONG: {seen}"
    if not seen.tried.hook:
        return "happens" if seen.tried.result.code == 0 else f"WRONG: {seen}"
    if not seen.tried.refused or seen.restored is None:
        return f"WRONG: {seen}"
    restored = re.sub("[0-9a-f]{40}", "COMMIT", seen.restored)
    return f"refused by {seen.tried.hook}" + (f"; `{restored}`" if restored else "")


def _later(seen: Outcome, operation: Operation) -> str:
    if seen.later is None:
        return "" if operation.later else "nothing"
    if not seen.later.refused or seen.later.hook != operation.gate:
        return f"WRONG: {seen.later}"
    return f"{LATER[operation.gate]}: refused by {operation.gate}"


def _when_free(seen: Outcome) -> str:
    passed = seen.tried.result.code == 0 and not seen.tried.told
    passed_on = seen.later is None or seen.later.result.code == 0
    return "untouched" if passed and passed_on else f"WRONG: {seen}"


def _page(tables: Mapping[str, Mapping[str, Cells]]) -> Iterator[str]:
    yield INTRODUCTION % " and ".join(tables)
    columns = ["operation", *(f"reserved, {mode}" for mode in MODES), "later", "free"]
    for group in GROUPS:
        yield f"\n## {group.title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
        for operation in group.operations:
            versions = [table[operation.name] for table in tables.values()]
            told = [_together(tables, cells) for cells in zip(*versions, strict=True)]
            yield f"| {operation.name} | {' | '.join(told)} |\n"
    yield "\nNot tried here:\n\n| road | what catches it |\n|---|---|\n"
    for road in OTHERS:
        yield f"| {' | '.join(road)} |\n"


def _together(versions: Mapping[str, object], cells: Cells) -> str:
    """One word where the gits that know the operation agree, each one's own where they do not."""
    known = set(cells) - {_UNKNOWN}
    if len(known) <= 1:
        return known.pop() if known else _UNKNOWN
    return "; ".join(f"{git}: {cell or '-'}" for git, cell in zip(versions, cells, strict=True))


if __name__ == "__main__":
    sys.exit(main())
