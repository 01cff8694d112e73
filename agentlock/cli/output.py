"""Print data: as JSON, as a table in a terminal, or as plain lines in a pipe.

Every command loads this, and each of datetime, json and rich only where it is used.
"""

from __future__ import annotations

import sys

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
    RETIRED,
    WAITING,
)
from agentlock.guard.report import error_text, pattern_of, tell
from agentlock.model import MICROSECONDS
from agentlock.moments import local_clock, local_time
from agentlock.patterns.matching import displayed
from agentlock.shapes import error_json
from agentlock.text import foreign, printable, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.errors import AgentlockError
    from agentlock.model import Reservation
    from agentlock.records import Event

_LONGEST_DETAIL = 160
_STANDING = ("place", "behind")
_OUR_WORDS = (
    *(INITIALISED, EXPIRED, REFUSED, REPAIRED, PRUNED, MOVED, WAITING, HANDED_OVER, LEFT),
    RETIRED,
)
SOON = 10 * 60 * MICROSECONDS
"""A lease that ends within this time is marked."""


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


def print_json(data: object) -> None:
    """Print one JSON document on stdout; bytes that are not UTF-8 become surrogate escapes."""
    import json

    print(json.dumps(data, indent=2))


def print_error(error: AgentlockError, *, as_json: bool) -> None:
    tell(error_text(error))
    if as_json:
        print_json(error_json(error))
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
        "-" if held.source else str(held.id),
        f"{held.agent}{_MINE_MARK}" if mine else held.agent,
        "exclusive" if held.exclusive else "shared",
        foreign(pattern_of(held)),
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
    edit = ", by an edit" if held.automatic else ""
    return f"until {local_clock(held.expires_ts, now)} ({format_left(left)}{soon}{edit})"
