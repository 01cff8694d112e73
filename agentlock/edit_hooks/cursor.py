"""Cursor: ~/.cursor/hooks.json, or .cursor/hooks.json in a trusted project. It was never run here.

What is written here is read in its documentation and in users' reports. Only what goes before a
tool names the folder where the agent works; the other events name the workspace's root.

Its entries have no ``failClosed``: with it, Cursor takes silence for a failure and refuses every
tool, and `{"permission": "allow"}` may take the user's own consent for granted.
"""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect

_HEARD = ("sessionStart", "postToolUse")

DIALECT = Dialect(
    name="cursor",
    title="Cursor",
    commands=("cursor-agent", "cursor"),
    events={
        "preToolUse": dialect.BEFORE,
        "postToolUse": dialect.AFTER,
        "sessionStart": dialect.START,
        "beforeSubmitPrompt": dialect.PROMPT,
        "stop": dialect.STOP,
        "preCompact": dialect.COMPACT,
        "sessionEnd": dialect.END,
    },
    deny=lambda _event, reason: {
        "permission": "deny",
        "user_message": reason,
        "agent_message": reason,
    },
    tell=lambda event, text: {"additional_context": text} if event in _HEARD else None,
    hold=lambda text: {"followup_message": text},
    user_file=".cursor/hooks.json",
    project_file=".cursor/hooks.json",
    shape="flat",
    keys=("hook_event_name", "conversation_id", "cwd", "tool_name", "tool_input"),
    needs_trust=True,
)
