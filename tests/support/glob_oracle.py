"""Git as the oracle for globs: a repository of random names, and random globs for it."""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING

from agentlock.patterns.matching import Folding, compile_pattern
from agentlock.patterns.wildmatch import escape, parse, render

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agentlock.patterns.matching import Pattern

_NAMES = [
    *rb"a b c ab ba aa abc a.py b.py .py a.b.py A B aB - a-b [ ] [a] * a* ? \ a\b \a".split(),
    *rb"! !a ^ {a,b} { : [:alpha:] #a ... .a .gitx 0 09".split(),
    *(b" ", b"a b", b"\t", b"a\nb", b"\xc3\xa9", b"e\xcc\x81", b"\xff", b"\xc3", b"a\xff"),
]
_PIECES = [
    *rb"a b c A . - : ! ^ { py * * * ? ? \* \[ \\ \a \? ] , } 0 ** \/ [a-c] [!a]".split(),
    *rb"[a\]] [\[-a] [[:alpha:]] [![:punct:]] [[:upper:][:digit:]] [a-c-e] [c-a] [-a]".split(),
    *rb"[^]a] []a] [a-] [[:] [*?] [a/b] [[:foo:]] [ [!\]] [a-\c] [.-0] [{]".split(),
    *(b"\xc3", b"\xa9", b"\xff", b"[\x80-\xff]"),
]
_PLAIN = bytes(byte for byte in range(1, 256) if byte not in b"*?[\\")


class IndexedRepository:
    """A repository whose index names files that are nowhere on disk."""

    def __init__(self, path: Path) -> None:
        self.paths: list[bytes] = []
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("GIT_")
        } | {"HOME": str(path), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        self.path = path
        self.git("init", "-q")
        for setting in ("core.protectNTFS", "core.protectHFS", "core.ignorecase"):
            self.git("config", setting, "false")

    def fill(self, paths: Iterable[bytes]) -> None:
        self.paths = sorted(set(paths))
        entries = [b"100644 " + b"1" * 40 + b" 0\t" + name + b"\0" for name in self.paths]
        self.git("read-tree", "--empty")
        self.git("update-index", "-z", "--index-info", stdin=b"".join(entries))
        assert self.git("ls-files", "-z").split(b"\0")[:-1] == self.paths

    def git(self, *arguments: str | bytes, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=self.environment,
            input=stdin,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout

    def matched(self, glob: bytes, magic: bytes = b"glob,top") -> set[bytes]:
        """What git matches; without the paths that it finds by taking the glob for a name."""
        pathspec = b":(" + magic + b")" + _whole(glob, ignore_case=b"icase" in magic)
        found = self.git("ls-files", "-z", "--", pathspec).split(b"\0")[:-1]
        return {path for path in found if not named_by(glob, path)}


def named_by(glob: bytes, path: bytes) -> bool:
    return (path + b"/").lower().startswith(glob.lower() + b"/")


def compiled(glob: bytes, folding: Folding | None = None) -> Pattern:
    written, below = parse(glob, glob)
    return compile_pattern(render(written, below=below), folding or Folding())


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 -- to repeat a failure, not to keep a secret


def random_paths(generator: random.Random, count: int) -> set[bytes]:
    paths: set[bytes] = set()
    directories: set[bytes] = set()
    while len(paths) < count:
        names = [generator.choice(_NAMES) for _ in range(generator.choice((1, 1, 2, 2, 3, 4)))]
        parents = {b"/".join(names[:depth]) for depth in range(1, len(names))}
        path = b"/".join(names)
        if path not in directories and not parents & paths:
            paths.add(path)
            directories |= parents
        elif len(directories) > 10 * count:
            break
    return paths


def _random_glob(generator: random.Random) -> bytes:
    def segment() -> bytes:
        if generator.random() < 0.2:
            return b"**"
        if generator.random() < 0.2:
            return generator.choice(_NAMES[:12])
        return b"".join(generator.choice(_PIECES) for _ in range(generator.choice((1, 1, 2, 3))))

    return b"/".join(segment() for _ in range(generator.choice((1, 2, 2, 3, 4))))


def _blurred(path: bytes, generator: random.Random) -> bytes:
    """A glob that is likely to match the path: pieces of it are replaced by wildcards."""
    names = []
    for name in path.split(b"/"):
        start = generator.randrange(len(name) + 1)
        end = generator.randrange(start, len(name) + 1)
        wildcard = generator.choice((b"*", b"?" * (end - start), generator.choice(_PIECES)))
        blurred = escape(name[:start]) + wildcard + escape(name[end:])
        names.append(generator.choice((b"**", b"*", escape(name), blurred, blurred, blurred)))
    return b"/".join(names)


def comparable(glob: bytes) -> bool:
    """Git normalises `.`, `..` and a final slash away before it looks: it is no oracle there."""
    return not (
        glob.endswith(b"/")
        or glob.startswith(b"/")
        or b"//" in glob
        or {b".", b".."} & set(glob.split(b"/"))
    )


def _whole(glob: bytes, *, ignore_case: bool) -> bytes:
    """The glob, so written that git's wildmatch sees all of it.

    `git ls-files` compares the literal start by itself, and wildmatch then takes the `**` of
    `foo**/bar` for a whole name (up to git 2.55 at least; `check-ignore` has stopped that in 2.52).
    A backslash in front leaves no literal start; behind one, git folds no capital letter.
    """
    plain = len(glob) - len(glob.lstrip(_PLAIN))
    cut = plain and glob[plain - 1 : plain] != b"/" and glob.startswith(b"**", plain)
    if not cut:
        return glob
    return b"\\" + (glob[:1].lower() if ignore_case else glob[:1]) + glob[1:]


def random_globs(seed: int, count: int, *, paths_seed: int = 0) -> list[bytes]:
    """Half of them made of pieces, half from the paths that ``random_paths`` gives for a seed."""
    generator = seeded(seed)
    paths = sorted(random_paths(seeded(paths_seed), 600))
    globs: dict[bytes, None] = {}
    while len(globs) < count:
        if generator.random() < 0.5:
            glob = _random_glob(generator)
        else:
            glob = _blurred(generator.choice(paths), generator)
        if comparable(glob):
            globs[glob] = None
    return list(globs)
