"""What must hold in every set-up: theirs run, ours refuse, and all comes back to the byte."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from setups.paths import everything
from support import HOLDER, NO_HOOKS, OTHER, Repo, Result, run

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """A worktree in which src/x.py is committed, with a remote ``origin`` and hooks of somebody's.

    ``git`` is how git is called for it and ``cwd`` from where (None: the worktree). ``said``: what
    theirs say at a commit (None: they have no such hook) and at a push. ``folder`` holds them.
    """

    repo: Repo
    folder: Path
    said: tuple[str | None, str] = ("theirs: pre-commit", "theirs: pre-push")
    git: tuple[str, ...] = ("git",)
    cwd: Path | None = None
    env: Mapping[str, str] = {}

    def run(self, *arguments: str, agent: str) -> Result:
        cwd = self.cwd or self.repo.path
        return run(*self.git, *arguments, cwd=cwd, agent=agent, env=self.env)


class Row(NamedTuple):
    """What came of it; ``refused``: a commit and a push of OTHER, and no commit of HOLDER."""

    theirs_ran: bool
    refused: bool
    twice_changes_nothing: bool
    restored: bool


ALL_HOLDS = Row(theirs_ran=True, refused=True, twice_changes_nothing=True, restored=True)


def start(folder: Path, *options: str) -> Repo:
    """A repository with src/x.py and a remote, before anybody's hooks."""
    repo = Repo(folder / "plain")
    repo.path.mkdir(parents=True)
    repo.must("init", "-q", *options)
    repo.write(".gitignore", "*\n!/src/\n!/src/*\n")
    repo.write("src/x.py")
    repo.commit_unguarded("files")
    repo.must("init", "-q", "--bare", *options, str(folder / "remote.git"))
    repo.must("remote", "add", "origin", str(folder / "remote.git"))
    return repo


def prove(place: Place) -> Row:
    """Install, commit, push, uninstall; for real."""
    repo = place.repo
    before = _state(place)
    _must(repo.agentlock("init"))
    once = _state(place)
    _must(repo.agentlock("init"))
    _must(repo.agentlock("hooks", "install"))
    again = _state(place)
    repo.reserve(HOLDER, "src/x.py")
    repo.write("src/x.py", "changed\n")
    repo.must("add", "src/x.py")
    refused = place.run("commit", "-m", "change", agent=OTHER)
    passed = place.run("commit", "-m", "change", agent=HOLDER)
    repo.write("src/x.py", "behind the guard's back\n")  # else the push brings what was judged
    _must(place.run(*NO_HOOKS, "commit", "-q", "-a", "-m", "sneaked", agent=OTHER))
    pushed = place.run("push", "origin", "HEAD:refs/heads/new", agent=OTHER)
    _must(repo.agentlock("hooks", "uninstall"))
    repo.must("config", "--local", "--remove-section", "agentlock")
    at_commit, at_push = place.said
    told = [result.out + result.err for result in (refused, passed, pushed)]
    said = [at_commit is None or at_commit in text for text in told[:2]]
    return Row(
        theirs_ran=all(said) and at_push in told[2],
        refused=(
            (refused.code, passed.code, pushed.code) == (1, 0, 1)
            and told[0].count("agentlock: commit refused") == 1
            and told[2].count("agentlock: push refused") == 1
        ),
        twice_changes_nothing=once == again,
        restored=_state(place) == before,
    )


def _must(result: Result) -> None:
    assert result.code == 0, result


def _state(place: Place) -> dict[Path, tuple[int, bytes]]:
    """All that decides which hooks run, to the byte."""
    common = Path(place.repo.must("rev-parse", "--path-format=absolute", "--git-common-dir"))
    ours = (common / "agentlock-guard" / "hooks", common / "agentlock-guard" / "configured")
    found = everything(common / "hooks", place.folder, *ours)
    for path in (common / "config", Path(os.environ["HOME"], ".gitconfig")):
        found[path] = (path.stat().st_mode, path.read_bytes())
    return found
