"""Write docs/evidence/setups.md: what became of every set-up of the tests, made for real.

python docs/generate/setup_table.py [--git DIR]...        (needs npm, and a registry for it)
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from setups.environments import ENVIRONMENTS, MORE
from setups.managers import MANAGERS, fetched
from setups.paths import SET_UPS
from setups.proof import ALL_HOLDS, Place, Row, prove, start
from support import run
from support.environment import make_home, sealed_environment
from support.scripts import arguments, sealed_folder

from agentlock.git import version
from benchmarks.pages import EVIDENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TABLE = EVIDENCE / "setups.md"
INTRODUCTION = """\
# Every set-up

Each was made for real, with hooks of somebody's in it, and then: `agentlock init`, twice more, a
commit and a push over somebody's reservation, the holder's commit, `agentlock hooks uninstall`.
*Refused*: the commit and the push, each once, and not the holder's commit. *Restored*: every hook
and the repository's and the user's configuration, to the byte. Made by
`python docs/generate/setup_table.py` from the set-ups that the tests hold the code to, with
{first}; the rows of the first table also with {others}.

What a manager's own command takes away again (`pre-commit install -f`, `lefthook install`,
`git lfs update --force`) is noticed by `agentlock hooks status`, `status` and `reserve`, and
`agentlock hooks install` puts it back: `tests/git/test_hook_managers.py`. If `npm install` (husky)
leads `core.hooksPath` away, the next agentlock command puts it back. In a folder that was deleted
git itself ends with an error, unless `-C` leads it elsewhere.

"""
HEAD = """\
| set-up | theirs ran | ours refused | twice changes nothing | restored |
|---|---|---|---|---|
"""
UNKNOWN = {"a sparse checkout with a sparse index": (2, 32)}  # the git that knows it


def surroundings(folder: Path, git: tuple[int, ...]) -> Iterator[tuple[str, Place]]:
    """Each with an environment of its own, which holds until the next."""
    for number, (name, environment) in enumerate((ENVIRONMENTS | MORE).items()):
        if git >= UNKNOWN.get(name, ()):
            yield name, environment(fresh(folder / f"s{number}"))


def managers(folder: Path) -> Iterator[tuple[str, Place]]:
    """The same for settings of ``core.hooksPath`` and for managers of hooks."""
    tools = fetched(folder)
    for number, (name, setup) in enumerate(SET_UPS.items()):
        repo = start(fresh(folder / f"p{number}"))
        yield f"`core.hooksPath`: {name}", Place(repo, setup.arrange(repo))
    for number, (name, manager) in enumerate(MANAGERS.items()):
        repo = start(fresh(folder / f"m{number}"))
        manager.install(repo, tools)
        said = (manager.commits, manager.pushes)
        yield name, Place(repo, repo.path / ".husky", said, env=tools.environment)


def fresh(own: Path) -> Path:
    own.mkdir()
    make_home(own / "home")
    os.environ.update(sealed_environment(own / "home"))
    return own


def proven(places: Iterator[tuple[str, Place]]) -> dict[str, Row]:
    return {name: prove(place) for name, place in places}


def table(rows: Mapping[str, Mapping[str, Row]]) -> str:
    """A line for each set-up; ``rows`` are those of each git."""
    lines = []
    for name in dict.fromkeys(name for found in rows.values() for name in found):
        cells = []
        for at in range(len(Row._fields)):
            lost = [git for git, found in rows.items() if name in found and not found[name][at]]
            cells.append(f"NO ({', '.join(lost)})" if lost else "yes")
        older = [git for git, found in rows.items() if name not in found]
        title = f"{name} (not in {', '.join(older)})" if older else name
        lines.append(f"| {title} | {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument(
        "--git", action="append", default=[], metavar="DIR", help="another git, too"
    )
    path = os.environ["PATH"]
    everywhere: dict[str, dict[str, Row]] = {}
    for at in ["", *parser.parse_args().git]:
        with sealed_folder("setups") as folder:
            os.environ["PATH"] = f"{at}:{path}" if at else path
            name = run("git", "version", cwd=ROOT).out.strip().replace("git version", "git")
            everywhere[name] = proven(surroundings(folder, version.installed()))
    os.environ["PATH"] = path
    first, *others = everywhere
    with sealed_folder("managers") as folder:
        here = {first: proven(managers(folder))}
    page = INTRODUCTION.format(first=first, others=" and ".join(others) or "no other")
    TABLE.write_text(f"{page}{table(everywhere)}\n{table(here)}", encoding="utf-8")
    rows = [row for found in (*everywhere.values(), *here.values()) for row in found.items()]
    wrong = [f"{name}: {row}" for name, row in rows if row != ALL_HOLDS]
    print(f"{len(rows)} set-ups, {len(wrong)} with something wrong: {TABLE}")
    print(*wrong, sep="\n", end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
