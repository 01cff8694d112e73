"""The verdict on a push: what it brings, in the order in which that is excused, and what it drops.

Entered commits are excused first; then what the remote has on a branch already; then what another
remote has. Remotes are asked only before a refusal, or before a remote-tracking ref hides one. What
is left is judged by what is reserved now. A protected branch is judged by all that it gains.
"""

from __future__ import annotations

from agentlock.errors import AgentlockError, GitError
from agentlock.git.commits import changed_by, changed_in, listed, oid_of
from agentlock.git.process import git
from agentlock.git.pushes import dropped, vouched_for
from agentlock.git.remotes import Heads, default_branch, heads_of, missing, others
from agentlock.guard.foreign import Roots
from agentlock.guard.judge import folding_of, judge
from agentlock.guard.landing import protected, tell_holders, told
from agentlock.guard.ledger import excuse_commits, not_excused
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
    from agentlock.git.remotes import Remote
    from agentlock.git.repository import Repository
    from agentlock.model import Blocked, PathConflict, Policy, Verdict
    from agentlock.store.base import Store

    Touched = Mapping[bytes, set[str]]
    # Of the commits (as `listed`), those that are new; the gains of protected branches are named.
    Known = Callable[[Store, Sequence[bytes], set[str]], set[str]]

_LOOKED_THROUGH = 1_000  # commits; to list what more of them change takes longer than to ask
_MOST_NOTED = 2_000  # commits of one push


class Pushed:
    """What one push brings and drops, seen from a client (with a ``remote``) or from the server.

    ``default`` is the server's default branch.
    """

    def __init__(
        self,
        repository: Repository,
        push: Push,
        updates: Sequence[RefUpdate],
        remote: Remote | None = None,
        default: bytes = b"",
    ) -> None:
        self._repository = repository
        self._push = push
        self._updates = [update for update in updates if not update.deletes]
        self._remote = remote
        self._default = default if remote is None else default_branch(remote.name)
        self._heads: Heads | None = None
        self._reader: Reader | None = None
        self._found_roots: Roots | None = None
        self._guarded: list[RefUpdate] | None = None
        self._gained: list[bytes] | None = None
        self._landed: list[PathConflict] = []
        self._all_updates = updates
        self._refused: tuple[Touched, set[str]] = ({}, set())  # for what, and what is bound
        self._drops: Touched = {}  # those that may not be dropped
        self._left_out: set[str] = set()  # what passes without having been judged
        self.history: History = changed_by(push.brings, push.drops)

    # What the guard asks

    def take_in(self, store: Store) -> None:
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
        return self._vouched(store, verdict, agent)

    def judged(self, store: Store) -> Sequence[str]:
        """The commits that were judged now: those that are new to the ledger."""
        brings = [oid_of(line) for line in self._push.brings]
        if len(brings) > _MOST_NOTED:
            return []
        known = self._left_out | self._read(store).wholly_entered(brings)
        return [oid for oid in brings if oid not in known]

    def passed(self, store: Store, agent: str | None) -> str:
        """What to tell of a push that passes: over whose live leases, and what to release.

        Those holders get a message.
        """
        said = ""
        if self._landed:
            tell_holders(self._repository, self._landed, agent)
            said = told(self._landed)
        if self._remote is None or agent is None:
            return said
        return said + still_held(store, agent, self.history.changes, folding_of(self._repository))

    def blocked(self, store: Store, verdict: Verdict) -> Blocked | None:
        """The commits that it is refused for; None if they cannot be told: it is refused anyway."""
        from agentlock.guard.blocked import Refused, blocked

        reader = self._read(store)
        try:
            paths = not_excused(reader, verdict, *self._refused)
            lost: dict[str, set[bytes]] = {}
            for path in paths.pop("", ()):
                for oid in self._drops.get(path, ()):
                    lost.setdefault(oid, set()).add(path)
            order = {oid_of(line): place for place, line in enumerate(self._push.brings)}
            paths = dict(sorted(paths.items(), key=lambda one: (order.get(one[0], -1), one[0])))
            refused = Refused(paths, lost, self._refused[1])
            on_server = self._remote is None
            return blocked(
                refused, verdict, store.now(), reader, self._all_updates, on_server=on_server
            )
        except AgentlockError:
            return None

    # How it is decided

    def _unseen(
        self, commits: Sequence[bytes], gained: Sequence[bytes]
    ) -> Iterator[tuple[History, tuple[Known, ...]]]:
        """What a protected branch gains, then what joins other histories; with what may excuse."""
        yield changed_by(gained), (*self._ways(), self._foreign)
        yield changed_in(self._roots().joined(commits)), self._ways()

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
            self._left_out |= _oids(brought) - new
            touched = {path: (oids & new) | (oids & {""}) for path, oids in touched.items()}
            verdict = excuse_commits(reader, _touching(verdict, touched), touched, bound)
        self._refused = (touched, bound)
        return verdict

    def _of_before(self, store: Store, brought: Sequence[bytes], _gained: set[str]) -> set[str]:
        """What was not there when the table was made."""
        tips = [oid.encode() for oid in store.ledger.before()]
        gone = set(missing(tips))  # branches of another clone, or deleted ones
        tips = [oid for oid in tips if oid not in gone]
        return _beyond(brought, tips) if tips else _oids(brought)

    def _on_remote(self, _store: Store, brought: Sequence[bytes], gained: set[str]) -> set[str]:
        """What no branch of the remote has; for a protected branch that counts for nothing."""
        try:
            heads = self._asked().here() if self._remote is not None else []
        except GitError:  # then the refusal stands
            return _oids(brought)
        return _beyond(brought, heads) | gained

    def _of_others(self, _store: Store, brought: Sequence[bytes], gained: set[str]) -> set[str]:
        """What no other remote has on a branch; for a protected one, on its default branch."""
        new = _oids(brought)
        if self._remote is None:
            return new
        remote = self._remote
        for other in others(self._repository, remote.name, remote.url, remote.timeout):
            try:
                heads = heads_of(other)
            except GitError:
                continue
            rest = [name for name in heads.branches if name != heads.default]
            beyond = _beyond(brought, heads.here())
            beyond_default = _beyond(brought, heads.here(without=rest))
            new &= (beyond - gained) | (beyond_default & gained)
        return new

    def _foreign(self, _store: Store, brought: Sequence[bytes], _gained: set[str]) -> set[str]:
        """What descends from the project's first root.

        Merges that join others to it are judged by another rule (``Roots.joined``).
        """
        foreign = self._roots().foreign(brought)
        return _oids(brought) - foreign - self._roots().joined(brought).keys()

    def _without_kept(self, store: Store, verdict: Verdict, touched: Touched) -> Touched:
        """``touched``, where "" stands only for commits that may not be dropped.

        Dropped is what no branch has afterwards, by oid or origin. Where the branch is not
        protected, it matters only if the holder made it, or nobody entered it.
        """
        if verdict.clean or not self._push.drops:
            return touched
        lost = self._lost()
        oids = [oid_of(line) for line in lost]
        reader = self._read(store)
        entered = reader.entries(oids)
        kept = reader.kept(entered.values(), [one.local_oid.decode() for one in self._updates])
        guarded = {oid_of(line) for line in dropped(self._protected(verdict.policy))}
        drops = changed_by(lost).touched
        holders: dict[bytes, set[str]] = {}
        for one in verdict.conflicts:
            holders.setdefault(one.path, set()).add(one.reservation.agent)

        def matters(path: bytes, oid: str) -> bool:
            if oid in kept:
                return False
            entry = entered.get(oid)
            if entry is None or oid in guarded or path in entry.void:
                return True
            return entry.agent in holders.get(path, ())

        self._drops = {
            path: {oid for oid in drops.get(path, ()) if matters(path, oid)}
            for path, oids in touched.items()
            if "" in oids
        }
        return {
            path: oids if self._drops.get(path) else oids - {""} for path, oids in touched.items()
        }

    def _lost(self) -> list[bytes]:
        """The dropped commits that no other branch of the remote has."""
        if self._remote is None:
            return list(self._push.drops)
        try:
            moved = [update.remote_ref for update in self._updates]
            heads = self._asked().here(without=moved)
        except GitError:
            return list(self._push.drops)
        beyond = _beyond(self._push.drops, heads)
        return [line for line in self._push.drops if oid_of(line) in beyond]

    def _vouched(self, store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        """The verdict on what only remote-tracking refs say that the remote has.

        Anybody can move such a ref. Before one hides a conflict, the remote itself is asked what it
        has (docs/explanation/adr/0011-ask-the-remote.md).
        """
        remote = self._remote
        if remote is None or not self._push.tracked:
            return verdict

        def judged(commits: Sequence[bytes]) -> Verdict:
            history = changed_by(commits)
            found, _ = judge(store, history.changes, agent, folding_of(self._repository))
            if found.clean:
                return found
            self._refused = (history.touched, set())
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
        lacking = vouched_for(self._push, self._asked().here())
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
            self._reader = Reader(store, self._repository)
        return self._reader

    def _asked(self) -> Heads:
        assert self._remote is not None  # noqa: S101 -- for the type checker
        if self._heads is None:
            self._heads = heads_of(self._remote, fetch=True)
        return self._heads

    def _protected(self, policy: Policy) -> list[RefUpdate]:
        if self._guarded is None:
            self._guarded = protected(self._updates, policy, self._default)
        return self._guarded

    def _gains(self, policy: Policy) -> list[bytes]:
        """All commits that protected branches gain, whatever other branches have."""
        if self._gained is None:
            self._gained = []
            for update in self._protected(policy):
                self._gained += listed([update.local_oid, b"^" + update.remote_oid])
        return self._gained

    def _roots(self) -> Roots:
        if self._found_roots is None:
            self._found_roots = Roots(self._repository, self._tip_of_project)
        return self._found_roots

    def _tip_of_project(self) -> list[bytes]:
        """What the default branch is at, where the push goes: refs here prove nothing."""
        if self._remote is None:
            head = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            return head.stdout.split() if head.code == 0 else []
        try:
            heads = self._asked()
        except GitError:
            return []
        rest = [name for name in heads.branches if name != heads.default]
        return heads.here(without=rest)


def _touching(verdict: Verdict, touched: Touched) -> Verdict:
    """The verdict on the paths that a commit still touches."""
    return verdict.replace(
        conflicts=tuple(one for one in verdict.conflicts if touched[one.path]),
        uncovered=tuple(path for path in verdict.uncovered if touched[path]),
    )


def _beyond(commits: Sequence[bytes], heads: Sequence[bytes]) -> set[str]:
    """Of these commits, those that the heads do not reach."""
    oids = _oids(commits)
    if not oids:
        return set()
    found = listed([*(oid.encode() for oid in oids), *(b"^" + oid for oid in heads)])
    return oids & _oids(found)


def _oids(lines: Iterable[bytes]) -> set[str]:
    return {oid_of(line) for line in lines}
