"""Repositories and worktrees that lie inside one another, as their files on disk show."""

from __future__ import annotations

import os


def repository_at(folder: bytes) -> bytes | None:
    """The common directory of the repository whose worktree this folder is; None if it is none."""
    git = os.path.join(folder, b".git")
    if os.path.isdir(git):
        return os.path.realpath(git)
    try:
        with open(git, "rb") as file:
            kind, _, place = file.read(8192).rstrip(b"\r\n").partition(b": ")
    except OSError:
        return None
    if kind != b"gitdir":
        return None
    git = os.path.realpath(os.path.join(folder, place))
    try:
        with open(os.path.join(git, b"commondir"), "rb") as file:
            return os.path.realpath(os.path.join(git, file.read(8192).rstrip(b"\r\n")))
    except OSError:
        return git


def worktree_of(path: bytes) -> bytes | None:
    """The nearest folder above an absolute path, or at it, that is somebody's worktree."""
    while not os.path.lexists(os.path.join(path, b".git")):
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above
    return path
