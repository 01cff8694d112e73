"""Grants and renews reservations: everything that an agent asks for, or nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agentlock.agents.activity import holders
from agentlock.agents.registry import require_distinct
from agentlock.duration import format_duration, format_remaining
from agentlock.errors import DatabaseError, RefusedError, UsageError
from agentlock.event_kinds import EXTENDED, GRANTED, MADE_EXCLUSIVE, MADE_SHARED, REFUSED, RENEWED
from agentlock.model import SETTINGS, Conflict, Reservation, Value
from agentlock.patterns.matching import Folding, Pattern, compile_pattern
from agentlock.reservations.losses import taken
from agentlock.reservations.naming import Selection, choose, shown
from agentlock.reservations.retention import tidy
from agentlock.reservations.search import Search
from agentlock.reservations.stale import StaleCopies, stale_copies
from agentlock.reservations.witnesses import existing
from agentlock.store import BRIEF_TIMEOUT
from agentlock.text import check_reason, storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Agent, Policy
    from agentlock.patterns.syntax import Reading
    from agentlock.store.base import Store
    from agentlock.store.messages import Message

SHORTEST_TTL = SETTINGS["max_ttl"].shortest
MOST_PATTERNS = 5_000


class Request(Value):
    """What an agent asks for.

    ``ttl`` is in microseconds, ``ttl_text`` is how it was typed, for messages. ``only_new``: the
    request must not change what the agent holds, because somebody else makes it.
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


class Answer(Value):
    """What `reserve` returns: everything is granted, or nothing is, because of what it names.

    ``more``: the search stopped at MOST_CONFLICTS, so there may be more. ``holders`` is what is
    known of the agents in the conflicts, by name. ``stale`` are copies that the agent is told of;
    they refuse only where the policy says so.
    """

    granted: tuple[Reservation, ...]
    conflicts: tuple[Conflict, ...]
    now: int
    more: bool = False
    holders: Mapping[str, Agent] = {}
    stale: StaleCopies = StaleCopies()

    def free(self, readings: Sequence[Reading]) -> list[bytes]:
        """Which of the typed texts nobody else holds any part of; [] unless some others are."""
        met = {conflict.pattern for conflict in self.conflicts}
        taken = {reading.typed for reading in readings if reading.pattern in met}
        if not met or self.more:
            return []
        return list(dict.fromkeys(one.typed for one in readings if one.typed not in taken))


class Renewal(Value):
    """What `renew` returns: the longer leases, and what the agent lost and had not been told."""

    renewed: tuple[Reservation, ...]
    lost: tuple[Message, ...] = ()


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
    says so. Reserving again what the agent already holds extends the lease, never shortens it, and
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
        policy = store.policy.read()
        check_lease(request.ttl, policy, request.ttl_text)
        require_distinct(store, request.agent)
        search.everything()
    answer = _refused(store, search)
    if answer is None:
        stale = StaleCopies()
        if repository is not None:
            texts = [reading.pattern for reading in request.readings]
            stale = stale_copies(store, repository, policy, folding, patterns=texts)
        if policy.stale == "refuse" and stale.of_others(request.agent):
            answer = Answer((), (), store.now(), stale=stale)
        else:
            answer = _granted(store, request, wanted, search, reason).replace(stale=stale)
    if not answer.granted:
        met = [one.reservation for one in answer.conflicts]
        answer = answer.replace(holders=holders(store, met))
        _log_refusal(store, request, answer)
    return answer if repository is None else _with_witnesses(answer, repository, folding)


def _with_witnesses(answer: Answer, repository: Repository, folding: Folding) -> Answer:
    """The same answer; its conflicts name files that exist, if there are such."""
    pairs = [(one.pattern, one.reservation.pattern) for one in answer.conflicts]
    there = existing(repository, pairs, folding)
    conflicts = [
        one.replace(witness=there[pair], exists=True) if pair in there else one
        for one, pair in zip(answer.conflicts, pairs, strict=True)
    ]
    return answer.replace(conflicts=tuple(conflicts))


def _refused(store: Store, search: Search) -> Answer | None:
    """The refusal, if a conflict that the search found is still there; otherwise None."""
    if not search.found:
        return None
    with store.reading():
        now = store.now()
        conflicts = search.confirmed(now)
    return Answer((), conflicts, now, search.is_cut_short) if conflicts else None


def _granted(
    store: Store,
    request: Request,
    wanted: Sequence[tuple[Reading, Pattern]],
    search: Search,
    reason: str,
) -> Answer:
    """Everything, granted in one transaction, or a refusal if another agent came in between."""
    with store.writing():
        now, policy = store.now(), store.policy.read()
        check_lease(request.ttl, policy, request.ttl_text)
        conflicts = search.confirmed(now)
        if conflicts:
            return Answer((), conflicts, now, search.is_cut_short)
        tidy(store, policy, now)
        require_distinct(store, request.agent)
        _register(store, request, now)
        granted = [_grant(store, request, *one, reason, now) for one in wanted]
    return Answer(tuple(granted), (), now)


def _register(store: Store, request: Request, now: int) -> None:
    program, model = storable(request.program), storable(request.model)
    store.agents.register(request.agent, now, program=program, model=model)


def _log_refusal(store: Store, request: Request, answer: Answer) -> None:
    """Log a refusal in one line; if that cannot be written in time, the refusal stands anyway."""
    pattern, detail = _why_refused(answer, request.agent)
    store.limit_wait(BRIEF_TIMEOUT)
    with suppress(DatabaseError), store.writing(durable=False):
        now = store.now()
        _register(store, request, now)
        store.events.log(REFUSED, now, agent=request.agent, pattern=pattern, detail=detail)


def _why_refused(answer: Answer, agent: str) -> tuple[bytes, str]:
    """The first pattern or path that was refused, and why, for the log."""
    if not answer.conflicts:
        copy = answer.stale.of_others(agent)[0]
        return copy.path, f"stale: {copy.branch} has changed it in {copy.commit[:12]}"
    first, *others = answer.conflicts
    more = f" and {'at least ' if answer.more else ''}{len(others)} more" if others else ""
    held = first.reservation
    return first.pattern, f"meets reservation {held.id} of {held.agent}{more}"


def renew(
    store: Store,
    agent: str,
    selection: Selection,
    ttl: int,
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
        renewed = [
            store.reservations.extend(
                held, RENEWED, now, expires=max(held.expires_ts, now + ttl), detail=detail
            )
            for held in chosen
        ]
    return Renewal(tuple(renewed), tuple(lost))


def _end(held: Reservation, now: int) -> str:
    if held.released_ts is not None:
        return f"was released {format_remaining(now - held.released_ts)} ago"
    return f"expired {format_remaining(now - held.expires_ts)} ago"


def _grant(
    store: Store,
    request: Request,
    reading: Reading,
    pattern: Pattern,
    reason: str,
    now: int,
) -> Reservation:
    expires = now + request.ttl
    held = store.reservations.own(request.agent, reading.pattern, pattern.keys, now)
    if held is None:
        granted = store.reservations.grant(
            request.agent,
            reading.pattern,
            typed=reading.typed,
            keys=pattern.keys,
            exclusive=request.exclusive,
            reason=reason,
            now=now,
            expires=expires,
            worktree=request.worktree,
        )
        store.events.log(GRANTED, now, agent=request.agent, reservation=granted, detail=reason)
        return granted
    if request.only_new:
        raise RefusedError(
            f"{request.agent} holds {shown(held)} already (reservation {held.id}), and another "
            "agent cannot change that",
            see=f"agentlock show {held.id}",
        )
    changed = MADE_EXCLUSIVE if request.exclusive else MADE_SHARED
    return store.reservations.extend(
        held,
        EXTENDED if request.exclusive == held.exclusive else changed,
        now,
        expires=max(held.expires_ts, expires),
        exclusive=request.exclusive,
        reason=reason or held.reason,
        detail=reason,
    )
