"""`agentlock log`."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import click

from agentlock.cli.output import event_json, event_line, print_json, put
from agentlock.cli.workspace import (
    Workspace,
    json_option,
    moment_of,
    named_agent,
    timeout_option,
)
from agentlock.errors import PatternError
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.patterns.syntax import read_patterns

if TYPE_CHECKING:
    from agentlock.model import Event
    from agentlock.patterns.matching import Pattern

_PAUSE = 0.5


@click.command()
@click.option("--follow", is_flag=True, help="Go on printing what happens, until interrupted.")
@click.option("--since", metavar="WHEN", help="A duration (2h) or a time (2026-01-31T12:00:00Z).")
@click.option("--agent", metavar="NAME", help="Only what one agent did.")
@click.option("--path", metavar="PATH", help="Only what concerns a path or folder.")
@json_option
@timeout_option
def log(
    follow: bool,
    since: str | None,
    agent: str | None,
    path: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Print the events: grants, renewals, releases, expiries, refusals, policy changes.

    \b
    Example:
      agentlock log --since 2h --path src/auth
      agentlock log --follow
    """
    workspace = Workspace(timeout=timeout)
    pattern = _pattern(workspace, path)
    agent = named_agent(agent)
    after = 0
    while True:
        with workspace.store(read_only=True) as store:
            start = None if since is None else moment_of(since, store.now())
            found = store.events(after=after, since=start, agent=agent)
        after = max((event.id for event in found), default=after)
        found = [event for event in found if _concerns(event, pattern, workspace)]
        if as_json and not follow:
            print_json([event_json(event) for event in found])
        for event in found:
            if as_json and follow:
                print(json.dumps(event_json(event)))
            elif not as_json:
                put(event_line(event))
        if not follow:
            return
        sys.stdout.flush()
        time.sleep(_PAUSE)


def _pattern(workspace: Workspace, path: str | None) -> Pattern | None:
    if path is None:
        return None
    (reading,) = read_patterns(
        [os.fsencode(path)], workspace.tree, force="literal", whole_repository=True
    )
    return compile_pattern(reading.pattern, workspace.folding)


def _concerns(event: Event, pattern: Pattern | None, workspace: Workspace) -> bool:
    if pattern is None:
        return True
    if event.pattern is None:
        return False
    try:
        return overlap(pattern, compile_pattern(event.pattern, workspace.folding)) is not None
    except PatternError:  # of a damaged row: it may concern any path
        return True
