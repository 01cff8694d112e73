"""The oracle for globs is git: whatever it matches we match, and nothing else."""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING

import pytest
from wildmatch_table import TABLE, UNMATCHABLE

from agentlock.errors import PatternError
from agentlock.patterns.matching import Folding, PatternIndex, compile_pattern
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
        found = self.git("ls-files", "-z", "--", b":(" + magic + b")" + glob).split(b"\0")[:-1]
        return {path for path in found if not _named_by(glob, path)}


def _named_by(glob: bytes, path: bytes) -> bool:
    return (path + b"/").lower().startswith(glob.lower() + b"/")


def compiled(glob: bytes, folding: Folding | None = None) -> Pattern:
    written, below = parse(glob, glob)
    return compile_pattern(render(written, below=below), folding or Folding())


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 -- to repeat a failure, not to keep a secret


def _random_paths(generator: random.Random, count: int) -> set[bytes]:
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


def _comparable(glob: bytes) -> bool:
    """Git normalises `.`, `..` and a final slash away before it looks, and so is no oracle there.

    Before 2.52 it also took the `**` of `foo**/bar` for a whole name (t3070).
    """
    plain = len(glob) - len(glob.lstrip(_PLAIN))
    return not (
        glob.endswith(b"/")
        or glob.startswith(b"/")
        or b"//" in glob
        or {b".", b".."} & set(glob.split(b"/"))
        or (plain and glob[plain - 1 : plain] != b"/" and glob.startswith(b"**", plain))
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> IndexedRepository:
    repository = IndexedRepository(tmp_path_factory.mktemp("indexed"))
    repository.fill(_random_paths(_seeded(0), 600))
    return repository


def _random_globs(seed: int, count: int) -> list[bytes]:
    generator = _seeded(seed)
    paths = sorted(_random_paths(_seeded(0), 600))
    globs: dict[bytes, None] = {}
    while len(globs) < count:
        if generator.random() < 0.5:
            glob = _random_glob(generator)
        else:
            glob = _blurred(generator.choice(paths), generator)
        if _comparable(glob):
            globs[glob] = None
    return list(globs)


def test_random_globs_match_the_paths_that_git_matches(repository: IndexedRepository) -> None:
    met = refused = 0
    for glob in _random_globs(1, 1500):
        expected = repository.matched(glob)
        try:
            pattern = compiled(glob)
        except PatternError:
            assert not expected, glob
            refused += 1
            continue
        ours = {path for path in repository.paths if pattern.matches(path)}
        assert {path for path in ours if not _named_by(glob, path)} == expected, glob
        met += bool(expected)
    assert met > 300, "the generator must not degenerate to globs that match nothing"
    assert refused > 50


def test_the_index_of_many_patterns_finds_what_git_finds(repository: IndexedRepository) -> None:
    expected: dict[bytes, list[int]] = {path: [] for path in repository.paths}
    patterns: list[bytes] = []
    for glob in _random_globs(2, 400):
        try:
            text = compiled(glob).text
        except PatternError:
            continue
        found = repository.matched(glob) | {p for p in repository.paths if _named_by(glob, p)}
        for path in found:
            if not _named_by(glob, path) or compiled(glob).matches(path):
                expected[path].append(len(patterns))
        patterns.append(text)
    index = PatternIndex(patterns)
    assert {path: index.matching(path) for path in repository.paths} == expected


def test_folded_case_matches_what_git_matches_with_icase(repository: IndexedRepository) -> None:
    folding = Folding(ignore_case=True)
    for glob in _random_globs(3, 400):
        # git folds the path but not the inside of a class; ours folds both sides (DESIGN: both).
        if b"[" in glob:
            continue
        try:
            pattern = compiled(glob, folding)
        except PatternError:
            continue
        ours = {path for path in repository.paths if pattern.matches(path)}
        expected = repository.matched(glob, b"glob,top,icase")
        assert {path for path in ours if not _named_by(glob, path)} == expected, glob


def test_the_table_is_what_git_answers(tmp_path: Path) -> None:
    repository = IndexedRepository(tmp_path)
    for glob, path, matches in TABLE:
        if path.startswith(b"/") or not _comparable(glob):
            continue
        repository.fill([path])
        if not _named_by(glob, path):
            assert bool(repository.matched(glob)) == matches, (glob, path)


def test_every_posix_class_holds_the_bytes_that_git_puts_in_it(tmp_path: Path) -> None:
    repository = IndexedRepository(tmp_path)
    repository.fill(bytes((byte,)) for byte in range(1, 256) if byte not in b"/.")
    names = b"alnum alpha blank cntrl digit graph lower print punct space upper xdigit".split()
    for name in names:
        for start in (b"[", b"[!"):
            glob = start + b"[:" + name + b":]]"
            pattern = compiled(glob)
            ours = {path for path in repository.paths if pattern.matches(path)}
            assert ours == repository.matched(glob), glob


@pytest.mark.parametrize("glob", UNMATCHABLE)
def test_git_finds_nothing_for_a_glob_that_is_refused(
    repository: IndexedRepository, glob: bytes
) -> None:
    assert repository.matched(glob) == set()
