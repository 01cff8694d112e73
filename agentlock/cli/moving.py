"""`agentlock db backup|restore|copy|use`: where the database is, and which one it is."""

from __future__ import annotations

import os

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, say
from agentlock.cli.owner import Owner, owner_options
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.install import moving
from agentlock.text import count


@declared.command()
@declared.argument("file", metavar="FILE")
@json_option
@timeout_option
def backup(file: str, as_json: bool, timeout: str | None) -> None:
    """Write the database as it is now to a new FILE. Others keep working meanwhile.

    \b
    Example:
      agentlock db backup ~/backups/agentlock-monday.sqlite3
    """
    from agentlock.store.sqlite.backup import back_up

    workspace = Workspace(timeout=timeout)
    location, _ = moving.recorded_file(workspace.repository)
    with workspace.store(read_only=True):  # the recorded one, of this program's schema
        pass
    size = back_up(location, os.path.abspath(file), timeout=workspace.timeout)
    if as_json:
        print_json({"file": os.path.abspath(file), "bytes": size})
        return
    put(f"{file}: {size:,} bytes")


@declared.command()
@declared.argument("file", metavar="FILE")
@declared.option("--force", is_flag=True, help="Accept a backup of another database.")
@owner_options
@json_option
@timeout_option
def restore(file: str, force: bool, owner: Owner, as_json: bool, timeout: str | None) -> None:
    """Replace the database with a backup. The former database is kept next to it.

    Reservations made since the backup are lost; ids and fences are not used again. Places in the
    queue and offers end. The owner's key stays what it is.

    \b
    Example:
      agentlock db restore ~/backups/agentlock-monday.sqlite3
    """
    workspace = Workspace(timeout=timeout)
    location, _ = moving.recorded_file(workspace.repository)
    done = moving.restore(
        workspace.repository,
        os.path.abspath(file),
        owner_key=owner.require(workspace.repository, "db restore", timeout=workspace.timeout),
        force=force,
        agent=workspace.identity.name or "",
        timeout=workspace.timeout,
    )
    if as_json:
        print_json({"database": location, "kept": done.kept, "live": done.live})
        return
    held = count(done.live, "live reservation")
    put(f"{location}: {held}; the former database is kept as {done.kept}")


@declared.command("copy")
@declared.argument("source", metavar="FROM")
@declared.argument("target", metavar="TO")
@declared.option("--project", metavar="KEY", help="A project other than this repository's.")
@owner_options
@json_option
@timeout_option
def copy_project(
    source: str,
    target: str,
    project: str | None,
    owner: Owner,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Copy a project with its history to another database.

    Ids and fences stay the same; every row is read again and compared. Nobody can
    reserve meanwhile. Commands that wait end with exit 3; places that --queue took are copied.
    Then switch every clone: agentlock db use TO.

    \b
    Example:
      agentlock db copy .git/agentlock/agentlock.sqlite3 'postgresql://db.example.com/agents'
      agentlock db use 'postgresql://db.example.com/agents'
    """
    workspace = Workspace(timeout=timeout)
    owner.require(workspace.repository, "db copy", timeout=workspace.timeout)
    done = moving.copy_project(
        workspace.repository, source, target, project=project, timeout=workspace.timeout
    )
    if as_json:
        shown = {"from": done.source, "to": done.target, "project": done.project, "rows": done.rows}
        print_json(shown)
        return
    for table, rows in done.rows.items():
        put(f"{rows:>9,}  {table}")
    say(f"now switch every clone: agentlock db use {target}")


@declared.command("use")
@declared.argument("database", metavar="PATH|URL")
@declared.option("--project", metavar="KEY", help="The project's name there (default: as now).")
@owner_options
@json_option
@timeout_option
def use_database(
    database: str, project: str | None, owner: Owner, as_json: bool, timeout: str | None
) -> None:
    """Switch this repository to another database that has its project.

    \b
    Example:
      agentlock db use 'postgresql://db.example.com/agents'
    """
    workspace = Workspace(timeout=timeout)
    key = owner.require(workspace.repository, "db use", timeout=workspace.timeout)
    location = moving.use(
        workspace.repository,
        database,
        project=project,
        owner_key=key,
        agent=workspace.identity.name or "",
        timeout=workspace.timeout,
    )
    if as_json:
        print_json({"database": location})
        return
    put(location)
