"""Reserve, renew, release: one transaction each, granted whole or not at all."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from agentlock.duration import format_duration
from agentlock.errors import PatternError, RefusedError, UsageError
from agentlock.model import MICROSECONDS, Conflict, Reservation, Value
from agentlock.patterns.matching import Folding, Pattern, PatternIndex, compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.patterns.pattern import compile_stored
from agentlock.reason import check_reason, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.model import Policy
    from agentlock.patterns.syntax import Reading
    from agentlock.store.protocol import Store

SHORTEST_TTL = 60 * MICROSECONDS
SHORTEST_RETENTION = 3600 * MICROSECONDS
MOST_CONFLICTS = 1_000
MOST_PATTERNS = 5_000
_ASKED_AGAIN = 100
_BITE = 50  # rows that a write removes for those before it; it adds two or three itself
_LARGE_BITE = 1000  # everybody waits for about 10 ms


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


class Selection(Value):
    """Which reservations `renew` and `release` mean: exactly one of the three ways.

    Each of ``patterns`` is the typed text with every stored text that it can stand for.
    """

    patterns: tuple[tuple[bytes, frozenset[bytes]], ...] = ()
    ids: tuple[int, ...] = ()
    all: bool = False


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
    search = _Search(store, request, [pattern for _, pattern in wanted], folding)
    with store.reading():
        check_lease(request.ttl, store.policy(), request.ttl_text)
        search.everything()
    with store.writing():
        now, policy = store.now(), store.policy()
        check_lease(request.ttl, policy, request.ttl_text)
        conflicts = search.confirmed(now)
        _tidy(store, policy, now)
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
        _tidy(store, policy, now)
        if selection.all:
            chosen = store.reservations(agent=agent, live_at=now)
            if not chosen:
                raise RefusedError(f"{agent} holds nothing", fix="agentlock reserve PATTERN")
        else:
            chosen = _choose(store, agent, selection, now, foreign=False)
        for held in chosen:
            if not held.is_live(now):
                raise RefusedError(
                    f"reservation {held.id} ({_shown(held)}) has ended and cannot be renewed",
                    fix="reserve it again: somebody may have changed those files meanwhile",
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
    with store.writing(durable=force):  # a release that is lost leaves the lease to run out
        now = store.now()
        _tidy(store, store.policy(), now)
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


def check_retention(retention: int, typed: str) -> int:
    """The retention, which must outlive every command that is under way."""
    if retention < SHORTEST_RETENTION:
        raise UsageError(f"{typed} is too short a time to keep things", fix="1h is the shortest")
    return retention


def prune(store: Store, agent: str, retention: int) -> tuple[int, int]:
    """Remove what ended longer ago than that; how many events and reservations went.

    Many short transactions, so that nobody waits for all of it; the first one says so in the log.
    """
    events = reservations = 0
    with store.writing():
        now = store.now()
        detail = f"everything of more than {format_duration(retention)} ago"
        store.log("pruned", now, agent=agent, detail=detail)
    while True:
        with store.writing():
            gone = store.prune(now - retention, _LARGE_BITE)
        events, reservations = events + gone[0], reservations + gone[1]
        if not any(gone):
            return events, reservations


def _tidy(store: Store, policy: Policy, now: int) -> None:
    """What every change does for all: log the leases that ran out, remove some of what is too old.

    A full bite or none: it takes an event to say what went.
    """
    store.log_expired(now)
    if policy.retention is None:
        return
    events, reservations = store.prune(now - policy.retention, _BITE, least=_BITE)
    if events or reservations:
        what = f"{events} events and {reservations} reservations"
        age = format_duration(policy.retention)
        store.log("pruned", now, detail=f"{what} of more than {age} ago")


class _Search:
    """Looks for what a request conflicts with, most of it before the write transaction."""

    def __init__(
        self, store: Store, request: Request, patterns: Sequence[Pattern], folding: Folding
    ) -> None:
        self._store = store
        self._request = request
        self._patterns = patterns
        self._folding = folding
        self._compiled: dict[bytes, Pattern] = {}
        self._found: list[Conflict] = []
        self._fence = 0
        self._event = 0
        self._at = 0

    @property
    def is_cut_short(self) -> bool:
        return len(self._found) >= MOST_CONFLICTS

    def everything(self) -> None:
        """Test what can matter, in a snapshot of the table, up to MOST_CONFLICTS that conflict."""
        self._at = self._store.now()
        self._fence = self._store.last_fence()
        self._event = self._store.last_event()
        conflicts = (
            conflict
            for pattern in self._patterns
            for theirs in self._near(pattern)
            for conflict in self._tested(pattern, theirs)
        )
        self._found = list(islice(conflicts, MOST_CONFLICTS))

    def _near(self, pattern: Pattern) -> list[Reservation]:
        """Theirs that may meet it; for a file only those that match, found without parsing all."""
        near = self._store.live_near(pattern.keys, self._at, below=pattern.has_below)
        if pattern.has_below:
            return near
        try:
            index = PatternIndex([theirs.pattern for theirs in near], self._folding)
            return [near[position] for position in index.matching(pattern.prefix)]
        except PatternError:
            return near  # the test of each names the one that cannot be read

    def confirmed(self, now: int) -> tuple[Conflict, ...]:
        """The conflicts that there are at ``now``, inside the write transaction."""
        if now < self._at:  # a clock that was set back revives leases that were over
            self.everything()
        else:
            # A lease that was over for us may have been renewed at its last moment by a
            # transaction that was committed only after we had looked.
            near = [(pattern.keys, pattern.has_below) for pattern in self._patterns]
            new = [
                *self._store.live_since(self._fence, now, near),
                *self._store.extended_since(self._event, now, near),
            ]
            again = [
                conflict
                for pattern in self._patterns
                for theirs in new
                for conflict in self._tested(pattern, theirs)
            ]
            again = list({(one.pattern, one.reservation.id): one for one in again}.values())
            changed = {one.reservation.id for one in again}
            cut_short = self.is_cut_short
            self._found = [
                *(one for one in self._standing(now) if one.reservation.id not in changed),
                *again,
            ]
            if cut_short and not self._found:  # all have ended, and the others were not looked for
                self.everything()
        return tuple(self._found)

    def _standing(self, now: int) -> list[Conflict]:
        """What was found and still holds; of very many, one that does speaks for those not asked.

        Everybody waits while this asks, and one conflict refuses as well as a million.
        """
        first, rest = self._found[:_ASKED_AGAIN], self._found[_ASKED_AGAIN:]
        standing = [one for one in first if self._stands(one.reservation, now)]
        if standing:
            return standing + rest
        return [one for one in rest if self._stands(one.reservation, now)]

    def _stands(self, theirs: Reservation, now: int) -> bool:
        current = self._store.reservation(theirs.id)
        return current is not None and current.is_live(now)

    def _tested(self, pattern: Pattern, theirs: Reservation) -> Iterable[Conflict]:
        if theirs.agent == self._request.agent:
            return
        if not (theirs.exclusive or self._request.exclusive):
            return
        compiled = self._compiled.get(theirs.pattern)
        if compiled is None:
            compiled = self._compiled[theirs.pattern] = compile_stored(theirs, self._folding)
        witness = overlap(pattern, compiled)
        if witness is not None:
            yield Conflict(pattern.text, witness, theirs)


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


def _choose(
    store: Store, agent: str, selection: Selection, now: int, *, foreign: bool
) -> list[Reservation]:
    if selection.all:
        return store.unreleased(None if foreign else agent)
    if selection.ids:
        chosen = [_by_id(store, agent, number, foreign=foreign) for number in selection.ids]
    else:
        whose = None if foreign else agent
        live = store.reservations(agent=whose, live_at=now)
        chosen = []
        for typed, texts in selection.patterns:
            meant = [held for held in live if held.pattern in texts]
            chosen += meant or _by_pattern(store, agent, store.unreleased(whose), typed, texts, now)
    unique = {held.id: held for held in chosen}
    return list(unique.values())


def _by_id(store: Store, agent: str, number: int, *, foreign: bool) -> Reservation:
    held = store.reservation(number)
    if held is None:
        raise UsageError(f"there is no reservation {number}", see="agentlock list")
    if held.agent != agent and not foreign:
        raise RefusedError(
            f"reservation {number} ({_shown(held)}) is held by {held.agent}, not by {agent}",
            see=f"agentlock show {number}",
        )
    return held


def _by_pattern(
    store: Store,
    agent: str,
    candidates: Sequence[Reservation],
    typed: bytes,
    texts: frozenset[bytes],
    now: int,
) -> list[Reservation]:
    """What the text means here; only where nothing is called so, what was typed so elsewhere."""
    chosen = [held for held in candidates if held.pattern in texts]
    if not chosen:
        live = store.reservations(live_at=now)
        _refuse_foreign([held for held in live if held.pattern in texts], agent, typed)
        chosen = [held for held in candidates if held.typed == typed]
        if not chosen:
            _refuse_foreign([held for held in live if held.typed == typed], agent, typed)
            raise RefusedError(
                f"{agent} holds no reservation of {_text(typed)!r}", see="agentlock list --mine"
            )
    live = [held for held in chosen if held.is_live(now)]
    return live or chosen[-1:]  # of those that have run out, only the newest can be meant


def _refuse_foreign(found: Sequence[Reservation], agent: str, typed: bytes) -> None:
    for held in found:
        raise RefusedError(
            f"{_text(typed)!r} is held by {held.agent} (reservation {held.id}), not by {agent}",
            see=f"agentlock show {held.id}",
        )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _shown(held: Reservation) -> str:
    return _text(held.pattern)
