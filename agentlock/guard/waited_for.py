"""What the queue has to do with an edit: an offer is taken, and a denied edit is remembered."""

from __future__ import annotations

from agentlock.errors import DatabaseError, ReadOnlyTableError
from agentlock.guard.judge import folding_of
from agentlock.patterns.keys import literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.guard.edits import Judged
    from agentlock.store.base import Store


def take_offers(store: Store, answer: Judged) -> bool:
    """Take what the queue has handed over to the agent among these paths; whether there was any."""
    name = answer.identity.name
    if not any(held.offer and held.agent == name for held in answer.live):
        return False
    from agentlock.waiting.taking import take

    try:
        take(store, name or "", answer.repository, folding_of(answer.repository))
    except ReadOnlyTableError:
        return False
    return True


def remember(store: Store, answer: Judged) -> None:
    """Remember the edit that was denied, for the circles of agents that wait for each other."""
    paths = dict.fromkeys(one.path for one in answer.verdict.conflicts)
    if answer.identity.name is None or not paths:
        return
    from agentlock.waiting.wants import remember as remember_wants

    patterns = [literal(path)[0] for path in paths]
    try:  # noqa: SIM105 -- contextlib would cost the hook an import
        remember_wants(store, answer.identity.name, patterns, folding_of(answer.repository))
    except DatabaseError:  # the refusal stands without it
        pass
