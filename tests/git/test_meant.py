"""What a pattern means is what its author meant, or it is said: set-ups that people really have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, assert_passed, assert_refused

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_file_in_a_folder_with_brackets_is_held(repo: Repo) -> None:
    (repo.path / "app" / "[slug]").mkdir(parents=True)
    told = repo.agentlock("reserve", "app/[slug]/page.tsx", agent=HOLDER)
    assert told.code == 0
    assert "'app/[slug]' is read as the existing directory" in told.err
    repo.write("app/[slug]/page.tsx")
    assert_refused(repo.commit_all(agent=OTHER), "app/[slug]/page.tsx")
    assert_passed(repo.commit_all(agent=HOLDER))
    assert repo.agentlock("release", "app/[slug]/page.tsx", agent=HOLDER).code == 0


@pytest.fixture
def nested(repo: Repo) -> Repo:
    """A repository with a worktree of its own inside it, as Claude Code makes them."""
    repo.write("src/a")
    repo.commit_unguarded()
    repo.must("worktree", "add", "-q", ".claude/worktrees/a1", "-b", "a1")
    return repo


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (".claude/worktrees/a1/src/a", "src/a"),
        (".claude/worktrees/a1/src/new.py", "src/new.py"),
        (".claude/worktrees/a1/src/", "src"),
        (".claude/worktrees/a1/src/*.py", "src/*.py"),
        (".claude/worktrees/a1/**/*.py", "**/*.py"),
    ],
)
def test_a_path_in_a_nested_worktree_is_refused_with_the_path_to_name(
    nested: Repo, typed: str, same: str
) -> None:
    for text in (typed, str(nested.path / typed)):
        for command in ("reserve", "check"):
            refused = nested.agentlock(command, text, agent=HOLDER)
            assert refused.code == 2, refused
            assert "is in another worktree of this repository" in refused.err
            assert f"reserve {same!r}\n" in refused.err
    assert nested.live() == []


def test_the_nested_worktree_itself_is_refused(nested: Repo) -> None:
    for typed in (".claude/worktrees/a1", ".claude/worktrees/a1/", ".claude/worktrees/a1/**"):
        assert nested.agentlock("reserve", typed, agent=HOLDER).code == 2
    assert nested.agentlock("reserve", ".claude/", agent=HOLDER).code == 0


def test_a_path_of_the_main_worktree_is_refused_in_a_linked_one(
    nested: Repo, tmp_path: Path
) -> None:
    nested.must("worktree", "add", "-q", str(tmp_path / "side"))
    for cwd in (nested.path / ".claude/worktrees/a1", tmp_path / "side"):
        refused = nested.agentlock("reserve", str(nested.path / "src/a"), agent=HOLDER, cwd=cwd)
        assert refused.code == 2
        assert "reserve 'src/a'\n" in refused.err


def test_a_path_in_a_repository_that_is_no_submodule_is_refused(nested: Repo) -> None:
    inner = Repo(nested.path / "vendor" / "inner")
    inner.path.mkdir(parents=True)
    inner.must("init", "-q")
    refused = nested.agentlock("reserve", "vendor/inner/x.c", agent=HOLDER)
    assert refused.code == 2
    assert "is inside 'vendor/inner', a repository of its own" in refused.err
    assert nested.agentlock("reserve", "vendor/inner", agent=HOLDER).code == 0


def test_backslashes_between_names_hold_nothing_and_are_refused(repo: Repo) -> None:
    repo.write("lib/a/test.py")
    for typed in (r"lib\**\test.py", r"lib\**", r"lib\a\test.py"):
        refused = repo.agentlock("reserve", typed, agent=HOLDER)
        assert refused.code == 2
        slashes = typed.replace("\\", "/")
        assert f"fix: write '{slashes}'\n" in refused.err
    assert repo.live() == []
