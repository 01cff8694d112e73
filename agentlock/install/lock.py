"""One process at a time changes how a repository is guarded.

Two that chain the same hook at once would take our own hook for the one that was there before.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from agentlock.errors import UndecidedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = b"agentlock.lock"
_SECONDS = 60


@contextmanager
def exclusively(common_dir: bytes) -> Iterator[None]:
    """Hold the repository's set-up lock; UndecidedError where another holds it for too long."""
    path = os.fsdecode(os.path.join(common_dir, _NAME))
    try:
        with FileLock(path, timeout=_SECONDS):
            yield
    except Timeout as error:
        raise UndecidedError(
            f"another process has been setting up this repository for {_SECONDS} s",
            hint="try again",
        ) from error


def remove_lock(common_dir: bytes) -> None:
    """Leave no trace of it."""
    path = os.path.join(common_dir, _NAME)
    if os.path.exists(path):
        os.unlink(path)
