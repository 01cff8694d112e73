"""The JSON that programs read, one function for each shape (docs/reference/json.md).

Every door that answers programs takes its shapes from here. Bytes that are not UTF-8 become
surrogate escapes.
"""

from __future__ import annotations

from agentlock.agents.strain import strain
from agentlock.duration import format_duration
from agentlock.model import MOST_CONFLICTS
from agentlock.moments import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from agentlock.errors import AgentlockError
    from agentlock.explain import Explanation
    from agentlock.guard.check import Checked
    from agentlock.guard.check import Standing as PathStanding
    from agentlock.guard.history import RefusedCommit
    from agentlock.model import PathConflict, Reservation, Verdict
    from agentlock.records import Event, Presence
    from agentlock.reservations.granting import Answer, Renewal
    from agentlock.reservations.losses import Loss
    from agentlock.reservations.search import Conflict
    from agentlock.reservations.stale import StaleCopies
    from agentlock.state import Listed, State
    from agentlock.store.messages import Message
    from agentlock.store.sessions import Conversation
    from agentlock.store.teams import Team
    from agentlock.store.templates import Template
    from agentlock.store.tickets import Ticket
    from agentlock.store.waits import Wait
    from agentlock.waiting.foreground import Waited
    from agentlock.waiting.queue import Asked
    from agentlock.waiting.standing import Behind, Standing
    from agentlock.waiting.turn import HandOver

_STANDING = ("place", "behind")
_FIRST = 5  # files that a pattern covers
MOST_PATHS = 10_000  # of one answer


def text_of(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def reservation_json(
    held: Reservation, *, forced: Event | None = None, holder: Presence | None = None
) -> dict[str, Any]:
    """Every field but ``typed``, by its name.

    Also who ended it by force, if somebody did, and what is known of its holder, if it is given.
    """
    shape: dict[str, Any] = {}
    for name in held._fields:
        value = getattr(held, name)
        if name.endswith("_ts"):
            shape[name] = rfc3339(value)
        elif name != "typed":
            shape[name] = text_of(value) if isinstance(value, bytes) else value
    if forced is not None:
        shape["forced"] = {"by": forced.agent, "reason": forced.detail}
    if holder is not None:
        shape["holder"] = place_json(holder)
    return shape


def event_json(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "ts": rfc3339(event.created_ts),
        "kind": event.kind,
        "agent": event.agent,
        "reservation": event.reservation_id,
        "pattern": None if event.pattern is None else text_of(event.pattern),
        "detail": event.detail,
    }


def place_json(known: Presence) -> dict[str, Any]:
    """Whether an agent is there, and when and where it was last seen."""
    agent = known.agent
    return {
        "status": known.status,
        "why": known.why,
        "since_ts": rfc3339(known.since_ts),
        "last_active_ts": rfc3339(agent.last_active_ts),
        "worktree": agent.worktree or None,
        "branch": agent.branch or None,
        "host": agent.host or None,
        "process": agent.process,
        "program": agent.program or None,
    }


def ended_wait_json(wait: Wait) -> dict[str, Any]:
    """A place, ended or not, without how it stands."""
    return {
        **{key: value for key, value in wait_json(wait, None).items() if key not in _STANDING},
        "ended_ts": rfc3339(wait.ended_ts),
        "outcome": wait.outcome,
    }


def conflict_json(
    conflict: Conflict, holders: Mapping[str, Presence], places: Mapping[int, Standing]
) -> dict[str, Any]:
    shape = {
        "pattern": text_of(conflict.pattern),
        "witness": None if conflict.witness is None else text_of(conflict.witness),
    }
    if conflict.wait is not None:
        return {**shape, "wait": wait_json(conflict.wait, places[conflict.wait.id])}
    assert conflict.reservation is not None  # noqa: S101 -- for the type checker
    return {**shape, "reservation": held_json(conflict.reservation, holders)}


def behind_json(one: Behind) -> dict[str, Any]:
    shape = {"agent": one.agent, "pattern": text_of(one.pattern)}
    if one.reservation is None:
        return {**shape, "wait": one.wait}
    source = {"source": one.source} if one.source else {}
    return {**shape, "reservation": one.reservation, **source}


def wait_json(wait: Wait, standing: Standing | None) -> dict[str, Any]:
    behind = [] if standing is None else [behind_json(one) for one in standing.behind]
    return {
        "id": wait.id,
        "agent": wait.agent,
        "patterns": [text_of(pattern) for pattern in wait.patterns],
        "exclusive": wait.exclusive,
        "reason": wait.reason,
        "created_ts": rfc3339(wait.created_ts),
        "expires_ts": rfc3339(wait.expires_ts),
        "place": 0 if standing is None else standing.place,
        "behind": behind,
    }


def held_json(held: Reservation, holders: Mapping[str, Presence]) -> dict[str, Any]:
    return reservation_json(held, holder=holders.get(held.agent))


def path_conflict_json(conflict: PathConflict, holders: Mapping[str, Presence]) -> dict[str, Any]:
    reservation = held_json(conflict.reservation, holders)
    return {"path": text_of(conflict.path), "reservation": reservation}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """The first MOST_CONFLICTS of the conflicts and their number."""
    return {
        "verdict": "allow" if verdict.allowed else "refuse",
        "checked": verdict.checked,
        **_why(verdict, verdict.holders),
    }


def refused_commit_json(commit: RefusedCommit) -> dict[str, Any]:
    named = {"oid": commit.oid, "subject": commit.subject, "agent": commit.agent}
    return {**named, **_why(commit, {}), "how": commit.how}


def _why(refused: Verdict | RefusedCommit, holders: Mapping[str, Presence]) -> dict[str, Any]:
    shown = refused.conflicts[:MOST_CONFLICTS]
    return {
        "conflicts": [path_conflict_json(conflict, holders) for conflict in shown],
        "conflicts_total": len(refused.conflicts),
        "uncovered": [text_of(path) for path in refused.uncovered],
    }


def message_json(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "thread": message.thread,
        "from": message.sender,
        "to": list(message.to),
        "cc": list(message.cc),
        "subject": message.subject,
        "body": message.body,
        "importance": message.importance,
        "ack_required": message.ack_required,
        "created_ts": rfc3339(message.created_ts),
        "read_ts": rfc3339(message.read_ts),
        "ack_ts": rfc3339(message.ack_ts),
    }


def news_json(message: Message) -> dict[str, Any]:
    """A message that an agent has not been told, with the reservation that it is about."""
    return {**message_json(message), "reservation": message.reservation_id}


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "from": ticket.sender,
        "to": ticket.recipient,
        "question": ticket.question,
        "answer": ticket.answer,
        "status": ticket.status,
        "created_ts": rfc3339(ticket.created_ts),
        "expires_ts": rfc3339(ticket.expires_ts),
        "answered_ts": rfc3339(ticket.answered_ts),
    }


def stale_json(stale: StaleCopies) -> dict[str, Any]:
    """The first MOST_CONFLICTS stale copies; ``stale_more``: not all branches were looked at."""
    shown = [
        {
            "path": text_of(one.path),
            "commit": one.commit,
            "agent": one.agent,
            "branch": one.branch,
        }
        for one in stale.copies[:MOST_CONFLICTS]
    ]
    return {"stale": shown, **({} if stale.complete else {"stale_more": True})}


def handed_json(handed: Sequence[HandOver]) -> dict[str, Any]:
    """To whom something was handed over; nothing if to nobody."""
    offers = [reservation_json(held) for one in handed for held in one.reservations]
    return {"handed_over": offers} if offers else {}


def asked_place_json(asked: Asked) -> dict[str, Any] | None:
    if asked.wait is None or asked.standing is None:
        return None
    return wait_json(asked.wait, asked.standing)


def answer_json(
    answer: Answer, free: Sequence[bytes], notes: Sequence[str], waits: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "granted": [reservation_json(held) for held in answer.granted],
        "conflicts": [
            conflict_json(one, answer.holders, answer.places) for one in answer.conflicts
        ],
        **waits,
        **({"more": True} if answer.more else {}),
        **stale_json(answer.stale),
        **({"free": [text_of(text) for text in free]} if free else {}),
        **({"notes": list(notes)} if notes else {}),
    }


def standing_json(one: PathStanding, holders: Mapping[str, Presence]) -> dict[str, Any]:
    held = None if one.reservation is None else held_json(one.reservation, holders)
    waiting = [behind_json(each) for each in one.waiting]
    shape = {"path": text_of(one.path), "state": one.state, "reservation": held}
    return {**shape, "waiting": waiting}


def explanation_json(one: Explanation) -> dict[str, Any]:
    return {
        "typed": text_of(one.reading.typed),
        "pattern": text_of(one.reading.pattern),
        "kind": one.reading.kind,
        "notes": list(one.reading.notes),
        "covers": {
            "count": len(one.covers),
            "first": [text_of(path) for path in one.covers[:_FIRST]],
        },
        "paths": [{"path": text_of(path), "matches": matches} for path, matches in one.paths],
        "meets": [
            {
                "witness": text_of(meeting.witness),
                "reservation": held_json(meeting.reservation, one.holders),
            }
            for meeting in one.meets
        ],
        **stale_json(one.stale),
    }


def state_json(found: State) -> dict[str, Any]:
    repository, verdict = found.repository, found.verdict
    pushers = {"identity_variables": repository.identity_variables} if repository.is_bare else {}
    warnings = [{"message": one.message, "fix": one.fix} for one in found.troubles]
    return {
        "agent": found.identity.name,
        "source": found.identity.source or None,
        "status": found.presence.status if found.presence else None,
        "guarded": found.guard.is_in_place,
        "hooks": [{"hook": hook.hook, "state": hook.state} for hook in found.guard.hooks],
        "database": repository.database,
        "project": repository.project,
        **({"agent_mail": repository.agent_mail} if repository.agent_mail else {}),
        "enforcement": verdict.policy.enforcement,
        "holds": [reservation_json(held) for held in found.holds],
        "waits": [wait_json(*one) for one in found.waits],
        "blocked_by": [
            path_conflict_json(conflict, verdict.holders) for conflict in verdict.conflicts
        ],
        **({"removed": [reservation_json(one) for one in found.removed]} if found.removed else {}),
        **pushers,
        "uncovered": [text_of(path) for path in verdict.uncovered],
        "messages": [news_json(message) for message in found.messages],
        "unread": found.unread,
        "interventions": [event_json(event) for event in found.interventions],
        **({"warnings": warnings} if warnings else {}),
    }


def agent_json(one: Listed) -> dict[str, Any]:
    agent = one.presence.agent
    return {
        "name": agent.name,
        "program": agent.program,
        "model": agent.model,
        "template": agent.template or None,
        "teams": list(one.teams),
        "registered_ts": rfc3339(agent.registered_ts),
        **place_json(one.presence),
        "holds": one.holds,
        "waits": one.waits,
        "unread": one.unread,
    }


def template_json(one: Template) -> dict[str, Any]:
    return {
        "name": one.name,
        "role": one.role,
        "program": one.program,
        "command": list(one.command),
        "bootstrap": list(one.bootstrap),
        "reserve": list(one.patterns),
        "ttl": None if one.ttl is None else format_duration(one.ttl),
        "created_ts": rfc3339(one.created_ts),
        "updated_ts": rfc3339(one.updated_ts),
    }


def team_json(one: Team) -> dict[str, Any]:
    return {
        "name": one.name,
        "members": [
            {"agent": agent, "template": template} for agent, template in one.members.items()
        ],
        "created_ts": rfc3339(one.created_ts),
        "updated_ts": rfc3339(one.updated_ts),
    }


def session_json(one: Conversation) -> dict[str, Any]:
    return {
        "id": one.id,
        "agent": one.agent,
        "program": one.program,
        "program_session": one.program_session,
        "pid": one.process,
        "started_ts": rfc3339(one.started_ts),
        "ended_ts": rfc3339(one.ended_ts),
        "turns": one.turns,
        "tokens": one.tokens,
        "compactions": one.compactions,
        "tools": one.tools,
        "errors": one.errors,
        "level": strain(one) or None,
    }


def error_json(error: AgentlockError) -> dict[str, Any]:
    shape = {"code": error.exit_code, "kind": error.kind}
    shape |= {"message": error.message, "hint": error.hint}
    return {"error": {**shape, **error.details}}


def renewed_json(answer: Renewal, lost: Sequence[Loss]) -> dict[str, Any]:
    return {
        "renewed": [reservation_json(held) for held in answer.renewed],
        **({"lost": [news_json(one.message) for one in lost]} if lost else {}),
        **({"limits": list(answer.limits)} if answer.limits else {}),
    }


def released_json(
    released: Sequence[Reservation], handed: Sequence[HandOver], uncommitted: Sequence[bytes]
) -> dict[str, Any]:
    return {
        "released": [reservation_json(held) for held in released],
        **handed_json(handed),
        **({"uncommitted": [text_of(path) for path in uncommitted]} if uncommitted else {}),
    }


def waited_json(found: Waited) -> dict[str, Any]:
    return {
        "granted": [reservation_json(held) for held in found.granted],
        "waits": [wait_json(one, found.standings[one.id]) for one in found.waits],
    }


def left_json(waits: Sequence[Wait], handed: Sequence[HandOver]) -> dict[str, Any]:
    return {"left": [one.id for one in waits], **handed_json(handed)}


def checked_json(found: Checked, stale: StaleCopies) -> dict[str, Any]:
    """The first MOST_PATHS of the paths and their number."""
    holders = found.verdict.holders
    return {
        **verdict_json(found.verdict),
        "paths": [standing_json(one, holders) for one in found.paths[:MOST_PATHS]],
        "paths_total": len(found.paths),
        **stale_json(stale),
    }


def listed_json(
    found: Iterable[Reservation],
    holders: Mapping[str, Presence],
    *,
    forced: Mapping[int | None, Event],
    removed: Iterable[int],
) -> list[dict[str, Any]]:
    """Reservations with their holders; those in ``removed`` are from a worktree that is gone."""
    gone = set(removed)
    return [
        {
            **reservation_json(held, forced=forced.get(held.id), holder=holders.get(held.agent)),
            **({"worktree_removed": True} if held.id in gone and not held.source else {}),
        }
        for held in found
    ]
