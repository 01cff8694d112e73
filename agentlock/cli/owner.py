"""Ask for the owner's key, and for a reason, at the commands that need them."""

from __future__ import annotations

import os
import sys
from functools import partial, wraps

from agentlock.cli import declared
from agentlock.environment import OWNER_KEY_FILE
from agentlock.errors import RefusedError, UsageError
from agentlock.rules import owner_key
from agentlock.text import check_reason
from agentlock.workspace import migrated_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agentlock.cli.workspace import Workspace
    from agentlock.git.repository import Repository


class Owner:
    """How the owner's key is given to a command: in a file, a descriptor, or on a terminal."""

    def __init__(self, file: str | None, descriptor: int | None) -> None:
        if descriptor is not None and file is not None:
            raise UsageError(
                "--owner-key-file and --owner-key-fd exclude each other",
                fix="give only one of them",
            )
        named = file or os.environ.get(OWNER_KEY_FILE) or None
        self._source = named if descriptor is None else descriptor
        self._given: str | None = None

    def require(self, repository: Repository, doing: str, *, timeout: int) -> str | None:
        """The hash of the owner's key, if the right key was given; None if the project has none.

        OwnerKeyError if another key was given, or none. ``doing`` is the command, for the refusal
        and the log.
        """
        opened = partial(migrated_table, repository, timeout=timeout)
        kept = owner_key.kept_for(repository, opened)
        if kept is not None:
            owner_key.require(kept, self._key(), doing, repository, opened)
        return kept

    def require_at(
        self, location: str, repository: Repository, doing: str, *, timeout: int
    ) -> str | None:
        """The same for the key of the database at ``location``, which may be another one."""
        kept = owner_key.kept_at(location, timeout)
        if kept is not None:
            opened = partial(migrated_table, repository, timeout=timeout)
            owner_key.require(kept, self._key(), doing, repository, opened)
        return kept

    def _key(self) -> str | None:
        """The key that was given or typed, asked for only once; None if nobody can be asked."""
        if self._given is None:
            if self._source is not None:
                self._given = _read(self._source)
            elif _at_a_terminal():
                import click

                self._given = click.prompt("The owner's key", hide_input=True, err=True).strip()
        return self._given


def owner_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--owner-key-file`` and ``--owner-key-fd``; the command gets an ``owner`` instead."""

    @wraps(function)
    def with_owner(*, owner_key_file: str | None, owner_key_fd: int | None, **options: Any) -> Any:
        return function(owner=Owner(owner_key_file, owner_key_fd), **options)

    file = declared.option(
        "--owner-key-file",
        metavar="FILE",
        help="A file with the owner's key, if the project has one (default: ask).",
    )
    descriptor = declared.option(
        "--owner-key-fd",
        type=declared.Range(0),
        metavar="N",
        help="The same, as the number of an open file.",
    )
    return file(descriptor(with_owner))


def reason_for(what: str, reason: str) -> str:
    """The reason, asked for at a terminal if it is missing; UsageError if there is none."""
    if not reason.strip() and _at_a_terminal():
        import click

        reason = click.prompt("Why", err=True)
    if not reason.strip():
        raise UsageError(f"{what} needs a reason, which every agent sees", fix="--reason 'why'")
    return check_reason(reason)


def allowed(
    workspace: Workspace,
    owner: Owner,
    doing: str,
    reason: str,
    *,
    force: bool,
    theirs: str = "what {} holds is",
    see: str = "agentlock list --agent {}",
) -> str:
    """The reason, checked with the owner's key if it is by force.

    RefusedError if ``--agent`` names another agent than the one that asks, and force is not used;
    ``theirs`` and ``see`` say what is not the asker's, of that agent.
    """
    identity = workspace.identity
    if force:
        reason = reason_for("--force", reason)
        owner.require(workspace.repository, doing, timeout=workspace.timeout)
    elif identity.overruled is not None:
        raise RefusedError(
            f"you are {identity.overruled} here, and {theirs.format(identity.name)} not yours",
            see=see.format(identity.name),
        )
    return reason


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _read(source: str | int) -> str:
    try:
        key = owner_key.read(source)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"the owner's key cannot be read from {source}: {why}",
            fix="name a file that has the key",
        ) from None
    if not key:
        raise UsageError(f"{source} holds no key", fix="write only the key into it, on one line")
    return key
