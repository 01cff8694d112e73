"""Settings of agents' programs: read, replaced, and kept as they were so that they can be restored.

``kind`` is what of ours stands in them: entries of one kind are restored without those of another.
"""

from __future__ import annotations

import hashlib
import os

from agentlock.errors import UndecidedError
from agentlock.files import replace_file
from agentlock.install import registry

UNKNOWN = b"\0"
"""What a file was that has changed since."""


def of_user(home: tuple[str, str], file: str) -> str:
    """Where the user's own settings are: ``file`` below HOME, or what a variable moves it to.

    ``home`` is the name of that variable ("": there is none) and the path within its folder.
    """
    variable, inside = home
    moved = os.environ.get(variable) if variable else None
    return os.path.join(moved, inside) if moved else os.path.expanduser(f"~/{file}")


def shown(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path


def read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UndecidedError(f"{shown(path)} cannot be read: {error.strerror}") from error


def write(path: str, data: bytes) -> None:
    """Replace the file that it really is, not a link to it."""
    real = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(real), exist_ok=True)
        replace_file(real, data)
    except OSError as error:
        raise UndecidedError(f"{shown(path)} cannot be written: {error.strerror}") from error


def _kept(kind: str, path: str) -> str:
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:24]
    return os.path.join(os.path.dirname(registry.path()), kind, name)


def _keep(kind: str, path: str, old: bytes | None, new: bytes) -> None:
    """Keep what the file was, with a digest of what it is now: only then may it be restored."""
    # A second installation keeps what was there before the first.
    before = restored(kind, path, old)
    original = old if before is UNKNOWN else before
    head = hashlib.sha256(new).hexdigest().encode() + (b" made\n" if original is None else b"\n")
    try:
        os.makedirs(os.path.dirname(_kept(kind, path)), exist_ok=True)
        replace_file(_kept(kind, path), head + (original or b""), 0o600)  # it may hold keys
    except OSError:
        return  # without it the entries are taken out one by one


def put(kind: str, path: str, old: bytes | None, new: bytes) -> bool:
    """Write what the file becomes, and keep what it was; whether that changes anything."""
    if new == old:
        return False
    _keep(kind, path, old, new)
    write(path, new)
    return True


def restored(kind: str, path: str, now: bytes | None) -> bytes | None:
    """What the file was before our entries; ``UNKNOWN`` if it has changed since."""
    try:
        with open(_kept(kind, path), "rb") as file:
            head, _, original = file.read().partition(b"\n")
    except OSError:
        return UNKNOWN
    digest, _, made = head.partition(b" ")
    if now is None or hashlib.sha256(now).hexdigest().encode() != digest:
        return UNKNOWN
    return None if made else original


def forget(kind: str, path: str) -> None:
    if os.path.exists(_kept(kind, path)):
        os.unlink(_kept(kind, path))
