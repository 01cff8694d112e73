"""Edit hooks of a repository whose table is on a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.test_denying import edit, is_silent, why
from edit_hooks.test_sessions import event, told
from support import HOLDER, OTHER, assert_passed

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Repo
    from support.postgresql import Server


@pytest.fixture
def repo(new_repo: Callable[..., Repo], postgresql: Server) -> Repo:
    repo = new_repo()
    assert repo.agentlock("init", "--database", postgresql.database()).code == 0
    return repo


def held(repo: Repo) -> list[tuple[str, str, bool]]:
    listed = repo.agentlock("list", "--json", agent=HOLDER).json
    return [(one["agent"], one["pattern"], one["automatic"]) for one in listed]


def test_a_held_file_is_denied_and_a_free_one_is_reserved_until_its_commit(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**", "--reason", "bd-42")
    for _ in range(2):
        assert HOLDER in why(edit("src/a.py", cwd=repo.path))
    assert is_silent(edit("mine.py", cwd=repo.path))
    assert held(repo) == [(HOLDER, "/src/**", False), (OTHER, "/mine.py", True)]
    assert OTHER in why(edit("mine.py", cwd=repo.path, agent=HOLDER))
    repo.write("mine.py")
    assert_passed(repo.commit_all(agent=OTHER))
    assert held(repo) == [(HOLDER, "/src/**", False)]
    assert repo.agentlock("release", "--all", agent=HOLDER).code == 0
    assert is_silent(edit("src/a.py", cwd=repo.path))


def test_a_session_begins_with_a_name_and_ends_with_what_it_left_unchanged(repo: Repo) -> None:
    assert OTHER in told(event("SessionStart", cwd=repo.path, agent=OTHER))
    tool: dict[str, Any] = {"tool_name": "Edit", "tool_input": {"file_path": "README.md"}}
    assert is_silent(event("PreToolUse", cwd=repo.path, **tool))
    assert held(repo) == [(OTHER, "/README.md", True)]
    active = repo.agentlock("session", "list", "--active", "--json").json
    assert [one["agent"] for one in active] == [OTHER]
    event("SessionEnd", cwd=repo.path)
    assert held(repo) == []
    assert repo.agentlock("session", "list", "--active", "--json").json == []
