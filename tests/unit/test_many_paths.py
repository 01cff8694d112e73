"""Of many paths what is held is looked for among the paths: with the verdict of path by path."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentlock.errors import GitError
from agentlock.git.changes import SortedPaths, parse
from agentlock.guard.verdict import decide
from agentlock.model import PathConflict, Policy, Reservation
from agentlock.patterns.keys import MANY, Folding, Prefixes, fold_key, keys_of, path_keys
from agentlock.patterns.matching import PatternIndex

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

# Names around the slash in the order of bytes, in both cases, beyond ASCII in both compositions.
NAMES = ("a", "A", "b", "a-", "a0", "ab", "x.py", "X.PY", ".py", "\u00e9", "e\u0301", "\u0130")
PATHS = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), max_size=12
).map(lambda found: sorted({path.encode() for path in found}))
PATTERNS = st.lists(
    st.sampled_from(
        [
            *(
                b"/",
                b"/a",
                b"/a/",
                b"/A/",
                b"/a/**",
                b"/a/b",
                b"/a/b/**",
                b"/a-/",
                b"/a0",
                b"/ab/*",
            ),
            *(b"**/*.py", b"/a/**/*.py", b"/a/*", b"**/x.py", b"**/a", b"**/a*", b"**/b/*", b"**"),
            *(
                b"/a/b/c/d.py",
                b"/\xc3\xa9/",
                b"/e\xcc\x81/**",
                b"**/\xc3\xa9*",
                b"/[aA]/b",
                b"/*/b/",
            ),
            *(
                b"**/*.none",
                b"**/none*",
                b"**/none/*",
                b"/a/*.none",
                b"/\xc4\xb0",
                b"/a/b/[x]*",
                b"/*/b/",
            ),
        ]
    ),
    max_size=6,
)
FOLDINGS = st.builds(Folding, st.booleans(), st.booleans(), st.booleans())
OTHERS = [b"other/%d" % at for at in range(MANY)]  # so that there are many


def among_others(paths: Sequence[bytes]) -> list[bytes]:
    return sorted([*paths, *OTHERS])


def assert_the_same(
    paths: Sequence[bytes],
    texts: Sequence[bytes],
    folding: Folding,
    submodules: Collection[bytes] = (),
    added: Collection[bytes] = (),
) -> None:
    """What is found among many paths is what each path finds."""
    index = PatternIndex(texts, folding)
    one_by_one = [(path, index.matching(path, path in submodules, path in added)) for path in paths]
    found = list(index.among(among_others(paths), submodules, added))
    everywhere = [at for at, text in enumerate(texts) if text in (b"/", b"**")]
    held = [one for one in found if not one[0].startswith(b"other/")]
    assert held == [one for one in one_by_one if one[1]]
    rest = [one for one in found if one[0].startswith(b"other/")]
    assert rest == ([(path, everywhere) for path in sorted(OTHERS)] if everywhere else [])


@settings(max_examples=40)
@given(PATHS, PATTERNS, FOLDINGS, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_among_many_paths_the_same_are_held_by_the_same_patterns(
    paths: list[bytes], texts: list[bytes], folding: Folding, some: set[int], more: set[int]
) -> None:
    submodules, added = ({p for at, p in enumerate(paths) if at in one} for one in (some, more))
    assert_the_same(paths, texts, folding, submodules, added)


@pytest.mark.parametrize(
    "folding", [Folding(), Folding(ignore_case=True), Folding(True, True, True)]
)
@pytest.mark.parametrize(
    ("paths", "texts"),
    [
        ([b"A/x", b"B", b"a", b"b"], [b"/a/", b"/b"]),
        ([b"a/z~", b"a/\xff", b"a0", b"a-"], [b"/a/"]),
        ([b"a", b"a/b", b"a/b/c"], [b"/a/b/**", b"/a/b/*.py", b"/a/b"]),
        ([b"X.PY", b"d/y.py", b"d/y.pyc"], [b"**/*.py", b"**/x*"]),
    ],
)
def test_neighbours_in_the_order_of_bytes_are_told_apart(
    paths: list[bytes], texts: list[bytes], folding: Folding
) -> None:
    for submodules, added in (((), ()), (paths, ()), ((), paths)):
        assert_the_same(sorted(paths), texts, folding, submodules, added)


@given(PATHS)
def test_the_prefixes_of_many_paths_are_those_of_each(paths: list[bytes]) -> None:
    each = {prefix for path in paths for prefix in path_keys(path)[0]} | {b""}
    keys = {fold_key(path) for path in paths}
    found = Prefixes(paths)
    assert set(found) == each
    asked = {
        fold_key(f"{one}{end}".encode()) for one in NAMES for end in ("", "/a", "/b/x.py", "-")
    }
    asked |= each | {key + end for key in keys for end in (b"/z/y", b"0", b"-", b"z")}
    reached = set()
    for prefix in asked:
        assert (prefix in found) == (prefix in each), prefix
        above = {prefix[:at] for at, letter in enumerate(prefix) if letter == ord("/")}
        if prefix in each or not keys.isdisjoint(above):
            reached.add(prefix)
    assert found.reach(sorted(asked)) == sorted(reached)
    assert (b"z" in found, len(found)) == (False, len(paths))


def test_only_many_paths_are_asked_for_so() -> None:
    assert isinstance(keys_of(OTHERS)[0], set)
    assert isinstance(keys_of([*OTHERS, b"z"])[0], Prefixes)


def test_each_of_many_paths_needs_a_reservation_where_the_policy_asks_for_it() -> None:
    def held(number: int, agent: str, pattern: bytes) -> Reservation:
        return Reservation(number, agent, pattern, True, "", 0, 1, None, number)

    table = [held(1, "A", b"/a/"), held(2, "B", b"/b"), held(3, "A", b"/other/1*")]
    paths = among_others([b"a/x", b"b", b"c"])
    changes = parse([b"".join(b":000000 100644 o n A\0%b\0" % path for path in paths)])
    verdict = decide(changes, table, "A", Policy(require_reservation=True), Folding())
    assert verdict.conflicts == (PathConflict(b"b", table[1]),)
    bare = [path for path in sorted(OTHERS) if not path.startswith(b"other/1")]
    assert verdict.uncovered == (b"c", *bare)


# Reading what git says


@pytest.mark.parametrize("statuses", list(itertools.product(b"ADMTU", repeat=2)))
def test_what_is_added_is_told_by_its_status_and_a_submodule_by_its_mode(
    statuses: tuple[int, int],
) -> None:
    first, second = map(chr, statuses)
    diff = f":100644 160000 o n {first}\0b A\0:100644 100644 o n {second}\0a\0".encode()
    other = b":100644 100644 o n M\0a\0:100644 000000 o n D\0c\0"
    for diffs in ([diff], [diff, b""], [diff, diff], [diff, other]):
        changes = parse(diffs)
        assert changes.paths == ((b"a", b"b A", b"c") if b"c" in diffs[-1] else (b"a", b"b A"))
        assert changes.submodules == {b"b A"}
        expected = {p for p, status in ((b"b A", first), (b"a", second)) if status in "AT"}
        assert {path for path in changes.paths if path in changes.added} == expected
        assert set(changes.added) == expected


def test_what_git_says_twice_counts_once_and_nothing_is_nothing() -> None:
    diff = b":100644 000000 o n U\0b\0:000000 100644 o n A\0b\0:000000 100644 o n A\0a\0"
    changes = parse([diff])
    assert (changes.paths, list(changes.added)) == ((b"a", b"b"), [b"a", b"b"])
    assert parse([b""]).paths == parse([]).paths == ()
    for cut in (diff[:-1], diff[:-2], diff[:-3], b":000000 100644 o n A\0"):
        with pytest.raises(GitError, match="cut short"):
            parse([cut])


def test_a_path_is_found_among_sorted_ones_and_nothing_else_is() -> None:
    found = SortedPaths([b"a", b"b"])
    assert [one in found for one in (b"a", b"b", b"", b"aa", b"c", None)] == [True] * 2 + [
        False
    ] * 4
    assert b"" not in SortedPaths()
