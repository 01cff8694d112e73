"""Whose commit is it? The ledger of which agent made which commit, kept by git's post hooks.

An integrator who pushes, rebases or cherry-picks what the holders themselves committed is not
refused for it. A commit that is in no record inherits the agent of one with the same patch id
(git-patch-id(1)); one that has no such twin is whoever's asks. The ledger proves no more than the
names that the agents gave themselves.
"""

from __future__ import annotations

from agentlock.git import changes as git_changes
from agentlock.git.commits import patch_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Verdict
    from agentlock.store.base import Store


def makers(store: Store, oids: Iterable[str]) -> dict[str, str]:
    """The agent who made each commit, if the ledger knows; "" stands for no commit."""
    wanted = {oid for oid in oids if oid}
    found = store.ledger.makers(wanted)
    twins = patch_ids(sorted(wanted - found.keys()))
    by_patch = store.ledger.makers_by_patch(set(twins.values())) if twins else {}
    return found | {oid: by_patch[twin] for oid, twin in twins.items() if twin in by_patch}


def excuse_commits(store: Store, verdict: Verdict, touched: Mapping[bytes, set[str]]) -> Verdict:
    """The verdict without the conflicts that only the holder's own commits touch.

    ``touched`` gives the oids of the commits that change each path.
    """
    suspects = {oid for one in verdict.conflicts for oid in touched.get(one.path, ())}
    made_by = makers(store, suspects)
    return verdict.replace(
        conflicts=tuple(
            one
            for one in verdict.conflicts
            if not (commits := touched.get(one.path))
            or any(made_by.get(oid) != one.reservation.agent for oid in commits)
        )
    )


def excuse_replay(store: Store, verdict: Verdict, repository: Repository) -> Verdict:
    """The verdict without the conflicts of the agent who made the commit that is replayed."""
    replayed = git_changes.replayed(repository)
    return _without(makers(store, [replayed]).get(replayed) if replayed else None, verdict)


def excuse_patch(store: Store, verdict: Verdict, repository: Repository) -> Verdict:
    """The same for a patch that is applied: its maker made a commit with the same patch id."""
    verdict = excuse_replay(store, verdict, repository)
    patch = git_changes.staged_patch_id() if verdict.conflicts else None
    return _without(store.ledger.makers_by_patch([patch]).get(patch) if patch else None, verdict)


def _without(maker: str | None, verdict: Verdict) -> Verdict:
    return verdict.replace(
        conflicts=tuple(one for one in verdict.conflicts if one.reservation.agent != maker)
    )


def enter(store: Store, agent: str, made: Sequence[tuple[str, str]]) -> None:
    """Enter commits, each with the one that it was made from ("": none).

    A commit is the agent's own, unless it changes just what the former one changed: then it stays
    its maker's.
    """
    former = [old for _, old in made if old]
    made_by = makers(store, former)
    patches = patch_ids(dict.fromkeys([new for new, _ in made] + former))
    with store.writing():
        now = store.now()
        for new, old in made:
            patch = patches.get(new)
            same = patch is not None and patch == patches.get(old)
            maker = made_by.get(old, agent) if same else agent
            store.ledger.record(new, patch, maker, now)
