"""Where a typed path leads in a worktree; whatever cannot be reserved is a PatternError."""

from __future__ import annotations

import os.path

from agentlock.patterns.nested import repository_at, worktree_of
from agentlock.patterns.wildmatch import SPECIAL, has_special, refuse, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, Protocol

    What = Literal["file", "directory", "submodule"] | None

    class Tree(Protocol):
        """What exists in a worktree, on disk or in the index. Paths are relative to ``root``."""

        root: bytes
        """The absolute real path of the worktree."""

        cwd: bytes
        """The absolute real path of the current directory, which is ``root`` or below it."""

        def lookup(self, path: bytes) -> What:
            """What exists at a path; a symbolic link counts as a file."""

        def directories(self) -> Iterable[bytes]:
            """The directories with tracked files, for the notes."""


class Places:
    """The paths of one worktree, which is asked about each of them once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[bytes, What] = {}

    def lookup(self, path: bytes) -> What:
        """What exists at a path relative to the root."""
        if not path:
            return "directory"
        if path not in self._known:
            self._known[path] = self._tree.lookup(path)
        return self._known[path]

    def existing(self, text: bytes) -> What:
        """What exists under the name that was typed."""
        if not text or b"\0" in text or b"//" in text or self._leaves_a_wildcard(text):
            return None
        path = self._located(text)
        return None if path is None else self.lookup(path)

    def _leaves_a_wildcard(self, text: bytes) -> bool:
        """Whether ``..`` leaves a directory that only a wildcard matches: `*/../a` is not `a`."""
        names = text.split(b"/")
        parents = (b"/".join(names[:at]) for at, name in enumerate(names) if name == b"..")
        return any(
            has_special(parent) and not os.path.isdir(os.path.join(self._tree.cwd, parent))
            for parent in parents
        )

    def _located(self, text: bytes) -> bytes | None:
        """The path that a text names, relative to the root; None if it is outside.

        Symbolic links among its parents are resolved; the last name is resolved only if a slash
        follows. A leading slash means the root of the file system, or else the repository's root,
        because canonical texts have one.
        """
        found = self._inside(os.path.join(self._tree.cwd, text))
        if found is None and text.startswith(b"/"):
            first = text[1:].partition(b"/")[0]
            if first[:1] in SPECIAL or self.lookup(first) is not None:
                found = self._inside(self._tree.root + text)
        return found

    def _inside(self, absolute: bytes) -> bytes | None:
        parent, name = os.path.split(absolute)
        if name in (b"", b".", b".."):
            absolute = os.path.realpath(absolute)
        else:
            absolute = os.path.join(os.path.realpath(parent), name)
        root = self._tree.root
        if absolute == root:
            return b""
        root = root.rstrip(b"/") + b"/"
        return absolute[len(root) :] if absolute.startswith(root) else None

    def place(self, text: bytes, typed: bytes, tail: bytes = b"") -> bytes:
        """The path that a text names, relative to the root; ``tail`` follows it in a glob.

        Raises PatternError for a path that cannot be reserved.
        """
        path = self._located(text)
        if path is None:
            self._refuse_sibling(os.path.join(self._tree.cwd, text), typed, tail)
            from_root = "a leading `/` is the root of the file system: leave it out"
            fix = from_root if text.startswith(b"/") else ""
            refuse(typed, f"is outside the repository {shown(self._tree.root)}", fix)
        names = path.split(b"/")
        if any(name.lower() == b".git" for name in names):
            refuse(typed, "is inside .git, which git does not track")
        for depth in range(1, len(names)):
            self.refuse_submodule(b"/".join(names[:depth]), typed)
        self._refuse_nested(path, typed, tail)
        return path

    def _refuse_nested(self, path: bytes, typed: bytes, tail: bytes) -> None:
        """Refuse what lies in a repository or worktree inside this worktree: git tracks none."""
        root = self._tree.root
        nested = worktree_of(os.path.join(root, path)) if path else None
        if nested is None or nested == root or self._inside(nested) is None:
            return
        inside = self._inside(nested) or b""
        if self.lookup(inside) == "submodule":
            return
        self._refuse_sibling(os.path.join(root, path), typed, tail)
        tracked = (one + b"/" for one in self._tree.directories())
        if path != inside and not any(one.startswith(inside + b"/") for one in tracked):
            refuse(
                typed,
                f"is inside {shown(inside)}, a repository of its own",
                f"reserve it there: cd {inside.decode('utf-8', 'replace')}",
            )

    def _refuse_sibling(self, absolute: bytes, typed: bytes, tail: bytes) -> None:
        """Refuse a path in another worktree of this repository, and name the path to reserve."""
        parent, name = os.path.split(absolute)
        absolute = os.path.join(os.path.realpath(parent), name).rstrip(b"/")
        other = worktree_of(absolute)
        if other is None or repository_at(other) != repository_at(self._tree.root):
            return
        inner = absolute[len(other) :].lstrip(b"/")
        same = b"/".join(one for one in (inner, tail) if one)
        refuse(
            typed,
            f"is in another worktree of this repository, {shown(other)}; a reservation covers a "
            "path in all of them",
            f"reserve {shown(same)}" if same else "name a path in it",
        )

    def refuse_submodule(self, path: bytes, typed: bytes) -> None:
        """Raise PatternError if the path is a submodule."""
        if self.lookup(path) == "submodule":
            refuse(
                typed,
                f"is inside the submodule {shown(path)}, a repository of its own",
                f"reserve it there, or the whole submodule: {path.decode('utf-8', 'replace')}/",
            )
