"""The verdict on a push: what it brings, in the order in which that is excused, and what it drops.

Entered commits are excused first; then what the remote has on a branch already; then what another
remote has. Remotes are asked only before a refusal, or before a remote-tracking ref hides one. What
is left is judged by what is reserved now. A protected branch is judged by all that it gains.
"""

from __future__ import annotations

from agentlock.errors import AgentlockError, GitError
from agentlock.git.changes import difference
from agentlock.git.commits import beyond, changed_by, listed, oid_of
from agentlock.git.pushes import pushed_to_branches, vouched_for
from agentlock.guard.dropping import deleted, not_to_be_dropped
from agentlock.guard.foreign import Roots
from agentlock.guard.judge import anything_blocks, folding_of, judge
from agentlock.guard.landing import tell_holders, told
from agentlock.guard.ledger import excuse_commits, not_excused
from agentlock.guard.made import name
from agentlock.guard.still_held import still_held
from agentlock.guard.take_in import Reader
from agentlock.model import ALLOWED
from agentlock.text import and_more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentlock.git.commits import History
    from agentlock.git.hook_input import RefUpdate
    from agentlock.git.pushes import Push
    from agentlock.git.repository import Repository
    from agentlock.guard.destination import Server
    from agentlock.guard.notes import Note
    from agentlock.model import Blocked, PathConflict, Policy, Verdict
    from agentlock.store.base import Store

    Touched = Mapping[bytes, set[str]]
    # Of the commits (as `listed`), those that are new; the gains of protected branches are named.
    Known = Callable[[Store, Sequence[bytes], set[str]], set[str]]

_LOOKED_THROUGH = 1_000  # commits; to list what more of them change takes longer than to ask
_MOST_NOTED = 2_000  # commits of one push


class Pushed:
    """What one push brings and drops."""

    def __init__(
        self,
        repository: Repository,
        push: Push,
        updates: Sequence[RefUpdate],
        destination: Server,
    ) -> None:
        self._repository = repository
        self._push = push
        self._updates = updates
        self._to = destination
        self._reader: Reader | None = None
        self._roots = Roots(repository, destination.project)
        self._guarded: list[RefUpdate] | None = None
        self._gained: list[bytes] | None = None
        self._landed: list[PathConflict] = []
        self._refused: tuple[Touched, set[str]] = ({}, set())  # for what, and what is bound
        self._drops: Touched = {}  # those that may not be dropped
        self._left_out: set[str] = set()  # what passes without having been judged
        self.history: History = changed_by(push.brings, push.drops, answer=push.answer)

    # What the guard asks

    def take_in(self, store: Store, _agent: str | None = None) -> None:
        """Enter what the gates have noted, so that others who share the table know it."""
        self._read(store).save()

    def excuse(self, store: Store, verdict: Verdict) -> tuple[Verdict, str]:
        """The verdict without what was judged before, belongs elsewhere, or is not really lost."""
        touched = self._without_kept(store, verdict, self.history.touched)
        ways = (*self._ways(), self._foreign)
        return self._excused(store, verdict, touched, self._push.brings, ways), ALLOWED

    def doubt(self, store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        """The verdict on what a clean one did not see, or ``verdict`` if nothing there is held."""
        brings = _oids(self._push.brings)
        gained = [line for line in self._gains(verdict.policy) if oid_of(line) not in brings]
        commits = [*self._push.brings, *gained]
        for history, excuses in self._unseen(commits, gained):
            if not history.changes.paths:
                continue
            found, _ = judge(store, history.changes, agent, folding_of(self._repository))
            if not found.clean:
                found = self._excused(store, found, history.touched, commits, excuses)
            if not found.clean:
                return found
        found = self._without_deleted(store, verdict, agent)
        return self._vouched(store, verdict, agent) if found.clean else found

    def judged(self, store: Store) -> Sequence[str]:
        """The commits that were judged now: those that are new to the ledger."""
        brings = [oid_of(line) for line in self._push.brings]
        if len(brings) > _MOST_NOTED:
            return []
        known = self._left_out | self._read(store).wholly_entered(brings)
        return [oid for oid in brings if oid not in known]

    def passed(self, store: Store, agent: str | None) -> str:
        """What to tell of a push that passes: over whose live leases, and what to release.

        Those holders get a message. What was found of commits is entered, so that the same change
        is known again in every clone.
        """
        if self._reader is not None:
            self._reader.keep()
        said = ""
        if self._landed:
            tell_holders(self._repository, self._landed, agent)
            said = told(self._landed)
        if self._to.remote is None or agent is None:
            return said
        return said + still_held(store, agent, self.history.changes, folding_of(self._repository))

    def noted(self, note: Note) -> None:
        """Let the next reader enter what was judged now, and with it the change."""
        name(self._repository, note.oids)

    def blocked(self, store: Store, verdict: Verdict) -> Blocked | None:
        """The commits that it is refused for; None if they cannot be told: it is refused anyway."""
        from agentlock.guard.blocked import Refused, blocked

        try:
            refused = Refused(*self.refused(store, verdict), self._refused[1])
            return blocked(
                *(refused, verdict, store.now(), self._read(store), self._updates),
                on_server=self._to.remote is None,
            )
        except AgentlockError:
            return None

    def refused(
        self, store: Store, verdict: Verdict
    ) -> tuple[dict[str, set[bytes]], dict[str, set[bytes]]]:
        """The paths of the commits that may not be brought, and of those that may not be lost."""
        paths = not_excused(self._read(store), verdict, *self._refused)
        lost: dict[str, set[bytes]] = {}
        for path in paths.pop("", ()):
            for oid in self._drops.get(path, ()):
                lost.setdefault(oid, set()).add(path)
        order = {oid_of(line): place for place, line in enumerate(self._push.brings)}
        in_order = sorted(paths.items(), key=lambda one: (order.get(one[0], -1), one[0]))
        return dict(in_order), lost

    # How it is decided

    def _unseen(
        self, commits: Sequence[bytes], gained: Sequence[bytes]
    ) -> Iterator[tuple[History, tuple[Known, ...]]]:
        """What a protected branch gains, then what joins other histories; with what may excuse."""
        yield changed_by(gained), (*self._ways(), self._foreign)
        joined = {**self._roots.joined(commits), **self._replaced()}
        yield changed_by(diffs=joined), self._ways()

    def _replaced(self) -> dict[str, bytes]:
        """What differs where a forced push puts another history in the project's place."""
        moved = [
            (update.remote_oid, update.local_oid)
            for update in self._updates
            if self._push.drops and not (update.creates or update.deletes)
        ]
        return {
            new.decode(): difference(old, new)
            for old, new in moved
            if self._roots.replaces(old.decode(), new.decode())
        }

    def _ways(self) -> tuple[Known, ...]:
        """What may excuse commits that are not entered, in this order."""
        return (self._of_before, self._on_remote, self._of_others)

    def _excused(
        self,
        store: Store,
        verdict: Verdict,
        touched: Touched,
        brought: Sequence[bytes],
        ways: Sequence[Known],
    ) -> Verdict:
        """The verdict without what is entered, or left out by one of the ways, in their order."""
        reader = self._read(store)
        gained = _oids(self._gains(verdict.policy))
        bound = gained if verdict.policy.landing == "now" else set()
        before = verdict
        verdict = excuse_commits(reader, verdict, touched, bound)
        makers = reader.makers(gained) if before.conflicts != verdict.conflicts else {}
        self._landed += [
            one
            for one in before.conflicts
            if one not in verdict.conflicts
            and any(makers.get(oid) != one.reservation.agent for oid in touched[one.path] & gained)
        ]
        for known in ways:
            if verdict.clean:
                break
            new = known(store, brought, gained)
            left_out = _oids(brought) - new
            if known == self._foreign:  # what joins another history is judged all the same
                left_out -= self._roots.joined(brought).keys()
            self._left_out |= left_out
            touched = {path: (oids & new) | (oids & {""}) for path, oids in touched.items()}
            verdict = excuse_commits(reader, _touching(verdict, touched), touched, bound)
        self._refused = (touched, bound)
        return verdict

    def _of_before(self, store: Store, brought: Sequence[bytes], _gained: set[str]) -> set[str]:
        """What was not there when the table was made."""
        return beyond(brought, self._read(store).before())

    def _on_remote(self, _store: Store, brought: Sequence[bytes], gained: set[str]) -> set[str]:
        """What no branch of the remote has; for a protected branch that counts for nothing."""
        try:
            heads = self._to.has()
        except GitError:  # then the refusal stands
            return _oids(brought)
        return beyond(brought, heads) | gained

    def _of_others(self, _store: Store, brought: Sequence[bytes], gained: set[str]) -> set[str]:
        """What no other remote has on a branch; for a protected one, on its default branch."""
        new = _oids(brought)
        for heads in self._to.others():
            rest = [name for name in heads.branches if name != heads.default]
            beyond_default = beyond(brought, heads.here(without=rest))
            new &= (beyond(brought, heads.here()) - gained) | (beyond_default & gained)
        return new

    def _foreign(self, _store: Store, brought: Sequence[bytes], _gained: set[str]) -> set[str]:
        """What descends from the project's first root.

        Merges that join others to it are judged by another rule (``Roots.joined``).
        """
        foreign = self._roots.foreign(brought)
        return _oids(brought) - foreign - self._roots.joined(brought).keys()

    def _without_kept(self, store: Store, verdict: Verdict, touched: Touched) -> Touched:
        """``touched``, where "" stands only for commits that may not be dropped."""
        if verdict.clean or not self._push.drops:
            return touched
        self._drops = self._not_to_be_dropped(store, verdict, self._push.drops)
        return {
            path: oids if self._drops.get(path) else oids - {""} for path, oids in touched.items()
        }

    def _without_deleted(self, store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        """The verdict on what goes with the branches that a clone deletes.

        The remote is asked what its other branches have, unless nothing is held at all. A server
        has the deleted commits among those that are dropped.
        """
        if self._to.remote is None or not any(update.deletes for update in self._updates):
            return verdict
        policy = verdict.policy
        if not anything_blocks(store, policy, agent):
            return verdict
        lost = deleted(self._updates, self._to.after(self._updates))
        changes = changed_by((), lost).changes
        found, _ = judge(store, changes, agent, folding_of(self._repository))
        self._drops = self._not_to_be_dropped(store, found, lost)
        conflicts = tuple(one for one in found.conflicts if self._drops.get(one.path))
        self._refused = ({path: {""} for path in self._drops}, set())
        return found.replace(conflicts=conflicts, uncovered=())

    def _not_to_be_dropped(self, store: Store, verdict: Verdict, drops: Sequence[bytes]) -> Touched:
        try:
            after = self._to.after(self._updates)
        except GitError:  # then all that is dropped is lost
            after = pushed_to_branches(self._updates)
        oids = beyond(drops, after) - self._roots.foreign(drops)
        lost = [line for line in drops if oid_of(line) in oids]
        protected = [update.remote_oid for update in self._protected(verdict.policy)]
        joined = self._roots.joined(lost)
        plain = [line for line in lost if oid_of(line) not in joined]
        touched = changed_by(plain, diffs=joined).touched
        return not_to_be_dropped(
            *(self._read(store), verdict.conflicts, lost, touched, after, protected)
        )

    def _vouched(self, store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        """The verdict on what only remote-tracking refs say that the remote has.

        Anybody can move such a ref. Before one hides a conflict, the remote itself is asked what it
        has (docs/explanation/adr/0011-ask-the-remote.md).
        """
        remote = self._to.remote
        if remote is None or not self._push.tracked:
            return verdict

        def judged(commits: Sequence[bytes]) -> Verdict:
            history = changed_by(commits)
            found, _ = judge(store, history.changes, agent, folding_of(self._repository))
            if found.clean:
                return found
            self._refused = (history.touched, set())
            return excuse_commits(self._read(store), found, history.touched)

        treeless = self._repository.treeless_remote is not None
        hidden = None if treeless else vouched_for(self._push, most=_LOOKED_THROUGH)
        if hidden is not None:
            matters = not judged(hidden).clean
        else:
            policy = verdict.policy
            matters = policy.require_reservation or anything_blocks(store, policy, agent)
        if not matters:
            return verdict
        lacking = vouched_for(self._push, self._to.has())
        if not lacking or (found := judged(lacking)).clean:
            return verdict
        first = oid_of(lacking[0])[:12]
        return found.replace(
            doubt=f"{remote.name} does not show that it has {first}{and_more(len(lacking) - 1)}; "
            f"if it has moved on: git fetch {remote.name}"
        )

    # What it knows

    def _read(self, store: Store) -> Reader:
        if self._reader is None:
            self._reader = Reader(store, self._repository, self._push.answer or b"")
        return self._reader

    def _protected(self, policy: Policy) -> list[RefUpdate]:
        if self._guarded is None:
            self._guarded = self._to.protected(self._updates, policy)
        return self._guarded

    def _gains(self, policy: Policy) -> list[bytes]:
        """All commits that protected branches gain, whatever other branches have."""
        if self._gained is None and self._gains_what_it_brings(policy):
            self._gained = list(self._push.brings)
        elif self._gained is None:
            self._gained = []
            for update in self._protected(policy):
                if update.deletes or update.remote_oid in self._push.unknown:
                    continue  # of what is unknown here nothing is held (questions.pre_push)
                self._gained += listed([update.local_oid, b"^" + update.remote_oid])
        return self._gained

    def _gains_what_it_brings(self, policy: Policy) -> bool:
        """Whether one protected branch is pushed, and no other ref of the remote has a part of it.

        Then what the push brings leaves out what that branch has, and nothing else.
        """
        push = self._push
        alone = len(push.told) == 1 and not (push.tracked or push.unknown)
        return alone and self._protected(policy) == self._updates


def _touching(verdict: Verdict, touched: Touched) -> Verdict:
    """The verdict on the paths that a commit still touches."""
    return verdict.replace(
        conflicts=tuple(one for one in verdict.conflicts if touched[one.path]),
        uncovered=tuple(path for path in verdict.uncovered if touched[path]),
    )


def _oids(lines: Iterable[bytes]) -> set[str]:
    return {oid_of(line) for line in lines}
