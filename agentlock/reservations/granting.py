"""Grants and renews reservations: everything that an agent asks for, or nothing."""

from __future__ import annotations

from contextlib import suppress

from agentlock.agents.activity import holders
from agentlock.agents.registry import require_distinct
from agentlock.duration import format_duration, format_remaining
from agentlock.errors import DatabaseError, RefusedError, UsageError
from agentlock.event_kinds import EXTENDED, GRANTED, MADE_EXCLUSIVE, MADE_SHARED, REFUSED, RENEWED
from agentlock.model import SETTINGS, Reservation, Value
from agentlock.patterns.matching import EXACT, Folding, Pattern, compile_pattern
from agentlock.reservations.holding import hold_limit
from agentlock.reservations.losses import taken
from agentlock.reservations.naming import Selection, choose
from agentlock.reservations.retention import clean, tidy
from agentlock.reservations.search import Conflict, Search
from agentlock.reservations.stale import StaleCopies, stale_copies
from agentlock.reservations.witnesses import existing
from agentlock.store import BRIEF_TIMEOUT
from agentlock.store.wake import ring
from agentlock.text import check_reason, storable
from agentlock.waiting.circles import refuse_circle
from agentlock.waiting.order import Meeting
from agentlock.waiting.standing import standings
from agentlock.waiting.telling import end_for_good, shown
from agentlock.waiting.turn import GRANTED as FULFILLED
from agentlock.waiting.turn import Handed, hand_over, is_any_due, reservations_ended, settle
from agentlock.waiting.working import keep_ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Policy
    from agentlock.patterns.syntax import Reading
    from agentlock.records import Presence
    from agentlock.store.base import Store
    from agentlock.store.messages import Message
    from agentlock.waiting.standing import Standing

SHORTEST_TTL = SETTINGS["max_ttl"].shortest
MOST_PATTERNS = 5_000


class Request(Value):
    """What an agent asks for.

    ``ttl`` is in microseconds, ``ttl_text`` is how it was typed, for messages. ``only_new``: the
    request must not change what the agent holds, because somebody else makes it. ``waits``: it will
    take a place in the queue, so a conflict is no refusal yet.
    """

    agent: str
    readings: Sequence[Reading]
    ttl: int
    exclusive: bool = True
    reason: str = ""
    ttl_text: str = ""
    program: str = ""
    model: str = ""
    worktree: str = ""
    only_new: bool = False
    waits: bool = False


class Answer(Value):
    """What `reserve` returns: everything is granted, or nothing is, because of what it names.

    ``more``: the search stopped at MOST_CONFLICTS, so there may be more. ``holders`` is what is
    known of the agents in the conflicts, by name. ``stale`` are copies that the agent is told of;
    they refuse only where the policy says so. ``limits`` are sentences about leases that are
    shorter than was asked for. ``places`` says how the places in the conflicts stand.
    """

    granted: tuple[Reservation, ...]
    conflicts: tuple[Conflict, ...]
    now: int
    more: bool = False
    holders: Mapping[str, Presence] = {}
    stale: StaleCopies = StaleCopies()
    limits: tuple[str, ...] = ()
    places: Mapping[int, Standing] = {}

    def free(self, readings: Sequence[Reading]) -> list[bytes]:
        """Which of the typed texts nobody else holds any part of; [] unless some others are."""
        met = {conflict.pattern for conflict in self.conflicts}
        taken = {reading.typed for reading in readings if reading.pattern in met}
        if not met or self.more:
            return []
        return list(dict.fromkeys(one.typed for one in readings if one.typed not in taken))


class Renewal(Value):
    """What `renew` returns: the longer leases, and what the agent lost and had not been told.

    ``limits`` are sentences about leases that could not be made as long as was asked for.
    """

    renewed: tuple[Reservation, ...]
    lost: tuple[Message, ...] = ()
    limits: tuple[str, ...] = ()


def check_lease(ttl: int, policy: Policy, typed: str = "") -> None:
    """UsageError if the TTL is under a minute or over the policy's limit; it quotes ``typed``."""
    shown = typed or format_duration(ttl)
    if ttl < SHORTEST_TTL:
        raise UsageError(f"a TTL of {shown} is too short", fix="--ttl 60s")
    if ttl > policy.max_ttl:
        limit = format_duration(policy.max_ttl)
        raise UsageError(
            f"a TTL of {shown} is more than this project allows",
            fix=f"--ttl {limit}, the policy's max_ttl",
        )


def reserve(
    store: Store, request: Request, folding: Folding, repository: Repository | None = None
) -> Answer:
    """Grant every pattern of the request, or none.

    The request conflicts with a live reservation if their patterns overlap and `Reservation.meets`
    says so, and in the same way with a place in the queue, unless the agent holds that part of it
    already. Reserving again what the agent already holds extends the lease, never shortens it, and
    gives it the mode that is asked for now.

    Looking for conflicts and granting are two steps, so that other writers wait as little as
    possible. A request that conflicts is refused without the write lock. Otherwise the write
    transaction tests only what was granted or extended since the search. Stale copies are looked
    for in between, in ``repository``, if it is given.
    """
    reason = check_reason(request.reason)
    if len(request.readings) > MOST_PATTERNS:
        raise UsageError(
            f"{len(request.readings):,} patterns are too many for one call",
            fix=f"reserve at most {MOST_PATTERNS:,} at once; a folder or a glob counts as one",
        )
    wanted = [(reading, compile_pattern(reading.pattern, folding)) for reading in request.readings]
    search = Search(store, request, [pattern for _, pattern in wanted], folding)
    with store.reading():
        policy, fence = store.policy.read_with_fence()
        check_lease(request.ttl, policy, request.ttl_text)
        is_known = require_distinct(store, request.agent)
        due = is_any_due(store)
        if not due:
            search.everything(fence)
    if due:
        settle(store)
        with store.reading():
            search.everything()
    answer = _refused(store, search)
    if answer is None and search.makes_exclusive() and search.somebody_waits():
        with store.reading():
            refuse_circle(store, search.claim(), folding, repository)
    if answer is None:
        stale = StaleCopies()
        if repository is not None:
            texts = [reading.pattern for reading in request.readings]
            stale = stale_copies(store, repository, policy, folding, patterns=texts)
        if policy.stale == "refuse" and stale.of_others(request.agent):
            answer = Answer((), (), store.now(), stale=stale)
        else:
            answer = _granted(store, request, wanted, search, folding, reason, is_known=is_known)
            answer = answer.replace(stale=stale)
    if not answer.granted:
        met = [one.reservation for one in answer.conflicts if one.reservation is not None]
        waits = [one.wait for one in answer.conflicts if one.wait is not None]
        places = standings(store, waits, answer.now)
        answer = answer.replace(holders=holders(store, met), places=places)
        if not (request.waits and answer.conflicts):
            _log_refusal(store, request, answer)
    return answer if repository is None else _with_witnesses(answer, repository, folding)


def _with_witnesses(answer: Answer, repository: Repository, folding: Folding) -> Answer:
    """The same answer; its conflicts name files that exist, if there are such."""
    pairs = [(one.pattern, one.theirs) for one in answer.conflicts]
    there = existing(repository, pairs, folding)
    conflicts = [
        one.replace(witness=there[pair], exists=True) if pair in there else one
        for one, pair in zip(answer.conflicts, pairs, strict=True)
    ]
    return answer.replace(conflicts=tuple(conflicts))


def _refused(store: Store, search: Search) -> Answer | None:
    """The refusal, if a conflict that the search found is still there; otherwise None."""
    if not search.has_met:
        return None
    with store.reading():
        now = store.now()
        conflicts = search.all_confirmed(now)
    return Answer((), conflicts, now, search.is_cut_short) if conflicts else None


def _granted(
    store: Store,
    request: Request,
    wanted: Sequence[tuple[Reading, Pattern]],
    search: Search,
    folding: Folding,
    reason: str,
    *,
    is_known: bool,
) -> Answer:
    """Everything, granted in one transaction, or a refusal if another agent came in between.

    All other writers wait meanwhile, so nothing is asked that the caller knows. ``is_known``: the
    agent was registered before.
    """
    handed = Handed()
    with store.writing():
        now, policy = store.now(), store.policy.read()
        check_lease(request.ttl, policy, request.ttl_text)
        is_any_ending = keep_ending(store, now)
        conflicts = search.all_confirmed(now)
        if conflicts:
            return Answer((), conflicts, now, search.is_cut_short)
        clean(store, policy, now, is_any_ending=is_any_ending)
        if not is_known:
            require_distinct(store, request.agent)
        register(store, request, now)
        end_for_good(store, search.over(now))
        if search.makes_exclusive() and search.somebody_waits():
            refuse_circle(store, search.claim(), folding, None)
        grants = _Grants(store, request, policy, search, reason, now)
        granted = [grants.grant(*one) for one in wanted]
        if search.somebody_waits():
            reservations_ended(store, grants.weakened)
            _fulfil(store, request, granted, now)
            handed = hand_over(store, now)
    ring(store, handed.bells)
    if handed.done:
        settle(store)
    return Answer(tuple(granted), (), now, limits=tuple(grants.limits))


def _fulfil(store: Store, request: Request, granted: Sequence[Reservation], now: int) -> None:
    """End the agent's places in the queue that asked for what it has now."""
    texts = {held.pattern for held in granted}
    for wait in store.waits.of_agent(request.agent):
        if {*wait.patterns} == texts and (request.exclusive or not wait.exclusive):
            store.waits.end(wait, now, FULFILLED)
            for held in granted:
                store.offers.came_from(held, wait.id)


def register(store: Store, request: Request, now: int) -> None:
    """Note that the agent of a request is active, in a write transaction."""
    program, model = storable(request.program), storable(request.model)
    store.agents.register(request.agent, now, program=program, model=model)


def _log_refusal(store: Store, request: Request, answer: Answer) -> None:
    """Log a refusal in one line; if that cannot be written in time, the refusal stands anyway."""
    pattern, detail = _why_refused(answer, request.agent)
    store.limit_wait(BRIEF_TIMEOUT)
    with suppress(DatabaseError), store.writing(durable=False):
        now = store.now()
        register(store, request, now)
        store.events.log(REFUSED, now, agent=request.agent, pattern=pattern, detail=detail)


def _why_refused(answer: Answer, agent: str) -> tuple[bytes, str]:
    """The first pattern or path that was refused, and why, for the log."""
    if not answer.conflicts:
        copy = answer.stale.of_others(agent)[0]
        return copy.path, f"stale: {copy.branch} has changed it in {copy.commit[:12]}"
    first, *others = answer.conflicts
    more = f" and {'at least ' if answer.more else ''}{len(others)} more" if others else ""
    kind = "place" if first.reservation is None else "reservation"
    return first.pattern, f"meets {kind} {first.other.id} of {first.other.agent}{more}"


def renew(
    store: Store,
    agent: str,
    selection: Selection,
    ttl: int,
    folding: Folding = EXACT,
    *,
    ttl_text: str = "",
    detail: str = "",
) -> Renewal:
    """Extend the agent's leases to now + TTL, never shorten one; RefusedError if one expired.

    ``detail`` is for the log. If all of them are selected, those that are left are renewed, and
    ``lost`` has the others.
    """
    lost: list[Message] = []
    with store.writing():
        now, policy = store.now(), store.policy.read()
        check_lease(ttl, policy, ttl_text)
        tidy(store, policy, now)
        if selection.all:
            chosen = store.reservations.all(agent=agent, live_at=now)
            if not chosen:
                raise RefusedError(f"{agent} holds nothing", fix="agentlock reserve PATTERN")
            live = {held.id for held in chosen}
            lost = taken(store, agent, now, lambda number: number not in live)
        else:
            chosen = choose(store, agent, selection, now, foreign=False)
        for held in chosen:
            if not held.is_live(now):
                raise RefusedError(
                    f"reservation {held.id} ({shown(held)}) {_end(held, now)}",
                    fix="reserve it again, and check what changed meanwhile",
                )
        store.agents.register(agent, now)
        meeting, limits, renewed = Meeting(folding), [], []
        for held in chosen:
            until = (held.created_ts, now + ttl, now, meeting)
            limit = hold_limit(store, policy, held, held.pattern, *until)
            expires = max(held.expires_ts, limit.capped(now + ttl))
            if limit.until is not None:
                limits.append(limit)
                if expires == held.expires_ts:
                    continue
            renewed.append(
                store.reservations.extend(held, RENEWED, now, expires=expires, detail=detail)
            )
        if limits and not renewed:
            raise limits[0].refusal()
    settle(store)
    return Renewal(tuple(renewed), tuple(lost), tuple(limit.why for limit in limits))


def _end(held: Reservation, now: int) -> str:
    if held.released_ts is not None and not held.had_expired(now):
        return f"was released {format_remaining(now - held.released_ts)} ago"
    return f"expired {format_remaining(now - held.expires_ts)} ago"


class _Grants:
    """What one transaction grants, and what comes of it for others."""

    def __init__(
        self,
        store: Store,
        request: Request,
        policy: Policy,
        search: Search,
        reason: str,
        now: int,
    ) -> None:
        self._store = store
        self._request = request
        self._policy = policy
        self._reason = reason
        self._now = now
        self._search = search
        self.limits: list[str] = []
        self.weakened: list[Reservation] = []  # from exclusive to shared

    def grant(self, reading: Reading, pattern: Pattern) -> Reservation:
        store, request, now = self._store, self._request, self._now
        if self._search.may_be_held(reading.pattern):
            held = store.reservations.own(request.agent, reading.pattern, pattern.keys, now)
            if held is not None:
                return self._extended(held)
        mine = self._search.mine.get(reading.pattern, ())
        created = min([one.created_ts for one in mine], default=now)
        granted = store.reservations.grant(
            request.agent,
            reading.pattern,
            typed=reading.typed,
            keys=pattern.keys,
            exclusive=request.exclusive,
            reason=self._reason,
            now=now,
            expires=self._until(reading.pattern, created, now),
            worktree=request.worktree,
            created=created,
        )
        store.events.log(
            GRANTED, now, agent=request.agent, reservation=granted, detail=self._reason
        )
        return granted

    def _extended(self, held: Reservation) -> Reservation:
        request = self._request
        if request.only_new:
            raise RefusedError(
                f"{request.agent} holds {shown(held)} already (reservation {held.id}), and another "
                "agent cannot change that",
                see=f"agentlock show {held.id}",
            )
        if held.exclusive and not request.exclusive:
            self.weakened.append(held)
        changed = MADE_EXCLUSIVE if request.exclusive else MADE_SHARED
        if held.offer:
            held = self._store.offers.take(held)
        if held.automatic:
            held = self._store.automatic.make_ordinary(held)
        return self._store.reservations.extend(
            held,
            EXTENDED if request.exclusive == held.exclusive else changed,
            self._now,
            expires=max(
                held.expires_ts, self._until(held.pattern, held.created_ts, held.expires_ts)
            ),
            exclusive=request.exclusive,
            reason=self._reason or held.reason,
            detail=self._reason,
        )

    def _until(self, pattern: bytes, created: int, at_least: int) -> int:
        """When the lease of a pattern ends; RefusedError if that is no later than ``at_least``."""
        expires = self._now + self._request.ttl
        if expires <= at_least:
            return expires
        limit = hold_limit(
            *(self._store, self._policy, self._request, pattern),
            *(created, expires, self._now, self._search.meeting),
        )
        if limit.until is not None:
            if limit.until <= at_least:
                raise limit.refusal()
            self.limits.append(limit.why)
        return limit.capped(expires)
