"""The verdict on existing commits: which of them would be refused, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.git.commits import changed_by, described, oid_of
from agentlock.guard.judge import judge
from agentlock.guard.take_in import Reader
from agentlock.guard.verdict import decide
from agentlock.model import MICROSECONDS, SKIPPED, WARNED, PathConflict, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from agentlock.git.commits import History
    from agentlock.git.repository import Repository
    from agentlock.model import Entry, Reservation, Verdict
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store


class RefusedCommit(Value):
    """A commit and why it would be refused, or was not, although it should have been.

    ``agent`` made it, if the ledger knows (else None). ``how`` is WARNED or SKIPPED where a gate
    let it pass all the same, and ``reason`` the one that a person gave then.
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


def judge_as_pushed(
    store: Store,
    repository: Repository,
    commits: Sequence[bytes],
    agent: str | None,
    folding: Folding,
) -> Judged:
    """What a push of these commits (as ``git.commits.listed``) would be told now.

    The remote is not asked what it has.
    """
    history = changed_by(commits)
    verdict, now = judge(store, history.changes, agent, folding)
    reader = Reader(store, repository)
    entered = reader.entries(_oids(commits))
    reader.save()

    def counts(_held: Reservation | None, oid: str) -> bool:
        return oid not in entered

    return _judged(reader, verdict, history, commits, now, counts)


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
    history = changed_by(commits)
    made_at = {one.oid: one.committed * MICROSECONDS for one in described(commits)}
    reader = Reader(store, repository)
    entered = reader.entries(made_at)
    reader.save()
    with store.reading():
        now = store.now()
        policy = store.policy.read().replace(require_reservation=False)
        oldest = min(made_at.values(), default=now)
        held = [one for one in store.reservations.all() if _end(one) > oldest]
    verdict = decide(history.changes, held, agent, policy, folding)

    def counts(held: Reservation | None, oid: str) -> bool:
        if oid in entered or held is None:
            return False
        return held.created_ts < made_at[oid] + MICROSECONDS and _end(held) > made_at[oid]

    let_pass = {oid: one for oid, one in entered.items() if one.how in (WARNED, SKIPPED)}
    return _judged(reader, verdict, history, commits, now, counts, let_pass)


def _end(held: Reservation) -> int:
    released = held.released_ts
    return held.expires_ts if released is None else min(held.expires_ts, released)


def _judged(
    reader: Reader,
    verdict: Verdict,
    history: History,
    commits: Sequence[bytes],
    now: int,
    counts: Callable[[Reservation | None, str], bool],
    let_pass: Mapping[str, Entry] | None = None,
) -> Judged:
    """The verdict by commit, without what the holder made and what does not count."""
    touched = history.touched
    made_by = reader.makers(_oids(commits))
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
            if counts(None, oid):
                uncovered.setdefault(oid, []).append(path)
    bare = {path for paths in uncovered.values() for path in paths}
    verdict = verdict.replace(
        conflicts=tuple(remaining),
        uncovered=tuple(path for path in verdict.uncovered if path in bare),
    )
    let_pass = let_pass or {}
    shown = _in_order(commits, {*conflicts, *uncovered, *let_pass})
    return Judged(
        verdict,
        tuple(
            RefusedCommit(
                one.oid,
                one.subject,
                made_by.get(one.oid),
                tuple(conflicts.get(one.oid, ())),
                tuple(uncovered.get(one.oid, ())),
                let_pass[one.oid].how if one.oid in let_pass else None,
                let_pass[one.oid].reason if one.oid in let_pass else "",
            )
            for one in described(shown)
        ),
        now,
    )


def _oids(commits: Iterable[bytes]) -> list[str]:
    return [oid_of(line) for line in commits]


def _in_order(commits: Iterable[bytes], wanted: set[str]) -> list[bytes]:
    oids = (line.partition(b" ")[0] for line in commits)
    return [oid for oid in oids if oid.decode() in wanted]
