"""Codex: $CODEX_HOME/hooks.json, or .codex/hooks.json in the main checkout of a trusted project.

It runs an entry only once the user has trusted its exact text, and says nothing otherwise.
"""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect, nested_context, nested_deny
from agentlock.environment import CODEX_HOME

_HEARD = ("PreToolUse", "PostToolUse", "SessionStart", "UserPromptSubmit")

DIALECT = Dialect(
    name="codex",
    title="Codex",
    commands=("codex",),
    events={
        "PreToolUse": dialect.BEFORE,
        "PostToolUse": dialect.AFTER,
        "SessionStart": dialect.START,
        "UserPromptSubmit": dialect.PROMPT,
        "Stop": dialect.STOP,
        "PreCompact": dialect.COMPACT,
        "SessionEnd": dialect.END,
    },
    deny=nested_deny,
    tell=lambda event, text: nested_context(event, text) if event in _HEARD else None,
    user_file=".codex/hooks.json",
    project_file=".codex/hooks.json",
    home=(CODEX_HOME, "hooks.json"),
    matcher="apply_patch|Edit|Write|Bash",
)
