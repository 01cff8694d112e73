"""The verdict on existing commits: which of them would be refused, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.git.commits import changed_by, described
from agentlock.guard.judge import judge
from agentlock.guard.ledger import makers
from agentlock.guard.verdict import decide
from agentlock.model import MICROSECONDS, PathConflict, Reservation, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentlock.git.commits import History
    from agentlock.model import Verdict
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store


class RefusedCommit(Value):
    """A commit and why it would be refused; ``agent`` made it, if the ledger knows (else None)."""

    oid: str
    subject: str
    agent: str | None
    conflicts: tuple[PathConflict, ...]
    uncovered: tuple[bytes, ...]


class Judged(Value):
    """The verdict on all the commits, the refused ones (newest first), and the time."""

    verdict: Verdict
    commits: tuple[RefusedCommit, ...]
    now: int


def judge_as_pushed(
    store: Store, commits: Sequence[bytes], agent: str | None, folding: Folding
) -> Judged:
    """What a push of these commits (as ``git.commits.listed``) would be told now."""
    history = changed_by(commits)
    verdict, now = judge(store, history.changes, agent, folding)
    return _judged(store, verdict, history, commits, now, lambda _held, _oid: True)


def judge_as_made(
    store: Store, commits: Sequence[bytes], agent: str | None, folding: Folding
) -> Judged:
    """What each commit would have been told when it was made: by the reservations of that time.

    A lease is renewed only while it is live, so that a row was live from its grant to its end;
    that a shared one was made exclusive later is not seen. The time of a commit is git's, to the
    second. Whether it was covered by a reservation of one's own is not judged.
    """
    history = changed_by(commits)
    made_at = {one.oid: one.committed * MICROSECONDS for one in described(commits)}
    with store.reading():
        now = store.now()
        policy = store.policy.read().replace(require_reservation=False)
        oldest = min(made_at.values(), default=now)
        held = [one for one in store.reservations.all() if _end(one) > oldest]
    changes = history.changes
    verdict = decide(changes.paths, changes.submodules, held, agent, policy, folding)

    def was_live(held: Reservation, oid: str) -> bool:
        return held.created_ts < made_at[oid] + MICROSECONDS and _end(held) > made_at[oid]

    return _judged(store, verdict, history, commits, now, was_live)


def _end(held: Reservation) -> int:
    released = held.released_ts
    return held.expires_ts if released is None else min(held.expires_ts, released)


def _judged(
    store: Store,
    verdict: Verdict,
    history: History,
    commits: Sequence[bytes],
    now: int,
    counts: Callable[[Reservation, str], bool],
) -> Judged:
    """The verdict by commit, without what the holder made and what does not count."""
    touched = history.touched
    made_by = makers(store, {oid for one in verdict.conflicts for oid in touched[one.path]})
    conflicts: dict[str, list[PathConflict]] = {}
    remaining = []
    for one in verdict.conflicts:
        held = one.reservation
        guilty = [
            oid for oid in touched[one.path] if made_by.get(oid) != held.agent and counts(held, oid)
        ]
        for oid in guilty:
            conflicts.setdefault(oid, []).append(one)
        if guilty:
            remaining.append(one)
    uncovered: dict[str, list[bytes]] = {}
    for path in verdict.uncovered:
        for oid in touched[path]:
            uncovered.setdefault(oid, []).append(path)
    verdict = verdict.replace(conflicts=tuple(remaining))
    refused = _in_order(commits, conflicts.keys() | uncovered.keys())
    made_by |= makers(store, {oid.decode() for oid in refused} - made_by.keys())
    return Judged(
        verdict,
        tuple(
            RefusedCommit(
                one.oid,
                one.subject,
                made_by.get(one.oid),
                tuple(conflicts.get(one.oid, ())),
                tuple(uncovered.get(one.oid, ())),
            )
            for one in described(refused)
        ),
        now,
    )


def _in_order(commits: Iterable[bytes], wanted: set[str]) -> list[bytes]:
    oids = (line.partition(b" ")[0] for line in commits)
    return [oid for oid in oids if oid.decode() in wanted]
