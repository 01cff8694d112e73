"""`agentlock edit-hooks install|uninstall|status`: entries in the settings of agents' programs."""

from __future__ import annotations

import os
from contextlib import suppress

from agentlock.cli import declared
from agentlock.cli.output import print_json, say, table
from agentlock.cli.workspace import json_option
from agentlock.edit_hooks.programs import NAMES
from agentlock.errors import (
    EXIT_OK,
    EXIT_REFUSED,
    NotARepositoryError,
    UndecidedError,
    UsageError,
)
from agentlock.git.repository import discover
from agentlock.install import codex
from agentlock.install import edit_hooks as installation
from agentlock.text import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.install.edit_hooks import Installed

_programs = declared.argument("programs", metavar="[PROGRAM]...", nargs=-1)
_place = declared.option(
    "--user/--project",
    "user",
    default=True,
    help="In your own settings, which always count (the default), or in this project's.",
)


@declared.group("edit-hooks")
def edit_hooks() -> None:
    """The hooks of agents' programs, before an edit.

    PROGRAM is claude, codex, gemini, cursor, copilot or opencode; without one, every program that
    this machine seems to have.

    \b
    Example:
      agentlock edit-hooks install
    """


@edit_hooks.command()
@_programs
@_place
@declared.option(
    "--sandbox",
    is_flag=True,
    help="Also let commands in Codex's sandbox write this project's reservations.",
)
@json_option
def install(programs: tuple[str, ...], user: bool, sandbox: bool, as_json: bool) -> None:
    """Write the entries; what else is in the files stays as it is.

    Codex also trusts the entries from then on, which is what it runs them for.

    \b
    Example:
      agentlock edit-hooks install claude codex
    """
    put_in(_chosen(programs), _root(user), sandbox=sandbox, as_json=as_json)


@edit_hooks.command()
@_programs
@_place
@json_option
def uninstall(programs: tuple[str, ...], user: bool, as_json: bool) -> None:
    """Take the entries out again.

    \b
    Example:
      agentlock edit-hooks uninstall gemini
    """
    root = _root(user)
    found = [installation.uninstall(name, root) for name in programs or NAMES]
    if codex.is_here():
        for one in found:
            if one.program == "codex" and one.changed:
                with suppress(UndecidedError):  # what is left trusts nothing that exists
                    codex.forget(one.file)
    _print(found, as_json)


@edit_hooks.command()
@_programs
@json_option
def status(programs: tuple[str, ...], as_json: bool) -> int:
    """Show the entries; exit 1 if a program has none.

    \b
    Example:
      agentlock edit-hooks status
    """
    root: str | None = None
    with suppress(NotARepositoryError):
        root = _root(user=False)
    found = installation.statuses(_chosen(programs), root)
    _print(found, as_json)
    covered = {one.program for one in found if one.state == "installed"}
    return EXIT_OK if all(one.program in covered for one in found) else EXIT_REFUSED


_TRUST = "Codex runs the entries only once you have trusted them: start codex, and type /hooks"


def put_in(
    programs: Sequence[str],
    root: str | None = None,
    *,
    sandbox: bool = False,
    as_json: bool = False,
) -> None:
    """Write the entries of these programs and show them; ``root`` is that of a project."""
    found = [installation.install(name, root) for name in programs]
    notes = [note for one in found for note in _settled(one, sandbox)]
    _print(found, as_json)
    if not as_json:
        for note in notes:
            say(f"agentlock: {note}")


def _settled(one: Installed, sandbox: bool) -> list[str]:
    """Do what a program needs besides its entries, and say what is left to do."""
    if one.program == "cursor":
        return ["Cursor was never tried with these entries: see whether an edit is stopped"]
    if one.program != "codex":
        return []
    if not codex.is_here():
        return [_TRUST]
    try:
        entries = codex.trust(one.file)
    except UndecidedError as error:
        return [f"{error.message}; {_TRUST}"]
    if not entries:
        return ["Codex does not read these entries, because you have not trusted the project in it"]
    return [
        f"Codex trusts {count(len(entries), 'entry', 'entries')} of agentlock",
        *_sandbox(sandbox),
    ]


def _sandbox(wanted: bool) -> list[str]:
    """What commands in Codex's sandbox may write of the project here, if there is one."""
    try:
        folder = codex.folder_of_the_table(discover())
    except NotARepositoryError:
        return []
    if not folder or codex.can_write(folder):
        return []
    if wanted:
        codex.let_write(folder)
        return [f"commands in Codex's sandbox may write {folder} now"]
    why = f"commands in Codex's sandbox cannot reserve or release: it keeps {folder} read-only"
    return [f"{why}; to let them: agentlock edit-hooks install codex --sandbox"]


def _chosen(programs: Sequence[str]) -> list[str]:
    unknown = [name for name in programs if name not in NAMES]
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} is not a program that agentlock knows",
            fix=f"one of: {', '.join(NAMES)}",
        )
    chosen = list(dict.fromkeys(programs)) or installation.found_here()
    if not chosen:
        raise UsageError(
            "no agent's program was found here", fix=f"name one of: {', '.join(NAMES)}"
        )
    return chosen


def _root(user: bool) -> str | None:
    return None if user else os.fsdecode(discover().root)


def _print(found: Sequence[Installed], as_json: bool) -> None:
    if as_json:
        print_json([{name: getattr(one, name) for name in one._fields} for one in found])
        return
    rows = [(one.title, one.state, one.place, one.file) for one in found]
    table(("PROGRAM", "ENTRIES", "FOR", "FILE"), rows)
