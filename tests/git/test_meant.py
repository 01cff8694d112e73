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


@pytest.mark.parametrize(
    ("held", "changed"),
    [
        ("docs/É.md", "docs/é.md"),
        ("docs/Документ.md", "docs/доКУМЕНТ.md"),
        ("Ünïcode/", "ünÏcode/x.py"),
        ("docs/Ü*.md", "docs/üb.md"),
        ("**/ΣΑΣ.md", "x/σας.md"),
    ],
)
def test_letters_beyond_ascii_fold_where_the_file_system_folds(
    repo: Repo, held: str, changed: str
) -> None:
    repo.must("config", "core.ignorecase", "true")
    repo.reserve(HOLDER, held)
    blob = repo.must("hash-object", "-w", "--stdin", stdin=b"x")
    repo.must("update-index", "--add", "--cacheinfo", f"100644,{blob},{changed}")
    assert_refused(repo.git("commit", "-qm", "theirs", agent=OTHER), held.rstrip("/"))
    refused = repo.agentlock("reserve", changed, agent=OTHER)
    assert refused.code == 1, refused
    assert repo.agentlock("check", changed, agent=OTHER).code == 1
    assert_passed(repo.git("commit", "-qm", "mine", agent=HOLDER))
    assert repo.agentlock("db", "check").code == 0


def test_letters_beyond_ascii_are_two_names_where_the_file_system_does_not_fold(repo: Repo) -> None:
    repo.must("config", "core.ignorecase", "false")
    repo.reserve(HOLDER, "docs/É.md")
    repo.write("docs/é.md")
    assert_passed(repo.commit_all(agent=OTHER))
    assert repo.agentlock("reserve", "docs/é.md", agent=OTHER).code == 0


def test_a_name_is_exempt_only_as_git_compares_it(repo: Repo) -> None:
    repo.must("config", "core.ignorecase", "true")
    policy = ("require_reservation", "on", "--reason", "x")
    assert_passed(repo.agentlock("policy", "set", *policy))
    assert_passed(repo.agentlock("policy", "set", "exempt", "docs/É.md", "--reason", "x"))
    repo.write("docs/é.md")
    assert_refused(repo.commit_all(agent=OTHER), "not reserved by you")


def test_a_refusal_says_who_it_takes_us_for_by_a_variable_that_is_not_ours(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/")
    repo.write("src/x.py")
    repo.must("add", "src")
    refused = repo.git("commit", "-qm", "theirs", env={"AGENT_NAME": "build01"})
    assert_refused(refused, "(you are build01, by AGENT_NAME)")
    assert "you are" not in repo.git("commit", "-qm", "theirs", agent=OTHER).err
