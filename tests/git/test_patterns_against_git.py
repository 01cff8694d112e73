"""The oracle for globs is git: whatever it matches we match, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.glob_oracle import (
    IndexedRepository,
    comparable,
    compiled,
    named_by,
    random_globs,
    random_paths,
    seeded,
)
from support.wildmatch_table import TABLE, UNMATCHABLE

from agentlock.errors import PatternError
from agentlock.patterns.matching import Folding, PatternIndex

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> IndexedRepository:
    repository = IndexedRepository(tmp_path_factory.mktemp("indexed"))
    repository.fill(random_paths(seeded(0), 600))
    return repository


def test_random_globs_match_the_paths_that_git_matches(repository: IndexedRepository) -> None:
    met = refused = 0
    for glob in random_globs(1, 1500):
        expected = repository.matched(glob)
        try:
            pattern = compiled(glob)
        except PatternError:
            assert not expected, glob
            refused += 1
            continue
        ours = {path for path in repository.paths if pattern.matches(path)}
        assert {path for path in ours if not named_by(glob, path)} == expected, glob
        met += bool(expected)
    assert met > 300, "the generator must not degenerate to globs that match nothing"
    assert refused > 50


def test_the_index_of_many_patterns_finds_what_git_finds(repository: IndexedRepository) -> None:
    expected: dict[bytes, list[int]] = {path: [] for path in repository.paths}
    patterns: list[bytes] = []
    for glob in random_globs(2, 400):
        try:
            pattern = compiled(glob)
        except PatternError:
            continue
        found = repository.matched(glob) | {p for p in repository.paths if named_by(glob, p)}
        below = pattern.prefix + b"/"  # a plain path holds it too: no name is a file and a folder
        for path in repository.paths:
            is_below = pattern.kind == "literal" and path.startswith(below)
            if is_below or (path in found and (not named_by(glob, path) or pattern.matches(path))):
                expected[path].append(len(patterns))
        patterns.append(pattern.text)
    index = PatternIndex(patterns)
    assert {path: index.matching(path) for path in repository.paths} == expected


def test_folded_case_matches_what_git_matches_with_icase(repository: IndexedRepository) -> None:
    folding = Folding(ignore_case=True)
    for glob in random_globs(3, 400):
        # git folds the path but not the inside of a class; ours folds both sides (DESIGN: both).
        if b"[" in glob:
            continue
        try:
            pattern = compiled(glob, folding)
        except PatternError:
            continue
        ours = {path for path in repository.paths if pattern.matches(path)}
        expected = repository.matched(glob, b"glob,top,icase")
        assert {path for path in ours if not named_by(glob, path)} == expected, glob


def test_the_table_is_what_git_answers(tmp_path: Path) -> None:
    repository = IndexedRepository(tmp_path)
    for glob, path, matches in TABLE:
        if path.startswith(b"/") or not comparable(glob):
            continue
        repository.fill([path])
        if not named_by(glob, path):
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
