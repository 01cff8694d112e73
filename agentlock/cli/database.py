"""`agentlock db path|migrate`."""

from __future__ import annotations

import click

from agentlock.cli.output import print_json, put
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.errors import ConfigurationError
from agentlock.store import NOT_INITIALISED, migrate, refuse_unsupported


@click.group()
def db() -> None:
    """The database that holds the reservations.

    \b
    Example:
      agentlock db path
    """


@db.command()
@json_option
def path(as_json: bool) -> None:
    """Print where the database is.

    \b
    Example:
      sqlite3 "$(agentlock db path)" 'SELECT * FROM file_reservations'
      psql "$(agentlock db path)" -c 'SELECT * FROM file_reservations'
    """
    location, identifier = _recorded(Workspace())
    if as_json:
        print_json({"path": location, "id": identifier})
        return
    put(location)


@db.command("migrate")
@json_option
@timeout_option
def run_migrations(as_json: bool, timeout: str | None) -> None:
    """Bring the database's schema up to date. Every command but the hooks does so by itself.

    \b
    Example:
      agentlock db migrate
    """
    workspace = Workspace(timeout=timeout)
    location, identifier = _recorded(workspace)
    before, after = migrate.migrate(location, identifier, timeout=workspace.timeout)
    if as_json:
        print_json({"before": before, "after": after})
        return
    put(f"schema {after}, nothing to do" if before == after else f"schema {before} -> {after}")


def _recorded(workspace: Workspace) -> tuple[str, str]:
    location, identifier = workspace.repository.database, workspace.repository.database_id
    if location is None or identifier is None:
        raise ConfigurationError(NOT_INITIALISED, hint="agentlock init")
    refuse_unsupported(location)
    return location, identifier
