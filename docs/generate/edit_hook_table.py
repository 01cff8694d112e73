"""Write docs/evidence/edit-hooks.md: what agents' real programs do with an edit hook, and without.

python docs/generate/edit_hook_table.py [PROGRAM…]
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from agents import matrix
from agents.failing import TROUBLES, UNASKED, meet
from agents.programs import PROGRAMS
from support import HOLDER, make_guarded
from support.environment import make_home, variables_of
from support.scripts import arguments, sealed_folder

from agentlock.install import edit_hooks
from benchmarks.pages import EVIDENCE, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agents.matrix import Tried
    from agents.programs import Program
    from support import Repo

NONE = "-"
PAGE = EVIDENCE / "edit-hooks.md"
INTRODUCTION = """\
# Edit hooks, with the real programs

Each program was run headless against a scripted model, in a network namespace without a way out,
with the entries that `agentlock edit-hooks install` writes into the user's own settings, trusted
in Codex. Made by `python docs/generate/edit_hook_table.py` from the scenes that `make test-agents`
holds the code to. The programs' screens were not run, and Cursor was not run at all.
"""
HELD = """
## Held and free

Every file is held by another agent, or by nobody. *stopped*: the file is as it was, and the model
has read the refusal with the holder's name. *done*: the file is changed. In brackets the program's
tool.
"""
UNSEEN = """
What no command line tells is the published limit: the edit passes, and the commit is judged, as in
the table below. Text that Codex types into a shell that runs already (`write_stdin`) is such a
thing as well: Codex calls no hook for it (not tried here).
"""
FAILING = """
## When a hook does not answer

The program edits a file that another agent holds, and commits it in its own shell; if the commit
passes, somebody pushes it. A dash: this cannot happen, or no way to bring it about is known. A
hook that is too slow meets the time-out in its entry, 2 seconds here and 30 as installed;
agentlock's own deadline is 5.
"""
AFTER = """
So no program is a wall by itself. With our shell line, a program of ours that is missing or killed
stops the edit; everything else above is left to the commit. Gemini CLI's shell switches git's
hooks off, and only our entry puts them back: without it, the push is the first to refuse.
"""


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("programs", nargs="*", choices=[*PROGRAMS, []], metavar="PROGRAM")
    chosen = [PROGRAMS[name] for name in parser.parse_args().programs or PROGRAMS]
    wrong: list[str] = []
    with sealed_folder("edit-hooks") as folder:
        held = [_held_column(program, folder, wrong) for program in chosen]
        failing = [_failing_column(program, folder, wrong) for program in chosen]
    text = INTRODUCTION + HELD + _table("held by another", chosen, held)
    text += UNSEEN + FAILING + _table("what is wrong", chosen, failing) + AFTER
    text += f"\n{origin()}\n"
    if len(chosen) == len(PROGRAMS):
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)
    print(f"{len(wrong)} cells that are wrong", *wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def _world(folder: Path, name: str) -> tuple[Repo, Path]:
    """A guarded repository and a home of its own, in a new folder."""
    place = folder / re.sub(r"\W+", "-", name)
    make_home(place / "home")
    os.environ.update(variables_of(place / "home"))
    return make_guarded(place / "repo", "README.md"), place


def _held_column(program: Program, folder: Path, wrong: list[str]) -> dict[str, str]:
    """What came of each action, held and free."""
    cells: dict[str, str] = {}
    held = _tried(program, folder, "held", matrix.hold)
    free = _tried(program, folder, "free", lambda repo: repo.reserve(HOLDER, "elsewhere/**"))
    for action in (*matrix.ACTIONS, matrix.UNSEEN):
        if action.name not in held:
            cells[action.name] = NONE
            continue
        is_stopped = not held[action.name].done and HOLDER in held[action.name].told
        is_done = free[action.name].done
        if not is_done or is_stopped == (action is matrix.UNSEEN):
            wrong.append(f"{program.name}, {action.name}: {held[action.name]} {free[action.name]}")
        first = "stopped" if is_stopped else "**done**"
        second = "done" if is_done else "STOPPED"
        cells[action.name] = f"{first} / {second} (`{held[action.name].tool}`)"
    return cells


def _tried(
    program: Program, folder: Path, name: str, arrange: Callable[[Repo], object]
) -> dict[str, Tried]:
    found: dict[str, Tried] = {}
    for number, (model, actions) in enumerate(matrix.groups(program)):
        repo, place = _world(folder, f"{program.name}-{name}-{number}")
        matrix.lay(repo)
        arrange(repo)
        edit_hooks.install(program.name)
        more = UNASKED if program.name == "codex" else ()
        asked = [*actions, *([] if number else [matrix.UNSEEN])]
        tried, _ = matrix.attempt(program, repo, place / "run", asked, model=model, more=more)
        found |= tried
        print(program.name, name, number, file=sys.stderr)
    return found


def _failing_column(program: Program, folder: Path, wrong: list[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for trouble in TROUBLES:
        repo, place = _world(folder, f"{program.name}-{trouble.name}")
        passed = meet(trouble, program, repo, place)
        cells[trouble.name] = NONE if passed is None else passed.words
        if passed is not None and passed.pushed:
            wrong.append(f"{program.name}, {trouble.name}: {passed}")
        print(program.name, trouble.name, cells[trouble.name], file=sys.stderr)
    return cells


def _table(corner: str, programs: Sequence[Program], columns: Sequence[dict[str, str]]) -> str:
    head = [corner, *(f"{one.title} {one.version}" for one in programs)]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---|' * len(programs)}"]
    lines += [
        f"| {name} | {' | '.join(column[name] for column in columns)} |" for name in columns[0]
    ]
    return "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
