"""Gemini CLI: ~/.gemini/settings.json, or .gemini/settings.json in the folder where it starts.

If stdout is JSON, its exit code no longer counts, so only its own form may be printed.
"""

from __future__ import annotations

from agentlock.edit_hooks import dialect
from agentlock.edit_hooks.dialect import Dialect, nested_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Its shell tool sets an empty core.hooksPath in GIT_CONFIG_COUNT, so git would run no hook. bash
# runs its commands.
_WITH_HOOKS = "unset ${!GIT_CONFIG_@}; "
_HEARD = ("AfterTool", "SessionStart", "BeforeAgent")


def _repair(command: str) -> dict[str, object] | None:
    if "git" not in command or command.startswith(_WITH_HOOKS):
        return None
    changed = {"hookEventName": "BeforeTool", "tool_input": {"command": _WITH_HOOKS + command}}
    return {"hookSpecificOutput": changed}


def _failed(_event: str, given: Mapping[str, object]) -> bool:
    said = given.get("tool_response")
    return isinstance(said, dict) and bool(said.get("error"))


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
    hold=dialect.block,
    tell=lambda event, text: nested_context(event, text) if event in _HEARD else None,
    user_file=".gemini/settings.json",
    project_file=".gemini/settings.json",
    matcher="replace|write_file|run_shell_command",
    second=1000,
    repair=_repair,
    failed=_failed,
    reads_below=False,
    needs_trust=True,
)
