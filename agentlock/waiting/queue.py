"""Takes places in the queue, waits for them, and gives them up."""

from __future__ import annotations

from agentlock.agents.registry import require_distinct
from agentlock.errors import RefusedError, UsageError
from agentlock.event_kinds import FORCE_LEFT, LEFT, WAITING
from agentlock.model import Value
from agentlock.patterns.matching import compile_pattern
from agentlock.reservations.granting import Answer, Request, check_lease, register, reserve
from agentlock.reservations.retention import tidy
from agentlock.store.waits import NEWEST, Wait
from agentlock.store.wake import ring
from agentlock.text import check_reason
from agentlock.waiting.circles import DeadlockError, refuse_circle
from agentlock.waiting.order import bits, without_process
from agentlock.waiting.standing import Standing, standings
from agentlock.waiting.taking import Taken, give_back, take
from agentlock.waiting.telling import place_ended, shown_texts, tell_holders
from agentlock.waiting.turn import (
    GIVEN_UP,
    GRANTED,
    MOVED,
    HandOver,
    hand_over,
    settle,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agentlock.git.repository import Repository
    from agentlock.patterns.matching import Folding
    from agentlock.patterns.syntax import Reading
    from agentlock.store.base import Store

MOST_PATTERNS = 100  # in one place
MOST_OF_AGENT, MOST_PLACES, MOST_WAITING = 1_000, 10_000, 20_000
_MOST_TOLD = 20  # holders


class Asked(Value):
    """What came of a request that may wait: the answer of `reserve`, and the place, if it has one.

    ``standing`` is how the place stands.
    """

    answer: Answer
    wait: Wait | None = None
    standing: Standing | None = None


class Left(Value):
    """The places that were given up, and to whom that handed something over."""

    waits: tuple[Wait, ...]
    handed: tuple[HandOver, ...] = ()


def ask(
    store: Store,
    request: Request,
    folding: Folding,
    repository: Repository | None,
    *,
    last: int,
    queued: bool,
    bell: str = "",
) -> Asked:
    """Reserve, or take a place in the queue that lasts ``last`` microseconds.

    ``queued``: the place outlives this process; otherwise ``bell`` is the process that waits.
    """
    answer = reserve(store, request, folding, repository)
    if answer.granted or not answer.conflicts:
        return Asked(answer)
    try:
        wait = _take_place(store, request, folding, repository, last=last, queued=queued, bell=bell)
    except DeadlockError:
        # What an earlier place of the agent asked for may have been handed over since the search.
        answer = reserve(store, request, folding, repository)
        if not answer.granted:
            raise
        return Asked(answer)
    taken = take(store, request.agent, repository, folding, {wait.id})
    if taken.granted or taken.stale is not None:
        return Asked(_as_answer(answer, taken))
    current = store.waits.get(wait.id)
    if current is None or current.ended_ts is not None:
        return Asked(answer)
    standing = standings(store, [current], store.now())[current.id]
    return Asked(answer, current, standing)


def _as_answer(answer: Answer, taken: Taken) -> Answer:
    """What was taken at once, because what was in the way had just ended."""
    stale = taken.stale or answer.stale
    return answer.replace(
        granted=taken.granted, conflicts=(), now=taken.now, more=False, stale=stale, places={}
    )


def _take_place(
    store: Store,
    request: Request,
    folding: Folding,
    repository: Repository | None,
    *,
    last: int,
    queued: bool,
    bell: str,
) -> Wait:
    wanted = {one.pattern: one for one in request.readings}
    if len(wanted) > MOST_PATTERNS:
        raise UsageError(
            f"{len(wanted):,} patterns are too many for one place in the queue",
            fix=f"wait for at most {MOST_PATTERNS} at once; a folder or a glob counts as one",
        )
    keys = [compile_pattern(text, folding).keys for text in wanted]
    readings = list(wanted.values())
    new = _new(request, readings, folding, store.now(), last=last, queued=queued, bell=bell)
    event = 0
    with store.reading():
        if _the_same(store, request, wanted, store.now()) is None:
            event = store.last_event()
            refuse_circle(store, new, folding, repository)
    with store.writing():
        now, policy = store.now(), store.policy.read()
        check_lease(request.ttl, policy, request.ttl_text)
        tidy(store, policy, now)
        require_distinct(store, request.agent)
        register(store, request, now)
        wait = _the_same(store, request, wanted, now)
        until = now + last
        if wait is None:
            _require_room(store, request.agent, len(wanted))
            if store.last_event() != event:  # else nothing was granted, asked or released since
                refuse_circle(store, new, folding, None)
            new = new.replace(created_ts=now, expires_ts=until)
            wait = store.waits.add(new, keys)
            detail = f"place {wait.id}: {shown_texts(wait.patterns)}"
            store.events.log(
                WAITING, now, agent=wait.agent, pattern=wait.patterns[0], detail=detail
            )
        else:
            wait = store.waits.extend(
                wait,
                expires=max(wait.expires_ts, until),
                ttl=request.ttl,
                queued=wait.queued or queued,
                bell=bell or wait.bell,
            )
        handed = hand_over(store, now)
        _tell_holders(store, wait, now)
    ring(store, handed.bells - {bell})
    settle(store)
    return wait


def _new(
    request: Request,
    readings: Sequence[Reading],
    folding: Folding,
    now: int,
    *,
    last: int,
    queued: bool,
    bell: str,
) -> Wait:
    """The place that a request asks for, which has no number yet."""
    return Wait(
        id=0,
        agent=request.agent,
        patterns=tuple(one.pattern for one in readings),
        typed=tuple(one.typed for one in readings),
        exclusive=request.exclusive,
        reason=check_reason(request.reason),
        created_ts=now,
        expires_ts=now + last,
        fence=NEWEST,
        ttl=request.ttl,
        worktree=request.worktree,
        folding=bits(folding),
        queued=queued,
        bell=bell,
    )


def _the_same(store: Store, request: Request, patterns: Collection[bytes], now: int) -> Wait | None:
    """The agent's live place for the same patterns in the same mode."""
    for wait in store.waits.of_agent(request.agent):
        same = {*wait.patterns} == {*patterns} and wait.exclusive == request.exclusive
        if same and wait.is_live(now) and not without_process(store, [wait]):
            return wait
    return None


def _require_room(store: Store, agent: str, patterns: int) -> None:
    places, own, waiting = store.waits.counts(agent)
    for count, most, whose in (
        (own, MOST_OF_AGENT, f"{agent} has"),
        (places, MOST_PLACES, "this project has"),
    ):
        if count >= most:
            raise RefusedError(
                f"{whose} {count:,} places in the queue, and more are not possible",
                fix="agentlock queue leave ID",
                see="agentlock queue list",
            )
    if waiting + patterns > MOST_WAITING:
        raise RefusedError(
            f"{waiting:,} patterns wait in this project, and at most {MOST_WAITING:,} can",
            see="agentlock queue list",
        )


def _tell_holders(store: Store, wait: Wait, now: int) -> None:
    current = store.waits.get(wait.id)
    if current is None or current.ended_ts is not None:
        return
    behind = standings(store, [current], now)[current.id].behind
    ours = [one for one in behind if not one.source]
    numbers = [one.reservation for one in ours if one.reservation is not None]
    held = [store.reservations.get(number) for number in numbers[:_MOST_TOLD]]
    tell_holders(store, current, [one for one in held if one is not None], now)


def mine(store: Store, agent: str, identifiers: Sequence[int]) -> list[Wait]:
    """The agent's places: those with these numbers, ended or not, or all that are live."""
    if not identifiers:
        return [one for one in store.waits.of_agent(agent) if one.is_live(store.now())]
    return [_of(store, agent, number) for number in dict.fromkeys(identifiers)]


def _of(store: Store, agent: str | None, number: int) -> Wait:
    wait = store.waits.get(number)
    if wait is None:
        raise UsageError(f"there is no place {number} in the queue", see="agentlock queue list")
    if agent is not None and wait.agent != agent:
        raise RefusedError(
            f"place {number} ({shown_texts(wait.patterns)}) is {wait.agent}'s, not {agent}'s",
            see="agentlock queue list",
        )
    return wait


# Listing and leaving


def listed(store: Store, agent: str | None = None) -> tuple[list[Wait], dict[int, Standing]]:
    """The live places, of one agent or all, in their order, and how they stand."""
    now = store.now()
    waits = store.waits.live() if agent is None else store.waits.of_agent(agent)
    gone = without_process(store, waits)
    live = [one for one in waits if one.is_live(now) and one.id not in gone]
    return live, standings(store, live, now)


def leave(
    store: Store,
    agent: str,
    identifiers: Sequence[int],
    *,
    force: bool = False,
    reason: str = "",
) -> Left:
    """Give up places of the agent, all if none is named; with ``force`` end those of any agent."""
    reason = check_reason(reason)
    left, bells = [], set()
    with store.writing():
        now = store.now()
        if identifiers:
            waits = [_of(store, None if force else agent, number) for number in identifiers]
        else:
            waits = store.waits.of_agent(agent)
        if not waits:
            raise RefusedError(f"{agent} has no place in the queue", see="agentlock queue list")
        for wait in {one.id: one for one in waits}.values():
            if wait.ended_ts is not None:
                how = "was granted" if wait.outcome == GRANTED else "has ended"
                raise RefusedError(
                    f"place {wait.id} ({shown_texts(wait.patterns)}) {how}", see="agentlock list"
                )
            bells |= {wait.bell} - {""}
            end_place(store, wait, now, by="" if wait.agent == agent else agent, reason=reason)
            left.append(wait)
        handed = hand_over(store, now)
    ring(store, bells | handed.bells)
    return Left(tuple(left), (*handed.done, *settle(store)))


def end_place(store: Store, wait: Wait, now: int, *, by: str = "", reason: str = "") -> None:
    """End a place that its agent gives up, or that somebody ends ``by`` force."""
    store.waits.end(wait, now, GIVEN_UP)
    what = f"place {wait.id}: {shown_texts(wait.patterns)}"
    kind, who = (FORCE_LEFT, by) if by else (LEFT, wait.agent)
    detail = reason or what if by else what
    pattern = wait.patterns[0] if wait.patterns else None
    store.events.log(kind, now, agent=who, pattern=pattern, detail=detail)
    if by:
        place_ended(store, wait, f"{by} ended it by force", now, reason)


def disband(store: Store, others: Iterable[str] = (), *, everything: bool = False) -> None:
    """Send every waiting process away, and ``others``: the table goes elsewhere or was restored.

    Queued places stay, unless ``everything`` ends: then offers end as well.
    """
    with store.writing():
        now = store.now()
        bells = {*store.waits.bells(), *others}
        for wait in store.waits.live():
            if everything or not wait.queued:
                store.waits.end(wait, now, MOVED)
            elif wait.bell:
                store.waits.ring_for(wait, "")
        if everything:
            give_back(store, store.offers.open(now), now, "the table was restored")
    ring(store, bells)
