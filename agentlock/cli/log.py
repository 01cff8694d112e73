"""`agentlock log`."""

from __future__ import annotations

import json
import sys
import time

import click

from agentlock.cli.output import event_json, event_line, print_json, put
from agentlock.cli.workspace import (
    Workspace,
    json_option,
    moment_of,
    named_agent,
    timeout_option,
)
from agentlock.reservations.history import events

_PAUSE = 0.5


@click.command()
@click.option("--follow", is_flag=True, help="Keep printing new events until interrupted.")
@click.option("--since", metavar="WHEN", help="A duration (2h) or a time (2026-01-31T12:00:00Z).")
@click.option("--agent", metavar="NAME", help="Only events of one agent.")
@click.option("--path", metavar="PATH", help="Only events about a path or folder.")
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
    """Print the log: what was reserved, released, refused or changed.

    \b
    Example:
      agentlock log --since 2h --path src/auth
      agentlock log --follow
    """
    workspace = Workspace(timeout=timeout)
    at = workspace.path_named(path)
    agent = named_agent(agent)
    after = 0
    while True:
        with workspace.store(read_only=True) as store:
            start = None if since is None else moment_of(since, store.now())
            page = events(store, workspace.folding, after=after, since=start, agent=agent, path=at)
        after = page.last
        if as_json and not follow:
            print_json([event_json(event) for event in page.events])
        for event in page.events:
            if as_json and follow:
                print(json.dumps(event_json(event)))
            elif not as_json:
                put(event_line(event))
        if not follow:
            return
        sys.stdout.flush()
        time.sleep(_PAUSE)
