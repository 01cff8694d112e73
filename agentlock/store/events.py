"""The rows of the log. They are only ever added, and removed when they are old."""

from __future__ import annotations

from agentlock.event_kinds import KINDS
from agentlock.records import Event
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.event_kinds import Kind
    from agentlock.model import Reservation

_ALL = 2**63 - 1
_WRITE = """
INSERT INTO events (project_id, created_ts, kind, agent, reservation_id, path_pattern, detail)
VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT), ?)
"""
_SELECT = """
SELECT id, created_ts, kind, agent, reservation_id, CAST(path_pattern AS BLOB), detail
FROM events {index} WHERE project_id = ?
"""
# SQLite uses the index only if the kinds stand here as they do in the index.
_INTERVENTIONS = f"""
{_SELECT.format(index="INDEXED BY events_of_interventions")} AND created_ts >= ?
    AND kind IN ({", ".join([f"'{kind}'" for kind in KINDS if kind.intervenes])})
ORDER BY id
"""
_OLDEST = (
    "SELECT id FROM events WHERE project_id = ? AND created_ts < ? ORDER BY created_ts LIMIT ?"
)


class Events(Noun):
    def find(
        self,
        *,
        after: int = 0,
        since: int | None = None,
        agent: str | None = None,
        reservation: int | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Oldest first; with ``limit`` the newest that many.

        ``after`` is the number of an event, ``since`` a time.
        """
        statement = _SELECT.format(
            index="" if reservation is None else "INDEXED BY events_by_reservation"
        )
        parameters: list[int | str] = []
        for condition, asked in (
            ("id > ?", after),
            ("created_ts >= ?", since),
            ("agent = ?", agent),
            ("reservation_id = ?", reservation),
        ):
            if asked is not None:
                statement += f" AND {condition}"
                parameters.append(asked)
        most = _ALL if limit is None else limit
        rows = self._rows(f"{statement} ORDER BY id DESC LIMIT ?", *parameters, most)
        return [Event(*row) for row in reversed(rows)]

    def interventions(self, since: int) -> list[Event]:
        """What changed the rules for everybody or bypassed them, oldest first."""
        return [Event(*row) for row in self._rows(_INTERVENTIONS, since)]

    # What changes them: inside writing() only

    def log(
        self,
        kind: Kind,
        now: int,
        *,
        agent: str = "",
        reservation: Reservation | None = None,
        pattern: bytes | None = None,
        detail: str = "",
    ) -> None:
        """Add an event; without a ``pattern`` it gets the reservation's."""
        number = None
        if reservation is not None:
            number, pattern = reservation.id, reservation.pattern if pattern is None else pattern
        self.write(kind, now, agent, number, pattern, detail)

    def write(
        self,
        kind: Kind,
        moment: int,
        agent: str,
        reservation: int | None,
        pattern: bytes | None,
        detail: str = "",
    ) -> None:
        self._rows(_WRITE, moment, kind, agent, reservation, pattern, detail)

    def prune(self, before: int, most: int, least: int = 1) -> tuple[int, int]:
        """Remove what is from before that time; how many events and reservations went.

        The oldest go first, at most ``most`` of either, and none if fewer than ``least`` are due:
        events, then reservations that have ended and whose events are all gone.
        """
        oldest = [number for (number,) in self._rows(_OLDEST, before, most)]
        events = self._forget("events", oldest, least)
        if events:
            self._store.messages.prune(before, most)
            self._store.waits.prune(before, most)
            self._store.sessions.prune(before, most)
        return events, self._store.reservations.prune(before, most, least)
