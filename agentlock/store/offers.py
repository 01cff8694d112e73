"""The rows of the reservations as the queue sees them: offers, and what places became.

They are not in ``reservations.py``, because git's hooks load that file and ask none of this.
"""

from __future__ import annotations

from agentlock.store.base import Noun, chunks
from agentlock.store.reservations import SELECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Reservation

_OF_AGENT = f"""{SELECT.format(index="INDEXED BY file_reservations_offers")}
    AND r.released_ts IS NULL AND r.offer = 1 AND r.expires_ts > ?
    AND a.project_id = r.project_id AND a.name = ? ORDER BY r.id"""
_OPEN = f"""{SELECT.format(index="")} AND r.released_ts IS NULL AND r.offer = 1
    AND r.expires_ts > ? ORDER BY r.id"""
_OF_PLACE = f"""{SELECT.format(index="INDEXED BY file_reservations_by_wait")} AND r.wait_id = ?
    ORDER BY r.id"""
_PLACE = "SELECT wait_id FROM file_reservations WHERE project_id = ? AND id = ?"
_TAKE = "UPDATE file_reservations SET offer = 0 WHERE id = ?"
_COME_FROM = "UPDATE file_reservations SET wait_id = ? WHERE id = ?"
_NAMED = SELECT.format(index="NOT INDEXED") + " AND r.id IN ({places})"
_EXPIRY_UNLOGGED = f"{_NAMED} AND r.expiry_logged = 0"
_WAITING_UNTOLD = f"{_NAMED} AND r.waiting_told = 0"
_MARK_WAITING_TOLD = "UPDATE file_reservations SET waiting_told = 1 WHERE id = ?"


class Offers(Noun):
    def of_agent(self, agent: str, now: int) -> list[Reservation]:
        """What was handed over to an agent that has not taken it yet."""
        return self._store.reservations.found(_OF_AGENT, now, agent)

    def open(self, now: int) -> list[Reservation]:
        """Every agent's."""
        return self._store.reservations.found(_OPEN, now)

    def of_place(self, place: int) -> list[Reservation]:
        """What a place in the queue became, live or not."""
        return self._store.reservations.found(_OF_PLACE, place)

    def place_of(self, held: Reservation) -> int | None:
        """The place in the queue that a reservation came from."""
        rows = self._rows(_PLACE, held.id)
        return rows[0][0] if rows else None

    def expiry_unlogged(self, numbers: Sequence[int]) -> list[Reservation]:
        """Those of these reservations whose end by time is not logged yet."""
        return self._of_ids(_EXPIRY_UNLOGGED, numbers)

    # What changes them: inside writing() only

    def take(self, held: Reservation) -> Reservation:
        """An offer as an ordinary reservation; ``Reservations.extend`` then starts its lease."""
        self._store.rows(_TAKE, (held.id,))
        return held.replace(offer=False)

    def came_from(self, held: Reservation, place: int) -> None:
        """Note which place in the queue a reservation fulfilled."""
        self._store.rows(_COME_FROM, (place, held.id))

    def first_told(self, numbers: Sequence[int]) -> list[Reservation]:
        """Those whose holders were not told yet that somebody waits; now they count as told."""
        found = self._of_ids(_WAITING_UNTOLD, numbers)
        for held in found:
            self._store.rows(_MARK_WAITING_TOLD, (held.id,))
        return found

    def _of_ids(self, statement: str, numbers: Sequence[int]) -> list[Reservation]:
        found: list[Reservation] = []
        for chunk in chunks(sorted(set(numbers))):
            places = ", ".join("?" * len(chunk))
            found += self._store.reservations.found(statement.format(places=places), *chunk)
        return found
