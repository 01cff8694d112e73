"""Claude Code: ~/.claude/settings.json, or .claude/settings.json in the folder where it starts."""

from __future__ import annotations

from agentlock.edit_hooks.dialect import AFTER, claudes
from agentlock.environment import CLAUDE_CONFIG_DIR

_FAILURE = "PostToolUseFailure"  # instead of PostToolUse

_LIKE_CODEX = claudes(
    ("claude",),
    name="claude",
    title="Claude Code",
    user_file=".claude/settings.json",
    project_file=".claude/settings.json",
    home=(CLAUDE_CONFIG_DIR, "settings.json"),
    matcher="Edit|Write|MultiEdit|NotebookEdit|Bash",
    reads_below=False,
    failed=lambda event, given: event == _FAILURE and given.get("is_interrupt") is not True,
    wakes="Stop",
)
DIALECT = _LIKE_CODEX.replace(events={**_LIKE_CODEX.events, _FAILURE: AFTER})
