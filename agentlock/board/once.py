"""The board as one picture in plain text: for a pipe, a log, or a terminal without the extra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from agentlock.board.lines import agent_cells, event_cells, lease_cells, wait_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from agentlock.board.changes import Picture

_MOST = 30
_LEVELS = {"stuck": "bold red", "look": "yellow", "note": ""}


def put(console: Console, picture: Picture, now: int) -> None:
    """Print the picture."""
    about = picture.sections.get("about", {})
    console.print(Text(about["headline"]["text"], style="bold"))
    for row in picture.rows("trouble"):
        console.print(Text(f"the table cannot be read: {row['text']}", style="red"))
    if about.get("guard", {}).get("in_place") is False:
        console.print(Text("the hooks are not in place: git refuses nothing here", style="red"))
    for row in picture.rows("attention")[:_MOST]:
        console.print(Text(f"  {row['level']:5}  {row['text']}", style=_LEVELS[row["level"]]))
    agents = sorted(picture.rows("agents"), key=lambda row: -int(row["seen"]))
    _table(
        console,
        "agents",
        ("agent", "state", "holds", "where", "program"),
        [agent_cells(row, now) for row in agents],
    )
    leases = sorted(picture.rows("leases"), key=lambda row: int(row["expires"]))
    _table(
        console,
        "leases",
        ("id", "agent", "pattern", "left", "reason"),
        [lease_cells(row, now) for row in leases],
    )
    _table(
        console,
        "queue",
        ("place", "agent", "wants", "behind", "since"),
        [wait_cells(row, now) for row in picture.rows("waits")],
    )
    events = picture.rows("events")[-10:]
    _table(
        console,
        "what happened last",
        ("when", "what", "who", "path", "detail"),
        [event_cells(row) for row in reversed(events)],
    )


def _table(
    console: Console, title: str, headers: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    found = [*rows]
    if not found:
        return
    console.print()
    grid = Table(box=None, pad_edge=False, header_style="bold", title=None)
    for header in headers:
        grid.add_column(header, overflow="fold")
    for row in found[:_MOST]:
        grid.add_row(*(Text(cell) for cell in row))
    console.print(
        Text(
            title if len(found) <= _MOST else f"{title}, {_MOST} of {len(found)}", style="bold cyan"
        )
    )
    console.print(grid)
