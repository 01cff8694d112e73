"""Has a guarded commit or edit become dearer? This checkout beside another revision of it.

    python benchmarks/versions.py REVISION [--rounds 150]

Prints the ratios, round by round in turn, of the processor time of a commit that changes a file and
of one that adds one, of edit hooks before a tool, and of a commit, a push and an edit in a linked
worktree, with 300 files reserved by another agent.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from support.scripts import arguments

from agentlock.edit_hooks.run import ALLOWED, DENIED
from benchmarks.edit_hook import edit
from benchmarks.pages import ROOT, Section, machine
from benchmarks.scratch import Scratch
from benchmarks.timing import interleaved, ratio, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.scratch import Repository
    from benchmarks.timing import Sample

FILES = 500
LIVE = 300
KINDS = {
    "a commit that changes a file": "src/0/0.txt",
    "a commit that adds a file": "src/0/new{}.txt",
}
EDITS = {
    "an edit of a file that one holds": ("src/0/1.txt", ALLOWED),
    "an edit of a held file": ("src/0/module1.py", DENIED),
    "an edit outside of every repository": ("{}/x.txt", ALLOWED),
}
LINKED: dict[str, Callable[[Repository, Path], Callable[[], Sample]]] = {
    "a commit in a linked worktree": lambda repo, _: commits(repo, "src/0/0.txt"),
    "a push from a linked worktree": lambda repo, _: pushes(repo),
    "an edit in a linked worktree": lambda repo, door: edit(repo, "src/0/1.txt", door=door),
}
# The program of a checkout, before the one that is installed.
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
    "from agentlock.__main__ import main; sys.exit(main())"
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("revision", metavar="REVISION", help="what git calls it")
    parser.add_argument("--rounds", type=int, default=150, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentlock-bench-") as folder:
        former = Path(folder, "former")
        subprocess.run(("git", "clone", "-q", str(ROOT), str(former)), check=True)
        subprocess.run(("git", "checkout", "-q", options.revision), cwd=former, check=True)
        Path(folder, "scratch").mkdir()
        scratch = Scratch(Path(folder, "scratch"))
        variants = {
            f"{kind}, {version}": commits(guarded(scratch, f"{version}{at}", program), name)
            for at, (kind, name) in enumerate(KINDS.items())
            for version, program in (("before", former), ("now", ROOT))
        }
        for version, program in (("before", former), ("now", ROOT)):
            edited = guarded(scratch, f"edited {version}", program)  # each has its own schema
            door = program / "agentlock" / "__main__.py"
            for kind, (path, expected) in EDITS.items():
                one = edit(edited, path.format(folder), expected, door=door)
                variants[f"{kind}, {version}"] = one
            for kind, made in LINKED.items():
                linked = guarded(scratch, f"{kind}, {version}", program).linked()
                variants[f"{kind}, {version}"] = made(linked, door)
        found = interleaved(variants, options.rounds)
    table: list[Sequence[str]] = [("what is guarded", "before, ms", "now, ms", "ratio")]
    for kind in (*KINDS, *EDITS, *LINKED):
        before, now = ([one.cpu for one in found[f"{kind}, {at}"]] for at in ("before", "now"))
        medians = [f"{statistics.median(times):.1f}" for times in (before, now)]
        table.append((kind, *medians, f"{ratio(now, before):.3f}"))
    text = f"{machine()}\n\nProcessor time, {options.rounds} rounds, before: {options.revision}."
    print(Section("Versions", text, table).markdown())


def guarded(scratch: Scratch, name: str, program: Path) -> Repository:
    """A repository with the hooks of that program."""
    repo = scratch.repository(name, FILES)
    command = (sys.executable, "-c", PROGRAM, str(program))
    repo.run(*command, "init")
    assert str(program) in (repo.path / ".git/hooks/pre-commit").read_text(encoding="utf-8")
    held = [f"src/0/module{at}.py" for at in range(LIVE)]
    repo.run(*command, "reserve", *held, agent="Other")
    return repo


def commits(repo: Repository, name: str) -> Callable[[], Sample]:
    """Times one commit of one file; staging it is not counted."""
    turns = itertools.count()

    def commit() -> Sample:
        turn = next(turns)
        path = name.format(turn)
        repo.write(path, f"change {turn}\n")
        repo.must("add", path)
        return timed(repo, ("git", "commit", "-q", "-m", "change"), expected=0)

    return commit


def pushes(repo: Repository) -> Callable[[], Sample]:
    """Times one push of one commit; making it is not counted."""
    repo.must("clone", "-q", "--bare", ".", f"{repo.path}.git")
    repo.must("remote", "add", "origin", f"{repo.path}.git")
    make = commits(repo, "src/0/0.txt")

    def push() -> Sample:
        make()
        return timed(repo, ("git", "push", "-q", "origin", "linked"), expected=0)

    return push


if __name__ == "__main__":
    main()
