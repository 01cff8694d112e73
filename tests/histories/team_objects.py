"""What git's objects say, for the oracle of the team histories: read by one git process.

Nothing of agentlock is used here. What commits change, and what git's own merge is, git is asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
NOBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "x"), ("EMAIL", "x"), ("DATE", "1700000000 +0000"))
}


class Commit(NamedTuple):
    tree: str
    parents: tuple[str, ...]


class Objects:
    """The objects of several repositories, seen from an empty one that borrows theirs."""

    def __init__(self, folder: Path, borrowed: Iterable[Path]) -> None:
        self.folder = folder
        subprocess.run(("git", "init", "-q", "--bare", str(folder)), check=True)
        lines = "".join(f"{path}\n" for path in borrowed)
        (folder / "objects" / "info" / "alternates").write_text(lines, encoding="utf-8")
        for name in ("commit", "files", "patch", "ancestors", "touched", "merged", "_replayed"):
            setattr(self, name, cache(getattr(self, name)))

    @cached_property
    def _reader(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ("git", "cat-file", "--batch"),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def close(self) -> None:
        reader = self._reader
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.close()
        reader.stdout.close()
        reader.wait()

    def take(self, objects: Path) -> None:
        """Copy the objects of a repository that will not stay."""
        shutil.copytree(objects, self.folder / "objects", dirs_exist_ok=True)

    def read(self, oid: str) -> bytes:
        stdin, stdout = self._reader.stdin, self._reader.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{oid}\n".encode())
        stdin.flush()
        head = stdout.readline().split()
        assert len(head) == 3, (oid, head)
        return stdout.read(int(head[2]) + 1)[:-1]

    def commit(self, oid: str) -> Commit:
        tree, parents = "", []
        for line in self.read(oid).decode("utf-8", "replace").partition("\n\n")[0].splitlines():
            word, _, value = line.partition(" ")
            if word == "tree":
                tree = value
            elif word == "parent":
                parents.append(value)
        return Commit(tree, tuple(parents))

    def second(self, oid: str) -> int:
        """When a commit was made, as git tells it."""
        head = self.read(oid).decode("utf-8", "replace").partition("\n\n")[0]
        words = next(line for line in head.splitlines() if line.startswith("committer "))
        return int(words.split()[-2])

    def imagine(self, parents: Iterable[str], tree: str) -> str:
        """A commit that git would have made."""
        below = [word for parent in parents for word in ("-p", parent)]
        return self._git("commit-tree", "-m", "imagined", *below, tree)[1].strip()

    def files(self, tree: str) -> dict[str, str]:
        """Mode and oid of every file below a tree."""
        found: dict[str, str] = {}
        data = b"" if tree == EMPTY_TREE else self.read(tree)
        while data:
            head, _, rest = data.partition(b"\0")
            mode, _, name = head.decode().partition(" ")
            oid, data = rest[:20].hex(), rest[20:]
            if mode == "40000":
                found |= {f"{name}/{path}": what for path, what in self.files(oid).items()}
            else:
                found[name] = f"{mode} {oid}"
        return found

    def between(self, old: str, new: str) -> set[str]:
        """The paths in which two trees differ."""
        before, after = self.files(old), self.files(new)
        return {path for path in before | after if before.get(path) != after.get(path)}

    def tree(self, oid: str) -> str:
        return self.commit(oid).tree if oid else EMPTY_TREE

    def base(self, oid: str) -> str:
        """The tree of the first parent."""
        parents = self.commit(oid).parents
        return self.tree(parents[0]) if parents else EMPTY_TREE

    def ancestors(self, oid: str) -> frozenset[str]:
        """A commit and all below it."""
        found, left = set(), [oid]
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self.commit(one).parents
        return frozenset(found)

    def reached(self, tips: Iterable[str]) -> set[str]:
        return {oid for tip in tips for oid in self.ancestors(tip)}

    def root(self, oid: str) -> str:
        """Where a commit's history begins, along first parents."""
        while parents := self.commit(oid).parents:
            oid = parents[0]
        return oid

    def patch(self, old: str, new: str) -> str:
        """The exact change from one tree to another, without the numbers of its lines."""
        asked = ("-p", "-r", "--text", "-U3", "--no-renames", "--full-index")
        text = self._git("-c", "diff.suppressBlankEmpty=false", "diff-tree", *asked, old, new)[1]
        lines = text.split("\n")
        return "\n".join(
            "@@" if line.startswith("@@") else line
            for line in lines
            if not line.startswith("index ")
        )

    def touched(self, oid: str) -> frozenset[str]:
        """The paths that a commit answers for: of a merge, where it is not git's own merge."""
        commit = self.commit(oid)
        if len(commit.parents) < 2:
            return frozenset(self.between(self.base(oid), commit.tree))
        return self.resolved(commit.parents, commit.tree)

    def resolved(self, heads: tuple[str, ...], tree: str) -> frozenset[str]:
        """The paths in which a tree is not git's own merge of two commits, or settles it."""
        merged, unsettled = self.merged(*heads)
        return frozenset(self.between(merged, tree)) | unsettled

    def merged(self, ours: str, theirs: str) -> tuple[str, frozenset[str]]:
        """The tree of git's own merge, and the paths that git could not settle."""
        asked = ("merge-tree", "--write-tree", "-z", "--no-messages", "--allow-unrelated-histories")
        _, answer = self._git(*asked, ours, theirs)
        tree, *entries = answer.split("\0")
        return tree, frozenset(entry.partition("\t")[2] for entry in entries if "\t" in entry)

    def is_replay(self, oid: str, onto: str, tree: str) -> bool:
        """Whether a tree is git's own clean replay of a commit's change onto another commit."""
        return self._replayed(self.base(oid), self.tree(onto), self.tree(oid)) == tree

    def _replayed(self, base: str, ours: str, theirs: str) -> str:
        below = self._git("commit-tree", "-m", "x", base)[1].strip()
        sides = [
            self._git("commit-tree", "-m", "x", "-p", below, tree)[1].strip()
            for tree in (ours, theirs)
        ]
        code, answer = self._git("merge-tree", "--write-tree", "-z", "--no-messages", *sides)
        return answer.rstrip("\0") if code == 0 else ""

    def _git(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            ("git", *arguments), cwd=self.folder, capture_output=True, check=False, env=_env()
        )
        assert done.returncode in (0, 1), (arguments, done)
        return done.returncode, done.stdout.decode("utf-8", "surrogateescape")


def _env() -> dict[str, str]:
    return {**os.environ, **NOBODY}
