"""The verdict on files that an agent is about to edit: the same as on a commit of them.

The repository of each path decides, not that of the folder where the agent works. A path through
symbolic links counts as it is named and as what it leads to.
"""

from __future__ import annotations

import os

from agentlock.environment import FINDING_THE_REPOSITORY
from agentlock.errors import NotARepositoryError
from agentlock.git.changes import Changes
from agentlock.git.process import output
from agentlock.git.repository import discover
from agentlock.guard.judge import folding_of, standing, with_holders
from agentlock.guard.verdict import decide
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agentlock.git.identity import Identity
    from agentlock.git.repository import Repository
    from agentlock.model import Reservation, Verdict
    from agentlock.reservations.search import Conflict
    from agentlock.reservations.stale import StaleCopy
    from agentlock.store.base import Store

# What an agent could switch the guard off with, in git's own folder.
_GUARDED = (b"hooks", b"config", b"config.worktree", b"agentlock", b"commondir", b"gitdir")
_WORKTREES = b"worktrees"


class Judged(Value):
    """The verdict on the paths of one repository, at the time ``now``.

    ``live`` are the reservations that it comes from. ``places`` are places in the queue that come
    before an edit that reserves, ``stale`` what other branches have changed; they refuse as well.
    """

    repository: Repository
    identity: Identity
    changes: Changes
    verdict: Verdict
    now: int
    live: tuple[Reservation, ...] = ()
    places: tuple[Conflict, ...] = ()
    stale: tuple[StaleCopy, ...] = ()

    @property
    def allowed(self) -> bool:
        if self.verdict.policy.on_edit == "off":
            return True
        return self.verdict.allowed and not self.places and not self.stale


def judged(
    store: Store, repository: Repository, identity: Identity, paths: Sequence[bytes]
) -> Judged:
    """The verdict on an edit of these paths, relative to the root."""
    added = frozenset(path for path in paths if not os.path.lexists(path))  # from the root
    changes = Changes(tuple(paths), frozenset(), added)
    folding = folding_of(repository)
    now, policy, live, fence = standing(store, changes, identity.name, folding)
    verdict = decide(changes, live, identity.name, policy, folding).replace(fence=fence)
    verdict = with_holders(store, verdict)
    return Judged(repository, identity, changes, verdict, now, tuple(live))


def by_worktree(paths: Iterable[bytes], cwd: bytes) -> dict[bytes, list[bytes]]:
    """The absolute paths, by the root of the worktree that each lies in.

    What lies in none is left out: it is not ours.
    """
    found: dict[bytes, dict[bytes, None]] = {}
    for path in paths:
        named = os.path.join(cwd, os.path.expanduser(path))
        folder, name = os.path.split(os.path.normpath(named))
        for full in (os.path.join(os.path.realpath(folder), name), os.path.realpath(named)):
            for root in _roots_of(full):
                found.setdefault(root, {})[full] = None
    return {root: list(inside) for root, inside in found.items()}


def enter(root: bytes) -> Repository | None:
    """The repository at this root, which becomes the current directory; None without agentlock.

    Only the repository's own configuration says so: where that does not even have the word, git
    need not be asked.

    Variables that lead git elsewhere are the program's, and say nothing about this path.
    """
    os.chdir(root)
    if _is_without_agentlock(root):
        return None
    for name in FINDING_THE_REPOSITORY:
        os.environ.pop(name, None)
    try:
        repository = discover()
    except NotARepositoryError:  # git finds nothing here either, so nothing can be committed
        return None
    return repository if repository.database else None


def _is_without_agentlock(root: bytes) -> bool:
    """Whether one look tells that agentlock does not guard a main worktree."""
    git_dir = os.path.join(root, b".git")
    own = _text_of(os.path.join(git_dir, b"config"))
    if own is None or b"agentlock" in own:
        return False  # also of a linked worktree or a bare repository, which have it elsewhere
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


def relative(repository: Repository, paths: Iterable[bytes]) -> list[bytes]:
    """The absolute paths as they are seen from the root; in git's own folder: ``.git/…``.

    A folder that is removed or moved stands for the files in it.
    """
    root = os.path.realpath(repository.root)
    found = dict.fromkeys(file for path in paths for file in _files(path))
    return [os.path.relpath(path, root) for path in found]


def guarded(repository: Repository, paths: Iterable[bytes]) -> bytes | None:
    """The first of the paths that would switch the guard off, if there is one."""
    for path in paths:
        names = path.lower().split(b"/")
        if repository.is_bare:
            inside = names
        elif names[0] == b".git":
            inside = names[1:]
        else:
            continue
        if inside[:1] == [_WORKTREES]:
            inside = inside[2:]
        if not inside or inside[0] in _GUARDED or inside[0].startswith(b"agentlock"):
            return path
    return None


def _files(path: bytes) -> Iterator[bytes]:
    """The path, and if it is a folder, the files below it."""
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        for folder, _, names in os.walk(path):
            for name in names:
                yield os.path.join(folder, name)


def uncommitted(
    folder: bytes, limits: Sequence[bytes], *, tracked: bool, untracked: bool
) -> list[bytes]:
    """The paths that are changed in a folder's worktree and not committed, from the root.

    ``limits`` are git's pathspecs, seen from the folder.
    """
    others = "--untracked-files=all" if untracked else "--untracked-files=no"
    asked = ("status", "--porcelain", "-z", "--no-renames", others, "--")
    listed = output(*asked, *map(os.fsdecode, limits), cwd=folder)
    entries = [entry for entry in listed.split(b"\0") if entry]
    return [one[3:] for one in entries if (tracked if one[:2] != b"??" else untracked)]


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
