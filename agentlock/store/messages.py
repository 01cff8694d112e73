"""The rows of the messages from one agent to another."""

from __future__ import annotations

from agentlock.store.base import Noun

_WRITE = """
INSERT INTO messages (project_id, sender_id, recipient_id, subject, body_md, created_ts)
SELECT ?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2),
    (SELECT id FROM agents WHERE project_id = ?1 AND name = ?3), ?4, ?5, ?6
"""
_READ = """
SELECT m.created_ts, coalesce(s.name, ''), m.subject, m.body_md
FROM messages AS m
    JOIN agents AS r ON r.id = m.recipient_id AND r.project_id = m.project_id
    LEFT JOIN agents AS s ON s.id = m.sender_id
WHERE m.project_id = ? AND r.name = ? AND m.created_ts >= ?
ORDER BY m.id
"""


class Messages(Noun):
    def to(self, recipient: str, since: int) -> list[tuple[int, str, str, str]]:
        """(created_ts, sender, subject, body) of an agent's messages, oldest first."""
        rows = self._rows(_READ, recipient, since)
        return [(created, sender, subject, body) for created, sender, subject, body in rows]

    def send(self, sender: str, recipient: str, subject: str, body: str, now: int) -> None:
        """Leave a message; a ``sender`` who is no agent, such as "", is agentlock itself."""
        self._rows(_WRITE, sender, recipient, subject, body, now)
