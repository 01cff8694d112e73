"""`agentlock hooks install|uninstall|status`, and `agentlock hook`, which git calls."""

from __future__ import annotations

import os
import sys

import click

from agentlock.cli import declared
from agentlock.cli.guide import MARKER
from agentlock.cli.init import warnings_of
from agentlock.cli.output import print_json, put, say, table
from agentlock.cli.owner import Owner, owner_options
from agentlock.cli.workspace import Workspace, json_option, put_guard_back, timeout_of
from agentlock.errors import EXIT_OK, EXIT_REFUSED, AgentlockError
from agentlock.git.repository import at, discover
from agentlock.guard import run as guard
from agentlock.guard.early import Asked
from agentlock.install import hooks as installation
from agentlock.install import registry
from agentlock.install.passing import passing_installation
from agentlock.install.removal import (
    found_in,
    guides,
    guides_stay,
    headline,
    kept_tables,
    plan,
    take_out,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.repository import Repository
    from agentlock.install.hooks import HookStatus
    from agentlock.install.removal import Removal


_UNINSTALL = "hooks uninstall"


@declared.group()
def hooks() -> None:
    """Git's hooks in this repository.

    \b
    Example:
      agentlock hooks status
    """


@hooks.command()
@declared.option(
    "--strict/--no-strict", default=None, help="Install reference-transaction too, or remove it."
)
@declared.option("--if-led-away", is_flag=True, hidden=True, help="Only if git was led away.")
@owner_options
@json_option
def install(strict: bool | None, if_led_away: bool, owner: Owner, as_json: bool) -> None:
    """Install the hooks for all worktrees; yours still run first.

    --strict adds reference-transaction, which also stops fast-forwards, resets and plumbing that
    bring a commit over a reserved path to a branch. Without an option it stays as it is.

    \b
    Example:
      agentlock hooks install
      agentlock hooks install --strict
    """
    repository = discover()
    if if_led_away:  # hooks/shim.sh
        put_guard_back(repository)
        return
    if strict is False:
        owner.require(repository, "hooks install --no-strict", timeout=timeout_of(None))
    found = installation.install(repository, strict=strict)
    notes = warnings_of(registry.add(repository.common_dir), passing_installation())
    for note in () if as_json else notes:
        say(f"agentlock: {note}")
    _print(found, as_json=as_json)


@hooks.command()
@declared.option(
    "--everywhere", is_flag=True, help="In every repository where agentlock was installed."
)
@declared.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@declared.option("--yes", is_flag=True, help="Do not ask, also at a terminal.")
@owner_options
@json_option
def uninstall(everywhere: bool, dry_run: bool, yes: bool, owner: Owner, as_json: bool) -> int:
    """Remove the hooks and restore what was there before.

    With --everywhere, take out all that `init` did, in every repository on the list that
    agentlock keeps: hooks, settings, and the table where it lies inside the repository.

    \b
    Example:
      agentlock hooks uninstall
      agentlock hooks uninstall --everywhere --dry-run
    """
    if everywhere:
        return _uninstall_everywhere(owner, dry_run=dry_run, yes=yes, as_json=as_json)
    repository = discover()
    common_dir = repository.common_dir
    there = installation.present(common_dir)
    if dry_run:
        _put_removed("would remove", there, [], repository, as_json=as_json)
        return EXIT_OK
    owner.require(repository, _UNINSTALL, timeout=timeout_of(None))
    if there and not as_json:
        _confirm(f"the hooks from {os.fsdecode(common_dir)}", yes=yes)
    removed = installation.uninstall(common_dir)
    left = installation.left_behind(common_dir)
    _put_removed("removed", removed, left, repository, as_json=as_json)
    return EXIT_OK


def _put_removed(
    how: str,
    removed: Sequence[str],
    left: Sequence[str],
    repository: Repository,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json({"removed": list(removed), "left": list(left)})
        return
    for path in left:
        say(f"agentlock: {path} is kept: agentlock did not write it, and git does not run it")
    put(f"{how}: {', '.join(removed)}" if removed else "there is no agentlock hook here")
    if repository.database is not None:
        say(f"agentlock: the table is kept, with its settings: {repository.database}")
    if found := guides(repository.common_dir, MARKER):
        say(f"agentlock: {guides_stay(found)}")


@hooks.command()
@json_option
def status(as_json: bool) -> int:
    """Show what git would run here. Exit 1 if a commit or push would not be guarded.

    \b
    Example:
      agentlock hooks status --json
    """
    found = installation.status(Workspace(only_looks=True).repository)
    _print(found, as_json=as_json)
    wrong = [
        one for one in found if one.beside or not (one.guards or installation.is_guarded(found))
    ]
    for mend in dict.fromkeys(one.mend for one in wrong):
        say(f"agentlock: fix: {mend}")
    return EXIT_OK if installation.is_guarded(found) else EXIT_REFUSED


@declared.command(context_settings={"ignore_unknown_options": True})
@declared.argument("name", metavar="NAME")
@declared.argument("arguments", nargs=-1, metavar="[ARGUMENT...]")
def hook(name: str, arguments: Sequence[str]) -> int:
    """Run a hook as git does: pre-commit, pre-push and so on.

    \b
    Example:
      agentlock hook pre-commit
    """
    return guard.run(name, arguments, Asked((name, *arguments)))


def _uninstall_everywhere(owner: Owner, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    found = [found_in(common_dir, MARKER) for common_dir in registry.repositories()]
    if dry_run:
        told = [_told(one, plan(one), as_json=as_json) for one in found]
        if as_json:
            print_json(told)
        return EXIT_OK
    if found and not as_json:
        _confirm(headline(found), yes=yes)
    failed = False
    told = []
    for one in found:
        try:
            if one.is_there:
                owner.require(at(one.common_dir), _UNINSTALL, timeout=timeout_of(None))
            done = take_out(one)
            registry.remove(one.common_dir)
        except (AgentlockError, OSError) as error:
            failed = True
            done = [f"failed: {error}"]
        told.append(_told(one, done, as_json=as_json))
    if as_json:
        print_json(told)
        return EXIT_REFUSED if failed else EXIT_OK
    for kept in kept_tables(found):
        put(f"{kept}: this table is kept")
    return EXIT_REFUSED if failed else EXIT_OK


def _told(one: Removal, done: list[str], *, as_json: bool) -> dict[str, str | list[str]]:
    """What is told of a repository, after it is printed if people read it."""
    name = os.fsdecode(one.common_dir)
    if not as_json:
        put(f"{name}: {'; '.join(done)}")
    return {"repository": name, "done": done}


def _confirm(what: str, *, yes: bool) -> None:
    """Ask a person at a terminal; scripts are not asked."""
    if not yes and sys.stdin.isatty() and sys.stdout.isatty():
        click.confirm(f"Remove {what}?", abort=True)


def _print(found: Sequence[HookStatus], *, as_json: bool) -> None:
    if as_json:
        fields = [
            {"hook": one.hook, "state": one.state, "path": one.path, "detail": one.detail}
            for one in found
        ]
        print_json(fields)
        return
    table(
        ("hook", "state", "path", "detail"),
        [(one.hook, one.state, one.path, one.detail) for one in found],
    )
