"""The rows of the messages: who wrote what to whom, and who has read and acknowledged it."""

from __future__ import annotations

from agentlock.model import Value
from agentlock.store.base import Noun, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

ALL = 2**63 - 1
_WRITE = """
INSERT INTO messages (project_id, sender_id, subject, body_md, created_ts, thread_id, importance,
    ack_required, reservation_id, while_live)
SELECT ?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9,
    ?10
"""
_ADDRESS = """
INSERT INTO message_recipients (project_id, message_id, kind, agent_id)
SELECT ?1, ?2, ?3, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?4)
"""
_COLUMNS = """
m.id, coalesce(s.name, ''), m.subject, m.body_md, m.created_ts, m.reservation_id, m.thread_id,
m.importance, m.ack_required,
(SELECT t.id FROM tickets AS t WHERE t.id = m.id AND t.status = 'pending')
"""
_SELECT = f"""
SELECT {_COLUMNS} FROM messages AS m {{index}} LEFT JOIN agents AS s ON s.id = m.sender_id
WHERE m.project_id = ?
"""  # noqa: S608 -- of constants
_ALL = f"{_SELECT.format(index='NOT INDEXED')} ORDER BY m.id"
# Left alone, SQLite's planner may read all messages of the project.
_NUMBERED = f"{_SELECT.format(index='NOT INDEXED')} AND m.id IN ({{places}}) ORDER BY m.id"
_LAST = f"{_SELECT.format(index='NOT INDEXED')} ORDER BY m.id DESC LIMIT ?"
_IN_THREAD = f"{_SELECT.format(index='')} AND m.thread_id = ? ORDER BY m.id"
_ME = "(SELECT id FROM agents WHERE project_id = ?1 AND name = ?2)"
_MINE = f"""
SELECT {_COLUMNS} FROM message_recipients AS r INDEXED BY message_recipients_{{index}}
    JOIN messages AS m NOT INDEXED ON m.id = r.message_id
    LEFT JOIN agents AS s ON s.id = m.sender_id
WHERE r.agent_id = {_ME}
"""  # noqa: S608 -- of constants
_MINE_UNREAD = f"{_MINE.format(index='by_reading')} AND r.read_ts IS NULL"
_NEWEST = "ORDER BY r.message_id DESC LIMIT"
_INBOX = f"{_MINE.format(index='by_agent')} AND m.created_ts >= ?3 {_NEWEST} ?4"
_UNREAD = f"{_MINE_UNREAD} AND m.created_ts >= ?3 {_NEWEST} ?4"
_UNREAD_LOSSES = f"""
{_MINE_UNREAD} AND m.reservation_id IS NOT NULL AND m.while_live = 0 ORDER BY r.message_id
"""
# A question that was cancelled, or whose time is over, is not told any more, nor what was true only
# while a reservation was live.
_UNTOLD = f"""
{_MINE_UNREAD} AND NOT EXISTS (
    SELECT 1 FROM tickets AS t WHERE t.id = m.id
        AND (t.status <> 'pending' OR t.expires_ts <= ?3))
    AND (m.while_live = 0 OR EXISTS (
        SELECT 1 FROM file_reservations AS f WHERE f.id = m.reservation_id
            AND f.released_ts IS NULL AND f.expires_ts > ?3))
{_NEWEST} ?4
"""  # noqa: S608 -- of constants
_COUNT = f"SELECT count(*) FROM message_recipients WHERE agent_id = {_ME}"  # noqa: S608
_COUNTS = """
SELECT a.name, count(*) FROM message_recipients AS r JOIN agents AS a ON a.id = r.agent_id
WHERE r.project_id = ? AND r.read_ts IS NULL GROUP BY a.name
"""
_WAITS = f"""
SELECT 1 FROM message_recipients AS r JOIN messages AS m ON m.id = r.message_id
WHERE r.agent_id = {_ME} AND r.read_ts IS NULL AND m.sender_id IS NULL AND m.subject = ?3 LIMIT 1
"""  # noqa: S608 -- of constants
_WAS_TOLD = f"""
SELECT 1 FROM message_recipients AS r JOIN messages AS m ON m.id = r.message_id
WHERE r.agent_id = {_ME} AND m.sender_id IS NULL AND m.subject = ?3 LIMIT 1
"""  # noqa: S608 -- of constants
_RECIPIENTS = """
SELECT r.message_id, a.name, r.kind, r.read_ts, r.ack_ts
FROM message_recipients AS r JOIN agents AS a ON a.id = r.agent_id
WHERE r.message_id IN ({places}) ORDER BY r.id
"""
_MARK_READ = f"""
UPDATE message_recipients SET read_ts = ?3
WHERE message_id = ?4 AND agent_id = {_ME} AND read_ts IS NULL
"""  # noqa: S608 -- of constants
_ACKNOWLEDGE = f"""
UPDATE message_recipients SET ack_ts = ?3, read_ts = coalesce(read_ts, ?3)
WHERE message_id = ?4 AND agent_id = {_ME} AND ack_ts IS NULL
"""  # noqa: S608 -- of constants
# An open ticket keeps its message.
_OLDEST = """
SELECT m.id FROM messages AS m WHERE m.project_id = ?1 AND m.created_ts < ?2 AND NOT EXISTS (
    SELECT 1 FROM tickets AS t WHERE t.id = m.id AND t.status = 'pending' AND t.expires_ts >= ?2)
ORDER BY m.created_ts LIMIT ?3
"""


class Message(Value):
    """A message; ``sender`` is "" if agentlock itself sent it.

    ``reservation_id`` is the reservation that it is about, or None. That row may have been pruned.
    ``read_ts`` and ``ack_ts`` are those of the agent that asks, if it is a recipient; else when the
    last recipient did it, None until all have.
    """

    id: int
    sender: str
    subject: str
    body: str
    created_ts: int
    reservation_id: int | None = None
    thread: str = ""
    importance: str = "normal"
    ack_required: bool = False
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    read_ts: int | None = None
    ack_ts: int | None = None
    is_question: bool = False  # nobody has answered or cancelled it

    @property
    def recipients(self) -> tuple[str, ...]:
        return (*self.to, *self.cc)


class Messages(Noun):
    def inbox(
        self, agent: str, *, unread: bool = False, since: int = 0, limit: int = ALL
    ) -> list[Message]:
        """What an agent has got, newest first."""
        found = self._rows(_UNREAD if unread else _INBOX, agent, since, limit)
        return self._messages(found, agent)

    def unread_losses(self, agent: str) -> list[Message]:
        """What an agent has not read of what happened to its reservations, oldest first."""
        return self._messages(self._rows(_UNREAD_LOSSES, agent), agent)

    def untold(self, agent: str, now: int, most: int) -> list[Message]:
        """What an agent has not read and is to be told, newest first."""
        return self._messages(self._rows(_UNTOLD, agent, now, most), agent)

    def count_unread(self, agent: str) -> int:
        return int(self._rows(f"{_COUNT} AND read_ts IS NULL", agent)[0][0])

    def count_read_since(self, agent: str, moment: int) -> int:
        """How many messages an agent has read, or was told of, after a moment."""
        return int(self._rows(f"{_COUNT} AND read_ts > ?3", agent, moment)[0][0])

    def unread_by_agent(self) -> dict[str, int]:
        """How many messages each agent has not read; agents who have read all are left out."""
        return {str(name): int(number) for name, number in self._rows(_COUNTS)}

    def is_waiting(self, recipient: str, subject: str) -> bool:
        """Whether agentlock has told an agent this already, and the agent has not read it yet."""
        return bool(self._rows(_WAITS, recipient, subject))

    def was_told(self, recipient: str, subject: str) -> bool:
        """Whether agentlock has ever told an agent this, as far back as messages are kept."""
        return bool(self._rows(_WAS_TOLD, recipient, subject))

    def numbered(self, numbers: Iterable[int], viewer: str = "") -> list[Message]:
        """Those of these messages that exist, oldest first."""
        found: list[tuple[Any, ...]] = []
        for chunk in chunks(sorted(set(numbers))):
            places = ", ".join("?" * len(chunk))
            found += self._rows(_NUMBERED.format(places=places), *chunk)
        return self._messages(found, viewer)

    def all(self) -> list[Message]:
        """Oldest first."""
        return self._messages(self._rows(_ALL), "")

    def newest(self, most: int) -> list[Message]:
        """The newest of the project, newest first."""
        return self._messages(self._rows(_LAST, most), "")

    def in_thread(self, thread: str, viewer: str = "") -> list[Message]:
        """The messages of a thread, oldest first; without a name of its own, it is a number."""
        found = self._rows(_IN_THREAD, thread)
        is_number = thread.isascii() and thread.isdecimal()
        first = self.numbered([int(thread)], viewer) if is_number else []
        return [one for one in first if one.thread == thread] + self._messages(found, viewer)

    def _messages(self, rows: Sequence[tuple[Any, ...]], viewer: str) -> list[Message]:
        recipients: dict[int, list[tuple[Any, ...]]] = {row[0]: [] for row in rows}
        for chunk in chunks(list(recipients)):
            statement = _RECIPIENTS.format(places=", ".join("?" * len(chunk)))
            for number, *recipient in self._store.rows(statement, chunk):
                recipients[number].append(tuple(recipient))
        return [_message(row, recipients[row[0]], viewer) for row in rows]

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
        while_live: bool = False,
    ) -> int:
        """Leave a message; a ``sender`` that is not an agent, such as "", is agentlock itself.

        ``while_live``: it is told only while the reservation that it is about is live.
        """
        about = (reservation, while_live)
        return self.post(sender, (recipient,), subject, body, now, about=about)

    def post(
        self,
        sender: str,
        to: Sequence[str],
        subject: str,
        body: str,
        now: int,
        *,
        cc: Sequence[str] = (),
        thread: str | None = None,
        importance: str = "normal",
        ack_required: bool = False,
        about: tuple[int | None, bool] = (None, False),
    ) -> int:
        """Leave a message to agents that are known; its number. Without a thread it begins one."""
        project = self._store.project_id
        reservation, while_live = about
        how = (thread, importance, int(ack_required), reservation, int(while_live))
        number = self._store.inserted(_WRITE, (project, sender, subject, body, now, *how))
        for kind, names in (("to", to), ("cc", cc)):
            for name in names:
                self._rows(_ADDRESS, number, kind, name)
                self._store.concerned.add(f"mail:{name}")
        return number

    def mark_read(self, messages: Iterable[Message], agent: str, now: int) -> None:
        for message in messages:
            self._rows(_MARK_READ, agent, now, message.id)

    def acknowledge(self, messages: Iterable[Message], agent: str, now: int) -> None:
        """What an agent acknowledges it has read, too."""
        for message in messages:
            self._rows(_ACKNOWLEDGE, agent, now, message.id)

    def prune(self, before: int, most: int) -> None:
        """Remove at most ``most`` that are from before that time, the oldest first."""
        gone = [number for (number,) in self._rows(_OLDEST, before, most)]
        for table, column in (("tickets", "id"), ("message_recipients", "message_id")):
            self._forget(table, gone, 1, column=column)
        self._forget("messages", gone, 1)


def _message(row: Sequence[Any], recipients: Sequence[tuple[Any, ...]], viewer: str) -> Message:
    number, sender, subject, body, created, reservation, thread, importance, ack, ticket = row
    own = [one for one in recipients if one[0] == viewer]
    asked = own or recipients
    return Message(
        number,
        sender,
        subject,
        body,
        created,
        reservation,
        str(number) if thread is None else thread,
        importance,
        bool(ack),
        tuple(name for name, kind, *_ in recipients if kind == "to"),
        tuple(name for name, kind, *_ in recipients if kind == "cc"),
        _when_all([one[2] for one in asked]),
        _when_all([one[3] for one in asked]),
        ticket is not None,
    )


def _when_all(moments: Sequence[int | None]) -> int | None:
    """The last of the moments; None if there is none, or one is missing."""
    known = [one for one in moments if one is not None]
    return max(known) if known and len(known) == len(moments) else None
