"""Every program whose edit hooks agentlock knows, by the name that our commands use."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.edit_hooks.dialect import Dialect

NAMES = ("claude", "codex", "gemini", "cursor", "copilot", "opencode")


def dialect_of(name: str) -> Dialect:
    """The dialect of a program; its file alone is loaded. KeyError for another name."""
    if name not in NAMES:
        raise KeyError(name)
    dialect: Dialect = __import__(f"agentlock.edit_hooks.{name}", fromlist=["DIALECT"]).DIALECT
    return dialect
