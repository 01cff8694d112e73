"""The verdict on files that an agent is about to edit: the same as on a commit of them.

The repository of each path decides, not that of the folder where the agent works
(agentlock/git/containing.py).
"""

from __future__ import annotations

import os

from agentlock.guard.judge import folding_of, load_to_refuse, standing, with_holders
from agentlock.guard.verdict import decide
from agentlock.model import Changes, Value

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
    changes = Changes(tuple(sorted(paths)), frozenset(), added)
    folding = folding_of(repository)
    now, policy, live, fence = standing(store, changes, identity.name, folding)
    load_to_refuse("edit", [held for held in live if policy.blocks(held, identity.name)])
    verdict = decide(changes, live, identity.name, policy, folding).replace(fence=fence)
    verdict = with_holders(store, verdict)
    return Judged(repository, identity, changes, verdict, now, tuple(live))


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
    from agentlock.git.process import output

    others = "--untracked-files=all" if untracked else "--untracked-files=no"
    asked = ("status", "--porcelain", "-z", "--no-renames", others, "--")
    listed = output(*asked, *map(os.fsdecode, limits), cwd=folder)
    entries = [entry for entry in listed.split(b"\0") if entry]
    return [one[3:] for one in entries if (tracked if one[:2] != b"??" else untracked)]
