"""Gemini CLI: ~/.gemini/settings.json, or .gemini/settings.json in the folder where it starts.

If stdout is JSON, its exit code no longer counts, so only its own form may be printed.
"""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect, nested_context

_HEARD = ("AfterTool", "SessionStart", "BeforeAgent")

DIALECT = Dialect(
    name="gemini",
    title="Gemini CLI",
    commands=("gemini",),
    events={
        "BeforeTool": dialect.BEFORE,
        "AfterTool": dialect.AFTER,
        "SessionStart": dialect.START,
        "BeforeAgent": dialect.PROMPT,
        "AfterAgent": dialect.STOP,
        "SessionEnd": dialect.END,
    },
    deny=lambda _event, reason: {"decision": "deny", "reason": reason},
    tell=lambda event, text: nested_context(event, text) if event in _HEARD else None,
    user_file=".gemini/settings.json",
    project_file=".gemini/settings.json",
    matcher="replace|write_file|run_shell_command",
    second=1000,
)
