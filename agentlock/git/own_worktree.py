"""A worktree of an agent's own, next to the first one of its repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agentlock.errors import UsageError
from agentlock.git.process import git, output
from agentlock.text import printable, shell_word

if TYPE_CHECKING:
    from agentlock.git.repository import Repository


def place_for(repository: Repository, agent: str) -> bytes:
    """Where an agent's own worktree is or will be: ``/path/garden-BlueLake`` for a garden."""
    listed = output("worktree", "list", "--porcelain", cwd=repository.root)
    first = listed.partition(b"\n")[0].removeprefix(b"worktree ")
    return os.fsencode(f"{os.fsdecode(first)}-{agent}")


def make(repository: Repository, place: bytes, branch: str) -> None:
    """Make a worktree there, with this branch, which begins at HEAD if it is new.

    One that is there with this branch stays as it is; UsageError if it has another one.
    """
    listed = output("worktree", "list", "--porcelain", cwd=repository.root)
    for entry in listed.split(b"\n\n"):
        lines = entry.split(b"\n")
        if lines[0] == b"worktree " + os.path.realpath(place) and os.path.isdir(place):
            if f"branch refs/heads/{branch}".encode() in lines:
                return
            raise UsageError(
                f"{printable(place)} is a worktree with another branch than {branch}",
                see="git worktree list",
            )
    exists = git("rev-parse", "-q", "--verify", f"refs/heads/{branch}", cwd=repository.root)
    new = () if exists.code == 0 else ("-b",)
    words = (*new, branch, os.fsdecode(place)) if new else (os.fsdecode(place), branch)
    made = git("worktree", "add", "-q", *words, cwd=repository.root)
    if made.code != 0:
        raise UsageError(
            f"git makes no worktree {printable(place)}: {made.said()}",
            see=f"git worktree add {shell_word(place)}",
        )
