"""The verdict on existing commits: which of them would be refused, and why."""

from __future__ import annotations

from agentlock.git.commits import changed_by, described, oid_of
from agentlock.git.remotes import defaults_here
from agentlock.guard.destination import Server
from agentlock.guard.foreign import roots_here
from agentlock.guard.judge import judge, with_holders
from agentlock.guard.pushing import Pushed
from agentlock.guard.take_in import Reader
from agentlock.guard.verdict import decide
from agentlock.model import MICROSECONDS, SKIPPED, WARNED, PathConflict, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.hook_input import RefUpdate
    from agentlock.git.ranges import Range
    from agentlock.git.repository import Repository
    from agentlock.model import Policy, Reservation, Verdict
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store


DROPPED = "dropped"


class RefusedCommit(Value):
    """A commit and why it would be refused, or was not, although it should have been.

    ``agent`` made it, if the ledger knows (else None). ``how`` is WARNED or SKIPPED where a gate
    let it pass all the same, and ``reason`` the one that a person gave then; it is DROPPED where a
    push would take the commit away.
    """

    oid: str
    subject: str
    agent: str | None
    conflicts: tuple[PathConflict, ...]
    uncovered: tuple[bytes, ...]
    how: str | None = None
    reason: str = ""


class Judged(Value):
    """The verdict on all the commits, the refused ones (newest first), and the time."""

    verdict: Verdict
    commits: tuple[RefusedCommit, ...]
    now: int


class _Imagined(Server):
    """The branch at which a range begins, as far as this clone knows; nobody is asked."""

    def __init__(self, revisions: Range) -> None:
        super().__init__(b"")
        self._range = revisions

    def protected(self, updates: Sequence[RefUpdate], policy: Policy) -> list[RefUpdate]:
        """A range that begins at no branch is taken for one to the default branch.

        Only the commits that it lists count, if it begins at several commits.
        """
        if not self._range.update.remote_ref:
            return list(updates) if self._range.has_one_base else []
        if policy.protected:
            return super().protected(updates, policy)
        return [one for one in updates if one.remote_ref in defaults_here()]

    def after(self, _updates: Sequence[RefUpdate]) -> list[bytes]:
        return [self._range.update.local_oid, *self._range.others()]

    def project(self) -> list[bytes]:
        return list(defaults_here().values()) or [self._range.update.remote_oid]


def judge_as_pushed(
    store: Store,
    repository: Repository,
    revisions: Range,
    agent: str | None,
    folding: Folding,
) -> Judged:
    """What a push of these commits would be told now. The remote is not asked what it has."""
    pushed = Pushed(repository, revisions.push, [revisions.update], _Imagined(revisions))
    pushed.take_in(store)
    verdict, now = judge(store, pushed.history.changes, agent, folding)
    if not verdict.clean:
        verdict, _ = pushed.excuse(store, verdict)
    if verdict.clean:
        verdict = pushed.doubt(store, verdict, agent)
    paths, lost = ({}, {}) if verdict.clean else pushed.refused(store, verdict)
    commits = [*revisions.push.brings, *revisions.push.drops]
    made_by = Reader(store, repository).makers({*paths, *lost})
    found = []
    for one in described(_in_order(commits, {*paths, *lost})):
        maker, own = made_by.get(one.oid), paths.get(one.oid) or lost[one.oid]
        conflicts = [
            met
            for met in verdict.conflicts
            if met.path in own and (one.oid in lost or met.reservation.agent != maker)
        ]
        uncovered = [path for path in verdict.uncovered if path in own]
        how = DROPPED if one.oid in lost else None
        refused = (tuple(conflicts), tuple(uncovered), how)
        found.append(RefusedCommit(one.oid, one.subject, maker, *refused))
    return Judged(with_holders(store, verdict), tuple(found), now)


def judge_as_made(
    store: Store,
    repository: Repository,
    commits: Sequence[bytes],
    agent: str | None,
    folding: Folding,
) -> Judged:
    """What each commit was told when it was made, by its entry in the ledger.

    One without an entry is judged by the reservations of that time. A lease is renewed only while
    it is live, so that a row was live from its grant to its end; that a shared one was made
    exclusive later is not seen. The time of a commit is git's, to the second. Whether it was
    covered by a reservation of one's own is not judged.
    """
    roots = roots_here(repository)
    joined = roots.joined(commits)
    elsewhere = roots.foreign(commits).union(joined)
    history = changed_by([one for one in commits if oid_of(one) not in elsewhere], diffs=joined)
    made_at = {one.oid: one.committed * MICROSECONDS for one in described(commits)}
    reader = Reader(store, repository)
    entered = reader.entries(made_at)
    made_by = reader.makers(made_at)
    reader.save()
    with store.reading():
        now = store.now()
        policy = store.policy.read().replace(require_reservation=False)
        oldest = min(made_at.values(), default=now)
        held = [one for one in store.reservations.all() if _end(one) > oldest]
    verdict = decide(history.changes, held, agent, policy, folding)

    def is_met_by(oid: str, met: PathConflict) -> bool:
        lease, entry = met.reservation, entered.get(oid)
        if entry is not None:
            return met.path in entry.void and lease.fence > entry.fence
        begun = lease.created_ts < made_at[oid] + MICROSECONDS
        return begun and _end(lease) > made_at[oid] and made_by.get(oid) != lease.agent

    refused: dict[str, list[PathConflict]] = {}
    for one in verdict.conflicts:
        for oid in history.touched[one.path]:
            if is_met_by(oid, one):
                refused.setdefault(oid, []).append(one)
    remaining = {one for conflicts in refused.values() for one in conflicts}
    verdict = verdict.replace(conflicts=tuple(one for one in verdict.conflicts if one in remaining))
    let_pass = {oid: one for oid, one in entered.items() if one.how in (WARNED, SKIPPED)}
    found = []
    for made in described(_in_order(commits, {*refused, *let_pass})):
        conflicts = tuple(refused.get(made.oid, ()))
        entry = let_pass.get(made.oid)
        why = (None, "") if entry is None else (entry.how, entry.reason)
        maker = made_by.get(made.oid)
        found.append(RefusedCommit(made.oid, made.subject, maker, conflicts, (), *why))
    return Judged(with_holders(store, verdict), tuple(found), now)


def _end(held: Reservation) -> int:
    released = held.released_ts
    return held.expires_ts if released is None else min(held.expires_ts, released)


def _in_order(commits: Iterable[bytes], wanted: set[str]) -> list[bytes]:
    oids = (line.partition(b" ")[0] for line in commits)
    return [oid for oid in oids if oid.decode() in wanted]
