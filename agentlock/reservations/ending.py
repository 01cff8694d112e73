"""Releases an agent's own reservations, or ends those of another agent by force."""

from __future__ import annotations

from agentlock.duration import format_remaining
from agentlock.errors import RefusedError
from agentlock.event_kinds import FORCE_RELEASED, RELEASED
from agentlock.model import Reservation, Value
from agentlock.reservations.losses import note_forced, taken
from agentlock.reservations.naming import Selection, choose
from agentlock.reservations.retention import tidy
from agentlock.store.wake import ring
from agentlock.text import check_reason
from agentlock.waiting.telling import note_expired, shown
from agentlock.waiting.turn import (
    Handed,
    HandOver,
    hand_over,
    reservations_ended,
    settle,
    somebody_waits,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.base import Store

_AFTER_EXPIRY = "after it had expired"


class Released(Value):
    """What was released, and to whom that was handed over."""

    reservations: tuple[Reservation, ...]
    handed: tuple[HandOver, ...] = ()


def release(
    store: Store,
    agent: str,
    selection: Selection,
    *,
    force: bool = False,
    reason: str = "",
    holder: str | None = None,
) -> Released:
    """Release the agent's own reservations; with ``force``, end any, and tell their holders.

    With ``holder`` as well, only that agent's are ended. RefusedError if there is nothing to
    release. Whoever waited for them is granted them before this returns.
    """
    reason = check_reason(reason)
    durable = force or somebody_waits(store)  # if another release is lost, the lease still expires
    handed = Handed()
    with store.writing(durable=durable):
        now = store.now()
        is_any_ending = tidy(store, store.policy.read(), now)
        if not force:  # a person who forces is not an agent
            store.agents.register(agent, now)
        whose, anybodys = holder or agent, force and holder is None
        chosen = choose(store, whose, selection, now, foreign=anybodys)
        _require_something(chosen, whose, selection, now, force=anybodys)
        for late in {held.agent for held in chosen if held.had_expired(now)}:
            note_expired(store, now, late)  # once it is released, nobody would tell its holder
        released = []
        for held in chosen:
            ended = store.reservations.change(held, released=now)
            released.append(ended)
            if held.agent == agent or not held.is_live(now):
                detail = reason or ("" if held.is_live(now) else _AFTER_EXPIRY)
                store.events.log(RELEASED, now, agent=agent, reservation=held, detail=detail)
                continue
            store.events.log(FORCE_RELEASED, now, agent=agent, reservation=held, detail=reason)
            note_forced(store, held, agent, reason, now)
        ended_now = {held.id for held in released}
        # The answer to this command says which of them had expired.
        counts = ended_now.__contains__
        taken(store, agent, now, counts, is_any_ending=is_any_ending)
        is_waited_for = somebody_waits(store)
        if is_waited_for:
            handed = handed_over(store, released, now, at_once=durable)
    ring(store, handed.bells)
    settled = settle(store) if is_waited_for else ()
    return Released(tuple(released), (*handed.done, *settled))


def handed_over(store: Store, ended: Sequence[Reservation], now: int, *, at_once: bool) -> Handed:
    """Hand over what these reservations blocked, in the write transaction that has ended them.

    Without ``at_once`` the next transaction does it, for this one need not be durable.
    """
    if not ended or not somebody_waits(store):
        return Handed()
    reservations_ended(store, ended)
    return hand_over(store, now) if at_once else Handed()


def _require_something(
    chosen: Sequence[Reservation], agent: str, selection: Selection, now: int, *, force: bool
) -> None:
    """RefusedError if nothing is left to release of what was chosen, or of one that was named."""
    if selection.all and not chosen:
        nothing = "nobody holds anything" if force else f"{agent} holds nothing"
        raise RefusedError(nothing, see="agentlock list")
    for held in chosen:
        if held.released_ts is not None:
            ago = format_remaining(now - held.released_ts)
            how = "expired" if held.had_expired(now) else "was released"
            raise RefusedError(
                f"reservation {held.id} ({shown(held)}) {how} {ago} ago",
                see=f"agentlock show {held.id}",
            )
