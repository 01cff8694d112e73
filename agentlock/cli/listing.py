"""`agentlock list` and `agentlock show`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from agentlock.cli.output import (
    RESERVATION_HEADERS,
    lease_text,
    local_time,
    print_json,
    put,
    reservation_json,
    reservation_row,
    rfc3339,
    table,
    text_of,
)
from agentlock.cli.workspace import (
    IDENTIFIER,
    Workspace,
    json_option,
    named_agent,
    timeout_option,
)
from agentlock.errors import UsageError
from agentlock.guard.verdict import index_of
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.overlap import overlap
from agentlock.patterns.pattern import compile_stored
from agentlock.patterns.syntax import read_patterns

if TYPE_CHECKING:
    from agentlock.model import Reservation


@click.command("list")
@click.option("--agent", metavar="NAME", help="Only those of one agent.")
@click.option("--mine", is_flag=True, help="Only your own.")
@click.option("--path", metavar="PATH", help="Only those that cover a path (or meet a folder).")
@click.option("--all", "history", is_flag=True, help="Ended ones too.")
@json_option
@timeout_option
def list_reservations(
    agent: str | None,
    mine: bool,
    path: str | None,
    history: bool,
    as_json: bool,
    timeout: str | None,
) -> None:
    """List the live reservations.

    \b
    Example:
      agentlock list --path src/auth/login.py
      agentlock list --mine --json
    """
    if mine and agent is not None:
        raise UsageError("--mine and --agent exclude each other", fix="give one of them")
    workspace = Workspace(timeout=timeout)
    wanted = workspace.agent if mine else named_agent(agent)
    with workspace.store(read_only=True) as store:
        now = store.now()
        found = store.reservations(agent=wanted, live_at=None if history else now)
    if path is not None:
        found = covering(workspace, path, found)
    if as_json:
        print_json([reservation_json(held) for held in found])
        return
    table(RESERVATION_HEADERS, [reservation_row(held, now) for held in found])


@click.command()
@click.argument("identifier", metavar="ID", type=IDENTIFIER)
@json_option
@timeout_option
def show(identifier: int, as_json: bool, timeout: str | None) -> None:
    """Show one reservation with its history.

    \b
    Example:
      agentlock show 42
    """
    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True) as store:
        held = store.reservation(identifier)
        events = [] if held is None else store.events(reservation=identifier)
        now = store.now()
    if held is None:
        raise UsageError(f"there is no reservation {identifier}", see="agentlock list --all")
    if as_json:
        history = [
            {"ts": rfc3339(one.created_ts), "kind": one.kind, "agent": one.agent,
             "detail": one.detail}
            for one in events
        ]  # fmt: skip
        print_json({**reservation_json(held), "typed": text_of(held.typed), "history": history})
        return
    put(f"reservation {held.id}")
    put(f"  pattern  {text_of(held.pattern)}  (typed {text_of(held.typed)})")
    put(f"  holder   {held.agent}")
    put(f"  mode     {'exclusive' if held.exclusive else 'shared'}")
    put(f"  lease    {lease_text(held, now)}")
    put(f"  reason   {held.reason or '-'}")
    put(f"  fence    {held.fence}")
    for one in events:
        put(f"  {local_time(one.created_ts)}  {one.kind}  {one.agent}  {one.detail}".rstrip())


def covering(workspace: Workspace, path: str, found: list[Reservation]) -> list[Reservation]:
    """Those of ``found`` that match a path, or that meet something below a folder.

    DatabaseError where one of them cannot be read.
    """
    (reading,) = read_patterns(
        [os.fsencode(path)], workspace.tree, force="literal", whole_repository=True
    )
    wanted = compile_pattern(reading.pattern, workspace.folding)
    index = index_of(found, workspace.folding)
    if wanted.kind == "literal":
        return [found[position] for position in index.matching(wanted.prefix)]
    compiled = [compile_stored(held, workspace.folding) for held in found]
    return [held for held, theirs in zip(found, compiled, strict=True) if overlap(wanted, theirs)]
