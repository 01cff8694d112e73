"""The rows of automatic reservations, which edits make: by whom, and in which sessions.

They are not in ``reservations.py``, because git's hooks load that file and ask none of this.
"""

from __future__ import annotations

from agentlock.store.base import Noun
from agentlock.store.reservations import SELECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.model import Reservation

_LIVE = f"""{SELECT.format(index="INDEXED BY file_reservations_automatic")}
    AND r.automatic = 1 AND r.released_ts IS NULL AND r.expires_ts > ?"""
_IN_SESSION = """ AND r.id IN (SELECT s.reservation_id FROM reservation_sessions AS s
    JOIN conversations AS c ON c.id = s.conversation_id
    WHERE c.project_id = r.project_id AND c.program = ? AND c.program_session = ?)"""
_COUNT = """
SELECT count(*) FROM file_reservations AS r INDEXED BY file_reservations_automatic
WHERE r.project_id = ?1 AND r.automatic = 1 AND r.released_ts IS NULL AND r.expires_ts > ?3
    AND r.agent_id = (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2)
"""
# Paths are those of a host: a worktree of another one may have the same.
_ON_HOST = """ AND NOT EXISTS (
    SELECT 1 FROM reservation_sessions AS s JOIN conversations AS c ON c.id = s.conversation_id
    WHERE s.reservation_id = r.id AND c.host <> ?)"""
_WITHOUT_SESSION = """ AND EXISTS (SELECT 1 FROM reservation_sessions AS s
    WHERE s.reservation_id = r.id)
    AND NOT EXISTS (
    SELECT 1 FROM reservation_sessions AS s JOIN conversations AS c ON c.id = s.conversation_id
    WHERE s.reservation_id = r.id AND c.ended_ts IS NULL)"""
_HEADS = """
SELECT id, head FROM file_reservations INDEXED BY file_reservations_automatic
WHERE project_id = ? AND automatic = 1 AND released_ts IS NULL AND expires_ts > ?
"""
_LOOK_AFTER = "UPDATE file_reservations SET head = ? WHERE id = ?"
_MAKE = "UPDATE file_reservations SET automatic = 1, head = ? WHERE id = ?"
_MAKE_ORDINARY = "UPDATE file_reservations SET automatic = 0 WHERE id = ?"
_MARK_STALE_LOOKED = "UPDATE file_reservations SET stale_looked = 1 WHERE id = ?"
_ADD_SESSION = """
INSERT INTO reservation_sessions (project_id, reservation_id, conversation_id)
SELECT ?1, ?2, c.id FROM conversations AS c
WHERE c.project_id = ?1 AND c.program = ?3 AND c.program_session = ?4
ON CONFLICT (reservation_id, conversation_id) DO NOTHING
"""
_HAS_SESSION = """
SELECT 1 FROM reservation_sessions AS s JOIN conversations AS c ON c.id = s.conversation_id
WHERE c.project_id = ? AND s.reservation_id = ? AND c.program = ? AND c.program_session = ?
"""


class Automatic(Noun):
    def live(self, now: int, host: str) -> list[Reservation]:
        """Every agent's that may be of this host."""
        return self._store.reservations.found(f"{_LIVE}{_ON_HOST} ORDER BY r.id", now, host)

    def without_session(self, now: int, host: str) -> list[Reservation]:
        """Those whose sessions were of this host, and have all ended."""
        statement = f"{_LIVE}{_ON_HOST}{_WITHOUT_SESSION} ORDER BY r.id"
        return self._store.reservations.found(statement, now, host)

    def of_session(self, program: str, session: str, now: int) -> list[Reservation]:
        """Those under which a session edited."""
        statement = f"{_LIVE}{_IN_SESSION} ORDER BY r.id"
        return self._store.reservations.found(statement, now, program, session)

    def stale_unlooked(self, program: str, session: str, now: int) -> list[Reservation]:
        """Those of a session for which nobody has looked yet whether another branch is ahead."""
        statement = f"{_LIVE}{_IN_SESSION} AND r.stale_looked = 0 ORDER BY r.id"
        return self._store.reservations.found(statement, now, program, session)

    def count(self, agent: str, now: int) -> int:
        """How many live ones an agent has."""
        return int(self._rows(_COUNT, agent, now)[0][0])

    def heads(self, now: int) -> dict[int, str]:
        """By the numbers of live ones, what was checked out when they were made, or looked at."""
        return {int(number): str(head) for number, head in self._rows(_HEADS, now)}

    def has_session(self, held: Reservation, program: str, session: str) -> bool:
        """Whether a session has edited under it."""
        return bool(self._rows(_HAS_SESSION, held.id, program, session))

    # What changes them: inside writing() only

    def make(self, held: Reservation, head: str) -> Reservation:
        """A new reservation as an automatic one, made while ``head`` was checked out."""
        self._store.rows(_MAKE, (head, held.id))
        return held.replace(automatic=True)

    def look_after(self, looked: Iterable[Reservation], head: str) -> None:
        """Note that what these are of was not committed up to this commit."""
        for held in looked:
            self._store.rows(_LOOK_AFTER, (head, held.id))

    def mark_stale_looked(self, looked: Iterable[Reservation]) -> None:
        for held in looked:
            self._store.rows(_MARK_STALE_LOOKED, (held.id,))

    def make_ordinary(self, held: Reservation) -> Reservation:
        self._store.rows(_MAKE_ORDINARY, (held.id,))
        return held.replace(automatic=False)

    def add_session(self, held: Reservation, program: str, session: str) -> None:
        """Note that a session edits under it."""
        self._rows(_ADD_SESSION, held.id, program, session)
