"""The owner's key: what a person has to give for what weakens the guard.

The database and the repository's settings keep its hash alone. A key is drawn, never chosen, so
that one round of SHA-256 is as good as many: nobody finds 256 random bits by trying.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

_SCHEME = "sha256:"
_LONGEST = 1024  # bytes; whoever names another file by mistake has it read no further


def make() -> str:
    """A new key, in letters that every shell and every terminal takes."""
    return secrets.token_urlsafe(32)


def hashed(key: str) -> str:
    """What is kept of a key: the scheme and the digest."""
    return _SCHEME + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def is_key(key: str, kept: str) -> bool:
    """Whether this is the key that ``kept`` is the hash of; never for a scheme that is unknown."""
    return hmac.compare_digest(hashed(key).encode(), kept.encode("utf-8", "surrogateescape"))


def read(source: str | int) -> str:
    """The first line of a file, or of an open descriptor, without the space around it; or OSError.

    A descriptor stays open.
    """
    with open(source, "rb", closefd=isinstance(source, str)) as file:
        return file.readline(_LONGEST).decode("utf-8", "surrogateescape").strip()
