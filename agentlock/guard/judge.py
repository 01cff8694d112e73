"""The verdict on changes in a repository: read the reservations that can matter, then decide."""

from __future__ import annotations

from agentlock.bundle import Bundle
from agentlock.guard.verdict import decide
from agentlock.patterns.keys import Folding, fold_key, keys_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Changes, Policy, Reservation, Verdict
    from agentlock.store.base import Store


def folding_of(repository: Repository) -> Folding:
    """How this repository compares names (core.ignorecase, core.precomposeunicode)."""
    return Folding(repository.ignore_case, repository.compose_unicode, beyond_ascii=True)


def with_holders(store: Store, verdict: Verdict) -> Verdict:
    """The verdict, with what is known of those who hold what it refuses."""
    if not verdict.conflicts:
        return verdict
    from agentlock.agents.activity import holders  # what passes needs none of it

    ours = (one.reservation for one in verdict.conflicts if not one.reservation.source)
    held = list({one.id: one for one in ours}.values())
    return verdict.replace(holders=holders(store, held))


def load_to_refuse(door: str, theirs: Collection[object]) -> None:
    """Load at once what a hook needs to refuse, if there is anything of others that it meets.

    One by one it would cost a denied edit 6 % more (ADR 24).
    """
    if not theirs:
        return
    bundle = Bundle(f"{door}-refused")
    import agentlock.agents.activity
    import agentlock.guard.report
    import agentlock.patterns.index
    import agentlock.store.agents
    import agentlock.store.whereabouts

    if door == "edit":
        import agentlock.store.wants
        import agentlock.waiting.wants  # noqa: F401
    bundle.note()
    bundle.keep()


def anything_blocks(store: Store, policy: Policy, agent: str | None) -> bool:
    """Whether anything that is held may block the agent from changing some path."""
    if store.reservations.any_blocks(policy, agent or "", store.now()):
        return True
    if store.beside is None:
        return False
    from agentlock.agent_mail.live import leases

    return any(policy.blocks(one, agent) for one in leases(store, agent))


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
    now, policy, live, fence = standing(store, changes, agent, folding)
    held = [*live, *imagined] if imagined else live
    verdict = decide(changes, held, agent, policy, folding)
    return verdict.replace(fence=fence), now


def standing(
    store: Store, changes: Changes, agent: str | None, folding: Folding
) -> tuple[int, Policy, list[Reservation], int]:
    """What the verdict on these changes needs, from one snapshot.

    The time, the policy, the live reservations that can matter, and the last fence.
    """
    added = map(fold_key, changes.added)
    now, policy, live, fence = store.standing(*keys_of(changes.paths), added)
    if not folding.have_own_keys(changes.paths):
        live = store.reservations.all(live_at=now)
    return now, policy, [*live, *beside(store, changes, agent, folding)], fence


def beside(
    store: Store, changes: Changes, agent: str | None, folding: Folding
) -> list[Reservation]:
    """What an MCP Agent Mail's agents hold of these changes, where one is recorded."""
    if store.beside is None:
        return []
    from agentlock.agent_mail.live import touching

    return list(touching(store, changes, agent, folding))
