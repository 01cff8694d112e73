"""Codex: $CODEX_HOME/hooks.json, or .codex/hooks.json in the main checkout of a trusted project.

It runs an entry only once the user has trusted its exact text, and says nothing otherwise.
"""

from __future__ import annotations

from agentlock.edit_hooks.dialect import claudes
from agentlock.environment import CODEX_HOME

DIALECT = claudes(
    ("codex",),
    name="codex",
    title="Codex",
    user_file=".codex/hooks.json",
    project_file=".codex/hooks.json",
    home=(CODEX_HOME, "hooks.json"),
    matcher="apply_patch|Edit|Write|Bash",
    needs_trust=True,
)
