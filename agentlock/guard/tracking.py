"""What a push may bring although a remote-tracking ref says that the remote has it.

Anybody can move such a ref. Before it hides a conflict, the remote itself is asked what it has
(docs/explanation/adr/0011-ask-the-remote.md).
"""

from __future__ import annotations

from agentlock.git.commits import changed_by
from agentlock.git.pushes import heads_at, vouched_for
from agentlock.guard.judge import folding_of, judge
from agentlock.guard.ledger import excuse_commits
from agentlock.text import and_more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.pushes import Push, Remote
    from agentlock.git.repository import Repository
    from agentlock.model import Verdict
    from agentlock.store.base import Store

_LOOKED_THROUGH = 1_000  # commits; to list what more of them change takes longer than to ask


def doubted(
    store: Store,
    verdict: Verdict,
    push: Push,
    remote: Remote,
    repository: Repository,
    agent: str | None,
) -> Verdict:
    """The verdict on what the remote does not confirm, or ``verdict`` if nothing there is held."""

    def judged(commits: Sequence[bytes]) -> Verdict:
        history = changed_by(commits)
        found, _ = judge(store, history.changes, agent, folding_of(repository))
        return excuse_commits(store, found, history.touched)

    hidden = vouched_for(push, most=_LOOKED_THROUGH)
    if hidden is not None:
        matters = not judged(hidden).clean
    else:
        policy = verdict.policy
        matters = policy.require_reservation or store.reservations.any_blocks(
            policy, agent or "", store.now()
        )
    if not matters:
        return verdict
    lacking = vouched_for(push, heads_at(remote))
    if not lacking or (found := judged(lacking)).clean:
        return verdict
    first = lacking[0].partition(b" ")[0].decode()[:12]
    return found.replace(
        doubt=f"{remote.name} does not show that it has {first}{and_more(len(lacking) - 1)}; "
        f"if it has moved on: git fetch {remote.name}"
    )
