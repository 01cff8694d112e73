"""What is the owner's to do: their key is asked for, and a reason where others will want one."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from agentlock.cli.workspace import migrated_table
from agentlock.environment import OWNER_KEY_FILE
from agentlock.errors import AgentlockError, OwnerKeyError, UsageError
from agentlock.event_kinds import REFUSED
from agentlock.git.repository import identify
from agentlock.store import connect
from agentlock.text import check_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentlock.git.repository import Repository


class Owner:
    """How the owner's key is given to a command: in a file, a descriptor, or on a terminal."""

    def __init__(self, file: str | None, descriptor: int | None) -> None:
        if descriptor is not None and file is not None:
            raise UsageError(
                "--owner-key-file and --owner-key-fd exclude each other", fix="give one of them"
            )
        named = file or os.environ.get(OWNER_KEY_FILE) or None
        self._source = named if descriptor is None else descriptor
        self._given: str | None = None

    def require(self, repository: Repository, doing: str, *, timeout: int) -> str | None:
        """Go on only where the owner's key is given, or none is kept; its hash.

        ``doing`` is the command, for the refusal and the log. OwnerKeyError where the key is
        another or none is given.
        """
        kept = _kept(repository, timeout)
        self._prove(kept, repository, doing, timeout)
        return kept

    def require_at(
        self, location: str, repository: Repository, doing: str, *, timeout: int
    ) -> str | None:
        """The same for the key of any database, which need not be the repository's."""
        kept = _kept_at(location, timeout)
        self._prove(kept, repository, doing, timeout)
        return kept

    def _prove(self, kept: str | None, repository: Repository, doing: str, timeout: int) -> None:
        if kept is None:
            return
        from agentlock.rules import owner_key  # loads as much as the rest of a command

        given = self._key()
        if given is not None and owner_key.is_key(given, kept):
            return
        _log_attempt(repository, doing, timeout)
        if given is None:
            raise OwnerKeyError(
                f"{doing} is for the owner of this project, and needs their key",
                fix="ask them; they type it at a terminal, or give --owner-key-file FILE",
            )
        raise OwnerKeyError(
            f"{doing}: this is not the owner's key", fix="ask whoever runs this project"
        )

    def _key(self) -> str | None:
        """What is given, asked for once however many databases want it; None: nobody can be."""
        if self._given is None:
            if self._source is not None:
                self._given = _read(self._source)
            elif _at_a_terminal():
                self._given = click.prompt("The owner's key", hide_input=True, err=True).strip()
        return self._given


def owner_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--owner-key-file`` and ``--owner-key-fd``, which the command gets as its ``owner``."""

    @wraps(function)
    def with_owner(*, owner_key_file: str | None, owner_key_fd: int | None, **options: Any) -> Any:
        return function(owner=Owner(owner_key_file, owner_key_fd), **options)

    file = click.option(
        "--owner-key-file",
        metavar="FILE",
        help="Where the owner's key stands, if the project has one (else: asked for).",
    )
    descriptor = click.option(
        "--owner-key-fd", type=click.IntRange(min=0), metavar="N", help="The same, an open file."
    )
    return file(descriptor(with_owner))


def reason_for(what: str, reason: str) -> str:
    """The reason, which is asked for on a terminal; UsageError where there is none."""
    if not reason.strip() and _at_a_terminal():
        reason = click.prompt("Why", err=True)
    if not reason.strip():
        raise UsageError(f"{what} needs a reason, which every agent sees", fix="--reason 'why'")
    return check_reason(reason)


def _kept(repository: Repository, timeout: int) -> str | None:
    """The hash of the owner's key: the database's, else what `init` recorded here.

    The record counts where the database cannot be asked, or was replaced by one without a key.
    """
    with (
        suppress(AgentlockError),
        migrated_table(repository, timeout=timeout, read_only=True) as store,
    ):
        return store.owner.key() or repository.owner_key
    return repository.owner_key


def _kept_at(location: str, timeout: int) -> str | None:
    with suppress(AgentlockError):
        store = connect(location, None, None, timeout=timeout, read_only=True)
        with closing(store):
            return store.owner.key()
    return None


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _read(source: str | int) -> str:
    from agentlock.rules import owner_key

    try:
        key = owner_key.read(source)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"the owner's key cannot be read from {source}: {why}", fix="name a file that holds it"
        ) from None
    if not key:
        raise UsageError(f"{source} holds no key", fix="one line, the key alone")
    return key


def _log_attempt(repository: Repository, doing: str, timeout: int) -> None:
    """Say so in the log; where that cannot be, the refusal stands all the same."""
    with suppress(AgentlockError), migrated_table(repository, timeout=timeout) as store:
        who = identify(repository).name or ""
        with store.writing():
            store.events.log(
                REFUSED, store.now(), agent=who, detail=f"{doing} without the owner's key"
            )
