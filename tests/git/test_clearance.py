"""A clearance serves the one git command that was cleared: not its number, nor its proxy."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, assert_passed, assert_refused, publish, run

if TYPE_CHECKING:
    from pathlib import Path

IN_CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run((*IN_CONTAINER, "true"), check=False, capture_output=True).returncode == 0


@pytest.fixture
def staged(repo: Repo) -> Repo:
    """HOLDER's change of what it holds is staged."""
    repo.write("src/x.py")
    repo.write("docs/y.md")
    repo.commit_unguarded()
    repo.reserve(HOLDER, "src/")
    repo.write("src/x.py", "held\n")
    repo.must("add", "src")
    return repo


@pytest.mark.skipif(not _can_unshare(), reason="only root can make a namespace of processes")
@pytest.mark.parametrize("options", [["--mount-proc"], []], ids=["own /proc", "the host's /proc"])
def test_what_a_container_left_behind_serves_no_other_container(
    staged: Repo, options: list[str]
) -> None:
    """In each of them git has the number 1."""
    message = staged.path / ".git" / "COMMIT_EDITMSG"
    message.unlink(missing_ok=True)
    message.mkdir()  # git stops on it between pre-commit and prepare-commit-msg
    commit = (*IN_CONTAINER, *options, "git", "commit", "-q", "-m", "x")
    assert run(*commit, cwd=staged.path, agent=HOLDER).code == 128
    message.rmdir()
    refused = run(*commit, "--no-verify", cwd=staged.path, agent=OTHER)
    assert_refused(refused, "src/x.py")
    assert_passed(run(*commit, cwd=staged.path, agent=HOLDER))


def test_a_proxy_that_runs_the_hooks_of_all_commits_clears_none(staged: Repo) -> None:
    """As GitHub Desktop does: what starts our hooks is the same process for every commit."""
    hooks = f"""
        cd '{staged.path}'
        AGENTLOCK_AGENT={HOLDER} .git/hooks/pre-commit || exit 9
        AGENTLOCK_AGENT={OTHER} .git/hooks/prepare-commit-msg .git/COMMIT_EDITMSG message
    """
    refused = run("sh", "-c", hooks, cwd=staged.path)
    assert_refused(refused, "src/x.py")
    assert not list((staged.path / ".git").glob("agentlock-cleared*"))


def test_behind_a_proxy_the_git_command_above_it_counts(staged: Repo, tmp_path: Path) -> None:
    """A fetch may bring to a branch what others made."""
    assert staged.agentlock("hooks", "install", "--strict").code == 0
    publish(staged, tmp_path)
    staged.must(*NO_HOOKS, "switch", "-qc", "theirs")
    staged.commit_unguarded("of HOLDER")
    staged.must(*NO_HOOKS, "push", "-q", "origin", "theirs:review")
    staged.must(*NO_HOOKS, "switch", "-q", "main")
    staged.must(*NO_HOOKS, "branch", "-qD", "theirs")
    staged.must("update-ref", "-d", "refs/remotes/origin/review")
    staged.must("reflog", "expire", "--expire=now", "--all")
    hook = staged.path / ".git" / "hooks" / "reference-transaction"
    ours = hook.rename(staged.path / ".git" / "behind-the-proxy")
    hook.write_text(f'#!/bin/sh\nsh -c \'"$0" "$@"; exit $?\' {ours} "$@"\n', encoding="utf-8")
    hook.chmod(0o755)
    (staged.path / ".git" / "FETCH_HEAD").unlink(missing_ok=True)
    assert_passed(staged.git("fetch", "-q", "origin", "review:mine", agent=OTHER))
    evil = staged.must("commit-tree", "-p", "mine", "-m", "x", "main^{tree}")
    refused = staged.git("update-ref", "refs/heads/evil", evil, agent=OTHER)
    assert refused.code != 0
