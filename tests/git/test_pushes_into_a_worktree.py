"""A repository with a worktree is guarded against what others push to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def pushed_to(new_repo: Callable[..., Repo]) -> Repo:
    """It has src/x.py and docs/y.md, takes pushes to what is checked out, and a linked worktree."""
    repo = new_repo("pushed to")
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name)
    repo.commit_unguarded("files")
    assert repo.agentlock("init").code == 0
    repo.must("config", "receive.denyCurrentBranch", "updateInstead")
    repo.must("worktree", "add", "-q", "-b", "side", str(repo.path.parent / "side"))
    return repo


@pytest.fixture
def clone(pushed_to: Repo, tmp_path: Path) -> Repo:
    """Somebody's clone, in which nobody ran `agentlock init`."""
    pushed_to.must("clone", "-q", str(pushed_to.path), str(tmp_path / "clone"))
    return Repo(tmp_path / "clone")


def test_a_push_over_somebody_elses_reservation_changes_neither_branch_nor_file(
    pushed_to: Repo, clone: Repo
) -> None:
    pushed_to.reserve(HOLDER, "src/")
    clone.write("src/x.py", "theirs\n")
    clone.commit_unguarded()
    for agent in (OTHER, None):
        for url, branch in (("origin", "main"), ("origin", "new"), ("../side", "new")):
            refused = clone.git("push", url, f"HEAD:refs/heads/{branch}", agent=agent)
            assert refused.code == 1, refused
            assert "remote: agentlock: push refused: 1 of 1 path is reserved" in refused.err
            assert "no record" in refused.err
    assert "theirs" not in (pushed_to.path / "src/x.py").read_text()
    assert pushed_to.git("rev-parse", "-q", "--verify", "new").code == 1
    passed = clone.git("push", "origin", "main", agent=HOLDER)
    assert passed.code == 0, passed
    assert (pushed_to.path / "src/x.py").read_text() == "theirs\n"


def test_free_files_come_through_and_what_a_gate_let_pass_too(pushed_to: Repo, clone: Repo) -> None:
    pushed_to.reserve(HOLDER, "src/")
    clone.write("docs/y.md", "free\n")
    clone.commit_unguarded()
    assert clone.git("push", "origin", "main", agent=OTHER).code == 0
    side = Repo(pushed_to.path.parent / "side")
    side.write("src/x.py", "held\n")
    assert side.commit_all(agent=HOLDER).code == 0
    assert side.git("push", ".", "HEAD:refs/heads/third", agent=OTHER).code == 0


def test_the_receiving_repositorys_own_name_is_not_that_of_whoever_pushes(
    pushed_to: Repo, clone: Repo
) -> None:
    pushed_to.must("config", "agentlock.agent", HOLDER)
    pushed_to.reserve(HOLDER, "src/")
    clone.write("src/x.py", "theirs\n")
    clone.commit_unguarded()
    assert clone.git("push", "origin", "HEAD:refs/heads/new").code == 1
    pushed_to.must("config", "agentlock.identityVariable", "PUSHER")
    push = ("push", "origin", "HEAD:refs/heads/new")
    assert clone.git(*push, agent=HOLDER).code == 1
    assert clone.git(*push, env={"PUSHER": HOLDER}).code == 0


def test_without_it_commits_are_guarded_all_the_same_and_doctor_names_it(pushed_to: Repo) -> None:
    (pushed_to.path / ".git" / "hooks" / "pre-receive").unlink()
    assert "in place, pre-receive is missing" in pushed_to.agentlock("status").out
    doctor = pushed_to.agentlock("doctor")
    assert doctor.code == 1
    assert "pre-receive" in doctor.out
