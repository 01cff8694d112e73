"""Print data: as JSON, as a table in a terminal, or as plain lines in a pipe.

Every command loads this, and each of datetime, json and rich only where it is used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from agentlock.duration import format_left
from agentlock.event_kinds import (
    EXPIRED,
    HANDED_OVER,
    INITIALISED,
    LEFT,
    MOVED,
    PRUNED,
    REFUSED,
    REPAIRED,
    WAITING,
)
from agentlock.guard.report import error_text, tell
from agentlock.model import MICROSECONDS, MOST_CONFLICTS
from agentlock.patterns.matching import displayed
from agentlock.text import foreign, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from agentlock.errors import AgentlockError
    from agentlock.guard.history import RefusedCommit
    from agentlock.model import Agent, Event, PathConflict, Reservation, Verdict
    from agentlock.reservations.search import Conflict
    from agentlock.store.waits import Wait
    from agentlock.waiting.standing import Behind, Standing

_LONGEST_DETAIL = 160
_STANDING = ("place", "behind")
_OUR_WORDS = (INITIALISED, EXPIRED, REFUSED, REPAIRED, PRUNED, MOVED, WAITING, HANDED_OVER, LEFT)
SOON = 10 * 60 * MICROSECONDS
"""A lease that ends within this time is marked."""


def rfc3339(microseconds: int | None) -> str | None:
    """Microseconds since the epoch as ``2026-01-31T12:00:00.000000Z``."""
    if microseconds is None:
        return None
    moment = _utc(microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def local_time(microseconds: int) -> str:
    """The same moment on the reader's own clock, to the second."""
    return _utc(microseconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _local_clock(microseconds: int, now: int) -> str:
    """The hour and minute on the reader's clock, with the day if it is not today."""
    moment, today = _utc(microseconds).astimezone(), _utc(now).astimezone()
    return moment.strftime("%H:%M" if moment.date() == today.date() else "%Y-%m-%d %H:%M")


def _utc(microseconds: int) -> datetime:
    """The moment; the year 9000 for what no calendar has, which only a damaged table holds."""
    from datetime import datetime, timedelta, timezone

    start = datetime(1970, 1, 1, tzinfo=timezone.utc)
    try:
        return start + timedelta(microseconds=microseconds)
    except OverflowError:
        return start.replace(year=9000)


def text_of(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def reservation_json(
    held: Reservation, *, forced: Event | None = None, holder: Agent | None = None
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


def place_json(agent: Agent) -> dict[str, Any]:
    """When and where an agent was last seen."""
    return {
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


def event_line(event: Event) -> str:
    """When, what, who, which reservation, and why."""
    return "  ".join(cell for cell in event_cells(event) if cell)


def event_cells(event: Event) -> tuple[str, ...]:
    """The same, each in a column of its own."""
    what = "" if event.pattern is None else foreign(displayed(event.pattern))
    number = "" if event.reservation_id is None else f"#{event.reservation_id}"
    when = local_time(event.created_ts)
    return (when, event.kind, event.agent or "-", number, what, detail_of(event))


def detail_of(event: Event) -> str:
    """What an event says besides; in quotation marks where an agent or a person wrote it."""
    if event.kind in _OUR_WORDS:
        return event.detail
    shown = foreign(event.detail)
    return quoted(event.detail, _LONGEST_DETAIL) if shown[:1] == '"' else shown


def conflict_json(
    conflict: Conflict, holders: Mapping[str, Agent], places: Mapping[int, Standing]
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
    return {**shape, "reservation": one.reservation}


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


def held_json(held: Reservation, holders: Mapping[str, Agent]) -> dict[str, Any]:
    return reservation_json(held, holder=holders.get(held.agent))


def path_conflict_json(conflict: PathConflict, holders: Mapping[str, Agent]) -> dict[str, Any]:
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


def _why(refused: Verdict | RefusedCommit, holders: Mapping[str, Agent]) -> dict[str, Any]:
    shown = refused.conflicts[:MOST_CONFLICTS]
    return {
        "conflicts": [path_conflict_json(conflict, holders) for conflict in shown],
        "conflicts_total": len(refused.conflicts),
        "uncovered": [text_of(path) for path in refused.uncovered],
    }


def print_json(data: object) -> None:
    """Print one JSON document on stdout; bytes that are not UTF-8 become surrogate escapes."""
    import json

    print(json.dumps(data, indent=2))


def print_error(error: AgentlockError, *, as_json: bool) -> None:
    tell(error_text(error))
    if as_json:
        shape = {"code": error.exit_code, "kind": error.kind}
        shape |= {"message": error.message, "hint": error.hint}
        print_json({"error": {**shape, **error.details}})
        sys.stdout.flush()


def say(text: str) -> None:
    """Print a line for people on stderr."""
    tell(f"{printable(text)}\n")


def say_how_to_start_afresh(agent: str | None) -> None:
    """Name the command that gives up a lost table, only to a person at a terminal.

    An agent would run it, and all agents would lose what they hold.
    """
    if agent is None and sys.stdin.isatty() and sys.stderr.isatty():
        say("  without a backup: agentlock init --new-database --reason TEXT (all leases are lost)")


def put(text: str) -> None:
    """Print a line of data on stdout, safe for a terminal and for any locale."""
    print(shown(text))


def shown(text: str) -> str:
    """Printable text in letters that stdout's encoding has."""
    encoding = sys.stdout.encoding or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


_PATHS = ("pattern", "path", "worktree")  # columns whose words are never broken
_NARROW = 24
_SOON_MARK, _MINE_MARK = ", soon", " (you)"


def _style(cell: str) -> str:
    if cell.endswith(f"{_SOON_MARK})"):
        return "yellow"
    return "bold" if cell.endswith(_MINE_MARK) else ""


def _broken(path: str, width: int) -> str:
    """The path in lines of about this width, each of which ends with a slash but the last."""
    lines = [""]
    for name in path.split("/"):
        if lines[-1] and len(lines[-1]) + len(name) > width:
            lines.append("")
        lines[-1] += f"{name}/"
    return "\n".join(lines)[:-1]


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in a terminal; elsewhere one line per row, with cells separated by tabs."""
    if not sys.stdout.isatty():
        for row in rows:
            put_cells(row)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        whole = len("exclusive") if header == "mode" and console.width >= 80 else None
        grid.add_column(header, overflow="fold", no_wrap=header in _PATHS, min_width=whole)
    for row in rows:
        cells = [shown(cell) for cell in row]
        for column, header in enumerate(headers[: len(cells)]):
            if header in _PATHS:
                cells[column] = _broken(cells[column], max(console.width // 3, _NARROW))
        grid.add_row(*(Text(cell, style=_style(cell)) for cell in cells))
    console.print(grid)


def put_cells(cells: Sequence[str]) -> None:
    print("\t".join(shown(cell) for cell in cells))


RESERVATION_HEADERS = ("id", "agent", "mode", "pattern", "lease", "reason")


def reservation_row(
    held: Reservation, now: int, forced: Event | None = None, *, mine: bool = False
) -> tuple[str, ...]:
    return (
        str(held.id),
        f"{held.agent}{_MINE_MARK}" if mine else held.agent,
        "exclusive" if held.exclusive else "shared",
        foreign(displayed(held.pattern)),
        lease_text(held, now, forced),
        foreign(held.reason),
    )


def lease_text(held: Reservation, now: int, forced: Event | None = None) -> str:
    """How long a lease still lasts, or how it ended; ``forced`` is the event if by force."""
    if forced is not None:
        return f"ended by {forced.agent} {local_time(forced.created_ts)}"
    if held.offer and held.is_live(now):
        return f"offered for {format_left(held.expires_ts - now)}"
    if held.had_expired(now):
        return f"expired {local_time(held.expires_ts)}"
    if held.released_ts is not None:
        return f"released {local_time(held.released_ts)}"
    left = held.expires_ts - now
    soon = _SOON_MARK if left < SOON else ""
    return f"until {_local_clock(held.expires_ts, now)} ({format_left(left)}{soon})"
