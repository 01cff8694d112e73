"""The worktrees of a repository, and how to work in each of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentlock.git.process import git as git_command
from agentlock.git.process import output
from agentlock.git.rehearsal import local_variables
from agentlock.git.repository import discover

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentlock.git.repository import Repository

_LISTS_WITH_NUL = (2, 36)  # worktree list -z


class Worktree:
    """One record of ``git worktree list --porcelain``."""

    def __init__(self, path: bytes, words: Sequence[bytes]) -> None:
        self.path = path
        self.is_bare = b"bare" in words
        self.is_locked = any(word == b"locked" or word.startswith(b"locked ") for word in words)
        self.is_missing = not os.path.isdir(path)


def worktrees(repository: Repository, git: tuple[int, ...]) -> list[Worktree]:
    """Every worktree of the repository, including those whose folders are missing."""
    nul = git >= _LISTS_WITH_NUL
    listed = output(
        "worktree", "list", "--porcelain", *(["-z"] if nul else []), cwd=repository.common_dir
    )
    found = []
    for record in listed.split(b"\0\0" if nul else b"\n\n"):
        lines = record.split(b"\0" if nul else b"\n")
        if lines[0].startswith(b"worktree "):
            found.append(Worktree(lines[0][len(b"worktree ") :], lines[1:]))
    if found and not found[0].is_bare:
        found[0] = Worktree(_main_root(repository, found[0].path), ())
    return found


def _main_root(repository: Repository, listed: bytes) -> bytes:
    """The folder of the main worktree. For a submodule git lists its git folder instead."""
    if repository.git_dir == repository.common_dir:
        return repository.root
    configured = repository.settings.get(b"core.worktree")
    return os.path.join(repository.common_dir, configured) if configured else listed


def is_cut_off(path: bytes) -> bool:
    """Whether git finds no repository from there."""
    return git_command("rev-parse", "--git-dir", cwd=path).code != 0


@contextmanager
def without_git_variables() -> Iterator[None]:
    """Take out of the environment what leads git to one repository, or sets options of one command.

    For example, GIT_DIR is set inside a hook, and GIT_CONFIG_PARAMETERS under ``git -c``.
    """
    kept = {name: os.environb.get(name) for name in local_variables()}
    for name in kept:
        os.environb.pop(name, None)
    try:
        yield
    finally:
        os.environb.update({name: value for name, value in kept.items() if value is not None})


@contextmanager
def inside(path: bytes) -> Iterator[Repository]:
    """The repository as seen from ``path``, which is the current directory meanwhile."""
    here = os.getcwdb()
    os.chdir(path)
    try:
        yield discover()
    finally:
        os.chdir(here)
