"""`agentlock hooks install|uninstall|status`, and `agentlock hook`, which git calls."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

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
from agentlock.install.initialise import take_out
from agentlock.install.passing import passing_installation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.install.hooks import HookStatus


_UNINSTALL = "hooks uninstall"


@click.group()
def hooks() -> None:
    """Git's hooks in this repository.

    \b
    Example:
      agentlock hooks status
    """


@hooks.command()
@click.option(
    "--strict/--no-strict", default=None, help="Install reference-transaction too, or remove it."
)
@click.option("--if-led-away", is_flag=True, hidden=True, help="Only if git was led away.")
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
@click.option(
    "--everywhere", is_flag=True, help="In every repository where agentlock was installed."
)
@owner_options
@json_option
def uninstall(everywhere: bool, owner: Owner, as_json: bool) -> int:
    """Remove the hooks and restore what was there before.

    With --everywhere, take out all that `init` did, in every repository on the list that
    agentlock keeps: hooks, settings, and the table where it lies inside the repository.

    \b
    Example:
      agentlock hooks uninstall
    """
    if everywhere:
        return _uninstall_everywhere(owner, as_json=as_json)
    repository = discover()
    owner.require(repository, _UNINSTALL, timeout=timeout_of(None))
    common_dir = repository.common_dir
    removed = installation.uninstall(common_dir)
    for path in installation.left_behind(common_dir):
        say(f"agentlock: {path} is kept: agentlock did not write it, and git does not run it")
    if as_json:
        print_json({"removed": removed})
    else:
        put(f"removed: {', '.join(removed)}" if removed else "there is no agentlock hook here")
    return EXIT_OK


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


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="NAME")
@click.argument("arguments", nargs=-1, metavar="[ARGUMENT...]", type=click.UNPROCESSED)
def hook(name: str, arguments: Sequence[str]) -> int:
    """Run a hook as git does: pre-commit, pre-push and so on.

    \b
    Example:
      agentlock hook pre-commit
    """
    return guard.run(name, arguments, Asked((name, *arguments)))


def _uninstall_everywhere(owner: Owner, *, as_json: bool) -> int:
    failed = False
    told: list[dict[str, str | list[str]]] = []
    for common_dir in registry.repositories():
        name = os.fsdecode(common_dir)
        try:
            if os.path.isdir(common_dir):
                owner.require(at(common_dir), _UNINSTALL, timeout=timeout_of(None))
            done = take_out(common_dir)
            registry.remove(common_dir)
        except (AgentlockError, OSError) as error:
            failed = True
            done = [f"failed: {error}"]
        told.append({"repository": name, "done": done})
        if not as_json:
            put(f"{name}: {'; '.join(done)}")
    if as_json:
        print_json(told)
    return EXIT_REFUSED if failed else EXIT_OK


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
