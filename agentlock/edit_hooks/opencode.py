"""OpenCode: a plugin of our own (hooks/opencode.js) asks this door, and throws its refusal."""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect
from agentlock.environment import XDG_CONFIG_HOME

_HEARD = ("tool.execute.after", "chat.message")

DIALECT = Dialect(
    name="opencode",
    title="OpenCode",
    commands=("opencode",),
    events={
        "tool.execute.before": dialect.BEFORE,
        "tool.execute.after": dialect.AFTER,
        "session.created": dialect.START,
        "chat.message": dialect.PROMPT,
        "session.idle": dialect.STOP,
        "session.compacted": dialect.COMPACTED,
        "session.deleted": dialect.END,
    },
    deny=lambda _event, reason: {"deny": reason},
    tell=lambda event, text: {"tell": text} if event in _HEARD else None,
    failed=lambda _event, given: given.get("failed") is True,
    user_file=".config/opencode/plugin/agentlock.js",
    project_file=".opencode/plugin/agentlock.js",
    home=(XDG_CONFIG_HOME, "opencode/plugin/agentlock.js"),
    shape="plugin",
)
