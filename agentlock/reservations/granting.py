"""Reserve and renew: one transaction each, granted whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_duration
from agentlock.errors import RefusedError, UsageError
from agentlock.model import MICROSECONDS, Conflict, Reservation, Value
from agentlock.patterns.matching import Folding, Pattern, compile_pattern
from agentlock.reservations.naming import Selection, choose, shown
from agentlock.reservations.retention import tidy
from agentlock.reservations.search import Search
from agentlock.text import check_reason, storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Policy
    from agentlock.patterns.syntax import Reading
    from agentlock.store.protocol import Store

SHORTEST_TTL = 60 * MICROSECONDS
MOST_PATTERNS = 5_000


class Request(Value):
    """What an agent asks for: patterns as they were read, for how long (microseconds), and why."""

    agent: str
    readings: Sequence[Reading]
    ttl: int
    exclusive: bool = True
    reason: str = ""
    ttl_text: str = ""
    program: str = ""
    model: str = ""


class Answer(Value):
    """What `reserve` says: all granted, or the conflicts and nothing granted.

    ``more``: there may be more conflicts; MOST_CONFLICTS are enough to know who is in the way.
    """

    granted: tuple[Reservation, ...]
    conflicts: tuple[Conflict, ...]
    now: int
    more: bool = False


def check_lease(ttl: int, policy: Policy, typed: str = "") -> None:
    """UsageError, in the words ``typed``, for a TTL under a minute or over the project's limit."""
    shown = typed or format_duration(ttl)
    if ttl < SHORTEST_TTL:
        raise UsageError(f"a TTL of {shown} is too short", fix="60s is the shortest")
    if ttl > policy.max_ttl:
        limit = format_duration(policy.max_ttl)
        raise UsageError(
            f"a TTL of {shown} is more than this project allows",
            fix=f"the policy's max_ttl is {limit}: --ttl {limit}",
        )


def reserve(store: Store, request: Request, folding: Folding) -> Answer:
    """Grant every pattern of the request or none, in one transaction.

    Theirs conflicts with mine where both are live, the patterns overlap, and one of the two is
    exclusive. Reserving what one holds already extends its lease, never shortens it, and can
    turn shared into exclusive.

    Overlaps are looked for before the transaction. Inside it only what was granted meanwhile is
    tested (a grant, and a new mode, has a new fence), and what was found is confirmed to be live:
    others wait for as little as possible.
    """
    reason = check_reason(request.reason)
    if len(request.readings) > MOST_PATTERNS:
        raise UsageError(
            f"{len(request.readings):,} patterns are too many for one call",
            fix=f"{MOST_PATTERNS:,} at most; a folder or a glob is one pattern",
        )
    wanted = [(reading, compile_pattern(reading.pattern, folding)) for reading in request.readings]
    search = Search(store, request, [pattern for _, pattern in wanted], folding)
    with store.reading():
        check_lease(request.ttl, store.policy(), request.ttl_text)
        search.everything()
    with store.writing():
        now, policy = store.now(), store.policy()
        check_lease(request.ttl, policy, request.ttl_text)
        conflicts = search.confirmed(now)
        tidy(store, policy, now)
        program, model = storable(request.program), storable(request.model)
        store.register(request.agent, now, program=program, model=model)
        if conflicts:
            _log_refusal(store, request, conflicts, now)
            return Answer((), conflicts, now, search.is_cut_short)
        granted = tuple(
            _grant(store, request, reading, pattern, reason, now) for reading, pattern in wanted
        )
    return Answer(granted, (), now)


def renew(
    store: Store, agent: str, selection: Selection, ttl: int, *, ttl_text: str = ""
) -> list[Reservation]:
    """Extend one's own live leases to now + TTL, never shorter; an expired one is refused."""
    with store.writing():
        now, policy = store.now(), store.policy()
        check_lease(ttl, policy, ttl_text)
        tidy(store, policy, now)
        if selection.all:
            chosen = store.reservations(agent=agent, live_at=now)
            if not chosen:
                raise RefusedError(f"{agent} holds nothing", fix="agentlock reserve PATTERN")
        else:
            chosen = choose(store, agent, selection, now, foreign=False)
        for held in chosen:
            if not held.is_live(now):
                raise RefusedError(
                    f"reservation {held.id} ({shown(held)}) has ended and cannot be renewed",
                    fix="reserve it again: somebody may have changed those files meanwhile",
                )
        store.register(agent, now)
        renewed = [store.change(held, expires=max(held.expires_ts, now + ttl)) for held in chosen]
        for held in renewed:
            store.log("renewed", now, agent=agent, reservation=held)
    return renewed


def _grant(
    store: Store,
    request: Request,
    reading: Reading,
    pattern: Pattern,
    reason: str,
    now: int,
) -> Reservation:
    expires = now + request.ttl
    held = store.own(request.agent, reading.pattern, pattern.keys, now)
    if held is None:
        granted = store.grant(
            request.agent,
            reading.pattern,
            typed=reading.typed,
            keys=pattern.keys,
            exclusive=request.exclusive,
            reason=reason,
            now=now,
            expires=expires,
        )
        store.log("granted", now, agent=request.agent, reservation=granted, detail=reason)
        return granted
    extended = store.change(
        held,
        expires=max(held.expires_ts, expires),
        exclusive=held.exclusive or request.exclusive,
        reason=reason or held.reason,
    )
    kind = "extended" if extended.exclusive == held.exclusive else "made-exclusive"
    store.log(kind, now, agent=request.agent, reservation=extended, detail=reason)
    return extended


def _log_refusal(store: Store, request: Request, conflicts: Sequence[Conflict], now: int) -> None:
    for conflict in conflicts[:20]:
        theirs = conflict.reservation
        detail = f"meets reservation {theirs.id} of {theirs.agent}"
        store.log("refused", now, agent=request.agent, pattern=conflict.pattern, detail=detail)
