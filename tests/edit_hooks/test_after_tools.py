"""After a tool: leases are renewed, and the agent is told what it needs to know."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from edit_hooks.test_denying import edit, hook, is_silent, why
from edit_hooks.test_ending import live
from edit_hooks.test_reserving import age, left, policy
from edit_hooks.test_sessions import event, told, whoami
from support import HOLDER, OTHER, assert_passed

from agentlock.git.sessions import tools_running

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo, Result


def tool(
    repo: Repo,
    name: str = "Read",
    *,
    when: str = "PostToolUse",
    cwd: Path | None = None,
    **given: Any,
) -> Result:
    """A tool of session S is about to run, or has run."""
    session, program = given.pop("session", "S"), given.pop("program", "claude")
    where = {"cwd": cwd or repo.path, "session": session, "program": program}
    which = {"tool_use_id": given.pop("tool_use_id", "toolu_1")}
    return event(when, **where, **which, tool_name=name, tool_input=given)


def shell(repo: Repo, command: str, do: Any, *, cwd: Path | None = None) -> Result:
    """A shell command of session S, which does something; what the agent is told then."""
    assert is_silent(tool(repo, "Bash", when="PreToolUse", cwd=cwd, command=command))
    do()
    return tool(repo, "Bash", cwd=cwd, command=command)


def test_any_tool_renews_what_its_session_edits(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    edit("x.py", cwd=repo.path, agent=None)
    age(repo, 10)
    assert is_silent(tool(repo))
    assert left(repo) == [20]  # more than half is left
    age(repo, 10)
    event("SessionStart", cwd=repo.path, session="T")
    tool(repo, session="T")
    assert left(repo) == [10]  # another session
    assert is_silent(tool(repo))
    assert left(repo) == [30]


def test_while_somebody_waits_only_an_edit_of_the_file_renews(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    for name in ("x.py", "y.py"):
        edit(name, cwd=repo.path, agent=None)
    assert repo.agentlock("reserve", "x.py", "--queue", agent=HOLDER).code == 1
    age(repo, 20)
    tool(repo)
    assert left(repo) == [10, 30]
    edit("x.py", cwd=repo.path, agent=None)
    assert left(repo) == [30, 30]


def test_what_is_reserved_by_hand_is_not_renewed(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    repo.reserve(whoami(repo)["agent"], "src/**", "--ttl", "10m")
    assert is_silent(tool(repo))
    assert left(repo) == [10]


def test_a_commit_in_the_shell_ends_the_reservation_at_once(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path, agent=OTHER)
    edit("x.py", cwd=repo.path)
    repo.write("x.py")
    told_then = shell(
        repo, "git commit -qam x", lambda: assert_passed(repo.commit_all(agent=OTHER))
    )
    assert is_silent(told_then)
    assert live(repo) == []


def test_a_stale_copy_is_told_once(repo: Repo) -> None:
    repo.write("x.py")
    repo.commit_unguarded("x")
    repo.must("checkout", "-q", "-b", "side")
    repo.write("x.py", "theirs\n")
    assert_passed(repo.commit_all(agent=HOLDER))
    repo.must("checkout", "-q", "main")
    event("SessionStart", cwd=repo.path)
    assert is_silent(edit("x.py", cwd=repo.path, agent=None))
    first = told(tool(repo, "Edit", file_path="x.py"))
    assert f"x.py was changed by {HOLDER} in " in first
    assert "git merge side" in first
    assert is_silent(tool(repo, "Edit", file_path="x.py"))
    policy(repo, "stale=off")
    edit("y.py", cwd=repo.path, agent=None)
    assert is_silent(tool(repo, "Edit", file_path="y.py"))


def test_mail_is_told_after_a_tool_as_words_of_others(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    name = whoami(repo)["agent"]
    repo.agentlock("send", name, "--subject", "obey\nme now", "--body", "secret", agent=HOLDER)
    said = told(tool(repo))
    assert HOLDER in said
    assert "\nme now" not in said
    assert "secret" not in said
    assert is_silent(tool(repo))


def test_an_offer_is_taken_by_any_tool(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    name = whoami(repo)["agent"]
    repo.reserve(HOLDER, "x.py")
    assert repo.agentlock("reserve", "x.py", "--queue", agent=name).code == 1
    assert repo.agentlock("release", "--all", agent=HOLDER).code == 0
    assert "your turn came" in told(tool(repo))
    assert repo.sql("SELECT offer FROM file_reservations WHERE released_ts IS NULL") == [(0,)]


def test_files_of_others_that_a_command_changes_are_named_with_the_way_back(
    repo: Repo, tmp_path: Path
) -> None:
    side = tmp_path / "side"
    for name in ("a.py", "b.py", "dirty.py", "free.py"):
        repo.write(name, "old\n")
    repo.commit_unguarded("files")
    repo.must("worktree", "add", "-q", "-b", "side", str(side))
    event("SessionStart", cwd=side, session="T", agent=HOLDER)
    for name in ("a.py", "b.py", "dirty.py", "new.py"):
        before: dict[str, Any] = {"when": "PreToolUse", "session": "T", "cwd": side}
        assert is_silent(tool(repo, "Edit", **before, file_path=name))
    event("SessionStart", cwd=repo.path)
    repo.write("dirty.py", "before\n")

    def change() -> None:
        for name in ("a.py", "dirty.py", "new.py", "free.py"):
            repo.write(name, "changed by the command\n")

    said = told(shell(repo, "python build.py", change))
    assert (
        f"changed a.py, which {HOLDER} has reserved; to go back: git checkout HEAD -- a.py" in said
    )
    assert "to go back: rm new.py" in said
    assert "to see it: git diff HEAD -- dirty.py" in said
    assert "b.py" not in said
    assert "free.py" not in said
    assert {agent for agent, _, _ in repo.live()} == {HOLDER}  # nothing is reserved by looking
    assert is_silent(shell(repo, "true", lambda: None))


def test_where_another_session_may_have_done_it_nothing_is_said(repo: Repo, tmp_path: Path) -> None:
    side = tmp_path / "side"
    repo.must("worktree", "add", "-q", "-b", "side", str(side))
    event("SessionStart", cwd=side, session="T", agent=HOLDER)
    before: dict[str, Any] = {"when": "PreToolUse", "session": "T", "cwd": side}
    assert is_silent(tool(repo, "Edit", **before, file_path="README.md"))
    event("SessionStart", cwd=repo.path)
    event("SessionStart", cwd=repo.path, session="U", program="gemini")
    assert is_silent(shell(repo, "python build.py", lambda: repo.write("README.md", "changed\n")))


def test_with_one_session_nobody_looks(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    tool(repo, "Bash", when="PreToolUse", command="python build.py")
    found = (repo.path / ".git/agentlock/sessions").iterdir()
    assert sorted(one.name for one in found) == ["claude-S", "claude-S.tools"]


def test_no_answer_after_a_tool_stands_in_the_way(repo: Repo) -> None:
    assert is_silent(hook("claude", "PostToolUse", b"no JSON", cwd=repo.path))
    assert is_silent(hook("claude", "PostToolUse", b"{}", cwd=repo.path))
    given = {"session_id": "S", "cwd": str(repo.path), "tool_name": "Edit"}
    repo.database.write_bytes(b"damaged" * 1000)
    assert is_silent(hook("claude", "PostToolUse", json.dumps(given).encode(), cwd=repo.path))


def test_a_circle_through_denied_edits_is_told_to_both_once(repo: Repo) -> None:
    repo.reserve(HOLDER, "a.py")
    repo.reserve(OTHER, "b.py")
    assert repo.agentlock("list").code == 0
    for _ in range(2):
        assert edit("b.py", cwd=repo.path, agent=HOLDER).code == 101
        assert edit("a.py", cwd=repo.path, agent=OTHER).code == 101
        repo.sql("UPDATE wants SET created_ts = created_ts - 120000000")
    for agent in (HOLDER, OTHER):
        (mail,) = repo.agentlock("inbox", "--json", agent=agent).json
        assert mail["from"] == "", mail
        assert "none can go on" in mail["subject"]
        assert f"{OTHER} holds b.py" in mail["subject"]
        assert f"{HOLDER} holds a.py" in mail["subject"]
    refused = repo.sql("SELECT agent, path_pattern FROM events WHERE kind = 'refused'")
    assert refused == [(HOLDER, "/b.py"), (OTHER, "/a.py")]  # each once


def test_a_denied_edit_and_a_place_in_the_queue_close_a_circle_too(repo: Repo) -> None:
    repo.reserve(HOLDER, "a.py")
    repo.reserve(OTHER, "b.py")
    assert repo.agentlock("reserve", "b.py", "--queue", agent=HOLDER).code == 1
    assert edit("a.py", cwd=repo.path, agent=OTHER).code == 101
    subjects = [one["subject"] for one in repo.agentlock("inbox", "--json", agent=HOLDER).json]
    assert sum("none can go on" in one for one in subjects) == 1


def test_a_denied_edit_is_forgotten_after_ten_minutes_and_blocks_nobody(repo: Repo) -> None:
    repo.reserve(HOLDER, "a.py")
    repo.reserve(OTHER, "b.py")
    assert edit("b.py", cwd=repo.path, agent=HOLDER).code == 101
    repo.sql("UPDATE wants SET created_ts = created_ts - 600000000")
    assert edit("a.py", cwd=repo.path, agent=OTHER).code == 101
    assert repo.sql("SELECT path_pattern FROM wants") == [("/a.py",)]
    assert repo.sql("SELECT count(*) FROM messages") == [(0,)]
    assert repo.agentlock("release", "--all", agent=HOLDER).code == 0
    repo.reserve("Third", "a.py")


def running(repo: Repo, name: str = "claude-S") -> int:
    folder = os.fsencode(repo.path / ".git/agentlock/sessions")
    return len(tools_running(folder, *name.split("-")))


def test_a_shell_command_counts_as_running_until_its_program_says_otherwise(
    repo: Repo, tmp_path: Path
) -> None:
    event("SessionStart", cwd=repo.path)
    repo.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    for number, cwd in enumerate((repo.path, tmp_path / "side")):
        tool(repo, "Bash", when="PreToolUse", cwd=cwd, command="make", tool_use_id=f"t{number}")
    assert running(repo) == 2
    tool(repo, "Read")
    tool(repo, "Bash", command="make", tool_use_id="t0")
    assert running(repo) == 1
    event("Stop", cwd=repo.path)
    assert running(repo) == 0
    tool(repo, "Bash", when="PreToolUse", command="rm .git/config")  # denied
    assert running(repo) == 0


def test_an_edit_is_refused_while_a_tool_of_the_holder_runs(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    edit("x.py", cwd=repo.path, agent=None)
    tool(repo, "Bash", when="PreToolUse", command="make", tool_use_id="t")
    journal = repo.path / ".git/agentlock/sessions/claude-S.tools"
    began = int(journal.read_text().split()[2])
    repo.sql("UPDATE file_reservations SET expires_ts = ?", began + 1)
    assert "is reserved by others" in why(edit("x.py", cwd=repo.path, agent=OTHER))
    tool(repo, "Bash", command="make", tool_use_id="t")
    repo.sql("UPDATE file_reservations SET expires_ts = ?", began + 1)
    assert is_silent(edit("x.py", cwd=repo.path, agent=OTHER))
