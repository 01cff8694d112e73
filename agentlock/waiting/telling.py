"""Messages about reservations and places that end or change hands, from agentlock itself."""

from __future__ import annotations

from agentlock.event_kinds import EXPIRED, LAPSED
from agentlock.patterns.matching import displayed
from agentlock.store.messages import Message
from agentlock.text import and_more, foreign, storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.model import Reservation
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait

_SHOWN = 3


def shown(held: Reservation) -> str:
    """The pattern of a reservation as messages and the log show it."""
    return shown_text(held.pattern)


def shown_text(pattern: bytes) -> str:
    return storable(foreign(displayed(pattern)))


def shown_texts(patterns: Sequence[bytes]) -> str:
    """The first of these patterns, and how many more there are."""
    first = ", ".join(shown_text(one) for one in patterns[:_SHOWN])
    return first + and_more(len(patterns) - _SHOWN)


def expiry(held: Reservation) -> Message:
    """What its holder is told about a lease that ran out, or about an offer that lapsed."""
    subject = f"your reservation {held.id} ({shown(held)}) expired"
    if held.offer:
        subject = f"nobody took the offer of {shown(held)} (reservation {held.id}) in time"
    return Message(0, "", subject, "", held.expires_ts, held.id)


def note_expired(store: Store, now: int, agent: str | None = None) -> None:
    """Log the leases that ran out and leave their holders a message, in a write transaction.

    A few of anybody's at a time, or all of one agent's.
    """
    _note(store, store.reservations.expired_unseen(now, agent))


def end_for_good(store: Store, expired: Iterable[Reservation]) -> None:
    """End leases that ran out and that somebody else's grant overlaps, in a write transaction.

    Whatever the clock does later, they do not come back.
    """
    for held in expired:
        _note(store, store.offers.expiry_unlogged([held.id]))
        store.reservations.change(held, released=held.expires_ts)


def _note(store: Store, expired: Iterable[Reservation]) -> None:
    for held in expired:
        kind = LAPSED if held.offer else EXPIRED
        store.events.write(kind, held.expires_ts, held.agent, held.id, held.pattern)
        store.reservations.mark_expiry_seen(held)
        one = expiry(held)
        store.messages.send(
            "", held.agent, one.subject, one.body, one.created_ts, reservation=held.id
        )


def tell_holders(store: Store, wait: Wait, held: Sequence[Reservation], now: int) -> None:
    """Tell each holder, once for each reservation, that somebody waits for it."""
    for one in store.offers.first_told([each.id for each in held]):
        subject = f"{wait.agent} waits for your reservation {one.id} ({shown(one)})"
        store.messages.send(
            "", one.agent, subject, wait.reason, now, reservation=one.id, while_live=True
        )


def your_turn(store: Store, wait: Wait, granted: Sequence[Reservation], now: int) -> None:
    """Tell an agent without a waiting process that its place was granted."""
    what = shown_texts([one.pattern for one in granted])
    numbers = ", ".join(str(one.id) for one in granted[:_SHOWN])
    subject = f"your turn came: {what} is reserved for you (id {numbers}, place {wait.id})"
    first = granted[0].id
    store.messages.send("", wait.agent, subject, "", now, reservation=first, while_live=True)


def deadlock_ended(store: Store, agent: str, wait: Wait, now: int) -> None:
    """Tell another agent of a circle that a place ended, so that it no longer waits for ever."""
    what = shown_texts(wait.patterns)
    subject = (
        f"{wait.agent}'s place {wait.id} in the queue for {what} ended: you and {wait.agent} would "
        "have waited for each other"
    )
    store.messages.send("", agent, subject, "", now)


def place_ended(store: Store, wait: Wait, why: str, now: int, reason: str = "") -> None:
    """Tell an agent that its place ended without a grant."""
    subject = f"your place {wait.id} in the queue for {shown_texts(wait.patterns)} ended: {why}"
    store.messages.send("", wait.agent, subject, reason, now)
