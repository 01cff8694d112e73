"""An agent whose turn has come is told at its next event, or woken at its prompt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.test_denying import hook, is_silent
from edit_hooks.test_sessions import event, told, whoami
from support import HOLDER, Repo, Result, run

import agentlock.__main__ as door
from agentlock.edit_hooks.programs import dialect_of
from agentlock.edit_hooks.run import ALLOWED
from agentlock.edit_hooks.turns import WOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    Waker = subprocess.Popen[bytes]

SENTENCE = "agentlock: it is your turn: you hold src/x.py now, for 1h."
SCREEN = {"CLAUDE_CODE_ENTRYPOINT": "cli"}


@pytest.fixture
def waiting(repo: Repo) -> Repo:
    """Another agent holds the file; the session of Claude Code has a place behind it."""
    repo.reserve(HOLDER, "src/x.py")
    event("SessionStart", cwd=repo.path)
    queue(repo)
    return repo


def queue(repo: Repo, session: str = "S") -> None:
    command = (sys.executable, "-m", "agentlock", "reserve", "src/x.py", "--queue")
    asked = run(*command, cwd=repo.path, env={"CLAUDE_CODE_SESSION_ID": session})
    assert asked.code == 1, asked


def release(repo: Repo) -> None:
    assert repo.agentlock("release", "src/x.py", agent=HOLDER).code == 0


def holders(repo: Repo) -> list[tuple[str, bool]]:
    listed = repo.agentlock("list", "--json").json
    return [(one["agent"], bool(one.get("offer"))) for one in listed]


def waker(repo: Repo, env: Mapping[str, str] = SCREEN, *, program: str = "claude") -> Waker:
    """What waits beside a program while its agent sits at the prompt."""
    given = {"session_id": "S", "cwd": str(repo.path), "hook_event_name": "Stop"}
    pipe = subprocess.PIPE
    started = subprocess.Popen(
        (sys.executable, "-I", "-S", door.__file__, "hook", "edit", program, "wake"),
        cwd=repo.path,
        env={**os.environ, **env},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    )
    assert started.stdin is not None
    started.stdin.write(json.dumps(given).encode())
    started.stdin.close()
    started.stdin = None
    return started


def listens(repo: Repo, *, since: str = "") -> str:
    """Wait until a process waits for the place, and not the one of before; its bell."""
    while True:
        rows = repo.sql(
            "SELECT bell FROM waits WHERE ended_ts IS NULL AND bell NOT IN ('', ?)", since
        )
        if rows:
            return str(rows[0][0])
        time.sleep(0.01)


def ended(started: Waker) -> Result:
    out, err = started.communicate(timeout=60)
    return Result(started.returncode, out.decode(), err.decode())


def test_at_its_next_prompt_it_is_told_once_and_holds_what_it_was_offered(waiting: Repo) -> None:
    assert is_silent(event("UserPromptSubmit", cwd=waiting.path, prompt="go"))
    release(waiting)
    assert SENTENCE in told(event("UserPromptSubmit", cwd=waiting.path, prompt="go"))
    assert holders(waiting) == [(whoami(waiting)["agent"], False)]
    assert is_silent(event("UserPromptSubmit", cwd=waiting.path, prompt="go"))


def test_a_turn_that_ends_goes_on_if_its_own_has_come_meanwhile(waiting: Repo) -> None:
    assert is_silent(event("Stop", cwd=waiting.path))
    release(waiting)
    assert is_silent(event("Stop", cwd=waiting.path, stop_hook_active=True))
    answer = json.loads(event("Stop", cwd=waiting.path, stop_hook_active=False).out)
    assert answer["decision"] == "block"
    assert answer["reason"].startswith(SENTENCE)
    assert is_silent(event("Stop", cwd=waiting.path, stop_hook_active=False))


def test_a_program_whose_turn_cannot_go_on_keeps_the_offer_for_the_next_prompt(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/x.py")
    given = {"session_id": "O", "cwd": str(repo.path)}

    def opencode(name: str, **more: Any) -> Result:
        return hook("opencode", name, json.dumps(given | more).encode(), cwd=repo.path)

    assert is_silent(opencode("session.created"))
    first = json.loads(opencode("chat.message", prompt="go").out)["tell"]
    assert "you are " in first  # nothing reaches the model when the session starts
    environment = {"AGENTLOCK_SESSION": "opencode:O"}
    command = (sys.executable, "-m", "agentlock", "reserve", "src/x.py", "--queue")
    assert run(*command, cwd=repo.path, env=environment).code == 1
    release(repo)
    assert is_silent(opencode("session.idle"))
    assert json.loads(opencode("chat.message", prompt="on").out)["tell"].startswith(SENTENCE)
    assert is_silent(opencode("session.compacted"))
    again = json.loads(opencode("chat.message", prompt="on").out)["tell"]
    assert first.splitlines()[0] in again  # after a compaction it is told who it is
    used = {"tool_name": "bash", "tool_input": {"command": "ls"}}
    assert is_silent(opencode("tool.execute.after", **used))
    assert is_silent(opencode("session.compacted"))  # in the middle of a turn
    assert is_silent(opencode("tool.execute.after", **used, agent_id="a sub-agent's"))
    told_again = json.loads(opencode("tool.execute.after", **used).out)["tell"]
    assert first.splitlines()[0] in told_again
    assert is_silent(opencode("tool.execute.after", **used))


def test_cursor_is_told_after_a_tool_and_goes_on_with_a_message_of_its_own(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/x.py")
    given = {"conversation_id": "C", "workspace_roots": [str(repo.path)], "cursor_version": "3.18"}
    elsewhere = repo.path.parent  # where Cursor runs a user's own entries

    def cursor(name: str, **more: Any) -> Result:
        stdin = json.dumps({**given, "hook_event_name": name, **more}).encode()
        return hook("cursor", name, stdin, cwd=elsewhere)

    def take_a_place() -> None:
        environment = {"AGENTLOCK_SESSION": "cursor:C"}
        command = (sys.executable, "-m", "agentlock", "reserve", "src/x.py", "--queue")
        assert run(*command, cwd=repo.path, env=environment).code == 1

    assert "you are " in json.loads(cursor("sessionStart").out)["additional_context"]
    take_a_place()
    release(repo)
    for more in ({"loop_count": 1}, {"status": "aborted", "loop_count": 0}):
        assert is_silent(cursor("stop", **more))  # it went on already, or was stopped
    answer = json.loads(cursor("stop", status="completed", loop_count=0).out)
    assert answer["followup_message"].startswith(SENTENCE)
    assert list(answer) == ["followup_message"]
    assert repo.agentlock("release", "--all", agent=holders(repo)[0][0]).code == 0
    repo.reserve(HOLDER, "src/x.py")
    take_a_place()
    release(repo)
    used = cursor("postToolUse", tool_name="Shell", tool_input={"command": "ls"})
    assert json.loads(used.out)["additional_context"].startswith(SENTENCE)


def test_an_agent_at_its_prompt_is_woken_when_it_is_granted_what_it_waits_for(
    waiting: Repo,
) -> None:
    started = waker(waiting)
    listens(waiting)
    release(waiting)
    result = ended(started)
    assert result.code == WOKEN, result
    assert result.err.startswith(SENTENCE)
    assert result.out == ""
    assert holders(waiting) == [(whoami(waiting)["agent"], False)]


def test_nobody_is_woken_without_a_screen_or_without_a_place_in_the_queue(waiting: Repo) -> None:
    for env in ({}, {"CLAUDE_CODE_ENTRYPOINT": "sdk-cli"}):
        assert ended(waker(waiting, env)).code == ALLOWED
    command = (sys.executable, "-m", "agentlock", "queue", "leave", "--all")
    left = run(*command, cwd=waiting.path, env={"CLAUDE_CODE_SESSION_ID": "S"})
    assert left.code == 0, left
    assert is_silent(ended(waker(waiting)))


def test_opencode_is_woken_whatever_stands_in_its_environment(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/x.py")
    given = json.dumps({"session_id": "S", "cwd": str(repo.path)}).encode()
    assert is_silent(hook("opencode", "session.created", given, cwd=repo.path))
    command = (sys.executable, "-m", "agentlock", "reserve", "src/x.py", "--queue")
    assert run(*command, cwd=repo.path, env={"AGENTLOCK_SESSION": "opencode:S"}).code == 1
    started = waker(repo, {}, program="opencode")
    listens(repo)
    release(repo)
    result = ended(started)
    assert (result.code, result.out) == (WOKEN, "")
    assert result.err.startswith(SENTENCE)


def test_of_two_that_wait_only_the_later_wakes_and_none_once_the_agent_works_again(
    waiting: Repo,
) -> None:
    first = waker(waiting)
    bell = listens(waiting)
    second = waker(waiting)
    listens(waiting, since=bell)
    release(waiting)
    assert sorted(ended(one).code for one in (first, second)) == [ALLOWED, WOKEN]
    assert waiting.agentlock("release", "--all", agent=whoami(waiting)["agent"]).code == 0
    waiting.reserve(HOLDER, "src/x.py")
    queue(waiting)
    third = waker(waiting)
    listens(waiting)
    event("UserPromptSubmit", cwd=waiting.path, prompt="go")
    release(waiting)
    assert is_silent(ended(third))


def test_only_claude_code_has_an_entry_that_wakes() -> None:
    names = ("claude", "codex", "gemini", "copilot", "opencode", "cursor")
    assert [dialect_of(name).wakes for name in names] == ["Stop", "", "", "", "", ""]
