"""An automatic reservation ends with the commit of its file, or with its session."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from edit_hooks.test_denying import edit, is_silent, why
from edit_hooks.test_reserving import MINUTE, age, left, policy
from edit_hooks.test_sessions import event, whoami
from support import HOLDER, OTHER, assert_passed, publish

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo

DETAILS = "SELECT detail FROM events WHERE kind = 'released' ORDER BY id"


def live(repo: Repo) -> list[str]:
    found = repo.sql("SELECT path_pattern FROM file_reservations WHERE released_ts IS NULL")
    return sorted(pattern for (pattern,) in found)


def edited(repo: Repo, name: str, text: str = "new\n", **who: Any) -> None:
    """The agent edits a file with its program's tool."""
    assert is_silent(edit(repo.path / name, cwd=repo.path, **who)), name
    repo.write(name, text)


def test_a_commit_of_the_file_ends_it(repo: Repo) -> None:
    edited(repo, "x.py")
    edited(repo, "y.py")
    repo.must("add", "x.py")
    assert_passed(repo.git("commit", "-qm", "x", agent=OTHER))
    assert live(repo) == ["/x.py", "/y.py"]  # the commit's own hook ends nothing
    assert repo.agentlock("list", agent=HOLDER).code == 0
    assert live(repo) == ["/y.py"]
    assert repo.sql(DETAILS) == [(f"committed in {repo.head[:12]}",)]
    assert_passed(repo.commit_all(agent=OTHER))
    event("UserPromptSubmit", cwd=repo.path, prompt="go", agent=OTHER)
    assert live(repo) == []


def test_a_file_that_is_changed_again_stays_reserved(repo: Repo) -> None:
    edited(repo, "x.py")
    assert_passed(repo.commit_all(agent=OTHER))
    edited(repo, "x.py", "newer\n")
    assert repo.agentlock("list").code == 0
    assert live(repo) == ["/x.py"]
    assert_passed(repo.commit_all(agent=OTHER))
    assert repo.agentlock("list").code == 0
    assert live(repo) == []


def test_only_a_commit_by_its_agent_here_ends_it(repo: Repo, tmp_path: Path) -> None:
    repo.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    edited(repo, "x.py")
    edited(repo, "z.py")
    (tmp_path / "side/x.py").write_text("new\n")
    repo.must("add", ".", cwd=tmp_path / "side")
    assert_passed(repo.git("commit", "-qm", "side", agent=OTHER, cwd=tmp_path / "side"))
    assert repo.agentlock("list", cwd=tmp_path / "side").code == 0
    assert live(repo) == ["/x.py", "/z.py"]  # in another worktree
    repo.must("add", "z.py")
    assert_passed(repo.git("commit", "-qm", "z", agent=OTHER))
    (repo.path / "x.py").unlink()
    repo.write("free.py")
    repo.must("add", "free.py")
    assert_passed(repo.git("commit", "-qm", "free", agent=HOLDER))
    assert repo.agentlock("list").code == 0
    assert live(repo) == ["/x.py"]


def test_a_commit_of_the_file_by_another_agent_does_not_end_it(repo: Repo) -> None:
    edited(repo, "x.py")
    repo.must("add", ".")
    skip = {"AGENTLOCK_SKIP": "it has to go out"}
    assert_passed(repo.git("commit", "-qm", "x", agent=HOLDER, env=skip))
    assert repo.agentlock("list").code == 0
    assert live(repo) == ["/x.py"]


def test_its_own_release_still_answers_after_the_commit(repo: Repo) -> None:
    edited(repo, "x.py")
    assert_passed(repo.commit_all(agent=OTHER))
    assert repo.agentlock("release", "x.py", agent=OTHER).code == 0


def test_an_ordinary_reservation_survives_the_commit(repo: Repo) -> None:
    edited(repo, "x.py")
    repo.reserve(OTHER, "x.py")
    assert_passed(repo.commit_all(agent=OTHER))
    assert repo.agentlock("list").code == 0
    assert live(repo) == ["/x.py"]


def test_the_push_ends_it_where_the_policy_says_so(repo: Repo, tmp_path: Path) -> None:
    publish(repo, tmp_path)
    policy(repo, "release_on=push", "max_ttl=3h")
    edited(repo, "x.py")
    assert_passed(repo.commit_all(agent=OTHER))
    for _ in range(2):
        assert repo.agentlock("list").code == 0
        assert left(repo) == [180]
    assert_passed(repo.git("push", "-q", "origin", "main", agent=OTHER))
    assert repo.agentlock("list").code == 0
    assert live(repo) == []


def test_what_ends_goes_to_whoever_waits(repo: Repo) -> None:
    edited(repo, "x.py")
    assert repo.agentlock("reserve", "x.py", "--queue", agent=HOLDER).code == 1
    assert_passed(repo.commit_all(agent=OTHER))
    assert repo.agentlock("list", agent="Third").code == 0
    assert [(one["agent"], one["offer"]) for one in repo.agentlock("list", "--json").json] == [
        (HOLDER, True)
    ]


def test_the_end_of_the_last_session_ends_what_is_unchanged(repo: Repo) -> None:
    for session in ("S", "T"):
        event("SessionStart", cwd=repo.path, session=session, agent=OTHER)
    for session, name in (("S", "mine.py"), ("S", "both.py"), ("T", "both.py"), ("S", "README.md")):
        tool: dict[str, Any] = {"tool_name": "Edit", "tool_input": {"file_path": name}}
        event("PreToolUse", cwd=repo.path, session=session, **tool)
    repo.write("README.md", "changed\n")
    event("SessionEnd", cwd=repo.path)
    assert live(repo) == ["/README.md", "/both.py"]
    event("SessionEnd", cwd=repo.path, session="T")
    assert live(repo) == ["/README.md"]


def test_whoever_waits_is_told_once_that_nobody_works_on_it(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    holder = whoami(repo)["agent"]
    edited(repo, "x.py", agent=None)
    assert repo.agentlock("reserve", "x.py", "--queue", agent=HOLDER).code == 1
    event("SessionEnd", cwd=repo.path)
    event("SessionStart", cwd=repo.path, session="T")
    (told,) = repo.agentlock("inbox", "--json", agent=HOLDER).json
    changed = f"{holder}'s session ended, and x.py is changed and not committed: reservation 1"
    assert told["subject"] == f"{changed} lasts until its time is over"
    assert live(repo) == ["/x.py"]


def test_a_session_whose_process_has_gone_ends_as_well(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    edited(repo, "x.py", agent=None)
    (repo.path / "x.py").unlink()
    (file,) = (repo.path / ".git/agentlock/sessions").iterdir()
    agent, program, session, _, _, place = file.read_text().split("\n")[:6]
    gone = f"{os.getpid()}\n1"  # no process began then
    file.write_text(f"{agent}\n{program}\n{session}\n{gone}\n{place}\n")
    event("SessionStart", cwd=repo.path, session="T")
    assert live(repo) == []


def test_what_is_of_another_host_is_left_alone(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    edited(repo, "x.py", agent=None)
    (repo.path / "x.py").unlink()
    repo.sql("UPDATE conversations SET host = 'far', ended_ts = 1")
    event("SessionStart", cwd=repo.path, session="T")
    assert repo.agentlock("list").code == 0
    assert live(repo) == ["/x.py"]


def test_a_lease_that_ran_out_is_over(repo: Repo) -> None:
    edited(repo, "x.py")
    age(repo, 31)
    assert left(repo) == [-1]
    assert MINUTE == 60_000_000
    assert is_silent(edit("x.py", cwd=repo.path, agent=HOLDER))
    assert HOLDER in why(edit("x.py", cwd=repo.path))
