"""Reserve, renew, release: one transaction each, granted whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_duration
from agentlock.errors import DatabaseError, PatternError, RefusedError, UsageError
from agentlock.model import MICROSECONDS, Conflict, Reservation, Value
from agentlock.patterns.matching import Folding, Pattern, compile_pattern
from agentlock.patterns.overlap import overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.model import Policy
    from agentlock.patterns.syntax import Reading
    from agentlock.store.protocol import Store

SHORTEST_TTL = 60 * MICROSECONDS
LONGEST_REASON = 1000


class Request(Value):
    """What an agent asks for: patterns as they were read, for how long (microseconds), and why."""

    agent: str
    readings: Sequence[Reading]
    ttl: int
    exclusive: bool = True
    reason: str = ""
    program: str = ""
    model: str = ""


class Answer(Value):
    """What `reserve` says: all granted, or the conflicts and nothing granted."""

    granted: tuple[Reservation, ...]
    conflicts: tuple[Conflict, ...]
    now: int


class Selection(Value):
    """Which reservations `renew` and `release` mean: exactly one of the three ways.

    Each of ``patterns`` is the typed text with every stored text that it can stand for.
    """

    patterns: tuple[tuple[bytes, frozenset[bytes]], ...] = ()
    ids: tuple[int, ...] = ()
    all: bool = False


def check_lease(ttl: int, policy: Policy) -> None:
    """UsageError for a TTL under a minute or over the project's limit."""
    if ttl < SHORTEST_TTL:
        raise UsageError(
            f"a TTL of {format_duration(ttl)} is too short", hint="60s is the shortest"
        )
    if ttl > policy.max_ttl:
        limit = format_duration(policy.max_ttl)
        raise UsageError(
            f"a TTL of {format_duration(ttl)} is more than this project allows",
            hint=f"the policy's max_ttl is {limit}: --ttl {limit}",
        )


def check_reason(reason: str) -> str:
    if len(reason) > LONGEST_REASON:
        raise UsageError(
            f"a reason of {len(reason)} characters is too long",
            hint=f"{LONGEST_REASON} characters at most; an issue's number says it best",
        )
    return _storable(reason)


def _storable(text: str) -> str:
    """Text that a database takes: bytes of an argument that are not UTF-8 become ``?``."""
    return text.encode("utf-8", "replace").decode()


def reserve(store: Store, request: Request, folding: Folding) -> Answer:
    """Grant every pattern of the request or none, in one transaction.

    Theirs conflicts with mine where both are live, the patterns overlap, and one of the two is
    exclusive. Reserving what one holds already extends its lease, never shortens it, and can
    turn shared into exclusive.
    """
    reason = check_reason(request.reason)
    wanted = [(reading, compile_pattern(reading.pattern, folding)) for reading in request.readings]
    with store.writing():
        now = store.now()
        check_lease(request.ttl, store.policy())
        store.log_expired(now)
        program, model = _storable(request.program), _storable(request.model)
        store.register(request.agent, now, program=program, model=model)
        conflicts = tuple(_conflicts(store, request, wanted, folding, now))
        if conflicts:
            _log_refusal(store, request, conflicts, now)
            return Answer((), conflicts, now)
        mine = {held.pattern: held for held in store.reservations(agent=request.agent, live_at=now)}
        granted = tuple(
            _grant(store, request, reading, pattern, mine.get(reading.pattern), reason, now)
            for reading, pattern in wanted
        )
    return Answer(granted, (), now)


def renew(store: Store, agent: str, selection: Selection, ttl: int) -> list[Reservation]:
    """Extend one's own live leases to now + TTL, never shorter; an expired one is refused."""
    with store.writing():
        now = store.now()
        check_lease(ttl, store.policy())
        store.log_expired(now)
        chosen = _choose(store, agent, selection, now, foreign=False)
        if selection.all:
            chosen = [held for held in chosen if held.is_live(now)]
            if not chosen:
                raise RefusedError(f"{agent} holds nothing", hint="agentlock reserve PATTERN")
        for held in chosen:
            if not held.is_live(now):
                raise RefusedError(
                    f"reservation {held.id} ({_shown(held)}) has ended and cannot be renewed",
                    hint="reserve it again: somebody may have changed those files meanwhile",
                )
        store.register(agent, now)
        renewed = [store.change(held, expires=max(held.expires_ts, now + ttl)) for held in chosen]
        for held in renewed:
            store.log("renewed", now, agent=agent, reservation=held)
    return renewed


def release(
    store: Store, agent: str, selection: Selection, *, force: bool = False, reason: str = ""
) -> list[Reservation]:
    """Give up one's own; with ``force`` (and a reason) end another's, who is told."""
    reason = check_reason(reason)
    with store.writing():
        now = store.now()
        store.log_expired(now)
        store.register(agent, now)
        chosen = _choose(store, agent, selection, now, foreign=force)
        released = []
        for held in chosen:
            if held.released_ts is not None:
                continue
            ended = store.change(held, released=now)
            released.append(ended)
            if held.agent == agent:
                store.log("released", now, agent=agent, reservation=held, detail=reason)
                continue
            store.log("force-released", now, agent=agent, reservation=held, detail=reason)
            subject = f"{agent} ended your reservation {held.id} ({_shown(held)})"
            store.send(agent, held.agent, subject, reason, now)
    return released


def _conflicts(
    store: Store,
    request: Request,
    wanted: Sequence[tuple[Reading, Pattern]],
    folding: Folding,
    now: int,
) -> Iterable[Conflict]:
    compiled: dict[bytes, Pattern] = {}
    for _, pattern in wanted:
        for theirs in store.live_around(pattern.key, now, below=pattern.kind != "literal"):
            if theirs.agent == request.agent or not (theirs.exclusive or request.exclusive):
                continue
            if theirs.pattern not in compiled:
                compiled[theirs.pattern] = _stored(theirs, folding)
            witness = overlap(pattern, compiled[theirs.pattern])
            if witness is not None:
                yield Conflict(pattern.text, witness, theirs)


def _stored(theirs: Reservation, folding: Folding) -> Pattern:
    try:
        return compile_pattern(theirs.pattern, folding)
    except PatternError as error:
        raise DatabaseError(
            f"reservation {theirs.id} holds a pattern that cannot be read: {theirs.pattern!r}",
            hint=f"agentlock show {theirs.id}",
        ) from error


def _grant(
    store: Store,
    request: Request,
    reading: Reading,
    pattern: Pattern,
    held: Reservation | None,
    reason: str,
    now: int,
) -> Reservation:
    expires = now + request.ttl
    if held is None:
        granted = store.grant(
            request.agent,
            reading.pattern,
            typed=reading.typed,
            key=pattern.key,
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


def _choose(
    store: Store, agent: str, selection: Selection, now: int, *, foreign: bool
) -> list[Reservation]:
    if selection.all:
        return store.unreleased(None if foreign else agent)
    if selection.ids:
        chosen = [_by_id(store, agent, number, foreign=foreign) for number in selection.ids]
    else:
        everyone = store.unreleased(None)
        chosen = []
        for typed, texts in selection.patterns:
            chosen += _by_pattern(everyone, agent, typed, texts, now, foreign=foreign)
    unique = {held.id: held for held in chosen}
    return list(unique.values())


def _by_id(store: Store, agent: str, number: int, *, foreign: bool) -> Reservation:
    held = store.reservation(number)
    if held is None:
        raise UsageError(f"there is no reservation {number}", hint="agentlock list")
    if held.agent != agent and not foreign:
        raise RefusedError(
            f"reservation {number} ({_shown(held)}) is held by {held.agent}, not by {agent}",
            hint=f"agentlock show {number}",
        )
    return held


def _by_pattern(
    everyone: Sequence[Reservation],
    agent: str,
    typed: bytes,
    texts: frozenset[bytes],
    now: int,
    *,
    foreign: bool,
) -> list[Reservation]:
    """What the text means here; only where nothing is called so, what was typed so elsewhere."""
    named = [held for held in everyone if held.pattern in texts]
    matching = named
    if not any(held.agent == agent or held.is_live(now) for held in named):
        matching = named + [held for held in everyone if held.typed == typed]
    mine = [held for held in matching if foreign or held.agent == agent]
    live = [held for held in mine if held.is_live(now)]
    if mine:
        return live or mine[-1:]  # only the newest of those that have expired can be meant
    name = typed.decode("utf-8", "backslashreplace")
    for held in matching:
        if held.is_live(now):
            raise RefusedError(
                f"{name!r} is held by {held.agent} (reservation {held.id}), not by {agent}",
                hint=f"agentlock show {held.id}",
            )
    raise RefusedError(f"{agent} holds no reservation of {name!r}", hint="agentlock list --mine")


def _shown(held: Reservation) -> str:
    return held.pattern.decode("utf-8", "backslashreplace")
