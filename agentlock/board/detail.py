"""One row of the board in full, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from agentlock.board import lines
from agentlock.duration import format_left, format_remaining
from agentlock.moments import local_time
from agentlock.text import foreign, printable, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentlock.board.changes import Picture
    from agentlock.board.rows import Row

_MOST = 20
_LONGEST = 2_000


def detail_text(picture: Picture, section: str, key: str, now: int) -> Text:
    """What is known of the row with this key."""
    row = picture.sections.get(section, {}).get(key)
    if row is None:
        return Text("It is no longer there.")
    tell: dict[str, Callable[[Picture, Row, int], Iterator[str]]] = {
        "agents": _agent,
        "leases": _lease,
        "waits": _wait,
        "mail": _message,
        "attention": _need,
    }
    told = tell[section](picture, row, now) if section in tell else _plain(row)
    return Text("\n".join(told))


def _agent(picture: Picture, row: Row, now: int) -> Iterator[str]:
    yield f"{row['name']}  {lines.state_text(row, now)} ({lines.why_text(row)})"
    yield f"program   {printable(row['program']) or 'unknown'}"
    yield f"branch    {printable(row['branch']) or 'unknown'}"
    yield f"worktree  {printable(row['worktree']) or 'unknown'}"
    yield f"host      {printable(row['host']) or 'unknown'}"
    yield f"unread    {row['unread']}"
    yield from _part(
        "waits for",
        [
            f"{' '.join(foreign(text) for text in one['patterns'])} behind "
            f"{', '.join(dict.fromkeys(each['agent'] for each in one['behind'])) or 'nobody'}"
            for one in picture.rows("waits")
            if one["agent"] == row["name"]
        ],
    )
    yield from _part(
        "holds",
        [
            "  ".join(lines.lease_cells(one, now))
            for one in picture.rows("leases")
            if one["agent"] == row["name"]
        ],
    )
    yield from _part(
        "lately",
        [
            "  ".join(lines.event_cells(one))
            for one in reversed(picture.rows("events"))
            if one["agent"] == row["name"]
        ],
    )


def _lease(picture: Picture, row: Row, now: int) -> Iterator[str]:
    yield f"{foreign(row['pattern'])}  {'exclusive' if row['exclusive'] else 'shared'}"
    yield f"holder    {row['agent']}"
    yield f"reason    {quoted(row['reason'], _LONGEST) or 'none given'}"
    yield f"since     {local_time(row['created'])}"
    yield f"ends in   {format_left(row['expires'] - now)}"
    yield f"worktree  {printable(row['worktree']) or 'unknown'}"
    yield from _part(
        "who waits for it",
        [
            f"{one['agent']} since {format_remaining(max(now - one['created'], 0))}"
            for one in picture.rows("waits")
            if any(each["lease"] == row["id"] for each in one["behind"])
        ],
    )
    yield f"end it    agentlock release --id {row['id']} --force --reason 'why'"


def _wait(_picture: Picture, row: Row, now: int) -> Iterator[str]:
    yield f"{row['agent']} waits for {' '.join(foreign(text) for text in row['patterns'])}"
    yield f"reason    {quoted(row['reason'], _LONGEST) or 'none given'}"
    yield f"since     {format_remaining(max(now - row['created'], 0))}"
    yield f"gives up  in {format_left(row['expires'] - now)}"
    yield from _part(
        "behind",
        [
            f"{one['agent']}  {foreign(one['pattern'])}{'  (waits too)' if one['wait'] else ''}"
            for one in row["behind"]
        ],
    )


def _message(_picture: Picture, row: Row, _now: int) -> Iterator[str]:
    yield f"from      {row['from'] or 'agentlock'}"
    yield f"to        {', '.join(row['to'])}"
    yield f"subject   {quoted(row['subject'], _LONGEST)}"
    yield f"sent      {local_time(row['at'])}"
    yield ""
    yield from (f"| {printable(line)}" for line in row["body"][:_LONGEST].splitlines())


def _need(picture: Picture, row: Row, now: int) -> Iterator[str]:
    yield row["text"]
    for section, key in (("leases", row.get("lease")), ("agents", row.get("agent"))):
        found = picture.sections.get(section, {}).get(str(key))
        if found is not None:
            yield ""
            yield from (_lease if section == "leases" else _agent)(picture, found, now)


def _plain(row: Row) -> Iterator[str]:
    for name, value in row.items():
        yield f"{name:10} {quoted(value, _LONGEST) if isinstance(value, str) else value}"


def _part(title: str, told: list[str]) -> Iterator[str]:
    if told:
        yield ""
        yield title
        yield from (f"  {one}" for one in told[:_MOST])
        if len(told) > _MOST:
            yield f"  and {len(told) - _MOST} more"
