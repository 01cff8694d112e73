"""`agentlock explain`: how a pattern is read, what it covers, whom it would meet and where."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from agentlock.cli.output import print_json, put, reservation_json, reservation_row, say, text_of
from agentlock.cli.workspace import (
    Workspace,
    agent_option,
    forced_reading,
    json_option,
    reading_options,
    timeout_option,
)
from agentlock.model import Value
from agentlock.patterns.matching import PatternIndex, compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.patterns.pattern import compile_stored
from agentlock.patterns.syntax import read_pattern, read_patterns
from agentlock.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Reservation
    from agentlock.patterns.syntax import Reading

_SHOWN = 5
_KINDS = {
    "literal": "that one path",
    "directory": "the directory: its entry and all that lies below",
    "glob": "a glob, matched against whole paths",
}


class Meeting(Value):
    """A live reservation that a pattern meets, and one path that both match."""

    reservation: Reservation
    witness: bytes


class Explanation(Value):
    """All there is to say of one pattern."""

    reading: Reading
    covers: tuple[bytes, ...]
    matches: tuple[bytes, ...]
    meets: tuple[Meeting, ...]


@click.command()
@click.argument("pattern", metavar="PATTERN")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@reading_options
@agent_option
@json_option
@timeout_option
def explain(
    pattern: str,
    paths: Sequence[str],
    literal: bool,
    glob: bool,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Say how a pattern is read, what it covers now, whom it would meet and where.

    With paths, say which of them it matches. Your own reservations are not counted.

    \b
    Example:
      agentlock explain 'src/*.py'
      agentlock explain 'src/**' src/auth/login.py
    """
    workspace = Workspace(agent, timeout)
    readings = read_patterns(
        [os.fsencode(pattern)],
        workspace.tree,
        force=forced_reading(literal=literal, glob=glob),
        whole_repository=True,
    )
    asked = [_path(workspace, path) for path in paths]
    explained = [_explained(workspace, one, asked) for one in readings]
    if as_json:
        print_json([_json(one, asked) for one in explained])
        return
    with workspace.store(read_only=True) as store:
        now = store.now()
    for one in explained:
        _put(one, asked, now)


def _path(workspace: Workspace, path: str) -> bytes:
    found = read_pattern(
        os.fsencode(path), workspace.tree, force="literal", whole_repository=True
    ).pattern
    return compile_pattern(found).prefix


def _explained(workspace: Workspace, reading: Reading, asked: Sequence[bytes]) -> Explanation:
    folding = workspace.folding
    pattern = compile_pattern(reading.pattern, folding)
    index = PatternIndex([reading.pattern], folding)
    tracked = sorted(workspace.tree.files())
    meets = []
    with workspace.store(read_only=True) as store:
        now = store.now()
        for held in store.live_near(pattern.keys, now, below=pattern.has_below):
            if held.agent != workspace.identity.name:
                witness = overlap(pattern, compile_stored(held, folding))
                if witness is not None:
                    meets.append(Meeting(held, witness))
    return Explanation(
        reading,
        tuple(path for path in tracked if index.matching(path, submodule=True)),
        tuple(path for path in asked if pattern.matches(path)),
        tuple(meets),
    )


def _json(one: Explanation, asked: Sequence[bytes]) -> dict[str, Any]:
    return {
        "typed": text_of(one.reading.typed),
        "pattern": text_of(one.reading.pattern),
        "kind": one.reading.kind,
        "notes": list(one.reading.notes),
        "covers": {
            "count": len(one.covers),
            "first": [text_of(path) for path in one.covers[:_SHOWN]],
        },
        "paths": [{"path": text_of(path), "matches": path in one.matches} for path in asked],
        "meets": [
            {
                "witness": text_of(meeting.witness),
                "reservation": reservation_json(meeting.reservation),
            }
            for meeting in one.meets
        ],
    }


def _put(one: Explanation, asked: Sequence[bytes], now: int) -> None:
    put(f"{text_of(one.reading.typed)} is read as {_KINDS[one.reading.kind]}")
    put(f"  stored as  {text_of(one.reading.pattern)}")
    first = ", ".join(text_of(path) for path in one.covers[:_SHOWN])
    more = ", ..." if len(one.covers) > _SHOWN else ""
    files = count(len(one.covers), "tracked file")
    put(f"  covers     {files}{': ' if first else ''}{first}{more}")
    for path in asked:
        put(f"  {'matches ' if path in one.matches else 'not     '}   {text_of(path)}")
    for meeting in one.meets:
        number, agent, mode, theirs, lease, _ = reservation_row(meeting.reservation, now)
        where = text_of(meeting.witness)
        put(f"  meets      {theirs}  {agent}  {mode}  {lease}  (id {number}), at {where}")
    if not one.meets:
        put("  meets      no live reservation of others")
    for note in one.reading.notes:
        say(f"agentlock: note: {note}")
