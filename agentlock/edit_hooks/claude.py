"""Claude Code: ~/.claude/settings.json, or .claude/settings.json in the folder where it starts."""

from __future__ import annotations

from agentlock.edit_hooks.dialect import claudes
from agentlock.environment import CLAUDE_CONFIG_DIR

DIALECT = claudes(
    ("claude",),
    name="claude",
    title="Claude Code",
    user_file=".claude/settings.json",
    project_file=".claude/settings.json",
    home=(CLAUDE_CONFIG_DIR, "settings.json"),
    matcher="Edit|Write|MultiEdit|NotebookEdit|Bash",
    reads_below=False,
    wakes="Stop",
)
