"""A push of what one holds oneself ends with the command that releases it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, assert_passed, run

if TYPE_CHECKING:
    from pathlib import Path

PUSH = ("push", "-q", "origin", "HEAD:refs/heads/main")


@pytest.fixture
def shared(repo: Repo, tmp_path: Path) -> Repo:
    """A repository with a remote, in which the holder has two reservations."""
    run("git", "init", "-q", "--bare", "hub.git", cwd=tmp_path)
    repo.must("remote", "add", "origin", str(tmp_path / "hub.git"))
    repo.must(*PUSH)
    repo.reserve(HOLDER, "src/**", "docs/")
    return repo


def commit(repo: Repo, *paths: str, agent: str | None = HOLDER) -> None:
    for path in paths:
        repo.write(path, f"by {agent}\n")
    assert_passed(repo.commit_all(agent=agent))


def test_the_command_that_releases_what_was_pushed_can_be_pasted(shared: Repo) -> None:
    commit(shared, "src/a.py", "free.txt")
    pushed = shared.git(*PUSH, agent=HOLDER)
    assert_passed(pushed)
    assert pushed.err == (
        "agentlock: you still hold src/** (id 1); once the push is through:\n"
        "  agentlock release --id 1\n"
    )
    command = pushed.err.splitlines()[-1].split()
    assert_passed(shared.agentlock(*command[1:], agent=HOLDER))
    assert [pattern for _, pattern, _ in shared.live()] == ["/docs/"]


def test_if_that_is_all_one_holds_it_is_release_all(shared: Repo) -> None:
    commit(shared, "src/a.py", "docs/x.md")
    pushed = shared.git(*PUSH, agent=HOLDER)
    assert "you still hold src/** (id 1), docs/ (id 2); once" in pushed.err
    assert pushed.err.endswith("\n  agentlock release --all\n")


@pytest.mark.parametrize("agent", [HOLDER, OTHER, None])
def test_nothing_is_said_of_what_one_does_not_hold_or_push(shared: Repo, agent: str | None) -> None:
    commit(shared, "free.txt", agent=agent)
    pushed = shared.git(*PUSH, agent=agent)
    assert (pushed.code, pushed.err) == (0, "")
    again = shared.git(*PUSH, agent=agent)
    assert (again.code, again.err) == (0, "")


def test_whoever_lands_the_holders_commit_is_not_told_to_release_it(shared: Repo) -> None:
    commit(shared, "src/a.py")
    pushed = shared.git(*PUSH, agent=OTHER)
    assert_passed(pushed)
    assert "you still hold" not in pushed.err


def test_many_reservations_are_named_in_two_lines(shared: Repo) -> None:
    shared.reserve(HOLDER, *(f"many/{number}.py" for number in range(20)))
    commit(shared, *(f"many/{number}.py" for number in range(20)))
    lines = shared.git(*PUSH, agent=HOLDER).err.splitlines()
    assert len(lines) == 2
    assert re.search(r"many/2\.py \(id 5\) and 17 more; once", lines[0])
    assert lines[1] == "  agentlock list --mine"


def test_a_damaged_pattern_of_ones_own_stops_no_push(shared: Repo) -> None:
    commit(shared, "free.txt")
    shared.sql("UPDATE file_reservations SET path_pattern = '/src/[' WHERE id = 1")
    assert_passed(shared.git(*PUSH, agent=HOLDER))
