"""Git's folder of a worktree, and the one that all worktrees of the repository share.

They are found by looking, where all that leads to them is exactly as git writes it. Every edit in
every project comes here, so this module loads nothing.
"""

from __future__ import annotations

import os
import stat

_UP = b"../..\n"  # from the folder of a linked worktree to the common one
_LARGEST = 1 << 13  # bytes; a path is shorter


def folders_of(root: bytes, given: bytes | None = None) -> tuple[bytes, bytes] | None:
    """Git's folder and the common one of the worktree at ``root``; None if git has to be asked.

    ``given`` is GIT_DIR. Without it, ``.git`` is the folder, or the file that names it. Both are
    real paths if ``root`` is.
    """
    try:
        git_dir = _led_to(os.path.join(root, b".git")) if given is None else given
        if git_dir is None or (given is not None and os.path.realpath(given) != given):
            return None
        if not os.path.lexists(os.path.join(git_dir, b"commondir")):
            return git_dir, git_dir
        if _text_of(os.path.join(git_dir, b"commondir")) != _UP:
            return None
    except OSError:
        return None
    return git_dir, os.path.dirname(os.path.dirname(git_dir))


def _led_to(path: bytes) -> bytes | None:
    """The folder that a ``.git`` is or names (gitrepository-layout(5))."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        return path
    start, separator, rest = _text_of(path).partition(b"gitdir: ")
    named, newline, more = rest.partition(b"\n")
    if start or not separator or not named or not newline or more:
        return None
    if b"\r" in named or b"\0" in named:
        return None
    return os.path.realpath(os.path.join(os.path.dirname(path), named))


def _text_of(path: bytes) -> bytes:
    """What a file of this user has; OSError if it is no file, or somebody else's.

    A symbolic link is none either.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise OSError(path)
        return os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)
