"""What each program sends to its hook before a tool, as recorded from the real programs.

P stands for the project, S for the session. Cursor's are as its documentation has them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_CLAUDE = {"session_id": "S", "transcript_path": "H/S.jsonl", "cwd": "P", "prompt_id": "Q"}
_CLAUDE |= {"permission_mode": "acceptEdits", "hook_event_name": "PreToolUse"}
_CODEX = {"session_id": "S", "turn_id": "T", "transcript_path": "H/S.jsonl", "cwd": "P"}
_CODEX |= {"hook_event_name": "PreToolUse", "model": "gpt-5.5", "tool_use_id": "call_1"}
_GEMINI = {"session_id": "S", "transcript_path": "H/S.json", "cwd": "P"}
_GEMINI |= {"hook_event_name": "BeforeTool", "timestamp": "2026-11-29T12:00:00.000Z"}
_COPILOT = {"sessionId": "S", "timestamp": 1795915679482, "cwd": "P"}
_CURSOR: dict[str, Any] = {
    "conversation_id": "S",
    "generation_id": "G",
    "hook_event_name": "preToolUse",
}
_CURSOR |= {"cursor_version": "3.12.29", "workspace_roots": ["P"], "cwd": "P"}
_OPENCODE = {"hook_event_name": "tool.execute.before", "session_id": "S", "cwd": "P"}

PATCH = """*** Begin Patch
*** Update File: free.py
@@
-x = 1
+x = 2
*** Update File: FILE
*** Move to: other.py
*** End Patch"""
# program, event, what it sends; FILE stands for the path of the file
EDITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "claude Edit": (
        "claude",
        "PreToolUse",
        _CLAUDE | {"tool_name": "Edit", "tool_input": {"file_path": "P/FILE", "old_string": "x"}},
    ),
    "claude Write": (
        "claude",
        "PreToolUse",
        _CLAUDE | {"tool_name": "Write", "tool_input": {"file_path": "P/FILE", "content": "x"}},
    ),
    "claude NotebookEdit": (
        "claude",
        "PreToolUse",
        _CLAUDE | {"tool_name": "NotebookEdit", "tool_input": {"notebook_path": "P/FILE"}},
    ),
    "codex apply_patch": (
        "codex",
        "PreToolUse",
        _CODEX | {"tool_name": "apply_patch", "tool_input": {"command": PATCH}},
    ),
    "gemini replace": (
        "gemini",
        "BeforeTool",
        _GEMINI | {"tool_name": "replace", "tool_input": {"file_path": "P/FILE"}},
    ),
    "gemini write_file": (
        "gemini",
        "BeforeTool",
        _GEMINI | {"tool_name": "write_file", "tool_input": {"file_path": "FILE"}},
    ),
    "copilot edit": (
        "copilot",
        "preToolUse",
        _COPILOT | {"toolName": "edit", "toolArgs": {"path": "P/FILE", "old_str": "x = 1"}},
    ),
    "copilot create, as text": (
        "copilot",
        "preToolUse",
        _COPILOT | {"toolName": "create", "toolArgs": '{"path": "P/FILE", "file_text": "x"}'},
    ),
    "copilot apply_patch": (
        "copilot",
        "preToolUse",
        _COPILOT | {"toolName": "apply_patch", "toolArgs": PATCH},
    ),
    "copilot, by the entry of claude": (
        "claude",
        "PreToolUse",
        {"hook_event_name": "PreToolUse", "session_id": "S", "cwd": "P", "tool_name": "Edit"}
        | {"timestamp": "2026-11-29T12:00:00.000Z", "tool_input": {"path": "P/FILE"}},
    ),
    "copilot apply_patch, by the entry of claude": (
        "claude",
        "PreToolUse",
        {"hook_event_name": "PreToolUse", "session_id": "S", "cwd": "P", "tool_name": "Edit"}
        | {"tool_input": PATCH},
    ),
    "cursor Write": (
        "cursor",
        "preToolUse",
        _CURSOR | {"tool_name": "Write", "tool_input": {"file_path": "P/FILE"}},
    ),
    "cursor Delete": (
        "cursor",
        "preToolUse",
        _CURSOR | {"tool_name": "Delete", "tool_input": {"path": "P/FILE"}},
    ),
    "cursor ApplyPatch": (
        "cursor",
        "preToolUse",
        _CURSOR | {"tool_name": "ApplyPatch", "tool_input": {"patch": PATCH}},
    ),
    "cursor Shell": (
        "cursor",
        "preToolUse",
        _CURSOR | {"tool_name": "Shell", "tool_input": {"command": "echo x >> FILE"}},
    ),
    "opencode edit": (
        "opencode",
        "tool.execute.before",
        _OPENCODE | {"tool_name": "edit", "tool_input": {"filePath": "P/FILE"}},
    ),
    "opencode apply_patch": (
        "opencode",
        "tool.execute.before",
        _OPENCODE | {"tool_name": "apply_patch", "tool_input": {"patchText": PATCH}},
    ),
}


def sent(payload: dict[str, Any], project: Path, file: str) -> bytes:
    """The payload as the program would send it for a file of this project."""
    text = json.dumps(payload).replace("FILE", json.dumps(file)[1:-1])
    return text.replace('"P/', f'"{project}/').replace('"P"', json.dumps(str(project))).encode()
