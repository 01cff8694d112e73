"""The rows of the messages from one agent to another."""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WRITE = """
INSERT INTO messages (project_id, sender_id, recipient_id, subject, body_md, created_ts,
    reservation_id)
SELECT ?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2),
    (SELECT id FROM agents WHERE project_id = ?1 AND name = ?3), ?4, ?5, ?6, ?7
"""
_UNREAD = """
SELECT m.id, coalesce(s.name, ''), m.subject, m.body_md, m.created_ts, m.reservation_id
FROM messages AS m INDEXED BY messages_unread
    JOIN agents AS r ON r.id = m.recipient_id AND r.project_id = m.project_id
    LEFT JOIN agents AS s ON s.id = m.sender_id
WHERE m.project_id = ? AND r.name = ? AND m.read_ts IS NULL
ORDER BY m.id
"""
_MARK_READ = "UPDATE messages SET read_ts = ? WHERE id = ? AND read_ts IS NULL"
_OLDEST = (
    "SELECT id FROM messages WHERE project_id = ? AND created_ts < ? ORDER BY created_ts LIMIT ?"
)


class Message(Value):
    """A message; ``sender`` is "" if agentlock itself sent it.

    ``reservation_id`` is the reservation that it is about, or None. That row may have been pruned.
    """

    id: int
    sender: str
    subject: str
    body: str
    created_ts: int
    reservation_id: int | None = None

    @property
    def is_about_a_reservation(self) -> bool:
        return self.reservation_id is not None


class Messages(Noun):
    def unread(self, recipient: str) -> list[Message]:
        """What an agent has not been told yet, oldest first."""
        return [Message(*row) for row in self._rows(_UNREAD, recipient)]

    # What changes them: inside writing() only

    def send(
        self,
        sender: str,
        recipient: str,
        subject: str,
        body: str,
        now: int,
        *,
        reservation: int | None = None,
    ) -> None:
        """Leave a message; a ``sender`` that is not an agent, such as "", is agentlock itself."""
        self._rows(_WRITE, sender, recipient, subject, body, now, reservation)

    def mark_read(self, messages: Iterable[Message], now: int) -> None:
        for message in messages:
            self._store.rows(_MARK_READ, (now, message.id))

    def prune(self, before: int, most: int) -> None:
        """Remove at most ``most`` that are from before that time, the oldest first."""
        self._forget("messages", [number for (number,) in self._rows(_OLDEST, before, most)], 1)
