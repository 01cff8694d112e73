"""The worktrees of a repository, from git's own files: git itself would cost a hook 2 ms."""

from __future__ import annotations

import os


def worktree_roots(common_dir: bytes) -> list[bytes]:
    """The real path of every worktree that is there, the main one first.

    Of a bare repository and of a submodule the main one is not known here.
    """
    found = []
    if os.path.basename(common_dir) == b".git":
        found.append(os.path.dirname(common_dir))
    folder = os.path.join(common_dir, b"worktrees")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    for name in names:
        try:
            with open(os.path.join(folder, name, b"gitdir"), "rb") as file:
                link = file.read().rstrip(b"\n")
        except OSError:  # git is making or removing it
            continue
        found.append(os.path.dirname(os.path.join(folder, name, link)))
    return [os.path.realpath(path) for path in found if os.path.isdir(path)]
