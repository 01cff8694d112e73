"""Copilot CLI: a file of our own, ~/.copilot/hooks/agentlock.json or .github/hooks/agentlock.json.

It also runs the entries of .claude/settings.json, so one edit may be asked about twice. Exit 2
denies, but only the reason in its own form reaches the model.
"""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect
from agentlock.environment import COPILOT_HOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_HEARD = ("preToolUse", "postToolUse", "sessionStart", "userPromptSubmitted")


def _failed(_event: str, given: Mapping[str, object]) -> bool:
    result = given.get("toolResult")
    return isinstance(result, dict) and result.get("resultType", "success") != "success"


DIALECT = Dialect(
    name="copilot",
    title="Copilot CLI",
    commands=("copilot",),
    events={
        "preToolUse": dialect.BEFORE,
        "postToolUse": dialect.AFTER,
        "sessionStart": dialect.START,
        "userPromptSubmitted": dialect.PROMPT,
        "agentStop": dialect.STOP,
        "preCompact": dialect.COMPACT,
        "sessionEnd": dialect.END,
    },
    deny=lambda _event, reason: {
        "permissionDecision": "deny",
        "permissionDecisionReason": reason,
    },
    hold=dialect.block,
    failed=_failed,
    tell=lambda event, text: {"additionalContext": text} if event in _HEARD else None,
    user_file=".copilot/hooks/agentlock.json",
    project_file=".github/hooks/agentlock.json",
    home=(COPILOT_HOME, "hooks/agentlock.json"),
    matcher="create|edit|apply_patch|str_replace_editor|bash",
    shape="own",
    keys=("hookEventName", "sessionId", "cwd", "toolName", "toolArgs"),
    reads_below=False,
    needs_trust=True,
)
