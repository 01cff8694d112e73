"""What a git command that replays commits still has to do, as its own files say."""

from __future__ import annotations

import os

from agentlock.environment import GIT_DIR

COMMANDS = (["am"], ["cherry-pick"], ["rebase"], ["revert"])
_ENOUGH = 1 << 16  # bytes of a list that is only asked whether anything stands in it


def more_to_come() -> bool:
    """Whether another commit follows the one that is made now, in the current directory.

    A rebase takes a commit out of its list before it picks it (sequencer.c, save_todo), a
    cherry-pick and a revert afterwards. `git am` counts its patches.
    """
    git_dir = os.environ.get(GIT_DIR) or ".git"
    if _commands(git_dir, "rebase-merge/git-rebase-todo"):
        return True
    if len(_commands(git_dir, "sequencer/todo")) > 1:
        return True
    now, last = (_read(git_dir, f"rebase-apply/{name}").strip() for name in ("next", "last"))
    return now.isdigit() and last.isdigit() and int(now) < int(last)


def _commands(git_dir: str, name: str) -> list[bytes]:
    lines = _read(git_dir, name).split(b"\n")
    return [line for line in lines if line.strip() and not line.startswith(b"#")]


def _read(git_dir: str, name: str) -> bytes:
    try:
        with open(os.path.join(git_dir, name), "rb") as file:
            return file.read(_ENOUGH)
    except OSError:
        return b""
