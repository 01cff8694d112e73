"""Tells an agent, once, which of its reservations ran out or were ended by force."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agentlock.errors import DatabaseError, PatternError
from agentlock.model import Value
from agentlock.patterns.matching import compile_pattern
from agentlock.reservations.naming import shown
from agentlock.reservations.search import meeting
from agentlock.store.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store


class Loss(Value):
    """What an agent is told, and who holds the path of its lost reservation at the time ``now``."""

    message: Message
    holders: tuple[Reservation, ...]
    now: int


def note_expired(store: Store, now: int, agent: str | None = None) -> None:
    """Log the leases that ran out and leave their holders a message, in a write transaction.

    A few of anybody's at a time, or all of one agent's.
    """
    for held in store.reservations.log_expired(now, agent):
        one = _expiry(held)
        store.messages.send(
            "", held.agent, one.subject, one.body, one.created_ts, reservation=held.id
        )


def note_forced(store: Store, held: Reservation, by: str, reason: str, now: int) -> None:
    """Leave the holder a message about who ended its reservation, in a write transaction."""
    subject = f"{by} ended your reservation {held.id} ({shown(held)}) by force"
    store.messages.send("", held.agent, subject, reason, now, reservation=held.id)


def untold(store: Store, agent: str) -> list[Message]:
    """What the agent has not been told yet, oldest first; nothing is marked as read."""
    with store.reading():
        expired = store.reservations.expired_unseen(store.now(), agent)
        return _by_age([*store.messages.unread(agent), *map(_expiry, expired)])


def take(store: Store, agent: str) -> list[Message]:
    """The same, marked as read: whoever calls this tells the agent."""
    with store.writing(durable=False):
        return taken(store, agent, store.now())


def taken(
    store: Store, agent: str, now: int, counts: Callable[[Message], bool] = bool
) -> list[Message]:
    """The same in a write transaction of the caller, of the messages that ``counts`` accepts."""
    note_expired(store, now, agent)
    unread = [one for one in store.messages.unread(agent) if counts(one)]
    store.messages.mark_read(unread, now)
    return _by_age(unread)


def losses(store: Store, messages: Iterable[Message], folding: Folding) -> list[Loss]:
    """The messages, each with the live reservations of others that meet what was lost."""
    with store.reading():
        now = store.now()
        return [Loss(one, tuple(_holders(store, one, now, folding)), now) for one in messages]


def _holders(store: Store, message: Message, now: int, folding: Folding) -> list[Reservation]:
    number = message.reservation_id
    lost = None if number is None else store.reservations.get(number)
    if lost is None:
        return []
    with suppress(DatabaseError, PatternError):  # a damaged pattern: nobody can tell who meets it
        pattern = compile_pattern(lost.pattern, folding)
        return [held for held, _ in meeting(store, pattern, now, folding, lost.meets)]
    return []


def _expiry(held: Reservation) -> Message:
    subject = f"your reservation {held.id} ({shown(held)}) expired"
    return Message(0, "", subject, "", held.expires_ts, held.id)


def _by_age(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda one: one.created_ts)
