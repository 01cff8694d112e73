"""Everything that an agent does to files, with each program's own tools, held by another or free.

Each action has a file of its own, so that one run tries them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agents.programs import NEW, OLD, added, deleted, moved, update
from agents.stage import start
from support import HOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agents.formats import Step
    from agents.programs import Program
    from agents.stage import Outcome
    from support import Repo

UNCOMMITTED = "work that nobody has committed\n"
_FIX = "fix.patch"


class Action(NamedTuple):
    """Something that changes files.

    ``steps(program, project)`` are the turns that do it; none if the program has no tool for it.
    ``was_done(project)`` is asked afterwards.
    """

    name: str
    steps: Callable[[Program, Path], list[Step]]
    was_done: Callable[[Path], bool]
    by_patch: bool = False


class Tried(NamedTuple):
    """What came of an action, and what the model was told of its last step."""

    done: bool
    told: str
    tool: str


def _patch(text: Callable[[Path], str]) -> Callable[[Program, Path], list[Step]]:
    def steps(program: Program, project: Path) -> list[Step]:
        return [program.patch(text(project))] if program.patch is not None else []

    return steps


def _shell(command: str) -> Callable[[Program, Path], list[Step]]:
    return lambda program, _: [program.bash(command)]


def _below(command: str) -> Callable[[Program, Path], list[Step]]:
    """A command in the folder src, which the tool is given."""

    def steps(program: Program, project: Path) -> list[Step]:
        step = program.bash(command)
        step["args"][program.folder] = str(project / "src")
        return [step] if program.folder else []

    return steps


def _patched(program: Program, project: Path) -> list[Step]:
    if program.patch is None:
        return [program.bash(f"git apply {_FIX}")]
    return [program.patch(update(str(project / "src/patch.py")))]


def _has(name: str, text: str) -> Callable[[Path], bool]:
    return lambda project: text in (project / name).read_text(encoding="utf-8")


def _exists(name: str) -> Callable[[Path], bool]:
    return lambda project: (project / name).exists()


def _is_gone(name: str) -> Callable[[Path], bool]:
    return lambda project: not (project / name).exists()


ACTIONS = (
    Action(
        "edit tool",
        lambda program, project: program.edit(str(project / "src/edit.py")),
        _has("src/edit.py", NEW),
    ),
    Action("patch", _patched, _has("src/patch.py", NEW), by_patch=True),
    Action("shell write", _shell("echo y >> src/shell.py"), _has("src/shell.py", "y")),
    Action(
        "shell write, run in a folder below",
        _below("echo y >> below.py"),
        _has("src/below.py", "y"),
    ),
    Action(
        "destructive git",
        _shell("git checkout -- src/git.py"),
        lambda project: UNCOMMITTED not in (project / "src/git.py").read_text(encoding="utf-8"),
    ),
    Action(
        "new file",
        lambda program, project: program.create(str(project / "src/new.py")),
        _exists("src/new.py"),
    ),
    Action("delete", _shell("rm src/delete.py"), _is_gone("src/delete.py")),
    Action("move", _shell("mv src/move.py src/moved.py"), _is_gone("src/move.py")),
    Action(
        "patch: new file",
        _patch(lambda project: added(str(project / "src/patch_new.py"))),
        _exists("src/patch_new.py"),
        by_patch=True,
    ),
    Action(
        "patch: delete",
        _patch(lambda project: deleted(str(project / "src/patch_delete.py"))),
        _is_gone("src/patch_delete.py"),
        by_patch=True,
    ),
    Action(
        "patch: move",
        _patch(lambda at: moved(str(at / "src/patch_move.py"), str(at / "src/patch_moved.py"))),
        _is_gone("src/patch_move.py"),
        by_patch=True,
    ),
)
# What no command line tells: it passes before the tool, and the commit is refused.
UNSEEN = Action(
    "a program that writes by itself",
    _shell(f"python3 -c \"open('src/unseen.py', 'w').write('{NEW}')\""),
    _has("src/unseen.py", NEW),
)
_FILES = (
    *("edit", "patch", "shell", "below", "git", "delete", "move"),
    *("patch_delete", "patch_move", "unseen"),
)


def lay(repo: Repo) -> None:
    """The files that the actions change, committed, and one with work that nobody has committed."""
    for name in _FILES:
        repo.write(f"src/{name}.py", f"{OLD}\n")
    repo.commit_unguarded("files")
    diff = f"--- a/src/patch.py\n+++ b/src/patch.py\n@@ -1 +1 @@\n-{OLD}\n+{NEW}\n"
    repo.write(_FIX, diff)
    repo.write("src/git.py", UNCOMMITTED)


def attempt(
    program: Program,
    repo: Repo,
    folder: Path,
    actions: Sequence[Action],
    *,
    model: str = "",
    more: Sequence[str] = (),
) -> tuple[dict[str, Tried], Outcome]:
    """Let the program do all of it, one after the other."""
    lists = {action: action.steps(program, repo.path) for action in actions}
    steps = [step for several in lists.values() for step in several]
    options = {"project": repo.path, "folder": folder, "model": model, "more": more}
    outcome = start(program, steps, **options).outcome()  # type: ignore[arg-type]
    assert len(outcome.told) == len(steps), f"{outcome.told} {outcome.err}"
    found: dict[str, Tried] = {}
    at = 0
    for action, several in lists.items():
        if several:
            at += len(several)
            used = several[-1]
            tool = used.get("tool") or used["custom"]
            found[action.name] = Tried(action.was_done(repo.path), outcome.told[at - 1], tool)
    return found, outcome


def groups(program: Program) -> list[tuple[str, list[Action]]]:
    """The actions that one run can try, and its model: some give a patch tool to certain models."""
    patches = [one for one in ACTIONS if one.by_patch]
    others = [one for one in ACTIONS if not one.by_patch]
    if program.patch is None or program.model == program.patch_model:
        return [("", [*others, *patches])]
    return [("", others), (program.patch_model, patches)]


def hold(repo: Repo) -> None:
    """Another agent holds all of it."""
    repo.reserve(HOLDER, "src/**", "--reason", "bd-42")
