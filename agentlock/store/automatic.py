"""The rows of automatic reservations, which edits make: by whom, and in which sessions.

They are not in ``reservations.py``, because git's hooks load that file and ask none of this.
"""

from __future__ import annotations

from agentlock.store.base import Noun
from agentlock.store.reservations import SELECT

TYPE_CHECKING = False
if TYPE_CHECKING:
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
_HEAD = "SELECT head FROM file_reservations WHERE id = ?"
_MAKE = "UPDATE file_reservations SET automatic = 1, head = ? WHERE id = ?"
_MAKE_ORDINARY = "UPDATE file_reservations SET automatic = 0 WHERE id = ?"
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
_IS_IN_OPEN_SESSION = """
SELECT 1 FROM reservation_sessions AS s JOIN conversations AS c ON c.id = s.conversation_id
WHERE s.reservation_id = ? AND c.ended_ts IS NULL LIMIT 1
"""


class Automatic(Noun):
    def live(self, now: int) -> list[Reservation]:
        """Every agent's."""
        return self._store.reservations.found(f"{_LIVE} ORDER BY r.id", now)

    def of_session(self, program: str, session: str, now: int) -> list[Reservation]:
        """Those under which a session edited."""
        statement = f"{_LIVE}{_IN_SESSION} ORDER BY r.id"
        return self._store.reservations.found(statement, now, program, session)

    def count(self, agent: str, now: int) -> int:
        """How many live ones an agent has."""
        return int(self._rows(_COUNT, agent, now)[0][0])

    def head_of(self, held: Reservation) -> str:
        """The commit that was checked out when it was made."""
        return str(self._store.one(_HEAD, (held.id,))[0])

    def has_session(self, held: Reservation, program: str, session: str) -> bool:
        """Whether a session has edited under it."""
        return bool(self._rows(_HAS_SESSION, held.id, program, session))

    def is_in_open_session(self, held: Reservation) -> bool:
        return bool(self._store.rows(_IS_IN_OPEN_SESSION, (held.id,)))

    # What changes them: inside writing() only

    def make(self, held: Reservation, head: str) -> Reservation:
        """A new reservation as an automatic one, made while ``head`` was checked out."""
        self._store.rows(_MAKE, (head, held.id))
        return held.replace(automatic=True)

    def make_ordinary(self, held: Reservation) -> Reservation:
        self._store.rows(_MAKE_ORDINARY, (held.id,))
        return held.replace(automatic=False)

    def add_session(self, held: Reservation, program: str, session: str) -> None:
        """Note that a session edits under it."""
        self._rows(_ADD_SESSION, held.id, program, session)
