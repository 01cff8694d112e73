"""One pattern and many against paths."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wildmatch_table import TABLE, UNMATCHABLE

from agentlock.errors import PatternError
from agentlock.patterns.matching import (
    Folding,
    Pattern,
    PatternIndex,
    compile_pattern,
    displayed,
    path_keys,
)
from agentlock.patterns.plain import plain, prefix_key
from agentlock.patterns.wildmatch import parse, render

EXACT = Folding()
NO_CASE = Folding(ignore_case=True)
COMPOSED = Folding(compose_unicode=True)
_MODULES = (
    *(".globs", ".index", ".keys", ".matching", ".overlap", ".pattern", ".plain"),
    ".wildmatch",
)
BOTH = Folding(ignore_case=True, compose_unicode=True)
E_ACUTE, E_AND_ACUTE = "\u00e9".encode(), "e\u0301".encode()


def canonical(glob: bytes) -> bytes:
    written, below = parse(glob, glob)
    return render(written, below=below)


def agreed(text: bytes, path: bytes, folding: Folding = EXACT, *, submodule: bool = False) -> bool:
    """What the pattern says, which has to be what the index says.

    The index also names a plain path that a folder above the path has.
    """
    pattern = compile_pattern(text, folding)
    answer = pattern.matches_submodule(path) if submodule else pattern.matches(path)
    below = pattern.kind == "literal" and folding.apply(path).startswith(pattern.path + b"/")
    assert PatternIndex([text], folding).matching(path, submodule) == [0] * (answer or below)
    return answer


@pytest.mark.parametrize(("glob", "path", "matches"), TABLE)
def test_a_glob_matches_as_the_table_says(glob: bytes, path: bytes, matches: bool) -> None:
    assert agreed(canonical(glob), path) == matches


@pytest.mark.parametrize("glob", UNMATCHABLE)
def test_a_glob_that_matches_nothing_is_an_error(glob: bytes) -> None:
    with pytest.raises(PatternError):
        compile_pattern(b"/" + glob)
    with pytest.raises(PatternError):
        PatternIndex([b"/" + glob])


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"a", b"a/b", b"*.py", b"**.py", b"/**", b"/**/a", b"//", b"/a//b", b"//a", b"/a//"),
        *(b"/./a", b"/a/.", b"/a/../b", b"/.git/config", b"/a/.GIT/", b"**/.git", b"/.git*/.git"),
        *(b"/\\a", b"/a{b}", b"/*{b}", b"/[{]", b"/a**", b"/a/**/**", b"/***", b"/a\\/b", b"/[.]"),
        *(b"/[.][.]", b"/.[gG][iI]t/*", b"/*//b", b"/*/./b"),
    ],
)
def test_a_damaged_text_never_quietly_matches_nothing(text: bytes) -> None:
    with pytest.raises(PatternError, match="pattern"):
        compile_pattern(text)
    with pytest.raises(PatternError, match="pattern"):
        PatternIndex([text]).matching(b"a/b")


@pytest.mark.parametrize(
    ("text", "kind", "prefix"),
    [
        (b"/src/a.py", "literal", b"src/a.py"),
        (rb"/src/\[id].tsx", "literal", b"src/[id].tsx"),
        (rb"/\{a,b}/", "directory", b"{a,b}"),
        (b"/src/auth/", "directory", b"src/auth"),
        (b"/", "directory", b""),
        (b"/src/*.py", "glob", b"src"),
        (b"/src/auth/**", "glob", b"src/auth"),
        (rb"/a\*/b/*", "glob", b"a*/b"),
        (b"/src/*/x/", "glob", b"src"),
        (b"/s*", "glob", b""),
        (b"**/*.py", "glob", b""),
    ],
)
def test_a_pattern_knows_its_kind_and_its_literal_prefix(
    text: bytes, kind: str, prefix: bytes
) -> None:
    pattern = compile_pattern(text)
    assert (pattern.text, pattern.kind, pattern.prefix) == (text, kind, prefix)
    assert pattern.keys.prefix == prefix


def test_a_directory_covers_its_entry_and_all_below_it() -> None:
    assert agreed(b"/src/auth/", b"src/auth")
    assert agreed(b"/src/auth/", b"src/auth/a/b")
    assert not agreed(b"/src/auth/", b"src/authority")
    assert not agreed(b"/src/auth/", b"src")
    assert agreed(b"/", b"any/thing")


def test_a_plain_path_matches_nothing_below_it_and_yet_holds_it() -> None:
    assert agreed(b"/src/auth", b"src/auth")
    assert not agreed(b"/src/auth", b"src/auth/a")
    assert PatternIndex([b"/src/auth"]).matching(b"src/auth/a") == [0]
    assert PatternIndex([b"/src/auth"]).matching(b"src/author") == []


def test_a_glob_with_a_final_slash_covers_what_lies_below_its_directories() -> None:
    assert agreed(b"/src/*/", b"src/a/b/c")
    assert not agreed(b"/src/*/", b"src/a")
    assert agreed(b"/x/**/", b"x/a/b")
    assert not agreed(b"/x/**/", b"x/a")
    assert agreed(b"**/build/", b"build/a")
    assert agreed(b"**/build/", b"a/build/b/c")
    assert not agreed(b"**/build/", b"a/build")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        *((b"/lib", True), (b"/lib/", True), (b"/lib/**", True), (b"/*", True), (b"/l*/", True)),
        *((b"/lib/**/*", True), (b"**/lib", True), (b"**/lib/**", True), (b"**", True)),
        *((b"/lib/*", False), (b"/lib/a", False), (b"/lib/**/*.c", False), (b"/lib/*/", False)),
        (b"/lib2/", False),
    ],
)
def test_a_submodule_is_meant_by_its_name_and_by_all_that_lies_in_it(
    text: bytes, matches: bool
) -> None:
    assert agreed(text, b"lib", submodule=True) == matches


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        *((b"/", True), (b"**", True), (b"**/*", True), (b"**/*?", True), (b"**/[!/]*", True)),
        *((b"/*/**", False), (b"/*", False), (b"**/?", False), (b"**/[!.]*", False)),
        *((b"/a/**", False), (b"**/a", False), (b"**/", False), (b"**/??*", False)),
    ],
)
def test_the_whole_repository_is_known_by_its_meaning(text: bytes, whole: bool) -> None:
    # `/*/**` leaves the files at the root alone.
    assert compile_pattern(text).is_whole_repository == whole


@pytest.mark.parametrize(
    ("text", "path", "folding", "matches"),
    [
        (b"/SRC/A.py", b"src/a.PY", NO_CASE, True),
        (b"/SRC/A.py", b"src/a.PY", EXACT, False),
        (b"/Src/", b"sRC/x", NO_CASE, True),
        (b"/Src/**", b"sRC/x", NO_CASE, True),
        (b"**/*.PY", b"A.py", NO_CASE, True),
        (b"**/Makefile", b"x/MAKEFILE", NO_CASE, True),
        (b"/[A-C]*", b"bee", NO_CASE, True),
        (b"/[a-c]*", b"Bee", NO_CASE, True),
        (b"/[!A]", b"a", NO_CASE, False),
        (b"/[!a]", b"A", NO_CASE, False),
        (b"/[[:upper:]]", b"a", NO_CASE, True),
        (b"/[[:lower:]]", b"A", NO_CASE, True),
        (b"/[^_]", b"\x7f", NO_CASE, True),
        (b"/" + E_ACUTE.upper(), E_ACUTE, NO_CASE, True),  # bytes above ASCII have no case
        (b"/" + "\u00c9".encode(), E_ACUTE, BOTH, False),
        (b"/" + E_ACUTE, E_AND_ACUTE, COMPOSED, True),
        (b"/" + E_AND_ACUTE, E_ACUTE, COMPOSED, True),
        (b"/" + E_AND_ACUTE, E_ACUTE, EXACT, False),
        (b"/*/" + E_AND_ACUTE + b"*", b"x/" + E_ACUTE + b"y", COMPOSED, True),
        (b"/" + E_AND_ACUTE + b"/", E_ACUTE + b"/\xff", COMPOSED, True),
        (b"**/*." + E_AND_ACUTE, b"a." + E_ACUTE, COMPOSED, True),
        (b"/\xff*", b"\xffa", BOTH, True),
        (b"/\xff" + E_AND_ACUTE, b"\xff" + E_ACUTE, COMPOSED, False),
    ],
)
def test_folding_is_applied_to_both_sides(
    text: bytes, path: bytes, folding: Folding, matches: bool
) -> None:
    assert agreed(text, path, folding) == matches


def test_the_keys_of_a_path_are_itself_its_ancestors_and_the_root() -> None:
    prefixes, names = path_keys(b"Src/Auth/a.PY")
    assert prefixes == [b"src/auth/a.py", b"src/auth", b"src", b""]
    assert names == (b"a.py", b"auth", b"src", b"*.py", b"*")
    assert path_keys(b"a") == ([b"a", b""], (b"a", b"*", b"*"))


@pytest.mark.parametrize(
    ("text", "name", "extension"),
    [
        (b"/src/A.PY", b"a.py", b".py"),
        (b"/src/Makefile", b"makefile", b""),
        (b"/src/", b"*", b"*"),
        (b"/src/**", b"*", b"*"),
        (b"**/*.py", b"*.py", b".py"),
        (b"**/*.tar.gz", b"*.gz", b".gz"),
        (b"**/*_test", b"*", b"*"),
        (b"**/Makefile", b"makefile", b""),
        (b"/src/*/x.c", b"x.c", b".c"),
        (b"**/*.[ch]", b"*", b"*"),
        (b"/src/*/", b"*", b"*"),
        (rb"**/\*.foo/\*bar", b"*bar", b""),
    ],
)
def test_the_keys_of_a_pattern_say_what_is_known_of_the_last_name(
    text: bytes, name: bytes, extension: bytes
) -> None:
    keys = compile_pattern(text).keys
    assert (keys.name, keys.extension) == (name, extension)


names = st.sampled_from(["a", "A", "E\u0301", "e\u0301", "\u00c9", "\u00e9", "\u212a", "k", "K"])
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/".join(parts).encode())


@given(
    path=paths,
    prefix=paths,
    ending=st.sampled_from([b"", b"/", b"/*", b"/**", b"/*/**", b"/**/*", b"/**/a", b"/*e"]),
    folding=st.sampled_from([EXACT, NO_CASE, COMPOSED, BOTH]),
)
def test_a_pattern_that_matches_has_its_key_among_those_of_the_path(
    path: bytes, prefix: bytes, ending: bytes, folding: Folding
) -> None:
    pattern = compile_pattern(b"/" + prefix + ending, folding)
    if pattern.matches(path) or pattern.matches_submodule(path):
        prefixes, names = path_keys(path)
        assert pattern.keys.prefix in prefixes
        assert pattern.keys.name in names


def needs(pattern: Pattern, path: bytes) -> bool:
    """Whether something that the pattern matches lies below the path, always."""
    folder = path.lower()
    return pattern.path.startswith(folder + b"/") or (
        pattern.kind == "glob" and pattern.path == folder
    )


def test_the_index_answers_as_each_pattern_does() -> None:
    generator = random.Random(7)  # noqa: S311 -- to repeat a failure
    words = [b"a", b"b", b"ab", b"a.py", b"b.py", b".py", b"x.b.py", b"A"]
    globs = [*words, b"*", b"**", b"?", b"*.py", b"a*", b"a*.py", b"*b.py", b"[ab]", b"*.b.py"]
    globs += [b"*]b", b"[a/b]*.py", b"[/b/]b", b"a?", rb"\*.py", b"a[.]*", b"*[.]py"]
    texts = []
    for _ in range(1200):
        parts = [generator.choice(globs) for _ in range(generator.randrange(1, 4))]
        texts.append(canonical(b"/".join(parts) + generator.choice((b"", b"", b"/"))))
    patterns = [compile_pattern(text, NO_CASE) for text in texts]
    index = PatternIndex(texts, NO_CASE)
    for _ in range(400):
        path = b"/".join(generator.choice(words) for _ in range(generator.randrange(1, 5)))
        below = [p.kind == "literal" and path.lower().startswith(p.path + b"/") for p in patterns]
        assert index.matching(path) == [
            i for i, p in enumerate(patterns) if p.matches(path) or below[i]
        ]
        assert index.matching(path, submodule=True) == [
            i for i, p in enumerate(patterns) if p.matches_submodule(path) or below[i]
        ]
        assert index.matching(path, added=True) == [
            i for i, p in enumerate(patterns) if p.matches(path) or below[i] or needs(p, path)
        ]


def test_a_thousand_floating_globs_cost_a_path_next_to_nothing() -> None:
    """Each kind has a key of its own: a path comes near few globs, not near all of them."""
    shapes = (b"**/*.x%d", b"**/NAME%d", b"**/*_%d.py", b"**/test_%d_*.py", b"**/gen%d/**")
    anchored = (b"/a/**/test_%d_*", b"/a/*/gen%d/**", b"/a/**/[x]*_%d.py")
    texts = [shape % at for at in range(1000) for shape in (*shapes, *anchored)]
    index = PatternIndex(texts)
    for path, shape in (
        (b"a/b/gen7/c", b"**/gen7/**"),
        (b"a/test_7_b.py", b"**/test_7_*.py"),
        (b"a/a_7.py", b"**/*_7.py"),
    ):
        assert texts.index(shape) in index.matching(path)
        near = [entry for globs in index._globs.values() for entry in globs.near(path)]
        assert len(near) <= 3, path


def test_each_of_many_equal_texts_is_attributed() -> None:
    texts = [b"**/*.py", b"/a.py", b"**/*.py", rb"/\[a].py", b"/a.py", rb"/\[a].py", b"/", b"/"]
    index = PatternIndex(texts)
    assert index.matching(b"a.py") == [0, 1, 2, 4, 6, 7]
    assert index.matching(b"[a].py") == [0, 2, 3, 5, 6, 7]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"/src/auth/**", "src/auth/**"),
        (b"/README.md", "README.md"),
        (b"/src/", "src/"),
        (b"/*/", "*/"),
        (rb"/\[id].tsx", r"\[id].tsx"),
        (b"/*.py", "/*.py"),
        (b"/[ab]", "/[ab]"),
        (b"**/*.py", "**/*.py"),
        (b"/", "/"),
        (b"/!a", "/!a"),
        (b"/-a", "/-a"),
        (b"/\xff", "\udcff"),
    ],
)
def test_a_person_reads_a_pattern_without_the_slash_that_says_nothing(
    text: bytes, shown: str
) -> None:
    assert displayed(text) == shown


def test_hostile_patterns_come_to_an_end() -> None:
    stars = b"/" + b"*a" * 100 + b"*b"
    assert not agreed(stars, b"a" * 4000)
    assert agreed(stars, b"a" * 4000 + b"b")
    deep = b"/a" + b"/**/b" * 100 + b"/c"
    assert not agreed(deep, b"a/" + b"b/" * 1000 + b"d")
    assert agreed(deep, b"a/" + b"x/b/" * 100 + b"c")
    sets = b"/*" + b"[ab]" * 200 + b"*" + b"[ab]" * 200 + b"c"
    assert not agreed(sets, b"ab" * 2000)
    members = bytes(byte for byte in range(1, 128) if byte not in b"/]\\[{-") * 32
    assert agreed(b"/[" + members + b"]", b"a")
    assert not agreed(b"/[!" + members + b"]*", b"a" * 4000)


@pytest.mark.parametrize(
    "text",
    [
        b"/a.py",
        b"/src/A",
        b"/\xc3\x89/",
        b"/a/",
        b"/",
        b"/a/b/**",
        b"/.github/**",
        b"/a/*.py",
        b"**/a",
    ],
)
def test_what_is_told_at_sight_is_what_the_pattern_says(text: bytes) -> None:
    pattern = compile_pattern(text)
    assert prefix_key(text) == pattern.keys.prefix
    found = plain(text)
    assert (found is None) == (text in (b"/a/*.py", b"**/a"))
    if found is not None:
        assert found == ("below" if pattern.kind == "glob" else pattern.kind, pattern.prefix)


@pytest.mark.parametrize("text", [b"/a//b", b"/.git/x", b"/a/../b/", b"//**"])
def test_what_is_told_at_sight_is_never_told_of_a_damaged_row(text: bytes) -> None:
    with pytest.raises(PatternError):
        plain(text)


def test_the_matcher_loads_nothing_that_a_hook_need_not_pay_for() -> None:
    program = (
        "import sys; before = set(sys.modules)\n"
        "from agentlock.patterns.matching import PatternIndex\n"
        "from agentlock.patterns.overlap import overlap\n"
        "from agentlock.patterns.matching import compile_pattern as c\n"
        "PatternIndex([b'**/*.py', b'/a/', b'/[ab]/x']).matching(b'a/b.py')\n"
        "overlap(c(b'**/*.py'), c(b'/src/**'))\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    source = str(sys.modules["agentlock"].__path__[0]).removesuffix("agentlock")
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {source!r}); {program}",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    loaded = set(done.stdout.split())
    assert loaded == {"__future__", "agentlock", "agentlock.errors", "agentlock.model"} | {
        f"agentlock.patterns{name}" for name in ("", *_MODULES)
    }
