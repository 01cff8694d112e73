"""The rows of the tickets: messages that expect an answer."""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PENDING, DELIVERED, ANSWERED = "pending", "delivered", "answered"
EXPIRED, CANCELLED = "expired", "cancelled"
STATUSES = (PENDING, DELIVERED, ANSWERED, EXPIRED, CANCELLED)
_WRITE = """
INSERT INTO tickets (id, project_id, from_agent_id, to_agent_id, created_ts, expires_ts)
SELECT ?2, ?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?3),
    (SELECT id FROM agents WHERE project_id = ?1 AND name = ?4), ?5, ?6
"""
_SELECT = """
SELECT t.id, f.name, r.name, q.body_md, a.body_md, t.status, t.created_ts, t.expires_ts,
    t.answered_ts, o.read_ts, coalesce(q.thread_id, '')
FROM tickets AS t {index} JOIN agents AS f ON f.id = t.from_agent_id
    JOIN agents AS r ON r.id = t.to_agent_id JOIN messages AS q ON q.id = t.id
    LEFT JOIN messages AS a ON a.id = t.answer_id
    LEFT JOIN message_recipients AS o ON o.message_id = t.id AND o.agent_id = t.to_agent_id
WHERE t.project_id = ?
"""
_AGENT = "(SELECT id FROM agents WHERE project_id = ? AND name = ?)"
# In the table, an open ticket is pending until its time is over; nothing has to write that down.
_OPEN = "t.status = 'pending' AND t.expires_ts > ?"
_CONDITIONS = {
    PENDING: f"{_OPEN} AND o.read_ts IS NULL",
    DELIVERED: f"{_OPEN} AND o.read_ts IS NOT NULL",
    EXPIRED: "t.status = 'pending' AND t.expires_ts <= ?",
    ANSWERED: "t.status = 'answered'",
    CANCELLED: "t.status = 'cancelled'",
}
_ANSWER = "UPDATE tickets SET status = 'answered', answer_id = ?, answered_ts = ? WHERE id = ?"
_CANCEL = "UPDATE tickets SET status = 'cancelled' WHERE id = ?"


class Ticket(Value):
    """A question and its answer; its number is that of its message, and so is its thread.

    ``answer`` is None until there is one. ``status`` is one of STATUSES, as it is now.
    """

    id: int
    sender: str
    recipient: str
    question: str
    answer: str | None
    status: str
    created_ts: int
    expires_ts: int
    answered_ts: int | None
    thread: str

    @property
    def is_open(self) -> bool:
        return self.status in (PENDING, DELIVERED)


class Tickets(Noun):
    def find(
        self,
        now: int,
        *,
        number: int | None = None,
        asker: str | None = None,
        receiver: str | None = None,
        status: str | None = None,
    ) -> list[Ticket]:
        """Newest first, with the status that they have at the time ``now``."""
        project = self._store.project_id
        conditions: list[tuple[str, tuple[int | str, ...]]] = []
        index = ""
        if number is not None:
            conditions.append(("t.id = ?", (number,)))
        if asker is not None:
            index = "INDEXED BY tickets_by_sender"
            conditions.append((f"t.from_agent_id = {_AGENT}", (project, asker)))
        if receiver is not None:
            index = "INDEXED BY tickets_by_receiver"
            conditions.append((f"t.to_agent_id = {_AGENT}", (project, receiver)))
        if status is not None:
            condition = _CONDITIONS[status]
            conditions.append((condition, (now,) * condition.count("?")))
        statement = "".join(
            [_SELECT.format(index=index), *(f" AND {condition}" for condition, _ in conditions)]
        )
        parameters = [one for _, bound in conditions for one in bound]
        rows = self._rows(f"{statement} ORDER BY t.id DESC", *parameters)
        return [_ticket(row, now) for row in rows]

    # What changes them: inside writing() only

    def open(self, number: int, sender: str, recipient: str, now: int, expires: int) -> None:
        """Let a message that was just sent expect an answer."""
        self._rows(_WRITE, number, sender, recipient, now, expires)

    def answer(self, ticket: int, answer: int, now: int) -> None:
        """Note the message that answers it."""
        self._store.rows(_ANSWER, (answer, now, ticket))

    def cancel(self, ticket: int) -> None:
        self._store.rows(_CANCEL, (ticket,))


def _ticket(row: Sequence[Any], now: int) -> Ticket:
    number, sender, recipient, question, answer, status, created, expires, answered, *rest = row
    read, thread = rest
    if status == PENDING and expires <= now:
        status = EXPIRED
    elif status == PENDING and read is not None:
        status = DELIVERED
    who = (number, sender, recipient)
    when = (created, expires, answered)
    return Ticket(*who, question, answer, status, *when, thread or str(number))
