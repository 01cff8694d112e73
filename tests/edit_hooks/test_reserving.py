"""An edit of a free file reserves it, with the policy `on_edit reserve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.payloads import PATCH
from edit_hooks.test_denying import edit, hook, is_silent, why
from edit_hooks.test_sessions import event, in_shell, told, whoami
from git.test_sandboxes import READ_ONLY
from support import HOLDER, OTHER, run

import agentlock.__main__ as door

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Repo, Result

MINUTE = 60 * 1_000_000


def policy(repo: Repo, *settings: str) -> None:
    changed = repo.agentlock("policy", "set", *settings, "--reason", "trial", agent=HOLDER)
    assert changed.code == 0, changed


def rows(repo: Repo) -> list[tuple[str, str, int]]:
    """Agent, pattern, and whether it is automatic, of each reservation that is not released."""
    return [
        (agent, pattern, automatic)
        for agent, pattern, automatic in repo.sql(
            "SELECT a.name, r.path_pattern, r.automatic FROM file_reservations AS r "
            "JOIN agents AS a ON a.id = r.agent_id WHERE r.released_ts IS NULL ORDER BY r.id"
        )
    ]


def left(repo: Repo) -> list[int]:
    """How many minutes each lease still lasts."""
    now = time.time_ns() // 1000
    listed = repo.sql("SELECT expires_ts FROM file_reservations ORDER BY id")
    return [round((one - now) / MINUTE) for (one,) in listed]


def age(repo: Repo, minutes: int) -> None:
    repo.sql("UPDATE file_reservations SET expires_ts = expires_ts - ?", minutes * MINUTE)


def shell(repo: Repo, command: str, agent: str = OTHER) -> Result:
    given = {"session_id": "S", "cwd": str(repo.path), "tool_name": "Bash"}
    payload = json.dumps({**given, "tool_input": {"command": command}}).encode()
    return hook("claude", "PreToolUse", payload, cwd=repo.path, agent=agent)


def test_a_free_file_is_reserved_before_its_first_edit(repo: Repo) -> None:
    repo.write("src/[a]\\b*.py")
    assert is_silent(edit("src/x.py", cwd=repo.path))
    assert is_silent(edit("src/[a]\\b*.py", cwd=repo.path))
    assert rows(repo) == [(OTHER, "/src/x.py", 1), (OTHER, "/src/\\[a]\\\\b\\*.py", 1)]
    assert left(repo) == [30, 30]
    refused = edit("src/x.py", cwd=repo.path, agent=HOLDER)
    assert OTHER in why(refused)
    assert OTHER in why(edit("src/[a]\\b*.py", cwd=repo.path, agent=HOLDER))
    repo.write("src/x.py")
    assert repo.commit_all(agent=HOLDER).code == 1
    (first, _) = repo.agentlock("list", "--json").json
    assert first["automatic"] is True
    assert first["worktree"] == str(repo.path)
    assert "by an edit" in repo.agentlock("list").out


def test_of_agents_that_edit_at_the_same_moment_one_gets_the_file(
    repo: Repo, tmp_path: Path
) -> None:
    command = [sys.executable, "-I", "-S", door.__file__, "hook", "edit", "claude", "PreToolUse"]
    for turn in range(5):
        given = {"cwd": str(repo.path), "tool_name": "Edit"}
        asked = tmp_path / "asked.json"
        asked.write_text(json.dumps({**given, "tool_input": {"file_path": f"{turn}.py"}}))
        running = []
        for agent in ("Amber", "Amber", "Birch", "Birch"):
            env = {**os.environ, "AGENTLOCK_AGENT": agent}
            with asked.open() as stdin:
                quiet = subprocess.DEVNULL
                running.append(
                    subprocess.Popen(
                        command, cwd=repo.path, env=env, stdin=stdin, stdout=quiet, stderr=quiet
                    )
                )
        assert sorted(one.wait() for one in running) == [100, 100, 101, 101], turn
    assert len(rows(repo)) == 5


def test_what_the_agent_holds_already_is_only_extended(repo: Repo) -> None:
    repo.reserve(OTHER, "src/**", "--ttl", "5m")
    repo.reserve(OTHER, "docs/x.md", "--shared", "--ttl", "2h")
    assert is_silent(edit("src/x.py", cwd=repo.path))
    assert is_silent(edit("docs/x.md", cwd=repo.path))
    assert rows(repo) == [(OTHER, "/src/**", 0), (OTHER, "/docs/x.md", 0)]
    assert left(repo) == [30, 120]


def test_an_edit_renews_its_reservation(repo: Repo) -> None:
    edit("x.py", cwd=repo.path)
    age(repo, 10)
    edit("x.py", cwd=repo.path)
    assert left(repo) == [30]
    policy(repo, "max_ttl=5m", "edit_ttl=10m")
    age(repo, 30)
    edit("x.py", cwd=repo.path)
    assert left(repo)[1:] == [5]  # the first one ran out


def test_to_reserve_it_makes_it_ordinary(repo: Repo) -> None:
    edit("x.py", cwd=repo.path)
    (held,) = repo.reserve(OTHER, "x.py", "--ttl", "1h")
    assert held["automatic"] is False
    assert rows(repo) == [(OTHER, "/x.py", 0)]


def test_another_worktree_gets_a_reservation_of_its_own(repo: Repo, tmp_path: Path) -> None:
    repo.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    edit("x.py", cwd=repo.path)
    edit("x.py", cwd=tmp_path / "side")
    edit("x.py", cwd=repo.path)
    found = repo.sql("SELECT worktree FROM file_reservations ORDER BY id")
    assert found == [(str(repo.path),), (str(tmp_path / "side"),)]


def test_only_files_of_the_worktree_are_reserved(repo: Repo) -> None:
    repo.write(".gitignore", "*.log\n")
    repo.write("src/deep/x.py")
    for path in ("x.log", ".git/info/exclude", "src"):
        assert is_silent(edit(path, cwd=repo.path)), path
    assert rows(repo) == [(OTHER, "/src/deep/x.py", 1)]  # a folder stands for its files
    repo.reserve(HOLDER, "*.log")
    assert HOLDER in why(edit("x.log", cwd=repo.path))  # an ignored file is judged all the same


def test_what_others_hold_shared_passes_and_stays_theirs(repo: Repo) -> None:
    repo.reserve(HOLDER, "x.py", "--shared")
    assert is_silent(edit("x.py", cwd=repo.path))
    assert rows(repo) == [(HOLDER, "/x.py", 0)]


def test_a_shell_command_and_a_patch_reserve_what_they_write(repo: Repo) -> None:
    repo.write("old.py")
    assert is_silent(shell(repo, "mv old.py new.py && echo x > /dev/null"))
    payload = {"cwd": str(repo.path), "tool_name": "apply_patch", "tool_input": {"command": PATCH}}
    codex = json.dumps(payload).encode()
    assert is_silent(hook("codex", "PreToolUse", codex, cwd=repo.path, agent=OTHER))
    assert {pattern for _, pattern, _ in rows(repo)} == {
        *("/old.py", "/new.py", "/free.py", "/FILE", "/other.py")
    }


def test_one_held_file_of_several_keeps_all_of_them_free(repo: Repo) -> None:
    repo.reserve(HOLDER, "b.py")
    assert HOLDER in why(shell(repo, "rm -f a.py b.py"))
    assert rows(repo) == [(HOLDER, "/b.py", 0)]


@pytest.mark.parametrize(("setting", "codes"), [("check", (100, 101)), ("off", (100, 100))])
def test_the_other_settings_reserve_nothing(
    repo: Repo, setting: str, codes: tuple[int, int]
) -> None:
    policy(repo, f"on_edit={setting}")
    repo.reserve(HOLDER, "held.py")
    found = tuple(edit(path, cwd=repo.path).code for path in ("free.py", "held.py"))
    assert found == codes
    assert rows(repo) == [(HOLDER, "/held.py", 0)]


def test_where_a_reservation_is_required_an_edit_makes_it(repo: Repo) -> None:
    policy(repo, "require_reservation=on")
    assert is_silent(edit("x.py", cwd=repo.path))
    repo.write("x.py")
    assert repo.commit_all(agent=OTHER).code == 0
    policy(repo, "on_edit=check")
    assert "not reserved by you" in why(edit("y.py", cwd=repo.path))


def test_an_earlier_place_in_the_queue_comes_first(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/held.py")
    queued = repo.agentlock("reserve", "src/**", "--queue", agent="Third")
    assert queued.code == 1, queued
    refused = edit("src/free.py", cwd=repo.path)
    assert "Third" in why(refused)
    assert "agentlock reserve src/free.py --wait" in why(refused)
    assert is_silent(edit("src/held.py", cwd=repo.path, agent=HOLDER))  # HOLDER has it already
    policy(repo, "on_edit=check")
    assert is_silent(edit("src/free.py", cwd=repo.path))


def test_an_edit_takes_what_the_queue_offers(repo: Repo) -> None:
    (held,) = repo.reserve(HOLDER, "x.py")
    assert repo.agentlock("reserve", "x.py", "--queue", "--ttl", "2h", agent=OTHER).code == 1
    repo.agentlock("release", "--id", str(held["id"]), agent=HOLDER)
    assert repo.sql("SELECT offer FROM file_reservations WHERE released_ts IS NULL") == [(1,)]
    assert is_silent(edit("x.py", cwd=repo.path))
    assert repo.sql("SELECT offer FROM file_reservations WHERE released_ts IS NULL") == [(0,)]
    assert rows(repo) == [(OTHER, "/x.py", 0)]


def test_a_lease_of_another_that_ran_out_ends_for_good(repo: Repo) -> None:
    repo.reserve(HOLDER, "x.py")
    repo.expire()
    assert is_silent(edit("x.py", cwd=repo.path))
    ended = repo.sql("SELECT released_ts IS NOT NULL FROM file_reservations ORDER BY id")
    assert ended == [(1,), (0,)]


def test_the_rest_of_very_many_files_is_only_judged_and_that_is_told_once(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    names = " ".join(f"f{number}" for number in range(250))
    for _ in range(2):
        given = {"session_id": "S", "cwd": str(repo.path), "tool_name": "Bash"}
        payload = json.dumps({**given, "tool_input": {"command": f"touch {names}"}}).encode()
        assert is_silent(hook("claude", "PreToolUse", payload, cwd=repo.path))
    assert len(rows(repo)) == 250  # 200, then the rest
    mail = repo.sql("SELECT subject FROM messages")
    assert mail == [("of an edit of more than 200 files, the first 200 were reserved for you",)]


def test_an_agent_gets_a_thousand_by_edits_at_most(repo: Repo) -> None:
    event("SessionStart", cwd=repo.path)
    edit("x.py", cwd=repo.path, agent=None)
    repo.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) "
        "INSERT INTO file_reservations (path_pattern, typed_pattern, project_id, agent_id, "
        "prefix_key, name_key, extension_key, exclusive, created_ts, expires_ts, fence, automatic) "
        "SELECT '/far/' || i, 'far/' || i, project_id, agent_id, 'far/' || i, i, '', 1, "
        "created_ts, expires_ts, fence + i, 1 FROM file_reservations, n"
    )
    assert is_silent(edit("y.py", cwd=repo.path, agent=None))
    assert is_silent(edit("z.py", cwd=repo.path, agent=None))
    assert len(rows(repo)) == 1000
    assert [subject[:28] for (subject,) in repo.sql("SELECT subject FROM messages")] == [
        "you hold 1,000 files by edit"
    ]


def test_the_sessions_that_edited_are_known(repo: Repo) -> None:
    for session in ("S", "T"):
        event("SessionStart", cwd=repo.path, session=session, agent=OTHER)
    for session in ("S", "T", "S"):
        tool: dict[str, Any] = {"tool_name": "Edit", "tool_input": {"file_path": "x.py"}}
        assert is_silent(event("PreToolUse", cwd=repo.path, session=session, **tool))
    known = repo.sql(
        "SELECT c.program_session FROM reservation_sessions AS s "
        "JOIN conversations AS c ON c.id = s.conversation_id ORDER BY s.id"
    )
    assert known == [("S",), ("T",)]
    assert in_shell(repo, sys.executable, "-m", "agentlock", "list", "--mine").code == 0
    assert whoami(repo)["agent"] == OTHER


def test_a_stale_copy_is_refused_before_the_edit_where_the_policy_says_so(repo: Repo) -> None:
    policy(repo, "stale=refuse")
    repo.write("x.py")
    repo.commit_unguarded("x")
    repo.must("checkout", "-q", "-b", "side")
    repo.reserve(HOLDER, "x.py")
    repo.write("x.py", "theirs\n")
    assert repo.commit_all(agent=HOLDER).code == 0
    repo.agentlock("release", "--all", agent=HOLDER)
    repo.must("checkout", "-q", "main")
    refused = edit("x.py", cwd=repo.path)
    assert "git merge side" in why(refused)
    assert rows(repo) == []
    assert is_silent(edit("y.py", cwd=repo.path))


def test_where_the_table_cannot_be_written_a_free_edit_passes(repo: Repo) -> None:
    repo.reserve(HOLDER, "held.py")
    command = [sys.executable, "-I", "-S", door.__file__, "hook", "edit", "claude"]

    def sandboxed(event: str, path: str = "") -> Any:
        given = {"session_id": "S", "cwd": str(repo.path), "tool_name": "Edit"}
        payload = json.dumps({**given, "tool_input": {"file_path": path}}).encode()
        words = ["unshare", "--mount", "sh", "-c", READ_ONLY + '"$@"', "sh", *command, event]
        return run(*words, cwd=repo.path, agent=OTHER, stdin=payload)

    if run("unshare", "--mount", "true", cwd=repo.path).code != 0:
        pytest.skip("this user cannot mount anything")
    assert "what you edit is not reserved for you" in told(sandboxed("SessionStart"))
    assert is_silent(sandboxed("PreToolUse", "free.py"))
    assert HOLDER in why(sandboxed("PreToolUse", "held.py"))
    assert is_silent(sandboxed("PostToolUse", "free.py"))
    assert rows(repo) == [(HOLDER, "/held.py", 0)]
    policy(repo, "require_reservation=on")
    assert "not reserved by you" in why(sandboxed("PreToolUse", "free.py"))


def test_nobody_without_a_name_reserves(new_repo: Callable[..., Repo], repo: Repo) -> None:
    assert is_silent(
        hook(
            "claude",
            "PreToolUse",
            json.dumps(
                {"cwd": str(repo.path), "tool_name": "Edit", "tool_input": {"file_path": "x.py"}}
            ).encode(),
            cwd=repo.path,
        )
    )
    assert rows(repo) == []
    assert is_silent(edit("x.py", cwd=new_repo().path))


def test_an_agent_without_a_session_is_told_once_that_nothing_renews_its_edits(repo: Repo) -> None:
    given = {"cwd": str(repo.path), "tool_name": "Edit", "permission_mode": "default"}
    for name in ("x.py", "y.py"):
        payload = json.dumps({**given, "tool_input": {"file_path": name}}).encode()
        assert is_silent(hook("claude", "PreToolUse", payload, cwd=repo.path, agent=OTHER))
    assert left(repo) == [30, 30]
    (message,) = repo.agentlock("inbox", "--json", agent=OTHER).json
    assert message["subject"].startswith("your program tells its hooks no session")
    assert "reserved for 30m" in message["subject"]
