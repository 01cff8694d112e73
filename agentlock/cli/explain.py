"""`agentlock explain`: how a pattern is read, what it covers, and what it would meet."""

from __future__ import annotations

import os

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, reservation_row, say
from agentlock.cli.stale import say_stale
from agentlock.cli.workspace import (
    Workspace,
    agent_option,
    json_option,
    reading_options,
    timeout_option,
)
from agentlock.explain import explain as explain_readings
from agentlock.guard.report import seen_text
from agentlock.reservations.naming import path_named
from agentlock.shapes import explanation_json, text_of
from agentlock.text import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.explain import Explanation

_SHOWN = 5
_KINDS = {
    "literal": "a plain path",
    "directory": "a directory with everything below it",
    "glob": "a glob, matched against whole paths",
}


@declared.command()
@declared.argument("pattern", metavar="PATTERN")
@declared.argument("paths", nargs=-1, metavar="[PATH...]")
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
    """Show how a pattern is read, what it covers and what it meets.

    With paths, show which of them it matches. Your own reservations are not counted.

    \b
    Example:
      agentlock explain 'src/*.py'
      agentlock explain 'src/**' src/auth/login.py
    """
    workspace = Workspace(agent, timeout)
    tree = workspace.tree
    readings = workspace.readings([pattern], literal=literal, glob=glob, whole_repository=True)
    asked = [path_named(os.fsencode(path), tree, workspace.folding).prefix for path in paths]
    with workspace.store(read_only=True, take_in=True) as store:
        explained = explain_readings(
            store,
            workspace.repository,
            readings,
            tracked=tree.files(),
            paths=asked,
            agent=workspace.identity.name,
            folding=workspace.folding,
        )
    if as_json:
        print_json([explanation_json(one) for one in explained])
        return
    for one in explained:
        _put(one)


def _put(one: Explanation) -> None:
    put(f"{text_of(one.reading.typed)} is read as {_KINDS[one.reading.kind]}")
    put(f"  stored as  {text_of(one.reading.pattern)}")
    first = ", ".join(text_of(path) for path in one.covers[:_SHOWN])
    more = ", ..." if len(one.covers) > _SHOWN else ""
    files = count(len(one.covers), "tracked file")
    put(f"  covers     {files}{': ' if first else ''}{first}{more}")
    for path, matches in one.paths:
        put(f"  {'matches ' if matches else 'no match'}   {text_of(path)}")
    for meeting in one.meets:
        number, agent, mode, theirs, lease, _ = reservation_row(meeting.reservation, one.now)
        where = f"{'at' if meeting.exists else 'e.g. at a new file'} {text_of(meeting.witness)}"
        put(f"  meets      {theirs}  {agent}  {mode}  {lease}  (id {number}), {where}")
    for holder in one.holders.values():
        put(f"  holder     {holder.agent.name}, {seen_text(holder, one.now)}")
    if not one.meets:
        put("  meets      no live reservation of other agents")
    for note in one.reading.notes:
        say(f"agentlock: note: {note}")
    say_stale(one.stale)
