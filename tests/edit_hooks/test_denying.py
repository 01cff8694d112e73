"""An agent is stopped before it edits what somebody else holds, in its program's own form."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.payloads import EDITS, sent
from support import HOLDER, OTHER, run

import agentlock.__main__ as door
from agentlock.edit_hooks.run import ALLOWED, DENIED, NO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support import Repo, Result

REASON = {  # where the reason stands in the answer of each program
    "claude": ("hookSpecificOutput", "permissionDecisionReason"),
    "codex": ("hookSpecificOutput", "permissionDecisionReason"),
    "gemini": ("reason",),
    "copilot": ("permissionDecisionReason",),
    "cursor": ("agent_message",),
    "opencode": ("deny",),
}
DENIAL = {
    "claude": {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}},
    "codex": {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}},
    "gemini": {"decision": "deny"},
    "copilot": {"permissionDecision": "deny"},
    "cursor": {"permission": "deny"},
    "opencode": {},
}


def hook(
    program: str,
    event: str,
    stdin: bytes,
    *,
    cwd: Path,
    agent: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run an edit hook as its entry does, but for the shell."""
    command = (sys.executable, "-I", "-S", door.__file__, "hook", "edit")
    return run(*command, program, event, cwd=cwd, agent=agent, stdin=stdin, env=env)


def edit(path: str | Path, *, cwd: Path, agent: str | None = OTHER) -> Result:
    """Claude Code is about to edit a file."""
    given = {"session_id": "S", "cwd": str(cwd), "hook_event_name": "PreToolUse"}
    given |= {"permission_mode": "default", "tool_name": "Edit"}
    payload: dict[str, Any] = {**given, "tool_input": {"file_path": str(path)}}
    return hook("claude", "PreToolUse", json.dumps(payload).encode(), cwd=cwd, agent=agent)


def why(result: Result, program: str = "claude") -> str:
    """The reason in a denial, whose form is the program's own; stderr says the same."""
    assert result.code == DENIED, result
    answer = json.loads(result.out)
    text = answer
    for key in REASON[program]:
        text = text[key]
    assert isinstance(text, str)
    assert text.strip()
    assert result.err.strip() == text
    return text


def without_reason(result: Result, program: str) -> Any:
    """The rest of a denial: a program may ignore one with another key in it."""
    answer = json.loads(result.out)
    inner = answer
    for key in REASON[program][:-1]:
        inner = inner[key]
    del inner[REASON[program][-1]]
    answer.pop("user_message", None)
    return answer


def is_silent(result: Result) -> bool:
    """Whether it allows the edit without a word, which a program could take for consent."""
    return result == (ALLOWED, "", "")


@pytest.mark.parametrize("program", REASON)
def test_every_editing_tool_is_stopped_at_a_held_file_and_only_there(
    repo: Repo, program: str
) -> None:
    policy = ("policy", "set", "on_edit=check", "--reason", "each edit here is the first")
    assert repo.agentlock(*policy, agent=HOLDER).code == 0
    repo.reserve(HOLDER, "src/auth.py", "--reason", "bd-42")
    for name, (entry, event, payload) in EDITS.items():
        if name.partition(" ")[0].rstrip(",") != program:
            continue
        held, free = (sent(payload, repo.path, path) for path in ("src/auth.py", "src/b.py"))
        denied = hook(entry, event, held, cwd=repo.path)
        reason = why(denied, entry)
        assert "src/auth.py" in reason, name
        assert HOLDER in reason, name
        assert "bd-42" in reason, name
        assert without_reason(denied, entry) == DENIAL[entry], name
        assert is_silent(hook(entry, event, free, cwd=repo.path)), name
        assert is_silent(hook(entry, event, held, cwd=repo.path, agent=HOLDER)), name


def test_a_path_counts_however_it_is_named(repo: Repo, tmp_path: Path) -> None:
    repo.write("src/auth.py")
    repo.write("free/here.py")
    repo.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (repo.path / "link.py").symlink_to("src/auth.py")
    (tmp_path / "elsewhere").symlink_to(repo.path / "src")
    repo.reserve(HOLDER, "src/**", "new/**")
    for path, cwd in (
        ("src/auth.py", repo.path),
        ("auth.py", repo.path / "src"),
        ("../src/./auth.py", repo.path / "free"),
        (repo.path / "src/auth.py", tmp_path),
        ("link.py", repo.path),
        (tmp_path / "elsewhere/auth.py", tmp_path),
        (tmp_path / "side/src/auth.py", repo.path),
        ("new/deep/er/file.py", repo.path),
    ):
        assert HOLDER in why(edit(path, cwd=cwd)), path
    for path in (tmp_path / "outside.py", "free/here.py", "/dev/null", "/nowhere/at/all"):
        assert is_silent(edit(path, cwd=repo.path)), path


def test_a_symbolic_link_itself_may_be_reserved(repo: Repo) -> None:
    repo.write("target.py")
    (repo.path / "link.py").symlink_to("target.py")
    repo.reserve(HOLDER, "link.py")
    assert HOLDER in why(edit("link.py", cwd=repo.path))
    assert is_silent(edit("target.py", cwd=repo.path))


def test_the_repository_of_the_path_decides_and_not_that_of_the_folder(
    repo: Repo, new_repo: Any
) -> None:
    repo.reserve(HOLDER, "src/**")
    other = new_repo("other")
    assert HOLDER in why(edit(repo.path / "src/x.py", cwd=other.path))
    assert is_silent(edit(other.path / "src/x.py", cwd=repo.path))
    env = {"GIT_DIR": str(other.path / ".git"), "GIT_WORK_TREE": str(other.path)}
    payload = sent(EDITS["claude Edit"][2], repo.path, "src/x.py")
    assert HOLDER in why(hook("claude", "PreToolUse", payload, cwd=repo.path, env=env))


@pytest.mark.parametrize(
    "path",
    [".git/hooks/pre-commit", ".git/config", ".git/agentlock/agentlock.sqlite3", ".GIT/config"],
)
def test_no_agent_edits_what_guards_the_repository(repo: Repo, path: str) -> None:
    assert "belongs to the guard" in why(edit(path, cwd=repo.path, agent=HOLDER))


def test_the_rest_of_gits_folder_is_free(repo: Repo) -> None:
    assert is_silent(edit(".git/info/exclude", cwd=repo.path))
    assert is_silent(edit(".git/COMMIT_EDITMSG", cwd=repo.path))


def test_a_linked_worktree_has_what_guards_it_too(repo: Repo, tmp_path: Path) -> None:
    repo.must("worktree", "add", "-q", str(tmp_path / "side"))
    for path in (tmp_path / "side/.git", repo.path / ".git/worktrees/side/config.worktree"):
        assert "belongs to the guard" in why(edit(path, cwd=tmp_path))


@pytest.mark.parametrize(
    "stdin",
    [
        *(b"", b"no JSON", b"null", b"[1]", b"\xff\xfe", b'{"cwd": 3}'),
        *(b'{"tool_name": "Edit", "tool_input": {}}', b'{"tool_name": "Edit"} {}'),
        b'{"tool_name": "Edit", "tool_input": {"file_path": 3}}',
        b'{"tool_name": "apply_patch", "tool_input": {"command": "no patch"}}',
    ],
)
def test_what_cannot_be_read_is_denied_where_agentlock_guards(repo: Repo, stdin: bytes) -> None:
    denied = hook("claude", "PreToolUse", stdin, cwd=repo.path)
    assert "edit refused" in why(denied)
    assert "Traceback" not in denied.err


def test_a_table_that_cannot_be_read_is_a_denial(repo: Repo) -> None:
    repo.database.write_bytes(b"damaged" * 1000)
    assert "fix:" in why(edit("src/x.py", cwd=repo.path))
    repo.database.unlink()
    assert "edit refused" in why(edit("src/x.py", cwd=repo.path))


def test_a_repository_without_agentlock_is_left_alone(new_repo: Any, tmp_path: Path) -> None:
    plain = new_repo("plain")
    assert is_silent(edit("README.md", cwd=plain.path))
    assert is_silent(edit("x.py", cwd=tmp_path))
    unreadable = b'{"tool_name": "Edit", "tool_input": {}}'
    assert is_silent(hook("claude", "PreToolUse", unreadable, cwd=plain.path))


def test_a_git_folder_that_git_does_not_take_for_one_changes_nothing(
    repo: Repo, tmp_path: Path
) -> None:
    repo.reserve(HOLDER, "src/**")
    (repo.path / "src").mkdir()
    left_over = repo.path / "src/.git"
    left_over.write_text("gitdir: /nowhere/.git/worktrees/side\n", "utf-8")
    assert HOLDER in why(edit("src/x.py", cwd=repo.path))
    left_over.unlink()
    left_over.mkdir()
    (left_over / "config").write_text("[user]\n\tname = x\n", "utf-8")
    assert HOLDER in why(edit("src/x.py", cwd=repo.path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".git").write_text("gitdir: /nowhere/.git/worktrees/side\n", "utf-8")
    assert is_silent(edit("x.py", cwd=elsewhere))


def test_a_bare_repository_in_a_worktree_is_of_the_worktree_too(repo: Repo) -> None:
    repo.reserve(HOLDER, "fixture/**")
    repo.must("init", "-q", "--bare", "fixture")
    assert HOLDER in why(edit("fixture/description", cwd=repo.path))


def test_a_tool_that_only_reads_and_other_events_are_left_alone(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**")
    reads = {"cwd": str(repo.path), "tool_name": "Read", "tool_input": {"file_path": "src/x.py"}}
    assert is_silent(hook("claude", "PreToolUse", json.dumps(reads).encode(), cwd=repo.path))
    assert is_silent(hook("gemini", "PreCompress", b"{}", cwd=repo.path))
    assert hook("nobody", "PreToolUse", b"{}", cwd=repo.path).code == NO_ANSWER


def test_where_the_project_only_warns_the_edit_passes(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**")
    changed = repo.agentlock("policy", "set", "enforcement=warn", "--reason", "trial", agent=HOLDER)
    assert changed.code == 0, changed
    assert is_silent(edit("src/x.py", cwd=repo.path))
