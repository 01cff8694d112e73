"""`agentlock init`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from agentlock.agent_mail.place import AGENT_MAIL, folders_of, named, usual
from agentlock.cli import declared
from agentlock.cli.guide import files_for_agents, has_guide, write_guide
from agentlock.cli.output import print_json, put, say
from agentlock.cli.owner import Owner, owner_options, reason_for
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.errors import UsageError
from agentlock.git.config import forget_one, record
from agentlock.git.repository import discover
from agentlock.install import edit_hooks
from agentlock.install.hooks import install, scripts, status
from agentlock.install.husky import line_to_add
from agentlock.install.initialise import initialise, place
from agentlock.install.other_tools import tools_without_hooks
from agentlock.install.passing import passing_installation
from agentlock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentlock.agent_mail.place import Place
    from agentlock.git.repository import Repository
    from agentlock.install.hooks import HookStatus
    from agentlock.install.initialise import Outcome
    from agentlock.install.passing import Passing


@declared.command()
@declared.option("--database", metavar="PATH|URL", help="A database that several clones share.")
@declared.option(
    "--project", metavar="KEY", help="The project's name there (default: origin's URL)."
)
@declared.option("--hooks/--no-hooks", default=True, help="Install the git hooks (default: yes).")
@declared.option("--server", is_flag=True, help="Guard pushes to this bare repository.")
@declared.option(
    "--identity-variable",
    "identity_variables",
    metavar="NAME",
    multiple=True,
    help="A variable that tells the server who pushes: REMOTE_USER... (repeatable).",
)
@declared.option(
    "--strict", is_flag=True, help="Also guard plumbing and resets (reference-transaction)."
)
@declared.option(
    "--new-database",
    is_flag=True,
    help="Start with an empty table if the database is lost (with --reason).",
)
@declared.option("--reason", default="", metavar="TEXT", help="Why (with --new-database).")
@declared.option(
    "--force", is_flag=True, help="With --new-database: give up a table that can still be read."
)
@declared.option(
    "--separate", is_flag=True, help="Make a table though a clone on this machine has one."
)
@declared.option(
    "--agent-mail",
    metavar="[PATH]",
    is_flag=False,
    flag_value="",
    help="Let the reservations of an MCP Agent Mail count as well (default: where it usually is).",
)
@declared.option("--no-agent-mail", is_flag=True, help="Let them count no more.")
@declared.option(
    "--owner-key", "new_key", is_flag=True, help="Make the owner's key, or replace it."
)
@owner_options
@json_option
@timeout_option
def init(
    database: str | None,
    project: str | None,
    hooks: bool,
    server: bool,
    identity_variables: tuple[str, ...],
    strict: bool,
    new_database: bool,
    reason: str,
    force: bool,
    separate: bool,
    agent_mail: str | None,
    no_agent_mail: bool,
    new_key: bool,
    owner: Owner,
    as_json: bool,
    timeout: str | None,
) -> None:
    """Create the table, register this project, install the hooks.

    It is safe to repeat.

    With --server, in a bare repository, every push is judged. The server does not believe the name
    that a client gives: say which variables the server itself sets to whoever pushes.

    With --owner-key, a key is made and shown once. From then on every command that weakens the
    guard asks for it: policy set, release --force, init --new-database, db restore, hooks uninstall
    and the like.

    \b
    Example:
      agentlock init
      agentlock init --strict                         (see: agentlock hooks install --help)
      agentlock init --database ~/agentlock.sqlite3   (shared by several clones)
      agentlock init --agent-mail                     (what its agents reserve counts as well)
      agentlock init --server --database /srv/agentlock.sqlite3 --identity-variable REMOTE_USER
      agentlock init --database 'postgresql://db.example.com/agents'   (by several machines)
    """
    if strict and (server or not hooks):
        raise UsageError("--strict adds a hook: it cannot go with --server or --no-hooks")
    if (reason or force) and not new_database:
        raise UsageError("--reason and --force are for --new-database", see="agentlock init --help")
    if agent_mail is not None and (no_agent_mail or server):
        raise UsageError(
            "--agent-mail is for a repository with a worktree, and excludes --no-agent-mail",
            see="agentlock init --help",
        )
    why = reason_for("a new, empty table", reason) if new_database else None
    workspace = Workspace(timeout=timeout, unguarded_bare=True)
    there = scripts(workspace.repository) if workspace.repository.project else None
    mail = None if agent_mail is None else named(agent_mail) if agent_mail else usual()
    doing = _owners(workspace.repository, project, identity_variables, new_database, new_key)
    doing = doing or _loses_agent_mail(workspace.repository, mail, no_agent_mail=no_agent_mail)
    kept = _require(owner, workspace, database, doing) if doing else None
    key, hashed = _drawn() if new_key else (None, kept)
    outcome = initialise(
        workspace.repository,
        database=database,
        project=project,
        new_database=why,
        timeout=workspace.timeout,
        server=server,
        identity_variables=identity_variables,
        owner_key=hashed,
        agent=workspace.identity.name or "",
        separate=separate,
        force=force,
    )
    if outcome.lost:
        say(f"agentlock: {outcome.lost}")
    if mail is not None:
        folders = folders_of(mail, workspace.repository)
        record(workspace.repository.root, AGENT_MAIL, mail.path)
    elif no_agent_mail:
        forget_one(workspace.repository.root, AGENT_MAIL)
    repository = discover()
    found = install(repository, strict=strict or None) if hooks else status(repository)
    notes = warnings_of(outcome.unlisted, passing_installation() if hooks else None)
    notes += [f"warning: {one.message}; {one.fix}" for one in tools_without_hooks(repository)]
    if mail is not None and not folders:
        notes.append(
            f"note: {mail.path} has no project for this folder yet; its agents make one with "
            f"ensure_project, human_key {os.fsdecode(os.path.realpath(repository.root))}"
        )
    done = _Done(repository, outcome, tuple(found), tuple(notes), key, server=server)
    if as_json:
        print_json(_json(done))
        return
    for note in notes:
        say(f"agentlock: {note}")
    if there is None:
        _put(done)
    else:
        _put_again(done, workspace.repository.project, there, scripts(repository))
    _put_key_and_pushers(done)
    if not server:
        _say_what_is_left(repository, hooks=hooks, first=there is None)


class _Done(NamedTuple):
    """What `init` has done, for those who tell it."""

    repository: Repository
    outcome: Outcome
    hooks: tuple[HookStatus, ...]
    notes: tuple[str, ...]
    key: str | None
    server: bool


def warnings_of(unlisted: str, passing: Passing | None) -> list[str]:
    """What `init` and `hooks install` say of an installation that works, but not for ever."""
    found = [f"warning: {unlisted}"] if unlisted else []
    return found + ([f"warning: {passing.message}; {passing.advice}"] if passing else [])


def _json(done: _Done) -> dict[str, Any]:
    said: dict[str, Any] = {
        "database": done.outcome.database,
        "project": done.outcome.project,
        "created": done.outcome.created,
        "hooks": [{"hook": hook.hook, "state": hook.state} for hook in done.hooks],
    }
    if done.repository.agent_mail:
        said["agent_mail"] = done.repository.agent_mail
    if done.server:
        said["identity_variables"] = done.repository.identity_variables
    if done.key is not None:
        said["owner_key"] = done.key
    if done.notes:
        said["notes"] = done.notes
    return said


def _put(done: _Done) -> None:
    outcome = done.outcome
    put(f"table:   {outcome.database} ({'new' if outcome.created else 'already in use'})")
    put(f"project: {outcome.project}{' (new)' if done.server and outcome.new_project else ''}")
    if mail := done.repository.agent_mail:
        put(f"and:     Agent Mail at {mail}")
    for hook in done.hooks:
        put(f"hook:    {hook.hook} {hook.state}")


def _put_again(
    done: _Done, project: str | None, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> None:
    """What an init of a repository that was set up before has changed, in two lines."""
    outcome = done.outcome
    former = "" if outcome.project == project else f" (before: {project})"
    table = "new" if outcome.created else "unchanged"
    put(f"table:   {outcome.database} ({table}), project {outcome.project}{former}")
    if mail := done.repository.agent_mail:
        put(f"and:     Agent Mail at {mail}")
    written = [hook for hook in after if after[hook] != before.get(hook)]
    removed = [hook for hook in before if hook not in after]
    what = f"written: {', '.join(written)}" if written else ""
    what += f"{'; ' if what else ''}removed: {', '.join(removed)}" if removed else ""
    wrong = [f"{one.hook} is {one.state}" for one in done.hooks if not one.guards]
    put(f"hooks:   {what or 'unchanged'}{'; ' if wrong else ''}{', '.join(wrong)}")


def _owners(
    repository: Repository,
    project: str | None,
    identity_variables: tuple[str, ...],
    new_database: bool,
    new_key: bool,
) -> str:
    """The given option that only the owner may use, or ""."""
    others = {
        "--new-database": new_database,
        "--owner-key": new_key,
        "--project": repository.project not in (None, project) and project is not None,
        "--identity-variable": bool(identity_variables and repository.identity_variables),
    }
    return next((f"init {option}" for option, given in others.items() if given), "")


def _loses_agent_mail(repository: Repository, mail: Place | None, *, no_agent_mail: bool) -> str:
    """The given option that makes reservations of an Agent Mail count no more, or ""."""
    recorded = repository.agent_mail
    if not recorded or (mail is None and not no_agent_mail):
        return ""
    if mail is not None:
        return "" if mail.path == recorded else "init --agent-mail"
    return "init --no-agent-mail"


def _require(owner: Owner, workspace: Workspace, database: str | None, doing: str) -> str | None:
    """The hash of the key that was given, of the recorded database and of the one that is named."""
    repository, timeout = workspace.repository, workspace.timeout
    kept = owner.require(repository, doing, timeout=timeout)
    if database is None:
        return kept
    return owner.require_at(place(database), repository, doing, timeout=timeout) or kept


def _drawn() -> tuple[str, str]:
    """A new owner's key, and its hash."""
    from agentlock.rules import owner_key  # loads as much as the rest of a command

    key = owner_key.make()
    return key, owner_key.hashed(key)


def _put_key_and_pushers(done: _Done) -> None:
    if done.key is not None:
        put(f"owner's key: {done.key}")
        say("agentlock: it is shown only once; keep it where no agent can read it")
    if done.server:
        _put_server(done.repository, done.outcome)


def _put_server(repository: Repository, outcome: Outcome) -> None:
    if repository.identity_variables:
        put(f"pushers: named by {', '.join(repository.identity_variables)}")
    else:
        say(
            "agentlock: no variable names the agent that pushes, so every exclusive reservation "
            "counts as someone else's"
        )
        say("  fix: agentlock init --server --identity-variable NAME")
    if outcome.new_project:
        location, key = shell_word(outcome.database), shell_word(outcome.project)
        say(
            "agentlock: no agent has reserved anything in this project yet, and only its "
            "reservations are guarded here"
        )
        say(f"  in each clone: agentlock init --database {location} --project {key}")


def _say_what_is_left(repository: Repository, *, hooks: bool, first: bool) -> None:
    """What a person may do after `init`: a line for husky, the guide for agents."""
    line = line_to_add(repository.root) if hooks else ""
    if line:
        say("agentlock: husky takes core.hooksPath back at each `npm install`")
        say(f'  fix: in package.json, under "scripts": {line}')
    if first or not all(map(has_guide, files_for_agents())):
        _offer_guide()
    if first:
        _offer_edit_hooks()


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _offer_edit_hooks() -> None:
    found = [edit_hooks.status(name) for name in edit_hooks.found_here()]
    missing = [one for one in found if one.state == "missing"]
    if not missing:
        return
    if not _asks():
        say("stop them before they edit: agentlock edit-hooks install")
        return
    say("agentlock can stop these before they edit what another agent holds:")
    for one in missing:
        say(f"  {one.title}, by entries in {one.file}")
    if click.confirm("Write these entries?", default=True):
        from agentlock.cli.edit_hooks import put_in

        put_in([one.program for one in missing])


def _offer_guide() -> None:
    files = files_for_agents()
    if not _asks():
        one = f" {shell_word(files[0])}" if len(files) == 1 else ""
        say(f"teach your agents: agentlock guide --write{one}")
        return
    if click.confirm(f"Write the guide for agents into {', '.join(files)}?", default=True):
        for file in files:
            write_guide(file)
