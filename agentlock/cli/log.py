"""`agentlock log`."""

from __future__ import annotations

import json
import os
import sys

import click

from agentlock.cli import declared
from agentlock.cli.output import event_cells, print_json, shown
from agentlock.cli.workspace import Workspace, completed, json_option, named_agent, timeout_option
from agentlock.environment import NO_COLOR, TERM
from agentlock.event_kinds import KINDS, REFUSED, RELEASED
from agentlock.moments import moment_of
from agentlock.reservations.history import Page, events
from agentlock.shapes import event_json
from agentlock.store.wake import LOG, following

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.patterns.pattern import Pattern
    from agentlock.records import Event

_NEWEST = 20
_WIDTHS = (19, 11, 10, 4, 16)  # of a column at least; the last one needs no width
_WIDEST = 40
_COLOURS: dict[str, str] = {
    **{kind: "yellow" for kind in KINDS if kind.intervenes},
    REFUSED: "red",
    RELEASED: "cyan",
}


@declared.command()
@declared.option("--follow", is_flag=True, help="Print new events as they come, until interrupted.")
@declared.option(
    "--since", metavar="WHEN", help="A duration (2h) or a time (2026-01-31T12:00:00Z)."
)
@declared.option(
    "--limit",
    metavar="N",
    type=declared.Range(1),
    help="The last N events (default 20; all of them with --since or --json).",
)
@declared.option(
    "--agent",
    metavar="NAME",
    shell_complete=completed("agents"),
    help="Only events of one agent.",
)
@declared.option("--path", metavar="PATH", help="Only events about a path or folder.")
@json_option
@timeout_option
def log(
    follow: bool,
    since: str | None,
    limit: int | None,
    agent: str | None,
    path: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Print what was reserved, released, refused or changed.

    It prints the last 20 events. With --follow it begins with what happens from now on, or with
    --since and --limit earlier.

    \b
    Example:
      agentlock log --since 2h --path src/auth
      agentlock log --follow
    """
    workspace = Workspace(timeout=timeout)
    at = workspace.path_named(path)
    agent = named_agent(agent)
    if limit is None and since is None and not as_json and not follow:
        limit = _NEWEST
    if follow:
        _follow(workspace, since, limit, agent, at, as_json=as_json)
        return
    with workspace.store(read_only=True) as store:
        start = None if since is None else moment_of(since, store.now())
        page = events(store, workspace.folding, since=start, limit=limit, agent=agent, path=at)
    if as_json:
        print_json([event_json(event) for event in page.events])
    else:
        _put(page.events, as_json=False)


def _follow(
    workspace: Workspace,
    since: str | None,
    limit: int | None,
    agent: str | None,
    at: Pattern | None,
    *,
    as_json: bool,
) -> None:
    """Print what is there, and then each event as it comes, until interrupted."""
    last: int | None = None
    for store in following(lambda: workspace.store(read_only=True), LOG):
        if last is None and since is None and limit is None:
            page = Page((), store.last_event())
        elif last is None:
            start = None if since is None else moment_of(since, store.now())
            page = events(store, workspace.folding, since=start, limit=limit, agent=agent, path=at)
        else:
            page = events(store, workspace.folding, after=last, agent=agent, path=at)
        last = page.last
        _put(page.events, as_json=as_json)
        sys.stdout.flush()


def _put(found: Sequence[Event], *, as_json: bool) -> None:
    """Print a line for each event: as JSON, or in columns."""
    if as_json:
        for event in found:
            print(json.dumps(event_json(event)))
        return
    rows = [[shown(cell) for cell in event_cells(event)] for event in found]
    widths = [
        min(max([least, *(len(row[column]) for row in rows)]), _WIDEST)
        for column, least in enumerate(_WIDTHS)
    ]
    plain = os.environ.get(NO_COLOR) or os.environ.get(TERM) == "dumb"
    coloured = sys.stdout.isatty() and not plain
    for event, row in zip(found, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        if coloured:
            cells[1] = click.style(cells[1], fg=_COLOURS.get(event.kind, "green"))
        print("  ".join([*cells, row[-1]]).rstrip())
