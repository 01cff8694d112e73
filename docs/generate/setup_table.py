"""Write docs/evidence/setups.md: what became of every set-up of the tests, made for real.

python docs/generate/setup_table.py        (needs npm, and a registry for it)
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from setups.environments import ENVIRONMENTS
from setups.managers import MANAGERS, fetched
from setups.paths import SET_UPS
from setups.proof import ALL_HOLDS, Place, prove, start
from support import run
from support.environment import make_home, sealed_environment
from support.scripts import arguments, sealed_folder

from benchmarks.pages import EVIDENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE = EVIDENCE / "setups.md"
INTRODUCTION = """\
# Every set-up

Each was made for real, with hooks of somebody's in it, and then: `agentlock init`, twice more, a
commit and a push over somebody's reservation, the holder's commit, `agentlock hooks uninstall`.
*Refused*: the commit and the push, each once, and not the holder's commit. *Restored*: every hook
and the repository's and the user's configuration, to the byte. Made with {git} by
`python docs/generate/setup_table.py` from the set-ups that the tests hold the code to.

What a manager's own command takes away again (`pre-commit install -f`, `lefthook install`,
`git lfs update --force`) is noticed by `agentlock hooks status`, `status` and `reserve`, and
`agentlock hooks install` puts it back: `tests/git/test_hook_managers.py`. If `npm install` (husky)
leads `core.hooksPath` away, the next agentlock command puts it back. In a folder that was deleted
git itself ends with an error, unless `-C` leads it elsewhere.

| set-up | theirs ran | ours refused | twice changes nothing | restored |
|---|---|---|---|---|
"""


def places(folder: Path) -> Iterator[tuple[str, Place]]:
    """Each with an environment of its own, which holds until the next."""
    tools = fetched(folder)
    number = 0

    def fresh() -> Path:
        nonlocal number
        number += 1
        own = folder / str(number)
        own.mkdir()
        make_home(own / "home")
        os.environ.update(sealed_environment(own / "home"))
        return own

    for name, environment in ENVIRONMENTS.items():
        yield name, environment(fresh())
    for name, setup in SET_UPS.items():
        repo = start(fresh())
        yield f"`core.hooksPath`: {name}", Place(repo, setup.arrange(repo))
    for name, manager in MANAGERS.items():
        repo = start(fresh())
        manager.install(repo, tools)
        said = (manager.commits, manager.pushes)
        yield name, Place(repo, repo.path / ".husky", said, env=tools.environment)


def main() -> int:
    arguments(__doc__).parse_args()
    wrong = []
    rows = []
    git = run("git", "version", cwd=ROOT).out.strip()
    with sealed_folder("setups") as folder:
        for name, place in places(folder):
            row = prove(place)
            if row != ALL_HOLDS:
                wrong.append(f"{name}: {row}")
            cells = [name, *("yes" if holds else "NO" for holds in row)]
            rows.append(f"| {' | '.join(cells)} |\n")
    TABLE.write_text(INTRODUCTION.format(git=git) + "".join(rows), encoding="utf-8")
    print(f"{len(rows)} set-ups, {len(wrong)} with something wrong: {TABLE}")
    print(*wrong, sep="\n", end="")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
