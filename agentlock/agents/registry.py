"""When to record where an agent works: once a minute at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.model import MICROSECONDS

if TYPE_CHECKING:
    from agentlock.store.base import Store

_PAUSE = 60 * MICROSECONDS


def is_due(store: Store, name: str) -> bool:
    """Whether it is time to record where the agent works."""
    known = store.agents.named([name]).get(name)
    if known is None or known.located_ts is None:
        return True
    return not 0 <= store.now() - known.located_ts < _PAUSE
