"""Codex: $CODEX_HOME/hooks.json, or .codex/hooks.json in the main checkout of a trusted project.

It runs an entry only once the user has trusted its exact text, and says nothing otherwise.
"""

from __future__ import annotations

from agentlock.edit_hooks.dialect import claudes
from agentlock.environment import CODEX_HOME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SUCCEEDED = "Exit code: 0"  # as what it sends after a patch begins; a command's says nothing


def _failed(_event: str, given: Mapping[str, Any]) -> bool:
    said = given.get("tool_response")
    first = said.split("\n", 1)[0].strip() if isinstance(said, str) else ""
    return first.startswith(_SUCCEEDED[:-1]) and first != _SUCCEEDED


DIALECT = claudes(
    ("codex",),
    name="codex",
    title="Codex",
    user_file=".codex/hooks.json",
    project_file=".codex/hooks.json",
    home=(CODEX_HOME, "hooks.json"),
    matcher="apply_patch|Edit|Write|Bash",
    needs_trust=True,
    failed=_failed,
)
