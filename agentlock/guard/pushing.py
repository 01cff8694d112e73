"""The verdict on a push: what it brings, in the order in which that is excused, and what it drops.

Entered commits are excused first; then what the remote has on a branch already, which it is asked
before anything is refused; what is left is judged by what is reserved now.
"""

from __future__ import annotations

from agentlock.errors import GitError
from agentlock.git.commits import changed_by, listed
from agentlock.git.pushes import heads_at, vouched_for
from agentlock.guard.judge import folding_of, judge
from agentlock.guard.ledger import excuse_commits
from agentlock.guard.take_in import Reader
from agentlock.model import ALLOWED
from agentlock.text import and_more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.commits import History
    from agentlock.git.pushes import Push, Remote
    from agentlock.git.repository import Repository
    from agentlock.model import Verdict
    from agentlock.store.base import Store

_LOOKED_THROUGH = 1_000  # commits; to list what more of them change takes longer than to ask
_MOST_NOTED = 2_000  # commits of one push


class Pushed:
    """What one push brings and drops, seen from a client (with a ``remote``) or from the server."""

    def __init__(self, repository: Repository, push: Push, remote: Remote | None = None) -> None:
        self._repository = repository
        self._push = push
        self._remote = remote
        self._heads: list[bytes] | None = None
        self._reader: Reader | None = None
        self.history: History = changed_by(push.brings, push.drops)

    def excuse(self, store: Store, verdict: Verdict) -> tuple[Verdict, str]:
        """The verdict without what entered commits change, and what the remote has already."""
        reader = self._read(store)
        verdict = excuse_commits(reader, verdict, self.history.touched)
        if verdict.clean or self._remote is None or not self._push.brings:
            return verdict, ALLOWED
        try:
            heads = self._asked(self._remote)
        except GitError:  # then the refusal stands
            return verdict, ALLOWED
        new = self._beyond(heads)
        touched = {path: oids & new for path, oids in self.history.touched.items()}
        verdict = verdict.replace(
            conflicts=tuple(one for one in verdict.conflicts if touched[one.path]),
            uncovered=tuple(path for path in verdict.uncovered if touched[path]),
        )
        return verdict, ALLOWED

    def doubt(self, store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        """The verdict on what the remote does not confirm, or ``verdict`` if nothing is held there.

        Anybody can move a remote-tracking ref. Before one hides a conflict, the remote itself is
        asked what it has (docs/explanation/adr/0011-ask-the-remote.md).
        """
        remote = self._remote
        if remote is None or not self._push.tracked:
            return verdict

        def judged(commits: Sequence[bytes]) -> Verdict:
            history = changed_by(commits)
            found, _ = judge(store, history.changes, agent, folding_of(self._repository))
            if found.clean:
                return found
            return excuse_commits(self._read(store), found, history.touched)

        hidden = vouched_for(self._push, most=_LOOKED_THROUGH)
        if hidden is not None:
            matters = not judged(hidden).clean
        else:
            policy = verdict.policy
            matters = policy.require_reservation or store.reservations.any_blocks(
                policy, agent or "", store.now()
            )
        if not matters:
            return verdict
        lacking = vouched_for(self._push, self._asked(remote))
        if not lacking or (found := judged(lacking)).clean:
            return verdict
        first = lacking[0].partition(b" ")[0].decode()[:12]
        return found.replace(
            doubt=f"{remote.name} does not show that it has {first}{and_more(len(lacking) - 1)}; "
            f"if it has moved on: git fetch {remote.name}"
        )

    def judged(self, store: Store) -> Sequence[str]:
        """The commits that were judged now: those that are new to the ledger."""
        brings = [line.partition(b" ")[0].decode() for line in self._push.brings]
        if len(brings) > _MOST_NOTED:
            return []
        entered = self._read(store).entries(brings)
        on_remote = set(brings) - self._beyond(self._heads) if self._heads is not None else set()
        return [oid for oid in brings if oid not in entered and oid not in on_remote]

    def take_in(self, store: Store) -> None:
        """Enter what the gates have noted, so that others who share the table know it."""
        self._read(store).save()

    def _read(self, store: Store) -> Reader:
        if self._reader is None:
            self._reader = Reader(store, self._repository)
        return self._reader

    def _asked(self, remote: Remote) -> list[bytes]:
        if self._heads is None:
            self._heads = heads_at(remote)
        return self._heads

    def _beyond(self, heads: Sequence[bytes]) -> set[str]:
        """Of what the push brings and drops, what these commits do not reach; "" is of any."""
        brings = [line.partition(b" ")[0] for line in self._push.brings]
        known = set(brings)
        found = listed([*brings, *(b"^" + oid for oid in heads)]) if brings else []
        beyond = {line.partition(b" ")[0] for line in found} & known
        return {"", *(oid.decode() for oid in beyond)}
