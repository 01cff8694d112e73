"""Reads the log: the events of a project, of one path, or of one reservation."""

from __future__ import annotations

from agentlock.errors import PatternError, UsageError
from agentlock.event_kinds import FORCE_RELEASED
from agentlock.model import Value
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.reservations.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.model import Reservation
    from agentlock.patterns.matching import Folding, Pattern
    from agentlock.records import Event
    from agentlock.store.base import Store


class History(Value):
    """A reservation with its events, oldest first, at the time ``now``."""

    reservation: Reservation
    events: tuple[Event, ...]
    now: int


class Page(Value):
    """Events, oldest first; the next page starts after the event with the number ``last``."""

    events: tuple[Event, ...]
    last: int


def history(store: Store, identifier: int) -> History:
    """One reservation, live or ended; UsageError if there is none with this number."""
    with store.reading():
        held = store.reservations.get(identifier)
        if held is None:
            raise UsageError(f"there is no reservation {identifier}", see="agentlock list --all")
        return History(held, tuple(store.events.find(reservation=identifier)), store.now())


def forced_ends(store: Store) -> dict[int | None, Event]:
    """The event of each reservation that was ended by force, by the reservation's id."""
    return {
        event.reservation_id: event
        for event in store.events.interventions(0)
        if event.kind == FORCE_RELEASED
    }


def events(
    store: Store,
    folding: Folding,
    *,
    after: int = 0,
    since: int | None = None,
    agent: str | None = None,
    path: Pattern | None = None,
    limit: int | None = None,
) -> Page:
    """The events after number ``after``; of one agent, and on one path or folder, if given.

    With ``limit`` the newest that many.
    """
    first = None if path is not None else limit
    found = store.events.find(after=after, since=since, agent=agent, limit=first)
    last = max((event.id for event in found), default=after)
    if path is not None:
        deadline = Deadline(store)
        found = [event for event in found if _concerns(event, path, folding, deadline)]
    return Page(tuple(found if limit is None else found[-limit:]), last)


def _concerns(event: Event, path: Pattern, folding: Folding, deadline: Deadline) -> bool:
    if event.pattern is None:
        return False
    deadline.check()
    try:
        return overlap(path, compile_pattern(event.pattern, folding)) is not None
    except PatternError:  # the row is damaged, so it may concern any path
        return True
