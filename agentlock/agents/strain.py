"""How much a session has gathered since its last compaction, and when that is too much."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.store.sessions import Conversation

WARNING, CRITICAL = "warning", "critical"
# Turns, tokens, and the share of tools that failed, in percent.
_LIMITS = ((CRITICAL, 100, 200_000, 40), (WARNING, 50, 100_000, 20))
_FEW = 10  # the share of fewer tools says nothing


def strain(session: Conversation) -> str:
    """``critical`` from 100 turns, 200,000 tokens or 40 % failed tools on; else "".

    ``warning`` from half of that on.
    """
    tokens = session.tokens_since or 0
    share = 100 * session.errors / session.tools if session.tools >= _FEW else 0
    for level, most_turns, most_tokens, most_failed in _LIMITS:
        if session.turns_since >= most_turns or tokens >= most_tokens or share >= most_failed:
            return level
    return ""
