"""Which git this is."""

from __future__ import annotations

import os

from agentlock.git.process import output

OLDEST = (2, 31)  # rev-parse --path-format


def installed() -> tuple[int, ...]:
    """The version of git, for example (2, 39); GitError if git cannot be started."""
    words = output("version").decode("utf-8", "replace").split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(number) for number in numbers[:2] if number.isdigit())


def shown(version: tuple[int, ...]) -> str:
    """(2, 39) as ``2.39``."""
    return ".".join(map(str, version))


def too_old(version: tuple[int, ...]) -> str:
    """The sentence about a git that is older than OLDEST."""
    return f"git {shown(OLDEST)} or newer is needed, this is {shown(version)}"


def write(descriptor: int, *, seconds: float) -> None:
    """Have git write its version to a file that is open; give up after ``seconds``.

    For the log of a bug: it never raises because of git, and waits for nothing that git leaves
    behind. OSError if git cannot be started.
    """
    import signal
    import time

    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, descriptor, 1),
        (os.POSIX_SPAWN_DUP2, descriptor, 2),
    ]
    process = os.posix_spawnp("git", ["git", "version"], os.environb, file_actions=actions)
    deadline = time.monotonic() + seconds
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            return
        time.sleep(0.01)
