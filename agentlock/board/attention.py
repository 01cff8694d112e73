"""What needs a person: who is stuck, on what, and what else somebody should look at.

It decides from the rows of the board alone, and reads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_remaining
from agentlock.model import MICROSECONDS
from agentlock.records import AT_PROMPT, GONE, SILENT
from agentlock.text import and_more, count, foreign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentlock.board.rows import Row

STUCK, LOOK, NOTE = "stuck", "look", "note"
_LEVELS = (STUCK, LOOK, NOTE)
_LONG = 30 * 60 * MICROSECONDS  # whoever waits for so long is named, whatever its holder does
_IDLE = 15 * 60 * MICROSECONDS  # silence that counts, where the policy's idle_limit is not known
_OFTEN, _WITHIN = 3, 10 * 60 * MICROSECONDS  # refusals of one agent that are worth a look
_RECENT = 3600 * MICROSECONDS
_MOST = 50
_WHY = {
    GONE: "is gone{why}",
    SILENT: "has been silent for {age}{why}",
    AT_PROMPT: "has been at its prompt for {age}",
}


def attention(sections: Mapping[str, Mapping[str, Row]], now: int, person: str | None) -> list[Row]:
    """What a person should know first, the most pressing first."""
    found = [
        *_stuck(sections, now),
        *_denied(sections, now),
        *_questions(sections, person),
        *_refused_often(sections, now),
        *_interventions(sections, now),
        *_letters(sections),
        *_removed(sections),
    ]
    found.sort(key=lambda row: (_LEVELS.index(row["level"]), row["since"]))
    return found[:_MOST]


def headline(sections: Mapping[str, Mapping[str, Row]]) -> str:
    """One sentence that answers: is anybody stuck, and on what?"""
    stuck = [row for row in sections.get("attention", {}).values() if row["level"] == STUCK]
    if stuck:
        return str(stuck[0]["text"]) + (f" {len(stuck) - 1} more like this." if stuck[1:] else "")
    waiting = {row["agent"] for row in sections.get("waits", {}).values()}
    if waiting:
        who = "1 agent waits" if len(waiting) == 1 else f"{len(waiting)} agents wait"
        return f"Nobody is stuck. {who} for a turn."
    return "Nobody is stuck, and nobody waits."


def _stuck(sections: Mapping[str, Mapping[str, Row]], now: int) -> Iterator[Row]:
    """Places behind an agent that will not go on by itself, or that have waited long."""
    agents, waits = sections.get("agents", {}), sections.get("waits", {})
    idle = sections.get("about", {}).get("project", {}).get("idle_limit", _IDLE)
    for wait in waits.values():
        waited = format_remaining(now - wait["created"])
        what = " ".join(foreign(text) for text in wait["patterns"][:3])
        what += and_more(len(wait["patterns"]) - 3)
        for one in _holders(wait, waits):
            holder = agents.get(one["agent"])
            if holder is None or holder["state"] not in _WHY:
                continue
            if holder["state"] == SILENT and now - holder["since"] < idle:
                continue  # it may think, or run tests
            age = format_remaining(now - holder["since"])
            why = f" ({holder['why']})" if holder["why"] else ""
            how = _WHY[holder["state"]].format(why=why, age=age)
            yield {
                **_row(f"stuck-{wait['id']}", STUCK, wait["created"]),
                "text": f"{wait['agent']} is stuck on {what}: {one['agent']} holds "
                f"{foreign(one['pattern'])} and {how}.",
                "agent": wait["agent"],
                "holder": one["agent"],
                "lease": one["lease"],
                "wait": wait["id"],
            }
            break
        else:
            if now - wait["created"] > _LONG:
                names = ", ".join(dict.fromkeys(one["agent"] for one in wait["behind"]))
                how = f", behind {names}." if names else "; anybody's next command hands it over."
                yield {
                    **_row(f"long-{wait['id']}", LOOK, wait["created"]),
                    "text": f"{wait['agent']} has waited {waited} for {what}{how}",
                    "agent": wait["agent"],
                    "wait": wait["id"],
                }


def _denied(sections: Mapping[str, Mapping[str, Row]], now: int) -> Iterator[Row]:
    """Agents whose edit was denied lately, and that have no place in the queue; once for each."""
    agents = sections.get("agents", {})
    waiting = {row["agent"] for row in sections.get("waits", {}).values()}
    newest = {row["agent"]: row for row in sorted(sections.get("wants", {}).values(), key=_created)}
    for agent, row in newest.items():
        holder = agents.get(row["behind"][0])
        if agent in waiting or holder is None:
            continue
        how = "."
        if holder["state"] in _WHY:
            why = f" ({holder['why']})" if holder["why"] else ""
            age = format_remaining(now - holder["since"])
            how = f" and {_WHY[holder['state']].format(why=why, age=age)}."
        ago = format_remaining(now - row["created"])
        yield {
            **_row(f"denied-{agent}", NOTE if how == "." else LOOK, row["created"]),
            "text": f"{agent} was kept from editing {foreign(row['pattern'])} {ago} ago: "
            f"{holder['name']} holds it{how}",
            "agent": agent,
            "holder": holder["name"],
        }


def _created(row: Row) -> int:
    return int(row["created"])


def _holders(wait: Row, waits: Mapping[str, Row]) -> list[Row]:
    """The reservations that a place waits for, its own first, then those of places before it."""
    found: dict[int, Row] = {}
    seen, todo = {wait["id"]}, [wait]
    while todo:
        for one in todo.pop(0)["behind"]:
            if one["lease"] is not None:
                found.setdefault(one["lease"], one)
            elif one["wait"] not in seen and str(one["wait"]) in waits:
                seen.add(one["wait"])
                todo.append(waits[str(one["wait"])])
    return [*found.values()]


def _questions(sections: Mapping[str, Mapping[str, Row]], person: str | None) -> Iterator[Row]:
    """Open questions; those to the person at the board are pressing."""
    for row in sections.get("tickets", {}).values():
        mine = row["to"] == person
        asked = "asks you" if mine else f"asks {row['to']}"
        yield {
            **_row(f"ticket-{row['id']}", LOOK if mine else NOTE, row["created"]),
            "text": f"{row['from']} {asked}: {foreign(row['question'])}",
            "agent": row["from"],
            "message": row["id"],
        }


def _refused_often(sections: Mapping[str, Mapping[str, Row]], now: int) -> Iterator[Row]:
    refusals: dict[str, list[Row]] = {}
    for row in sections.get("events", {}).values():
        if row["kind"] == "refused" and now - row["at"] < _WITHIN and row["agent"]:
            refusals.setdefault(row["agent"], []).append(row)
    for agent, rows in refusals.items():
        if len(rows) >= _OFTEN:
            last = max(rows, key=lambda row: int(row["at"]))
            what = f", last for {foreign(last['pattern'])}" if last["pattern"] else ""
            yield {
                **_row(f"refused-{agent}", LOOK, last["at"]),
                "text": f"{agent} was refused {count(len(rows), 'time')} in ten minutes{what}.",
                "agent": agent,
            }


def _interventions(sections: Mapping[str, Mapping[str, Row]], now: int) -> Iterator[Row]:
    for row in sections.get("events", {}).values():
        if row.get("intervenes") and now - row["at"] < _RECENT:
            what = f" {foreign(row['pattern'])}" if row["pattern"] else ""
            why = f": {foreign(row['detail'])}" if row["detail"] else ""
            yield {
                **_row(f"event-{row['id']}", NOTE, row["at"]),
                "text": f"{row['kind']} by {row['agent'] or 'nobody named'}{what}{why}",
                "agent": row["agent"],
            }


def _letters(sections: Mapping[str, Mapping[str, Row]]) -> Iterator[Row]:
    """Urgent mail that nobody has read, and mail that waits for an acknowledgement."""
    for row in sections.get("mail", {}).values():
        unread = row["importance"] == "urgent" and row["read"] is None
        if unread or (row["wants_ack"] and row["ack"] is None):
            lacks = "has not been read" if unread else "has not been acknowledged"
            yield {
                **_row(f"mail-{row['id']}", NOTE, row["at"]),
                "text": f"{foreign(row['subject'])} from {row['from'] or 'agentlock'} to "
                f"{_named(row['to'])} {lacks}.",
                "agent": row["from"],
                "message": row["id"],
            }


def _removed(sections: Mapping[str, Mapping[str, Row]]) -> Iterator[Row]:
    for row in sections.get("leases", {}).values():
        if row.get("removed"):
            yield {
                **_row(f"removed-{row['id']}", LOOK, row["created"]),
                "text": f"{row['agent']} holds {foreign(row['pattern'])} from a worktree that is "
                "no longer there.",
                "agent": row["agent"],
                "lease": row["id"],
            }


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + and_more(len(names) - 3)


def _row(key: str, level: str, since: int) -> Row:
    return {"id": key, "level": level, "since": since}
