"""What exists in a worktree, on disk or in the index, to decide how a pattern is read."""

from __future__ import annotations

import os
import stat

from agentlock.errors import NotARepositoryError
from agentlock.git.process import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from agentlock.git.repository import Repository

_GITLINK = b"160000"
_AT_ONCE = 200  # paths on one command line


class WorkTree:
    """A worktree seen from a current directory. The index is read once, when it is first needed."""

    def __init__(self, repository: Repository) -> None:
        repository.require_worktree()
        self.root = os.path.realpath(repository.root)
        try:
            self.cwd = os.path.realpath(os.getcwdb())
        except OSError as error:
            raise NotARepositoryError("the current directory no longer exists") from error
        self._index: dict[bytes, Literal["file", "directory", "submodule"]] | None = None

    def lookup(self, path: bytes) -> Literal["file", "directory", "submodule"] | None:
        """What ``path`` (relative to the root) names; a symbolic link is a file, as for git."""
        if not path:
            return "directory"
        try:
            mode = os.lstat(os.path.join(self.root, path)).st_mode
        except (OSError, ValueError):
            return self.index.get(path)
        if not stat.S_ISDIR(mode):
            return "file"
        if self._may_be_submodule(path) and self.index.get(path) == "submodule":
            return "submodule"
        return "directory"

    def directories(self) -> Iterable[bytes]:
        """Every directory that the index knows."""
        return [path for path, kind in self.index.items() if kind == "directory"]

    def files(self) -> Iterable[bytes]:
        """Every tracked path, submodules included."""
        return [path for path, kind in self.index.items() if kind != "directory"]

    @property
    def index(self) -> dict[bytes, Literal["file", "directory", "submodule"]]:
        if self._index is None:
            self._index = _read_index(self.root)
        return self._index

    def _may_be_submodule(self, path: bytes) -> bool:
        """Whether it is a submodule: its folder has a ``.git``, or is empty if not checked out."""
        try:
            names = os.listdir(os.path.join(self.root, path))
        except OSError:
            return True
        return not names or b".git" in names


def changed(root: bytes, paths: Sequence[bytes]) -> set[bytes]:
    """Those of the paths that differ from HEAD in the worktree at this root."""
    found: set[bytes] = set()
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        asked = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--")
        listed = output("--literal-pathspecs", *asked, *map(os.fsdecode, some), cwd=root)
        found.update(entry[3:] for entry in listed.split(b"\0") if entry)
    return found.intersection(paths)


def _read_index(root: bytes) -> dict[bytes, Literal["file", "directory", "submodule"]]:
    known: dict[bytes, Literal["file", "directory", "submodule"]] = {}
    for entry in output("ls-files", "-z", "--stage", cwd=root).split(b"\0"):
        if not entry:
            continue
        header, _, path = entry.partition(b"\t")
        known[path] = "submodule" if header.startswith(_GITLINK) else "file"
        parent = path.rpartition(b"/")[0]
        while parent and parent not in known:
            known[parent] = "directory"
            parent = parent.rpartition(b"/")[0]
    return known
