"""`agentlock init`."""

from __future__ import annotations

import sys

import click

from agentlock.cli.guide import DEFAULT_FILE, write_guide
from agentlock.cli.output import print_json, put, say
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.git.repository import discover
from agentlock.install.hooks import install, status
from agentlock.install.initialise import initialise


@click.command()
@click.option("--database", metavar="PATH", help="A database that several clones share.")
@click.option("--project", metavar="KEY", help="The project's name there (default: origin's URL).")
@click.option("--hooks/--no-hooks", default=True, help="Install the git hooks (default: yes).")
@click.option("--new-database", is_flag=True, help="Start afresh where the database is lost.")
@json_option
@timeout_option
def init(
    database: str | None,
    project: str | None,
    hooks: bool,
    new_database: bool,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Make the reservation table, register this project, install the hooks. Safe to repeat.

    \b
    Example:
      agentlock init
      agentlock init --database ~/agentlock.sqlite3   (shared by several clones)
    """
    workspace = Workspace(timeout=timeout)
    outcome = initialise(
        workspace.repository,
        database=database,
        project=project,
        new_database=new_database,
        timeout=workspace.timeout,
    )
    if outcome.lost:
        say(f"agentlock: {outcome.lost}")
    repository = discover()
    found = install(repository) if hooks else status(repository)
    if as_json:
        print_json(
            {
                "database": outcome.database,
                "project": outcome.project,
                "created": outcome.created,
                "hooks": [{"hook": hook.hook, "state": hook.state} for hook in found],
            }
        )
        return
    put(f"table:   {outcome.database} ({'new' if outcome.created else 'in use already'})")
    put(f"project: {outcome.project}")
    for hook in found:
        put(f"hook:    {hook.hook} {hook.state}")
    _offer_guide()


def _offer_guide() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        say(f"teach your agents: agentlock guide --write {DEFAULT_FILE}")
        return
    if click.confirm(f"Write the guide for agents into {DEFAULT_FILE}?", default=True):
        write_guide(DEFAULT_FILE)
