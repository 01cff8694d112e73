"""A lock, so that only one process at a time changes how a repository is guarded.

Otherwise two that chain the same hook would mistake our hook for the user's own.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from agentlock.errors import UndecidedError
from agentlock.git import system_config
from agentlock.guard import clearance, made, notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = b"agentlock.lock"
_SECONDS = 60


@contextmanager
def exclusively(common_dir: bytes) -> Iterator[None]:
    """Hold the repository's set-up lock; UndecidedError if another process holds it too long."""
    from filelock import FileLock, Timeout  # not for those who only look whether hooks are there

    path = os.fsdecode(os.path.join(common_dir, _NAME))
    try:
        with FileLock(path, timeout=_SECONDS):
            yield
    except Timeout as error:
        raise UndecidedError(
            f"another process has been setting up this repository for {_SECONDS} s",
            fix="try again",
        ) from error


def remove_files(common_dir: bytes) -> None:
    """Remove the lock, and the files that the hooks left in each worktree's git folder."""
    folders = [common_dir]
    worktrees = os.path.join(common_dir, b"worktrees")
    if os.path.isdir(worktrees):
        folders += [os.path.join(worktrees, name) for name in os.listdir(worktrees)]
    for folder in folders:
        with suppress(FileNotFoundError, NotADirectoryError):
            clearance.forget(folder)
            system_config.forget(folder)
        for name in (_NAME, made.MADE, notes.FILE):
            with suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(os.path.join(folder, name))
