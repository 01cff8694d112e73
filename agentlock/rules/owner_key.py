"""Makes and checks the owner's key, which commands that weaken the guard require.

The database and the repository's settings keep only its hash. A key is random, never chosen, so one
round of SHA-256 is enough: nobody finds 256 random bits by trying.
"""

from __future__ import annotations

from contextlib import closing, suppress

from agentlock.errors import AgentlockError, RefusedError
from agentlock.event_kinds import REFUSED
from agentlock.git.identity import identify
from agentlock.store import connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from agentlock.git.repository import Repository
    from agentlock.store.base import Store

    Opened = Callable[..., AbstractContextManager[Store]]  # takes read_only=

_SCHEME = "sha256:"
_LONGEST = 1024  # bytes that are read of a file, which may be another one by mistake


class OwnerKeyError(RefusedError):
    """Only the owner may do this, and their key was not given, or a wrong one was."""

    kind = "owner-key"


def make() -> str:
    """A new key, in characters that no shell or terminal changes."""
    import secrets  # loaded late: every `release` loads this module, and few projects have a key

    return secrets.token_urlsafe(32)


def hashed(key: str) -> str:
    """What the database keeps of a key: the name of the scheme, and the digest."""
    import hashlib

    return _SCHEME + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def is_key(key: str, kept: str) -> bool:
    """Whether ``kept`` is the hash of this key; False for an unknown scheme."""
    import hmac

    return hmac.compare_digest(hashed(key).encode(), kept.encode("utf-8", "surrogateescape"))


def read(source: str | int) -> str:
    """The first line of a file or an open descriptor, without the space around it, or OSError.

    A descriptor stays open.
    """
    with open(source, "rb", closefd=isinstance(source, str)) as file:
        return file.readline(_LONGEST).decode("utf-8", "surrogateescape").strip()


def kept_for(repository: Repository, opened: Opened) -> str | None:
    """The hash of the owner's key: the database's, or else the one that `init` recorded here.

    The record counts if the database cannot be asked, or was replaced by one without a key.
    """
    with suppress(AgentlockError), opened(read_only=True) as store:
        return store.owner.key() or repository.owner_key
    return repository.owner_key


def kept_at(location: str, timeout: int) -> str | None:
    """The hash of the owner's key that the database at ``location`` keeps."""
    with suppress(AgentlockError):
        store = connect(location, None, None, timeout=timeout, read_only=True)
        with closing(store):
            return store.owner.key()
    return None


def require(
    kept: str,
    given: str | None,
    doing: str,
    repository: Repository,
    opened: Opened,
) -> None:
    """Raise OwnerKeyError, and log it, unless ``given`` is the key that ``kept`` is the hash of.

    ``doing`` is the command. If the log cannot be written, the refusal stands anyway.
    """
    if given is not None and is_key(given, kept):
        return
    with suppress(AgentlockError), opened(read_only=False) as store, store.writing():
        who = identify(repository).name or ""
        store.events.log(REFUSED, store.now(), agent=who, detail=f"{doing} without the owner's key")
    if given is None:
        raise OwnerKeyError(
            f"{doing} needs the key of this project's owner",
            fix="ask the owner, who types the key at a terminal or gives --owner-key-file FILE",
        )
    raise OwnerKeyError(
        f"{doing}: this is not the owner's key", fix="ask whoever runs this project"
    )
