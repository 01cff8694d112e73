"""Claude Code: ~/.claude/settings.json, or .claude/settings.json in the folder where it starts."""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect, nested_context, nested_deny
from agentlock.environment import CLAUDE_CONFIG_DIR

_HEARD = ("PreToolUse", "PostToolUse", "SessionStart", "UserPromptSubmit")

DIALECT = Dialect(
    name="claude",
    title="Claude Code",
    commands=("claude",),
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
    user_file=".claude/settings.json",
    project_file=".claude/settings.json",
    home=(CLAUDE_CONFIG_DIR, "settings.json"),
    matcher="Edit|Write|MultiEdit|NotebookEdit|Bash",
)
