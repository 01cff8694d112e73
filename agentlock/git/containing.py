"""Which worktree contains a path, found by looking, and whether agentlock guards it.

Every edit of every project on this machine comes here first, most of them in repositories that
agentlock has nothing to do with. So this module loads next to nothing, and git is asked only where
a look cannot tell.
"""

from __future__ import annotations

import os

from agentlock.git.folders import folders_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agentlock.git.repository import Repository


def by_worktree(paths: Iterable[bytes], cwd: bytes) -> dict[bytes, list[bytes]]:
    """The absolute paths, by the root of the worktree that each lies in.

    A path through symbolic links counts as it is named and as what it leads to. What lies in no
    worktree is left out: it is not ours.
    """
    found: dict[bytes, dict[bytes, None]] = {}
    for path in paths:
        named = os.path.join(cwd, os.path.expanduser(path))
        folder, name = os.path.split(os.path.normpath(named))
        ways = [os.path.join(os.path.realpath(folder), name)]
        if b".." in named or os.path.islink(ways[0]):  # `link/..` is not where it seems to be
            ways.append(os.path.realpath(named))
        for full in ways:
            for root in _roots_of(full):
                found.setdefault(root, {})[full] = None
    return {root: list(inside) for root, inside in found.items()}


def enter(root: bytes) -> Repository | None:
    """The repository at this root, which becomes the current directory; None without agentlock.

    Only the repository's own configuration says so: where that does not even have the word, git
    need not be asked.

    Variables that lead git elsewhere are the program's, and say nothing about this path.
    """
    if is_without_agentlock(root):
        return None
    from agentlock.environment import FINDING_THE_REPOSITORY
    from agentlock.errors import NotARepositoryError
    from agentlock.git.repository import discover

    os.chdir(root)
    for name in FINDING_THE_REPOSITORY:
        os.environ.pop(name, None)
    try:
        repository = discover()
    except NotARepositoryError:  # git finds nothing here either, so nothing can be committed
        return None
    return repository if repository.database else None


def is_without_agentlock(root: bytes) -> bool:
    """Whether one look tells that agentlock does not guard a worktree."""
    folders = folders_of(root)
    if folders is None:
        return False  # also of a bare repository, which has its configuration elsewhere
    git_dir, common_dir = folders
    own = _text_of(os.path.join(common_dir, b"config"))
    if own is None or b"agentlock" in own:
        return False
    path = os.path.join(git_dir, b"config.worktree")
    return not os.path.lexists(path) or b"agentlock" not in (_text_of(path) or b"agentlock")


def _text_of(path: bytes) -> bytes | None:
    """What a file has, in lower case; None if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read().lower()
    except OSError:
        return None


def repository_at(folder: bytes) -> Repository | None:
    """The repository that a folder lies in, entered; None without agentlock."""
    root = next(iter(by_worktree([b"any"], folder)), None)
    return None if root is None else enter(root)


def _roots_of(path: bytes) -> Iterator[bytes]:
    """The nearest folder above a path that is a worktree, and a bare repository below that.

    A worktree's git adds the files of a bare repository inside it like any others. A look or two
    at each folder tells it, so a path outside every repository asks git nothing.
    """
    folder = os.path.dirname(path)
    while True:
        if _leads_to_git(os.path.join(folder, b".git")):
            yield folder
            return
        is_bare = os.path.basename(folder) != b".git" and _is_git(folder)
        if is_bare and not _is_private(folder):
            yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _leads_to_git(path: bytes) -> bool:
    """Whether a ``.git`` is or names a repository, so that git does not look further up.

    One that is left over, as of a worktree whose repository is gone, is none; one that cannot be
    read counts.
    """
    if not os.path.lexists(path):
        return False
    if os.path.isdir(path):
        return _is_git(path)
    try:
        with open(path, "rb") as file:
            text = file.read(8192)
    except OSError:
        return True
    named = os.path.join(os.path.dirname(path), text.removeprefix(b"gitdir:").strip())
    return text.startswith(b"gitdir:") and _is_git(named)


def _is_git(folder: bytes) -> bool:
    """Whether a folder has what git looks for in its own (setup.c, is_git_directory)."""
    inside = (os.path.join(folder, name) for name in (b"HEAD", b"objects", b"refs"))
    return all(map(os.path.lexists, inside)) or (
        os.path.lexists(os.path.join(folder, b"HEAD")) and _is_private(folder)
    )


def _is_private(folder: bytes) -> bool:
    """Whether it is the folder of a linked worktree inside git's own, which has a HEAD too."""
    return os.path.lexists(os.path.join(folder, b"commondir"))
