"""Put one hook in place of another and give it back, to the byte.

What was there is kept beside ours as ``NAME.before-agentlock`` and runs first. Other managers do
the same to us: pre-commit keeps what it finds as ``NAME.legacy`` and runs it first, lefthook keeps
it as ``NAME.old`` and does not. Where they have taken our hook for somebody's, what was before
ours goes there instead, as if ours had never been: a hook of ours there would run itself without
end.
"""

from __future__ import annotations

import os

from agentlock.errors import ConfigurationError, UndecidedError
from agentlock.install.shims import MARK

SUFFIX = ".before-agentlock"
_ALIASES = (".legacy", ".old")
_MANAGERS = (b"https://pre-commit.com", b"lefthook", b"git lfs", b"husky")


def put(path: str, script: bytes) -> None:
    """Make ``script`` the hook at ``path``, and keep and chain what was there. Safe to repeat."""
    if is_ours(path + SUFFIX):  # from a copied folder: it would run itself endlessly
        os.unlink(path + SUFFIX)
    _undo_aliases(path)
    if os.path.lexists(path) and not is_ours(path):
        if os.path.lexists(path + SUFFIX) and not _supersedes(path, path + SUFFIX):
            raise ConfigurationError(
                f"{path} and {path + SUFFIX} are both hooks that agentlock did not write",
                fix="merge them into one file, remove the other, then: agentlock hooks install",
            )
        os.replace(path, path + SUFFIX)
    elif _is_exactly(path, script):
        return
    draft = f"{path}.agentlock-new-{os.getpid()}"
    with open(draft, "wb") as file:
        file.write(script)
    os.chmod(draft, 0o755)  # noqa: S103 -- as git's own sample hooks
    os.replace(draft, path)


def take_out(path: str) -> bool:
    """Undo ``put``; return whether a hook of ours was there."""
    found = _undo_aliases(path)
    before = path + SUFFIX
    if is_ours(path):
        found = True
        if os.path.lexists(before):
            os.replace(before, path)
        else:
            os.unlink(path)
    elif os.path.lexists(before):
        if not os.path.lexists(path):
            os.replace(before, path)
        elif _supersedes(path, before):
            os.unlink(before)
    return found


def is_ours(path: str) -> bool:
    return MARK in head(path)


def alias_of_ours(path: str) -> str:
    """The file that another manager moved our hook to, or "" if none did."""
    return next((path + alias for alias in _ALIASES if is_ours(path + alias)), "")


def head(path: str) -> bytes:
    """The first bytes of a hook, enough to recognise it; b"" if there is no file."""
    try:
        with open(path, "rb") as file:
            return file.read(65536)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return b""
    except OSError as error:
        raise UndecidedError(f"{path} cannot be read: {error.strerror}") from error


def _undo_aliases(path: str) -> bool:
    alias = alias_of_ours(path)
    if not alias:
        return False
    before = path + SUFFIX
    if not os.path.lexists(before) or is_ours(path):
        os.unlink(alias)
    elif _supersedes(path, before):
        os.unlink(alias)
        os.unlink(before)
    else:
        os.replace(before, alias)
    _undo_aliases(path)
    return True


def _supersedes(new: str, old: str) -> bool:
    """Whether its manager would have replaced ``old`` with ``new`` if we had not been there."""
    theirs, former = head(new), head(old)
    return theirs == former or any(mark in theirs and mark in former for mark in _MANAGERS)


def _is_exactly(path: str, script: bytes) -> bool:
    if os.path.islink(path) or not os.access(path, os.X_OK):
        return False
    try:
        with open(path, "rb") as file:
            return file.read() == script
    except FileNotFoundError:
        return False
