"""The verdict on changes in a repository: read the reservations that can matter, then decide."""

from __future__ import annotations

from agentlock.guard.verdict import decide
from agentlock.patterns.keys import Folding, fold_key, keys_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.changes import Changes
    from agentlock.git.repository import Repository
    from agentlock.model import Reservation, Verdict
    from agentlock.store.base import Store


def folding_of(repository: Repository) -> Folding:
    """How this repository compares names (core.ignorecase, core.precomposeunicode)."""
    return Folding(repository.ignore_case, repository.compose_unicode, beyond_ascii=True)


def with_holders(store: Store, verdict: Verdict) -> Verdict:
    """The verdict, with what is known of those who hold what it refuses."""
    if not verdict.conflicts:
        return verdict
    from agentlock.agents.activity import (
        holders,
    )  # a hook that lets something pass needs none of it

    held = list({one.reservation.id: one.reservation for one in verdict.conflicts}.values())
    return verdict.replace(holders=holders(store, held))


def judge(
    store: Store,
    changes: Changes,
    agent: str | None,
    folding: Folding,
    imagined: Sequence[Reservation] = (),
) -> tuple[Verdict, int]:
    """The verdict on these changes and its time, from one snapshot of the table.

    ``imagined`` are judged as if they stood in the table.
    """
    added = [fold_key(path) for path in changes.added]
    now, policy, live, fence = store.standing(*keys_of(changes.paths), added)
    if not all(map(folding.has_own_keys, changes.paths)):
        live = store.reservations.all(live_at=now)
    held = [*live, *imagined] if imagined else live
    verdict = decide(changes, held, agent, policy, folding)
    return verdict.replace(fence=fence), now
