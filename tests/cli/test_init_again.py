"""`init` in a repository that is set up already, and in one that was moved."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from support import HOLDER, OTHER, Repo, make_guarded

if TYPE_CHECKING:
    from pathlib import Path


def test_init_again_says_in_two_lines_that_nothing_changed(repo: Repo) -> None:
    assert repo.agentlock("guide", "--write", "AGENTS.md").code == 0
    told = repo.agentlock("init")
    project = repo.must("config", "agentlock.project")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        f"table:   {repo.database} (unchanged), project {project}",
        "hooks:   unchanged",
    ]


def test_init_again_names_what_it_wrote(repo: Repo) -> None:
    hooks = repo.path / ".git" / "hooks"
    (hooks / "pre-push").unlink()
    with (hooks / "pre-commit").open("a") as file:
        file.write("# edited\n")
    assert repo.agentlock("init").out.splitlines()[1:] == ["hooks:   written: pre-commit, pre-push"]
    added = repo.agentlock("init", "--strict").out.splitlines()
    assert added[1:] == ["hooks:   written: reference-transaction"]


def test_init_again_names_a_project_that_was_called_otherwise(repo: Repo) -> None:
    project = repo.must("config", "agentlock.project")
    table, _ = repo.agentlock("init", "--project", "another").out.splitlines()
    assert table.endswith(f"(unchanged), project another (before: {project})")


def test_the_json_of_init_is_the_same_each_time(repo: Repo) -> None:
    told = repo.agentlock("init", "--json").json
    assert list(told) == ["database", "project", "created", "hooks"]
    assert told["created"] is False


def assert_refuses(repo: Repo) -> None:
    repo.write("README.md", "changed\n")
    assert "agentlock: commit refused" in repo.commit_all(agent=OTHER).err
    repo.must("checkout", "-q", "HEAD", "README.md")


def test_a_repository_that_moved_keeps_its_reservations_and_its_guard(tmp_path: Path) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    repo.reserve(HOLDER, "README.md")
    moved = Repo(repo.path.rename(tmp_path / "moved"))
    assert_refuses(moved)
    assert [agent for agent, *_ in moved.live()] == [HOLDER]
    assert "hooks:   unchanged" in moved.agentlock("init").out
    assert moved.agentlock("doctor", agent=HOLDER).code == 0


def test_a_repository_with_a_hooks_path_is_guarded_from_the_first_command_after_it_moved(
    tmp_path: Path,
) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    repo.must("config", "core.hooksPath", ".husky")
    assert repo.agentlock("hooks", "install").code == 0
    repo.reserve(HOLDER, "README.md")
    moved = Repo(repo.path.rename(tmp_path / "moved"))
    assert "the guard is back in place" in moved.agentlock("status", agent=OTHER).err
    assert_refuses(moved)


def test_a_repository_that_moved_is_found_by_the_uninstall(tmp_path: Path) -> None:
    repo = make_guarded(tmp_path / "repo", "README.md")
    moved = Repo(repo.path.rename(tmp_path / "moved"))
    assert moved.agentlock("status").code == 0
    assert moved.agentlock("init").code == 0
    done = moved.agentlock("hooks", "uninstall", "--everywhere")
    assert f"{moved.path}/.git: hooks removed" in done.out
    shutil.rmtree(moved.path)
