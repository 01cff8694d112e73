"""The rows of the board, each a plain dict that JSON can hold; both doors draw these.

All times are microseconds since the epoch. What an agent or a person wrote is passed on as it is
(text that is not UTF-8 escaped): whoever draws it must treat it as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentlock.guard.report import pattern_of
from agentlock.patterns.matching import displayed
from agentlock.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Reservation
    from agentlock.records import Event, Presence
    from agentlock.store.messages import Message
    from agentlock.store.sessions import Conversation
    from agentlock.store.tickets import Ticket
    from agentlock.store.waits import Wait
    from agentlock.store.wants import Want
    from agentlock.waiting.standing import Standing

Row = dict[str, Any]
LONGEST = 4_000  # characters of a body that are shown


def pattern_text(pattern: bytes) -> str:
    return printable(displayed(pattern))


def lease(held: Reservation) -> Row:
    """A live reservation."""
    return {
        "id": held.id,
        "agent": held.agent,
        "pattern": printable(pattern_of(held)),
        "exclusive": held.exclusive,
        "reason": held.reason,
        "created": held.created_ts,
        "expires": held.expires_ts,
        "worktree": held.worktree,
        "offer": held.offer,
        "automatic": bool(getattr(held, "automatic", False)),
    }


def agent(found: Presence, holds: int, waits: int, unread: int) -> Row:
    """An agent: its state with the reason and the time since then, and where it works."""
    one = found.agent
    return {
        "name": one.name,
        "state": found.status,
        "why": found.why,
        "since": found.since_ts,
        "seen": one.last_active_ts,
        "program": one.program,
        "model": one.model,
        "worktree": one.worktree,
        "branch": one.branch,
        "host": one.host,
        "holds": holds,
        "waits": waits,
        "unread": unread,
    }


def wait(place: Wait, standing: Standing | None) -> Row:
    """A live place in the queue; ``behind`` is whom it waits for."""
    behind = () if standing is None else standing.behind
    return {
        "id": place.id,
        "agent": place.agent,
        "patterns": [pattern_text(text) for text in place.patterns],
        "exclusive": place.exclusive,
        "reason": place.reason,
        "created": place.created_ts,
        "expires": place.expires_ts,
        "place": 0 if standing is None else standing.place,
        "behind": [
            {
                "agent": one.agent,
                "pattern": pattern_text(one.pattern),
                "lease": one.reservation,
                "wait": one.wait,
            }
            for one in behind
        ],
    }


def want(found: Want, behind: Sequence[str]) -> Row:
    """An edit that was denied lately; ``behind`` are the agents that hold its file now."""
    return {
        "id": f"{found.agent} {pattern_text(found.pattern)}",
        "agent": found.agent,
        "pattern": pattern_text(found.pattern),
        "created": found.created_ts,
        "behind": list(behind),
    }


def event(found: Event) -> Row:
    return {
        "id": found.id,
        "at": found.created_ts,
        "kind": str(found.kind),
        "agent": found.agent,
        "lease": found.reservation_id,
        "pattern": None if found.pattern is None else pattern_text(found.pattern),
        "detail": found.detail[:LONGEST],
    }


def message(found: Message) -> Row:
    return {
        "id": found.id,
        "from": found.sender,
        "to": list(found.recipients),
        "subject": found.subject,
        "body": found.body[:LONGEST],
        "at": found.created_ts,
        "thread": found.thread,
        "importance": found.importance,
        "read": found.read_ts,
        "ack": found.ack_ts,
        "wants_ack": found.ack_required,
        "question": found.is_question,
    }


def ticket(found: Ticket) -> Row:
    return {
        "id": found.id,
        "from": found.sender,
        "to": found.recipient,
        "question": found.question[:LONGEST],
        "status": found.status,
        "created": found.created_ts,
        "expires": found.expires_ts,
    }


def session(found: Conversation) -> Row:
    return {
        "id": found.id,
        "agent": found.agent,
        "program": found.program,
        "worktree": found.worktree,
        "started": found.started_ts,
        "seen": found.last_active_ts,
        "ended": found.ended_ts,
        "turns": found.turns,
        "tokens": found.tokens,
        "compactions": found.compactions,
    }


def of_each(rows: Sequence[Row], key: str = "id") -> dict[str, Row]:
    """The rows by their key, as text: the keys of a JSON object are texts."""
    return {str(row[key]): row for row in rows}
