"""What an agent is told, once: the leases that it lost or is about to lose, and its mail."""

from __future__ import annotations

from contextlib import suppress

from agentlock.duration import format_remaining
from agentlock.errors import DatabaseError, PatternError
from agentlock.model import MICROSECONDS, Value
from agentlock.patterns.matching import compile_pattern
from agentlock.reservations.search import meeting
from agentlock.store.messages import Message
from agentlock.store.reservations import SOON
from agentlock.waiting.telling import expiry, note_expired, shown
from agentlock.waiting.working import keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding
    from agentlock.store.base import Store

MOST_A_MINUTE = 20


class Loss(Value):
    """What an agent is told, and who holds the path of its lost reservation at the time ``now``."""

    message: Message
    holders: tuple[Reservation, ...]
    now: int


def note_forced(store: Store, held: Reservation, by: str, reason: str, now: int) -> None:
    """Leave the holder a message about who ended its reservation, in a write transaction."""
    subject = f"{by} ended your reservation {held.id} ({shown(held)}) by force"
    store.messages.send("", held.agent, subject, reason, now, reservation=held.id)


def untold(store: Store, agent: str) -> list[Message]:
    """What the agent is to be told now, newest first; nothing is marked as read."""
    with store.reading():
        now = store.now()
        most = _room(store, agent, now)
        expired = map(expiry, store.reservations.expired_unseen(now, agent))
        found = [*store.messages.untold(agent, now, most), *expired, *_ending(store, agent, now)]
        return _newest(found)[:most]


def take(store: Store, agent: str) -> list[Message]:
    """The same, marked as read: whoever calls this tells the agent."""
    with store.writing(durable=False):
        now = store.now()
        most = _room(store, agent, now)
        if not most:
            return []
        keep(store, now)
        note_expired(store, now, agent)
        for one in _ending(store, agent, now)[:most]:
            _send(store, agent, one)
        found = store.messages.untold(agent, now, most)
        store.messages.mark_read(found, agent, now)
        return _newest(found)


def taken(
    store: Store,
    agent: str,
    now: int,
    counts: Callable[[int | None], bool],
    *,
    is_any_ending: bool = True,
) -> list[Message]:
    """The unread messages about reservations that count, by their number, marked as read.

    It is part of a write transaction of the caller, whose answer says what they say.
    ``is_any_ending`` is what ``tidy`` has found.
    """
    if is_any_ending:
        keep(store, now)
        note_expired(store, now, agent)
    found = store.messages.unread_losses(agent)
    unread = [one for one in found if counts(one.reservation_id)]
    store.messages.mark_read(unread, agent, now)
    return unread


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
        return [held for held, _ in meeting(store, pattern, now, folding, lost.agent, lost.meets)]
    return []


def _ending(store: Store, agent: str, now: int) -> list[Message]:
    """The leases that end soon and that nobody has renewed lately, each once."""
    found = store.reservations.ending_untold(agent, now, SOON)
    return [
        Message(0, "", f"your reservation {held.id} ({shown(held)}) ends in "
                f"{format_remaining(held.expires_ts - now)}: agentlock renew --id {held.id}",
                "", now, held.id)
        for held in found
    ]  # fmt: skip


def _send(store: Store, agent: str, one: Message) -> None:
    store.messages.send(
        "", agent, one.subject, one.body, one.created_ts, reservation=one.reservation_id
    )


def _room(store: Store, agent: str, now: int) -> int:
    """How many messages the agent can be told now."""
    read = store.messages.count_read_since(agent, now - 60 * MICROSECONDS)
    return max(MOST_A_MINUTE - read, 0)


def _newest(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=lambda one: one.created_ts, reverse=True)
