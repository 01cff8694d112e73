"""The table's narrowing by keys never loses a pattern that the matcher would find."""

from __future__ import annotations

import random
import sqlite3
import unicodedata
from typing import TYPE_CHECKING

import pytest

from agentlock.errors import PatternError
from agentlock.patterns.keys import MANY, keys_of
from agentlock.patterns.matching import (
    Folding,
    Pattern,
    PatternIndex,
    compile_pattern,
    fold_key,
    path_keys,
)
from agentlock.patterns.overlap import overlap
from agentlock.patterns.wildmatch import escape, parse, render
from agentlock.store.base import Store
from agentlock.store.near import nearby

if TYPE_CHECKING:
    from agentlock.model import Keys

_TEXT = ["a", "A", "b", ".", ".py", ".PY", "é", "e\u0301", "E\u0301", "\u0301", "\u212a", "K", "k"]
_TEXT += ["\u212b", "\u00c5", "A\u030a", "\u0344", "\u0323", "가", " ", "\n", "-", "!"]
_BITS = [text.encode() for text in _TEXT] + [b"\xc3", b"\xa9", b"\xff"]
_WILD = [b"*", b"*", b"?", b"??", b"[ab]", b"[!a]", b"[a-z]", b"[.]", b"[\xc3]", b"[\xa9]", b"**"]
_WILD += [b"[[:upper:]]*", b"\\*", b"\\[", b"\\{", b"*.py", b"*.\xc3\xa9", b"?\xa9."]
_DATABASE = sqlite3.connect(":memory:")
_ROW = """SELECT 1 FROM (SELECT CAST(? AS TEXT) AS prefix_key, CAST(? AS TEXT) AS name_key,
    CAST(? AS TEXT) AS extension_key) AS r"""
_FOLDINGS = [Folding(case, compose) for case in (False, True) for compose in (False, True)]


class _Chance(random.Random):
    """Random patterns and paths, full of what folds."""

    def name(self, bits: list[bytes]) -> bytes:
        return b"".join(self.choices(bits, k=self.randint(1, 4)))

    def path(self) -> bytes:
        names = [self.name(_BITS) for _ in range(self.randint(1, 3))]
        return b"/".join(b"x" if name in (b".", b"..") else name for name in names)

    def glob(self) -> bytes | None:
        names = [self.name(_BITS + _WILD * 2) for _ in range(self.randint(1, 3))]
        text = b"/".join(b"**" if self.random() < 0.2 else name for name in names)
        text += self.choice([b"", b"", b"", b"/", b"/**", b"/*"])
        try:
            written, below = parse(text, text)
            canonical = render(written, below=below)
            compile_pattern(canonical)
        except PatternError:
            return None
        return canonical

    def respelled(self, path: bytes) -> bytes:
        """Another spelling of a path, which some foldings hold equal."""
        form = self.choice(["NFC", "NFD", "case", "same"])
        if form == "case":
            return path.swapcase()
        try:
            return path if form == "same" else unicodedata.normalize(form, path.decode()).encode()  # type: ignore[arg-type]
        except UnicodeDecodeError:
            return path


def found_by_path(path: bytes, keys: Keys) -> bool:
    """What ``live_on`` does for one path."""
    prefixes, names = path_keys(path)
    return keys.prefix in prefixes and keys.name in names


def found_by_pattern(mine: Pattern, theirs: Pattern) -> bool:
    """What ``live_near`` does: SQLite evaluates its conditions on one row, without a table."""
    keys = theirs.keys
    row = (keys.prefix, keys.name, keys.extension)
    conditions = nearby(Store(), mine.keys)
    return not conditions or any(
        _DATABASE.execute(f"{_ROW} WHERE {condition}", (*row, *parameters)).fetchone()
        for condition, parameters in conditions
    )


def found_by_added_path(path: bytes, keys: Keys) -> bool:
    """What ``live_on`` does for a path that becomes a file, by its range of prefixes."""
    low = fold_key(path)
    return low <= keys.prefix < low + b"0"


@pytest.mark.parametrize(
    "folding", _FOLDINGS, ids=lambda one: f"{one.ignore_case:d}{one.compose_unicode:d}"
)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))]
)
def test_no_pattern_that_matches_or_meets_is_left_out(folding: Folding, seed: int) -> None:
    chance = _Chance(seed)
    for _ in range(60):
        texts = [text for text in (chance.glob() for _ in range(10)) if text is not None]
        paths = [chance.path() for _ in range(10)]
        paths += [path + b"/" + chance.name(_BITS) + b"x" for path in paths[:3]]
        paths += [path.rpartition(b"/")[0] or b"x" for path in paths[:4]]
        texts += [b"/" + escape(path) + chance.choice([b"", b"/"]) for path in paths[:4]]
        patterns = [compile_pattern(text, folding) for text in texts]
        paths += [chance.respelled(path) for path in paths]
        for mine in patterns:
            for theirs in patterns:
                if mine is not theirs and overlap(mine, theirs) is not None:
                    assert found_by_pattern(mine, theirs), (mine, theirs)
            index = PatternIndex([mine.text], folding)
            for path in paths:
                if index.matching(path, submodule=True):
                    assert found_by_path(path, mine.keys), (path, mine)
                elif index.matching(path, added=True):
                    assert found_by_added_path(path, mine.keys), (path, mine)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        (b"**/*.\xc3\xa9", b"\xff.\xc3\xa9"),
        (b"**/*.\xc3\xa9", b"\xff/\xff.\xc3\xa9"),
        (b"**/[\xa9].\xc3\xa9", b"\xa9.\xc3\xa9"),
        (b"/?\xa9.\xe2\x84\xaa", b"x\xa9.\xe2\x84\xaa"),
    ],
)
def test_bytes_before_the_last_dot_that_are_not_utf8_do_not_change_the_extension(
    glob: bytes, path: bytes
) -> None:
    pattern = compile_pattern(glob)
    assert pattern.matches(path)
    assert found_by_path(path, pattern.keys)
    assert found_by_pattern(pattern, compile_pattern(b"/" + path))
    assert found_by_pattern(compile_pattern(b"/" + path), pattern)


@pytest.mark.parametrize("seed", range(20))
def test_the_keys_of_many_paths_are_those_of_each(seed: int) -> None:
    chance = _Chance(seed)
    paths = [chance.path() for _ in range(seed)]
    if seed % 2:
        paths = [path for path in paths if path.isascii()]
    prefixes: set[bytes] = {b""}
    names: set[bytes] = {b"*"}
    for path in paths:
        its_prefixes, its_names = path_keys(path)
        prefixes.update(its_prefixes)
        names.update(its_names)
    assert keys_of(paths) == (prefixes, names)


@pytest.mark.parametrize("name", [b"a.py", "\u00e9.py".encode()])
def test_very_many_paths_have_any_name(name: bytes) -> None:
    paths = sorted(b"d%d/%b" % (at, name) for at in range(MANY + 1))
    prefixes, names = keys_of(paths)
    assert names == set()
    assert set(prefixes) == {b"", *(key for path in paths for key in path_keys(path)[0])}
    assert keys_of(paths[1:])[1] == {key for path in paths[1:] for key in path_keys(path)[1]}
