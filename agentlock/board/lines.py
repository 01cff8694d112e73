"""The rows of the board as cells of plain text, for both pictures in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_left, format_remaining
from agentlock.moments import local_time
from agentlock.records import AT_PROMPT, WAITING
from agentlock.text import and_more, foreign, printable, quoted

if TYPE_CHECKING:
    from agentlock.board.rows import Row


def state_text(row: Row, now: int) -> str:
    """An agent's state, and for how long."""
    state = "at its prompt" if row["state"] == AT_PROMPT else str(row["state"])
    return f"{state} {format_remaining(max(now - row['since'], 0))}"


def why_text(row: Row) -> str:
    """Why an agent is taken to be in its state."""
    return f"behind {row['why']}" if row["state"] == WAITING else str(row["why"])


def where_text(row: Row) -> str:
    """The branch and the worktree of an agent."""
    worktree = printable(row["worktree"].rstrip("/").rpartition("/")[2])
    return " in ".join(filter(None, (printable(row["branch"]), worktree))) or "unknown"


def agent_cells(row: Row, now: int) -> tuple[str, ...]:
    """Name, state, how much it holds, where it works, its program."""
    held = str(row["holds"] or "")
    return row["name"], state_text(row, now), held, where_text(row), printable(row["program"])


def lease_cells(row: Row, now: int) -> tuple[str, ...]:
    """Number, holder, pattern, time left, reason."""
    how = "" if row["exclusive"] else " (shared)"
    how += " (offered)" if row["offer"] else ""
    left = format_left(row["expires"] - now)
    return (
        str(row["id"]),
        row["agent"],
        f"{foreign(row['pattern'])}{how}",
        left,
        quoted(row["reason"]),
    )


def wait_cells(row: Row, now: int) -> tuple[str, ...]:
    """Place, agent, what it wants, whom it is behind, since when."""
    wants = " ".join(foreign(text) for text in row["patterns"][:3])
    wants += and_more(len(row["patterns"]) - 3)
    behind = [*dict.fromkeys(one["agent"] for one in row["behind"])]
    shown = ", ".join(behind[:3]) + and_more(len(behind) - 3)
    since = format_remaining(max(now - row["created"], 0))
    return str(row["place"] or "?"), row["agent"], wants, shown, since


def event_cells(row: Row) -> tuple[str, ...]:
    """When, what, who, which path, and what else."""
    pattern = foreign(row["pattern"]) if row["pattern"] else ""
    when = local_time(row["at"])[11:]
    return when, row["kind"], row["agent"] or "-", pattern, quoted(row["detail"])


def mail_cells(row: Row, now: int) -> tuple[str, ...]:
    """Number, sender, recipients, subject, whether it was read, how old it is."""
    to = ", ".join(row["to"][:3]) + and_more(len(row["to"]) - 3)
    read = "acknowledged" if row["ack"] else "read" if row["read"] else "unread"
    age = format_remaining(max(now - row["at"], 0))
    return str(row["id"]), row["from"] or "agentlock", to, quoted(row["subject"]), read, age


def session_cells(row: Row, now: int) -> tuple[str, ...]:
    """Number, agent, program, state, turns, compactions."""
    moment = row["seen"] if row["ended"] is None else row["ended"]
    age = format_remaining(max(now - moment, 0))
    state = f"open, seen {age} ago" if row["ended"] is None else f"ended {age} ago"
    figures = str(row["turns"]), str(row["compactions"])
    return str(row["id"]), row["agent"], printable(row["program"]), state, *figures
