"""Hands over: grants the waits that an end made possible, first come, first served.

Whoever ends a reservation or a place marks what stood behind it as due. A due place is tested once:
it is granted, or it stands behind another row. So a hand-over that was interrupted goes on with
whoever looks next, and nothing is tested that nothing has happened to.
"""

from __future__ import annotations

from agentlock.event_kinds import HANDED_OVER, LEFT
from agentlock.model import MICROSECONDS, Value
from agentlock.store.waits import NEWEST
from agentlock.store.wake import alive, ring
from agentlock.waiting.order import (
    Meeting,
    covers,
    earlier,
    folding_of,
    held_already,
    is_met_elsewhere,
    latest,
    near_reservations,
    without_process,
)
from agentlock.waiting.telling import (
    deadlock_ended,
    end_for_good,
    place_ended,
    shown_texts,
    tell_holders,
    your_turn,
)
from agentlock.waiting.working import keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Policy, Reservation
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait

LOOK_ELSEWHERE = MICROSECONDS
"""How soon a place is tested again that stands behind what an Agent Mail's agent holds."""
TAKE_WITHIN = 30 * MICROSECONDS
"""How long an offer waits for a process that waits."""
GRANTED, EXPIRED, GONE, GIVEN_UP, MOVED = "granted", "expired", "gone", "left", "moved"
DEADLOCK = "deadlock"
_WHY = {
    EXPIRED: "its time was over",
    GONE: "its process has gone",
    DEADLOCK: "you no longer hold what it names, and now you would wait for each other",
}
_AT_ONCE = 100  # places that one transaction tests
_MOST_BELLS = 200


class HandOver(Value):
    """A place that was granted, and the offers that it became."""

    wait: Wait
    reservations: tuple[Reservation, ...]


class Handed(Value):
    """What one transaction handed over; ``bells`` are to be rung once it is committed."""

    done: tuple[HandOver, ...] = ()
    bells: frozenset[str] = frozenset()


class Blocker(Value):
    """The row that blocks a place, and until when that is sure to be the only one to look at."""

    until: int
    wait: int | None = None
    reservation: int | None = None


def somebody_waits(store: Store) -> bool:
    return store.waits.next_due() is not None


def settle(store: Store, watched: Sequence[str] = ()) -> tuple[HandOver, ...]:
    """Hand over all that is due, in as many transactions as it takes.

    If nothing is due, this is one question, and no transaction. It is due as well if one of the
    ``watched`` processes has gone.
    """
    done: list[HandOver] = []
    while is_any_due(store, watched):
        store.rested()  # this may be many transactions
        with store.writing():
            handed = hand_over(store, store.now(), watched)
        ring(store, handed.bells)
        done += handed.done
    return tuple(done)


def is_any_due(store: Store, watched: Sequence[str] = ()) -> bool:
    """Whether something ended, or ran out, or a process has gone, that somebody stands behind."""
    if not somebody_waits(store):
        return False
    return store.waits.is_due(store.now()) or bool(_gone(store, watched))


def _gone(store: Store, watched: Sequence[str]) -> set[str]:
    """Processes that have gone, although others stand behind their places."""
    bells = store.waits.live_bells([*watched, *store.waits.bells_in_the_way(_MOST_BELLS)])
    return set(bells) - alive(store, bells) if bells else set()


def hand_over(store: Store, now: int, watched: Sequence[str] = ()) -> Handed:
    """Test what is due, in order, in a write transaction of the caller.

    At most some hundred places; `settle` goes on.
    """
    keep(store, now)
    gone = _gone(store, watched)
    for wait in store.waits.live() if gone else ():
        if wait.bell in gone and not wait.queued:
            _end(store, wait, GONE, now)
    store.waits.mark_due(now)
    turn = _Turn(store, now)
    while turn.tested < _AT_ONCE:
        due = store.waits.due(now, _AT_ONCE - turn.tested)
        if not due:
            break
        for wait in due:
            turn.test(wait)
    return Handed(tuple(turn.done), frozenset(turn.bells))


def reservations_ended(store: Store, ended: Sequence[Reservation]) -> None:
    """Mark what stood behind these reservations, which have ended or block less, as due.

    Also the places of their own agents that name what these held: there they waited for nobody.
    """
    for held in ended:
        store.waits.reservation_ended(held.id)
    for agent in dict.fromkeys(held.agent for held in ended):
        for wait in store.waits.of_agent(agent):
            meeting = Meeting(folding_of(wait))
            patterns = [one for one in map(meeting.pattern, wait.patterns) if one is not None]
            if any(covers(held, pattern) for held in ended for pattern in patterns):
                store.waits.lost_something(wait)


def blocker(
    store: Store, wait: Wait, now: int, meeting: Meeting, gone: list[Wait]
) -> Blocker | None:
    """The latest earlier place that this one meets, else a reservation, else None.

    Places whose process has gone do not count, and are added to ``gone``.
    """
    mine = held_already(store, wait.agent, wait.patterns, now, meeting, since=wait.created_ts)
    mine_until = min(
        [max(held.expires_ts for held in each) for each in mine.values()], default=NEWEST
    )
    found: Wait | None = None
    for text in wait.patterns:
        if text not in mine:
            after = 0 if found is None else found.fence
            found = latest(store, wait, text, meeting, now, after, gone) or found
    if found is not None:
        return Blocker(min(found.expires_ts, mine_until), wait=found.id)
    for text in wait.patterns:
        for held in near_reservations(store, text, now, meeting):
            if held.meets(wait) and meeting.witness(text, held.pattern)[0]:
                return Blocker(min(held.expires_ts, mine_until), reservation=held.id)
    # Nobody tells us when an Agent Mail's agent releases: who is behind it looks again and again.
    return Blocker(now + LOOK_ELSEWHERE) if is_met_elsewhere(store, wait, now, meeting) else None


def _may_have_lost(wait: Wait, now: int) -> bool:
    """Whether a lease may have ended that the place's agent held of what the place names."""
    return 0 < abs(wait.due_ts) <= now


class _Turn:
    """What one transaction tests."""

    def __init__(self, store: Store, now: int) -> None:
        self._store = store
        self._now = now
        self._policy: Policy = store.policy.read()
        self._meetings: dict[int, Meeting] = {}
        self.tested = 0
        self.done: list[HandOver] = []
        self.bells: set[str] = set()

    def test(self, wait: Wait) -> None:
        """Grant a due place, or let it stand behind another row, or end it."""
        self.tested += 1
        current = self._store.waits.get(wait.id)
        if current is None or current.ended_ts is not None:  # it was behind one that has gone
            return
        if without_process(self._store, [wait]):
            _end(self._store, wait, GONE, self._now)
            return
        if not wait.is_live(self._now):
            _end(self._store, wait, EXPIRED, self._now)
            self.bells |= {wait.bell} - {""}
            return
        meeting = self._meetings.setdefault(wait.folding, Meeting(folding_of(wait)))
        if any(meeting.pattern(text) is None for text in wait.patterns):
            # The row is damaged: `db check` says so, and nobody else's turn depends on it.
            self._store.waits.park(
                wait, due=wait.expires_ts, behind_wait=None, behind_reservation=None
            )
            return
        gone: list[Wait] = []
        found = blocker(self._store, wait, self._now, meeting, gone)
        for one in gone:
            _end(self._store, one, GONE, self._now)
        if found is None:
            self._grant(wait, meeting)
            return
        is_behind_ours = found.wait is not None or found.reservation is not None
        if is_behind_ours and _may_have_lost(wait, self._now) and self._ends_in_deadlock(wait):
            return
        due = min(found.until, wait.expires_ts)
        self._store.waits.park(
            wait, due=due, behind_wait=found.wait, behind_reservation=found.reservation
        )
        self.bells |= {wait.bell} - {""}  # it has to know until when to sleep
        number = found.reservation
        held = None if number is None else self._store.reservations.get(number)
        if held is not None:
            tell_holders(self._store, wait, [held], self._now)

    def _ends_in_deadlock(self, wait: Wait) -> bool:
        """End a place that would wait for ever, and tell all of the circle."""
        from agentlock.waiting.circles import closed_by  # hardly ever needed

        found = closed_by(self._store, wait, self._now)
        if found is None:
            return False
        _end(self._store, wait, DEADLOCK, self._now)
        self.bells |= {wait.bell} - {""}
        for agent in {step.agent for step in found.steps} - {wait.agent}:
            deadlock_ended(self._store, agent, wait, self._now)
        return True

    def _grant(self, wait: Wait, meeting: Meeting) -> None:
        """Turn a place into offers, one for each pattern."""
        store, now = self._store, self._now
        over = [
            held
            for text in wait.patterns
            for held in near_reservations(store, text, 0, meeting)
            if held.meets(wait) and not held.is_live(now) and meeting.witness(text, held.pattern)[0]
        ]
        end_for_good(store, {held.id: held for held in over}.values())
        is_waiting = bool(wait.bell and alive(store, [wait.bell]))
        within = TAKE_WITHIN if is_waiting else self._policy.offer
        mine = held_already(store, wait.agent, wait.patterns, now, meeting)
        granted = []
        for text, typed in zip(wait.patterns, wait.typed, strict=True):
            pattern = meeting.pattern(text)
            assert pattern is not None  # noqa: S101 -- `test` has looked
            offered = store.reservations.grant(
                wait.agent,
                text,
                typed=typed,
                keys=pattern.keys,
                exclusive=wait.exclusive,
                reason=wait.reason,
                now=now,
                expires=now + min(within, wait.ttl),
                worktree=wait.worktree,
                created=min([one.created_ts for one in mine.get(text, ())], default=now),
                place=wait.id,
            )
            detail = f"from place {wait.id}"
            store.events.log(HANDED_OVER, now, agent=wait.agent, reservation=offered, detail=detail)
            granted.append(offered)
        store.waits.end(wait, now, GRANTED)
        if not wait.exclusive:
            self._meets_those_who_become_exclusive(wait, meeting)
        if is_waiting:
            self.bells.add(wait.bell)
        else:
            your_turn(store, wait, granted, now)
        self.done.append(HandOver(wait, tuple(granted)))

    def _meets_those_who_become_exclusive(self, wait: Wait, meeting: Meeting) -> None:
        """Let later places be tested that wait for this shared grant, but not for its place.

        What their agents hold shared becomes exclusive before all places, so they met none.
        """
        for one in earlier(self._store, wait, wait.patterns, meeting, after=wait.fence):
            later = one.wait
            if held_already(self._store, later.agent, later.patterns, self._now, meeting):
                self._store.waits.lost_something(later)


def _end(store: Store, wait: Wait, outcome: str, now: int) -> None:
    """End a place that was not granted; log it, and tell its agent if it did not do so itself."""
    store.waits.end(wait, now, outcome)
    what = f"place {wait.id}: {shown_texts(wait.patterns)}"
    why = _WHY.get(outcome, "")
    store.events.log(
        LEFT,
        now,
        agent=wait.agent,
        pattern=wait.patterns[0] if wait.patterns else None,
        detail=f"{what}, {why}" if why else what,
    )
    if outcome == DEADLOCK or (outcome == EXPIRED and wait.queued):
        place_ended(store, wait, why, now)
