"""A project in a table, and agents that reserve, wait and release in it without a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import Folding
from agentlock.patterns.syntax import Reading
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, reserve
from agentlock.reservations.naming import Selection
from agentlock.store import migrate, open_store
from agentlock.store.sqlite.filesystem import Modes
from agentlock.waiting import queue
from agentlock.waiting.taking import take
from agentlock.waiting.turn import settle

if TYPE_CHECKING:
    from agentlock.model import Reservation
    from agentlock.reservations.ending import Released
    from agentlock.reservations.granting import Answer
    from agentlock.store.base import Store
    from agentlock.store.waits import Wait
    from agentlock.waiting.queue import Asked, Left
    from agentlock.waiting.taking import Taken

SECOND = MICROSECONDS
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_HASTEN = "UPDATE waits SET due_ts = ? WHERE id = ? AND due_ts > ?"


class Project:
    """One table, opened by whoever acts."""

    def __init__(self, location: str, identifier: str = "") -> None:
        self.location = location
        self.identifier = identifier
        if not identifier:
            self.identifier, _ = migrate.make(location, Modes())
            migrate.add_project(location, "p")
        self.store: Store = self.open()

    def open(self) -> Store:
        return open_store(self.location, self.identifier, "p")

    def again(self) -> Project:
        """The same table with a connection of its own."""
        return Project(self.location, self.identifier)

    def settle(self) -> None:
        settle(self.store)

    def request(
        self, agent: str, *patterns: str, exclusive: bool = True, ttl: int = HOUR, reason: str = ""
    ) -> Request:
        texts = [pattern.encode() for pattern in patterns]
        readings = [Reading(text, text, "glob") for text in texts]
        return Request(agent, readings, ttl, exclusive, reason)

    def reserve(
        self, agent: str, *patterns: str, exclusive: bool = True, ttl: int = HOUR
    ) -> Answer:
        return reserve(
            self.store, self.request(agent, *patterns, exclusive=exclusive, ttl=ttl), Folding()
        )

    def queue(
        self,
        agent: str,
        *patterns: str,
        exclusive: bool = True,
        last: int = HOUR,
        ttl: int = HOUR,
        queued: bool = True,
        bell: str = "",
    ) -> Asked:
        """Ask for a place, as `reserve --queue` does, or with ``bell`` as `--wait` does."""
        request = self.request(agent, *patterns, exclusive=exclusive, ttl=ttl).replace(waits=True)
        self.store.rested()
        return queue.ask(self.store, request, Folding(), None, last=last, queued=queued, bell=bell)

    def place(self, agent: str, *patterns: str, exclusive: bool = True, last: int = HOUR) -> Wait:
        """A place in the queue; it must not be granted at once."""
        asked = self.queue(agent, *patterns, exclusive=exclusive, last=last)
        assert asked.wait is not None, asked
        return asked.wait

    def release(self, agent: str, *identifiers: int) -> Released:
        selection = Selection(ids=identifiers, all=not identifiers)
        return release(self.store, agent, selection)

    def leave(self, agent: str, *identifiers: int) -> Left:
        return queue.leave(self.store, agent, identifiers)

    def take(self, agent: str) -> Taken:
        return take(self.store, agent, None, Folding())

    def places(self, agent: str | None = None) -> list[str]:
        return [wait.agent for wait in queue.listed(self.store, agent)[0]]

    def offers(self) -> list[tuple[str, str]]:
        """Who is offered what."""
        found = self.store.offers.open(self.store.now())
        return [(held.agent, held.pattern.decode()) for held in found]

    def holders(self) -> list[tuple[str, str]]:
        """Who holds what, offers too."""
        live = self.store.reservations.all(live_at=self.store.now())
        return [(held.agent, held.pattern.decode()) for held in live]

    def told(self, agent: str) -> list[str]:
        unread = self.store.messages.inbox(agent, unread=True)
        return [message.subject for message in reversed(unread)]

    def run_out(self, *held: Reservation) -> None:
        """Let these leases or offers have run out a second ago, as if time had passed."""
        for one in held:
            end = self._age("file_reservations", one.id)
            for wait in self.store.waits.of_agent(one.agent):  # it may name what that was
                with self.store.writing():
                    self.store.rows(_HASTEN, (end, wait.id, end))

    def run_out_place(self, wait: Wait) -> None:
        self._age("waits", wait.id)

    def _age(self, table: str, number: int) -> int:
        end = self.store.now() - SECOND
        with self.store.writing():
            self.store.rows(f"UPDATE {table} SET expires_ts = ? WHERE id = ?", (end, number))  # noqa: S608
        return end
