"""Whatever a program sends, a hook reads it without a traceback, and edits nothing unseen."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from edit_hooks.payloads import EDITS, sent
from edit_hooks.test_denying import hook, why
from hypothesis import example, given, settings
from hypothesis import strategies as some
from support import HOLDER

from agentlock.edit_hooks.dialect import BEFORE
from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.edit_hooks.shell import effects_of
from agentlock.json_text import dumps, loads

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from support import Repo

TEXTS = some.text(alphabet=some.characters(), max_size=30) | some.sampled_from(
    ["Edit", "apply_patch", "Bash", "file_path", "path", "command", "P/src/x.py", "\0", "\ud800"]
)
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | TEXTS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
KEYS = some.sampled_from(
    [
        *("session_id", "cwd", "tool_name", "tool_input", "toolName", "toolArgs", "sessionId"),
        *("hook_event_name", "conversation_id", "transcript_path", "agent_id"),
    ]
)


@settings(max_examples=150)
@given(some.sampled_from(NAMES), VALUES | some.dictionaries(KEYS, VALUES, max_size=6))
def test_whatever_is_sent_is_read_as_paths_that_can_be(program: str, payload: Any) -> None:
    dialect = dialect_of(program)
    call = dialect.read(dialect.event_of(BEFORE), payload)
    for path in (*call.use.writes, call.cwd):
        assert b"\0" not in os.fsencode(path)


@settings(max_examples=150)
@given(some.text(alphabet=" '\"$(){}<>|&;\\\n\0abc*?[]=-/~gitrmsed\ud800", max_size=40))
@example(">=\x00/?")
@example(">\ud800/*")
def test_whatever_a_line_is_the_grammar_reads_it(line: str) -> None:
    assert all("\0" not in path for path in effects_of(line, "/").writes)


@settings(max_examples=100)
@given(VALUES)
def test_our_json_is_what_the_library_reads_and_writes(value: Any) -> None:
    text = json.dumps(value)
    assert loads(text) == json.loads(text)
    if isinstance(value, str):
        assert json.loads(dumps({value: {"a": value}})) == {value: {"a": value}}


@pytest.mark.parametrize("event", ["PreToolUse", "PostToolUse", "Stop"])
def test_what_is_nested_too_deeply_is_no_bug(repo: Repo, event: str) -> None:
    answer = hook("claude", event, b"[" * 100_000, cwd=repo.path)
    assert "Traceback" not in answer.err
    assert "bug" not in answer.err


def test_a_line_that_is_nested_too_deeply_is_denied_only_where_agentlock_guards(
    repo: Repo, tmp_path: Path
) -> None:
    line = " && ".join(["touch x.py"] * 2_000)
    for cwd, expected in ((repo.path, "nested too deeply"), (tmp_path, "")):
        given = {"session_id": "S", "cwd": str(cwd), "hook_event_name": "PreToolUse"}
        given |= {"tool_name": "Bash", "permission_mode": "default"}
        payload = json.dumps({**given, "tool_input": {"command": line}})
        answer = hook("claude", "PreToolUse", payload.encode(), cwd=cwd)
        assert "bug" not in answer.err
        assert expected in answer.err
        assert bool(answer.err) == bool(expected)


@pytest.mark.parametrize("session", ["a\ud800b", "a" * 10_000])
def test_a_session_may_have_any_id(repo: Repo, session: str) -> None:
    program, event, payload = EDITS["claude Edit"]
    for file in ("x.py", "y.py"):
        answer = hook(
            program, event, sent(payload | {"session_id": session}, repo.path, file), cwd=repo.path
        )
        assert answer.err == ""
    assert len({line.split()[1] for line in repo.agentlock("list").out.splitlines()}) == 1


@pytest.mark.parametrize("path", ["src/\0x", "src/\ud800", "\0"])
def test_a_path_that_no_file_can_have_is_denied(repo: Repo, path: str) -> None:
    repo.reserve(HOLDER, "src/**")
    program, event, payload = EDITS["claude Edit"]
    denied = hook(program, event, sent(payload, repo.path, path), cwd=repo.path)
    assert "Traceback" not in denied.err
    assert "bug" not in why(denied)
