"""`agentlock db path|migrate|check|vacuum|prune|export`; the rest of `db` is in moving.py."""

from __future__ import annotations

import csv
import json
import sys

from agentlock.cli import declared, moving
from agentlock.cli.output import print_json, put, say, say_how_to_start_afresh
from agentlock.cli.owner import Owner, owner_options
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.errors import (
    EXIT_OK,
    EXIT_REFUSED,
    UsageError,
)
from agentlock.install.moving import recorded_database, recorded_file
from agentlock.shapes import (
    agent_json,
    ended_wait_json,
    event_json,
    message_json,
    reservation_json,
    session_json,
    team_json,
    template_json,
    ticket_json,
)
from agentlock.state import agents
from agentlock.store import migrate
from agentlock.text import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from agentlock.store.base import Store

_EXPORTED: dict[str, Callable[[Store], Iterable[dict[str, Any]]]] = {
    "reservations": lambda store: map(reservation_json, store.reservations.all()),
    "events": lambda store: map(event_json, store.events.find()),
    "messages": lambda store: map(message_json, store.messages.all()),
    "tickets": lambda store: map(ticket_json, store.tickets.find(store.now())[::-1]),
    "waits": lambda store: map(ended_wait_json, store.waits.all()),
    "agents": lambda store: map(agent_json, agents(store)),
    "sessions": lambda store: map(session_json, store.sessions.all()),
    "templates": lambda store: map(template_json, store.templates.all()),
    "teams": lambda store: map(team_json, store.teams.all()),
}


@declared.group()
def db() -> None:
    """The database that holds the reservations.

    \b
    Example:
      agentlock db path
    """


for _command in (moving.backup, moving.restore, moving.copy_project, moving.use_database):
    db.add(_command)


@db.command()
@json_option
def path(as_json: bool) -> None:
    """Print where the database is.

    \b
    Example:
      sqlite3 "$(agentlock db path)" 'SELECT * FROM file_reservations'
      psql "$(agentlock db path)" -c 'SELECT * FROM file_reservations'
    """
    location, identifier = recorded_database(Workspace().repository)
    if as_json:
        print_json({"path": location, "id": identifier})
        return
    put(location)


@db.command("migrate")
@json_option
@timeout_option
def run_migrations(as_json: bool, timeout: str | None) -> None:
    """Bring the database's schema up to date. Every command except the hooks does this itself.

    \b
    Example:
      agentlock db migrate
    """
    workspace = Workspace(timeout=timeout)
    location, identifier = recorded_database(workspace.repository)
    before, after = migrate.migrate(location, identifier, timeout=workspace.timeout)
    if as_json:
        print_json({"before": before, "after": after})
        return
    put(f"schema {after}, nothing to do" if before == after else f"schema {before} -> {after}")


@db.command()
@declared.option(
    "--repair", is_flag=True, help="Repair what can be repaired, and say what was done."
)
@json_option
@timeout_option
def check(repair: bool, as_json: bool, timeout: str | None) -> int:
    """Look for damage, and for two agents that hold the same path.

    Exit 0: undamaged, 1: something is wrong, 3: it cannot be read. --repair ends the newer of two
    reservations that overlap and tells its holder; damage to the file itself needs a backup.

    \b
    Example:
      agentlock db check
      agentlock db check --repair
    """
    from agentlock.agents import audit as agents_audit
    from agentlock.reservations import audit
    from agentlock.store.sqlite.inspection import faults
    from agentlock.waiting import audit as queue_audit

    workspace = Workspace(timeout=timeout)
    location, _ = recorded_database(workspace.repository)
    damage = [] if "://" in location else faults(location, timeout=workspace.timeout)
    repaired: list[str] = []
    with workspace.store(read_only=not repair, takes=False) as store:
        if repair and not damage:
            repaired = audit.repair(store, workspace.folding) + queue_audit.repair(store)
            repaired += agents_audit.repair(store)
        wrong = damage + [fault.sentence for fault in audit.examine(store, workspace.folding)]
        wrong += [fault.sentence for fault in queue_audit.examine(store)]
        wrong += [fault.sentence for fault in agents_audit.examine(store)]
        held = len(store.reservations.all(live_at=store.now()))
    if as_json:
        print_json({"faults": wrong, "repaired": repaired, "live": held})
    for sentence in repaired:
        say(f"repaired: {sentence}")
    for sentence in wrong:
        say(f"wrong: {sentence}")
    if damage:
        say("fix: agentlock db restore FILE")
        say_how_to_start_afresh(workspace.identity.name)
    elif wrong:
        say("fix: agentlock db check --repair")
    if not wrong and not as_json:
        put(f"undamaged: {count(held, 'live reservation')}")
    return EXIT_REFUSED if wrong else EXIT_OK


@db.command()
@json_option
@timeout_option
def vacuum(as_json: bool, timeout: str | None) -> None:
    """Return the space of pruned rows to the disk.

    \b
    Example:
      agentlock db vacuum
    """
    from agentlock.store.sqlite.backup import vacuum as compact

    workspace = Workspace(timeout=timeout)
    location, _ = recorded_file(workspace.repository)
    with workspace.store(read_only=True):
        pass
    before, after = compact(location, timeout=workspace.timeout)
    if as_json:
        print_json({"before": before, "after": after})
        return
    put(f"{before:,} -> {after:,} bytes")


@db.command()
@declared.option(
    "--older-than", metavar="DURATION", help="Their age at least (default: the policy's retention)."
)
@owner_options
@agent_option
@json_option
@timeout_option
def prune(
    older_than: str | None, owner: Owner, agent: str | None, as_json: bool, timeout: str | None
) -> None:
    """Remove old events and old reservations that have ended. Live ones stay.

    \b
    Example:
      agentlock db prune --older-than 90d
    """
    from agentlock.duration import parse_duration
    from agentlock.reservations.retention import check_retention
    from agentlock.reservations.retention import prune as prune_table

    workspace = Workspace(agent, timeout)
    age = None if older_than is None else check_retention(parse_duration(older_than), older_than)
    with workspace.store() as store:
        age = age or store.policy.read().retention
        if age is None:
            raise UsageError(
                "nothing to prune: the policy sets no retention, and no --older-than is given",
                fix="agentlock db prune --older-than 90d",
            )
        owner.require(workspace.repository, "db prune", timeout=workspace.timeout)
        events, reservations = prune_table(store, workspace.identity.name or "", age)
    if as_json:
        print_json({"events": events, "reservations": reservations})
        return
    put(f"removed {events} events and {reservations} reservations")


@db.command()
@declared.argument("what", type=declared.Choice(tuple(_EXPORTED)), default="reservations")
@declared.option(
    "--format",
    "form",
    type=declared.Choice(("jsonl", "csv")),
    default="jsonl",
    help="One JSON object per line (the default), or CSV for a spreadsheet.",
)
@timeout_option
def export(what: str, form: str, timeout: str | None) -> None:
    """Print the rows of one kind, one per line.

    \b
    Example:
      agentlock db export events --format csv
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        rows = list(_EXPORTED[what](store))
    _write(rows, form)


def _write(rows: Iterable[dict[str, Any]], form: str) -> None:
    if form == "jsonl":
        for row in rows:
            print(json.dumps(row))
        return
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, row, lineterminator="\n")
            writer.writeheader()
        writer.writerow({key: _cell(one) for key, one in row.items()})


def _cell(value: Any) -> Any:
    """A list in one cell: names have no spaces; anything else in it is JSON."""
    if not isinstance(value, list):
        return value
    is_plain = all(isinstance(one, str) and " " not in one for one in value)
    return " ".join(value) if is_plain else json.dumps(value)
