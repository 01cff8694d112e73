"""Reserve what an agent is about to edit, for itself, as far as it is free: the policy `on_edit`.

Each reservation is of one file, exclusive and automatic: it ends by itself. What the agent holds
already is made to last for another `edit_ttl`. One write transaction judges anew and grants, so of
two agents that edit a file at the same moment one gets it.
"""

from __future__ import annotations

import os

from agentlock.errors import DatabaseError, ReadOnlyTableError
from agentlock.event_kinds import GRANTED, RENEWED
from agentlock.git.process import git
from agentlock.guard.judge import beside, folding_of, with_holders
from agentlock.guard.verdict import decide, index_of, touched
from agentlock.model import Value
from agentlock.patterns.keys import fold_key, keys_of, literal
from agentlock.text import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.guard.edits import Judged
    from agentlock.model import Policy, Reservation
    from agentlock.reservations.search import Conflict
    from agentlock.reservations.stale import StaleCopy
    from agentlock.store.base import Store
    from agentlock.waiting.turn import Handed

MOST_FILES = 200  # of one use of a tool
MOST_OF_AGENT = 1_000
DETAIL = "before an edit"
_NEARLY = 29 / 30  # a lease that lasts so much of the TTL need not be written anew for each edit
_MANY_FILES = (
    f"of an edit of more than {MOST_FILES} files, the first {MOST_FILES} were reserved for you"
)
_NO_SESSION = (
    "your program tells its hooks no session, so what you edit is reserved for {ttl} from each "
    "edit on, and nothing renews or ends it but another edit and your commit"
)
_MANY_HELD = (
    f"you hold {MOST_OF_AGENT:,} files by edits: more are not reserved before you commit or release"
)


class _Plan(Value):
    """The files to reserve, and the agent's own reservations that should last longer.

    ``joined`` are automatic ones under which this session has not edited before.
    """

    free: tuple[bytes, ...] = ()
    longer: tuple[Reservation, ...] = ()
    joined: tuple[Reservation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.free or self.longer or self.joined)


def reserved(store: Store, answer: Judged, program: str, session: str) -> Judged:
    """The verdict on the edit once its free files are the agent's.

    ``program`` and ``session`` are the session that edits. Call it outside a transaction.
    """
    name, policy = answer.identity.name, answer.verdict.policy
    if name is None or policy.on_edit != "reserve" or answer.repository.is_bare:
        return answer
    if not answer.verdict.allowed and answer.verdict.conflicts:
        return answer
    files = [path for path in answer.changes.paths if _is_file(path)]
    plan = _plan(store, answer, files, program, session)
    ignored = _ignored(plan.free)
    free = tuple(path for path in plan.free if path not in ignored)
    answer = _covered(answer, ignored.union(set(answer.changes.paths).difference(files)))
    plan = plan.replace(free=free[:MOST_FILES])
    if not plan:
        return answer
    if policy.stale == "refuse" and free and (stale := _stale(store, answer, free)):
        return answer.replace(stale=stale)
    try:
        return _Writing(store, answer, program, session).run(plan, more=len(free) > MOST_FILES)
    except ReadOnlyTableError:  # as in a sandbox: the commit is judged all the same
        return answer


def take_offers(store: Store, answer: Judged) -> bool:
    """Take what the queue has handed over to the agent among these paths; whether there was any."""
    name = answer.identity.name
    if not any(held.offer and held.agent == name for held in answer.live):
        return False
    from agentlock.waiting.taking import take

    try:
        take(store, name or "", answer.repository, folding_of(answer.repository))
    except ReadOnlyTableError:
        return False
    return True


def remember(store: Store, answer: Judged) -> None:
    """Remember the edit that was denied, for the circles of agents that wait for each other."""
    paths = dict.fromkeys(one.path for one in answer.verdict.conflicts)
    if answer.identity.name is None or not paths:
        return
    from agentlock.waiting.wants import remember as remember_wants

    patterns = [literal(path)[0] for path in paths]
    try:  # noqa: SIM105 -- contextlib would cost the hook an import
        remember_wants(store, answer.identity.name, patterns, folding_of(answer.repository))
    except DatabaseError:  # the refusal stands without it
        pass


def _is_file(path: bytes) -> bool:
    """Whether a path, seen from the root, can be a file of the worktree."""
    in_git = path == b".git" or path.startswith(b".git/")
    return not in_git and (os.path.islink(path) or not os.path.isdir(path))


def _ignored(paths: Sequence[bytes]) -> frozenset[bytes]:
    """Those of the paths that git ignores."""
    if not paths:
        return frozenset()
    asked = git("check-ignore", "-z", "--stdin", stdin=b"\0".join(paths) + b"\0")
    return frozenset(asked.stdout.split(b"\0")) if asked.code == 0 else frozenset()


def _covered(answer: Judged, paths: Iterable[bytes]) -> Judged:
    """The same, where these paths need no reservation, or have one."""
    left = set(answer.verdict.uncovered).difference(paths)
    uncovered = tuple(path for path in answer.verdict.uncovered if path in left)
    return answer.replace(verdict=answer.verdict.replace(uncovered=uncovered))


def _plan(
    store: Store, answer: Judged, files: Sequence[bytes], program: str, session: str
) -> _Plan:
    """What is to be written for an edit of these files."""
    name, policy = answer.identity.name, answer.verdict.policy
    folding = folding_of(answer.repository)
    if not answer.live:
        return _Plan(tuple(files))
    here = worktree_of(answer)
    own = [held for held in answer.live if _is_own(held, name, here)]
    others = [held for held in answer.live if held.agent != name]
    mine, theirs = index_of(own, folding), index_of(others, folding)
    free: list[bytes] = []
    used: dict[int, Reservation] = {}
    for path in files:
        covering = [own[at] for at in mine.matching(path)]
        used.update({held.id: held for held in covering})
        if not covering and not touched(theirs, answer.changes, path):
            free.append(path)  # what others hold shared stays theirs too
    until = answer.now + int(_ttl(policy) * _NEARLY)
    return _Plan(
        tuple(free),
        tuple(held for held in used.values() if held.expires_ts < until),
        tuple(
            held
            for held in used.values()
            if held.automatic and not store.automatic.has_session(held, program, session)
        ),
    )


def worktree_of(answer: Judged) -> str:
    return storable(answer.repository.root)


def _is_own(held: Reservation, agent: str | None, worktree: str) -> bool:
    """Whether the agent holds it for an edit here: an automatic one belongs to its worktree."""
    return held.agent == agent and (not held.automatic or held.worktree == worktree)


def short_of_time(store: Store, program: str, session: str) -> list[Reservation]:
    """The automatic reservations of a session that have less than half of their time left."""
    now = store.now()
    held = store.automatic.of_session(program, session, now)
    if not held:
        return []
    until = now + _ttl(store.policy.read()) // 2
    return [one for one in held if one.expires_ts < until]


def _ttl(policy: Policy) -> int:
    return min(policy.edit_ttl, policy.max_ttl)


def _stale(store: Store, answer: Judged, paths: Sequence[bytes]) -> tuple[StaleCopy, ...]:
    """The files that another agent has changed on another branch."""
    from agentlock.reservations.stale import stale_copies

    name, policy = answer.identity.name, answer.verdict.policy
    folding = folding_of(answer.repository)
    found = stale_copies(store, answer.repository, policy, folding, paths=paths)
    return found.of_others(name or "")


class _Writing:
    """The write transaction of one edit."""

    def __init__(self, store: Store, answer: Judged, program: str, session: str) -> None:
        self._store = store
        self._answer = answer
        self._agent = answer.identity.name or ""
        self._folding = folding_of(answer.repository)
        self._program = program
        self._session = session

    def run(self, plan: _Plan, *, more: bool) -> Judged:
        """Judge anew, and write what is planned if nobody came in between."""
        store = self._store
        durable = store.waits.next_due() is not None
        handed: Handed | None = None
        with store.writing(durable=durable):
            now = store.now()
            somebody_waits = store.waits.next_due() is not None
            if somebody_waits and durable:
                from agentlock.waiting.turn import hand_over

                handed = hand_over(store, now)
            answer, over = self._judged(now)
            if over and self._keeps_somebody(now):
                answer, over = self._judged(now)
            free = [path for path in plan.free if not self._is_taken(answer, path)]
            refused = bool(answer.verdict.conflicts) and not answer.verdict.allowed
            places = self._places(free, now) if somebody_waits and free and not refused else ()
            if places and answer.verdict.policy.enforcement == "block":
                answer = answer.replace(places=places)
            elif not refused and not places:
                granted = self._write(plan.replace(free=tuple(free)), answer, over, now, more=more)
                answer = _covered(answer, granted)
        if handed is not None:
            self._ring(handed)
        return answer.replace(verdict=with_holders(store, answer.verdict))

    def _keeps_somebody(self, now: int) -> bool:
        """Whether a lease that ran out lasts all the same, because its agent's tool runs."""
        from agentlock.waiting.working import keep

        return keep(self._store, now)

    def _judged(self, now: int) -> tuple[Judged, list[Reservation]]:
        """The verdict at ``now``, and the leases of others near it that ran out."""
        changes, folding = self._answer.changes, self._folding
        policy, fence = self._store.policy.read_with_fence()
        added = [fold_key(path) for path in changes.added]
        if all(map(folding.has_own_keys, changes.paths)):
            rows = self._store.reservations.live_on(*keys_of(changes.paths), 0, added)
        else:
            rows = self._store.reservations.all(live_at=0)
        live = [held for held in rows if held.is_live(now)]
        live += beside(self._store, changes, self._agent, folding)
        verdict = decide(changes, live, self._agent, policy, folding).replace(fence=fence)
        known = set(self._answer.verdict.uncovered)
        uncovered = tuple(path for path in verdict.uncovered if path in known)
        answer = self._answer.replace(
            verdict=verdict.replace(uncovered=uncovered), now=now, live=tuple(live)
        )
        over = [held for held in rows if not held.is_live(now) and held.agent != self._agent]
        return answer, over

    def _is_taken(self, answer: Judged, path: bytes) -> bool:
        """Whether somebody, also another process of the agent, holds a path since it was judged."""
        here = worktree_of(answer)
        held = [
            one
            for one in answer.live
            if one.agent != self._agent or _is_own(one, self._agent, here)
        ]
        return bool(held) and bool(touched(index_of(held, self._folding), answer.changes, path))

    def _places(self, paths: Sequence[bytes], now: int) -> tuple[Conflict, ...]:
        """The earlier places in the queue that a claim to these paths meets."""
        from agentlock.reservations.search import places_met

        texts = [literal(path)[0] for path in paths]
        return places_met(self._store, self._agent, texts, now, self._folding)

    def _write(
        self,
        plan: _Plan,
        answer: Judged,
        over: Sequence[Reservation],
        now: int,
        *,
        more: bool,
    ) -> Sequence[bytes]:
        """Grant and extend; the paths that were granted."""
        store, policy = self._store, answer.verdict.policy
        store.agents.register(self._agent, now, program=storable(self._program))
        room = MOST_OF_AGENT - store.automatic.count(self._agent, now) if plan.free else 0
        granted = plan.free[: max(room, 0)]
        self._end_for_good(over, granted)
        head = answer.repository.head() if granted else ""
        for path in granted:
            text, keys = literal(path)
            held = store.reservations.grant(
                self._agent,
                text,
                typed=path,
                keys=keys,
                exclusive=True,
                reason="",
                now=now,
                expires=now + _ttl(policy),
                worktree=worktree_of(answer),
            )
            held = store.automatic.make(held, head)
            self._join(held)
            store.events.log(GRANTED, now, agent=self._agent, reservation=held, detail=DETAIL)
        for held in plan.longer:
            self._extend(held, policy, now)
        for held in plan.joined:
            self._join(held)
        if granted and not self._session:
            from agentlock.duration import format_duration

            self._tell_once(_NO_SESSION.format(ttl=format_duration(_ttl(policy))), now)
        if more:
            self._tell_once(_MANY_FILES, now)
        if len(granted) < len(plan.free):
            self._tell_once(_MANY_HELD, now)
        return granted

    def _join(self, held: Reservation) -> None:
        self._store.automatic.add_session(held, self._program, self._session)

    def _extend(self, held: Reservation, policy: Policy, now: int) -> None:
        current = self._store.reservations.get(held.id)
        if current is None or not current.is_live(now):
            return
        expires = now + _ttl(policy)
        if policy.max_hold is not None:
            from agentlock.reservations.holding import hold_limit
            from agentlock.waiting.order import Meeting

            limits = (current.created_ts, expires, now, Meeting(self._folding))
            expires = hold_limit(self._store, policy, current, current.pattern, *limits).capped(
                expires
            )
        if expires > current.expires_ts:
            self._store.reservations.extend(current, RENEWED, now, expires=expires, detail=DETAIL)

    def _end_for_good(self, over: Sequence[Reservation], paths: Sequence[bytes]) -> None:
        """End leases of others that ran out before a grant of these paths."""
        if not over or not paths:
            return
        from agentlock.waiting.telling import end_for_good

        index = index_of(over, self._folding)
        changes = self._answer.changes
        met = {at for path in paths for at in touched(index, changes, path)}
        end_for_good(self._store, [over[at] for at in sorted(met)])

    def _tell_once(self, subject: str, now: int) -> None:
        if not self._store.messages.was_told(self._agent, subject):
            self._store.messages.send("", self._agent, subject, "", now)

    def _ring(self, handed: Handed) -> None:
        from agentlock.store.wake import ring
        from agentlock.waiting.turn import settle

        ring(self._store, handed.bells)
        settle(self._store)
