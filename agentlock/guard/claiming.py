"""The write transaction of an edit that reserves: it judges anew, grants and extends."""

from __future__ import annotations

from agentlock.event_kinds import GRANTED, RENEWED
from agentlock.guard.judge import beside, folding_of, with_holders
from agentlock.guard.reserving import MOST_FILES, covered, is_own, ttl_of, worktree_of
from agentlock.guard.verdict import decide, index_of, touched
from agentlock.patterns.keys import fold_key, keys_of, literal
from agentlock.text import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.guard.edits import Judged
    from agentlock.guard.reserving import Plan
    from agentlock.model import Policy, Reservation
    from agentlock.reservations.search import Conflict
    from agentlock.store.base import Store
    from agentlock.waiting.turn import Handed

MOST_OF_AGENT = 1_000
DETAIL = "before an edit"
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


class Writing:
    """The write transaction of one edit."""

    def __init__(self, store: Store, answer: Judged, program: str, session: str) -> None:
        self._store = store
        self._answer = answer
        self._agent = answer.identity.name or ""
        self._folding = folding_of(answer.repository)
        self._program = program
        self._session = session

    def run(self, plan: Plan, *, more: bool) -> Judged:
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
                answer = covered(answer, granted)
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
            one for one in answer.live if one.agent != self._agent or is_own(one, self._agent, here)
        ]
        return bool(held) and bool(touched(index_of(held, self._folding), answer.changes, path))

    def _places(self, paths: Sequence[bytes], now: int) -> tuple[Conflict, ...]:
        """The earlier places in the queue that a claim to these paths meets."""
        from agentlock.reservations.search import places_met

        texts = [literal(path)[0] for path in paths]
        return places_met(self._store, self._agent, texts, now, self._folding)

    def _write(
        self,
        plan: Plan,
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
                expires=now + ttl_of(policy),
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

            self._tell_once(_NO_SESSION.format(ttl=format_duration(ttl_of(policy))), now)
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
        expires = now + ttl_of(policy)
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
