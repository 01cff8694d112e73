"""How much a session has gathered since its last compaction, and when that is too much."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.store.sessions import Conversation

WARNING, CRITICAL = "warning", "critical"
_LIMITS = ((CRITICAL, 100, 200_000), (WARNING, 50, 100_000))  # turns, tokens


def strain(session: Conversation) -> str:
    """``critical`` from 100 turns or 200,000 tokens on, ``warning`` from half of that; else ""."""
    tokens = session.tokens_since or 0
    for level, most_turns, most_tokens in _LIMITS:
        if session.turns_since >= most_turns or tokens >= most_tokens:
            return level
    return ""
