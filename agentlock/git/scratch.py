"""Git's own merge, asked where no setting of anybody changes it.

A scratch git directory has the objects of the repository as alternates, no configuration, and of
attributes those in the tree alone. What git makes there goes with it, unless it is to be kept.
"""

from __future__ import annotations

import os

from agentlock.environment import GIT_DIR, GIT_INDEX_FILE
from agentlock.git.changes import MERGE_TREE, NOBODY
from agentlock.git.process import Result, git, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from agentlock.git.patches import Made

# A merge is git's own under any of its settings for renames.
_RENAMES: tuple[tuple[str, ...], ...] = (
    (),
    ("-c", "merge.directoryRenames=true"),
    ("-c", "merge.directoryRenames=false"),
    ("-c", "merge.renames=false"),
)
_OBJECTS, _ALTERNATES = b"GIT_OBJECT_DIRECTORY", b"GIT_ALTERNATE_OBJECT_DIRECTORIES"
INDEX = "index"  # instead of a tree: what the repository's index holds
# As `git init` would write it: the format of the objects is all that is not git's default.
_CONFIG = b"""[core]
\trepositoryFormatVersion = 1
\tbare = false
[extensions]
\tobjectFormat = %b
"""
_INDEX = os.fsencode(GIT_INDEX_FILE)
_LEFT_OUT = (b"GIT_CONFIG", b"GIT_DIR", b"GIT_WORK_TREE", b"GIT_COMMON_DIR", _INDEX)


class Scratch:
    """The scratch directory, in a repository's git directory, for as long as ``with`` lasts."""

    def __init__(
        self, common_dir: bytes, oid: str, git_dir: bytes = b"", *, keeps: bool = False
    ) -> None:
        """``oid`` is any of the repository's, which tells how long they are.

        ``git_dir`` has the index. ``keeps``: the repository gets the objects that git makes.
        """
        self._common = common_dir
        self._git_dir = git_dir
        self._keeps = keeps
        self._folder = os.path.join(self._common, b"agentlock-scratch-%d" % os.getpid())
        self._format = b"sha256" if len(oid) == 64 else b"sha1"
        self._attributes_of = ""

    def __enter__(self) -> Self:
        for name in (b"", b"objects", b"refs", b"files"):
            os.makedirs(os.path.join(self._folder, name), exist_ok=True)
        self._write(b"HEAD", b"ref: refs/heads/none\n")
        self._write(b"config", _CONFIG % self._format)
        objects = os.environb.get(_OBJECTS) or os.path.join(self._common, b"objects")
        alternates = [alternate(os.path.abspath(objects))]
        if os.environb.get(_ALTERNATES):
            alternates.append(os.environb[_ALTERNATES])
        if self._keeps:
            alternates = alternates[1:]
        self._environment = {
            **{k: v for k, v in os.environb.items() if not k.startswith(_LEFT_OUT)},
            **NOBODY,
            os.fsencode(GIT_DIR): self._folder,
            b"GIT_WORK_TREE": os.path.join(self._folder, b"files"),
            _OBJECTS: objects if self._keeps else os.path.join(self._folder, b"objects"),
            _ALTERNATES: b":".join(alternates),
            b"HOME": self._folder,
            b"XDG_CONFIG_HOME": self._folder,
            b"GIT_CONFIG_NOSYSTEM": b"1",
            b"GIT_CONFIG_GLOBAL": os.fsencode(os.devnull),
            b"GIT_ATTR_NOSYSTEM": b"1",
        }
        try:
            with open(os.path.join(self._common, b"shallow"), "rb") as file:
                self._write(b"shallow", file.read())
        except FileNotFoundError:
            pass
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        for folder, folders, files in os.walk(self._folder, topdown=False):
            for name in files:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                os.rmdir(os.path.join(folder, name))
        os.rmdir(self._folder)

    def answer(self, arguments: Sequence[str], commit: str, stdin: bytes) -> Result:
        """What git answers there, with the attributes in a commit."""
        self._read_attributes(commit)
        return self._git(*arguments, stdin=stdin)

    def is_replay(self, original: Made, onto: str, tree: str) -> bool:
        """Whether ``tree`` is git's own, clean replay of a commit onto another.

        A rebase and a cherry-pick do just this. ``tree`` is an oid, or INDEX.
        """
        if not original.base:
            return False
        trees = [f"{one}^{{tree}}" for one in (original.base, onto, original.oid)]
        first = self._commit(trees[0])
        if not first:
            return False
        ours, theirs = self._commit(trees[1], first), self._commit(trees[2], first)
        return bool(ours and theirs) and self._merges_to(ours, theirs, tree)

    def _merges_to(self, ours: str, theirs: str, tree: str) -> bool:
        self._read_attributes(ours)
        for settings in _RENAMES:
            result = self._git(*settings, *MERGE_TREE, ours, theirs)
            if result.code not in (0, 1):  # below git 2.38, or no common history
                return False
            if result.code == 0 and self._is(result.stdout.rstrip(b"\0\n").decode(), tree):
                return True
        return False

    def _is(self, found: str, tree: str) -> bool:
        if tree != INDEX:
            return found == tree
        index = os.environb.get(_INDEX) or os.path.join(self._git_dir, b"index")
        same = git(
            *("diff-index", "--cached", "--quiet", "--ignore-submodules=none"),
            *("--ita-invisible-in-index", found, "--"),
            environment={**self._environment, _INDEX: os.path.abspath(index)},
        )
        return same.code == 0

    def _commit(self, tree: str, *parents: str) -> str:
        named = [word for parent in parents for word in ("-p", parent)]
        found = self._git("rev-parse", "--verify", "--quiet", tree)
        if found.code != 0:
            return ""
        result = self._git("commit-tree", "-m", "x", *named, found.stdout.decode().strip())
        return result.stdout.decode().strip() if result.code == 0 else ""

    def _read_attributes(self, commit: str) -> None:
        """Read a commit into the index, where git finds attributes without a work tree."""
        if self._attributes_of != commit:
            self._git("read-tree", commit)
            self._attributes_of = commit

    def _git(self, *arguments: str, stdin: bytes = b"") -> Result:
        return git(*arguments, stdin=stdin, environment=self._environment)

    def _write(self, name: bytes, content: bytes) -> None:
        with open(os.path.join(self._folder, name), "wb") as file:
            file.write(content)


def asked_alone(*arguments: str, attributes_of: str, stdin: bytes = b"") -> Result:
    """What git answers about a merge where no driver and no attribute of this machine changes it.

    Its settings for renames and line ends stay, and so do the objects that it makes.
    ``attributes_of`` is a commit: an oid, perhaps with ``^1``.
    """
    common = os.path.abspath(output("rev-parse", "--git-common-dir")[:-1])
    asked = (*_settings_of_merges(), *arguments)
    try:
        with Scratch(common, attributes_of.partition("^")[0], keeps=True) as scratch:
            result = scratch.answer(asked, attributes_of, stdin)
            if result.code not in (0, 1):
                git(*arguments, stdin=stdin)  # then a partial clone fetches what it lacks
                result = scratch.answer(asked, attributes_of, stdin)
            return result
    except OSError:  # the git directory cannot be written, and so nothing can be merged here
        return git(*arguments, stdin=stdin)


def _settings_of_merges() -> list[str]:
    keys = r"^(merge|diff)\.(renames|renamelimit|directoryrenames|renormalize)$"
    found = git("config", "--get-regexp", keys).stdout.decode("utf-8", "surrogateescape")
    pairs = (line.partition(" ") for line in found.splitlines())
    return [word for key, _, value in pairs for word in ("-c", f"{key}={value or 'true'}")]


def alternate(path: bytes) -> bytes:
    """An entry of GIT_ALTERNATE_OBJECT_DIRECTORIES, where a colon separates (git(1))."""
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
