"""How typed texts are read, in a worktree that is really on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pathspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlock.errors import PatternError
from agentlock.patterns.exempt import ExemptList
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.syntax import MAX_LENGTH, Reading, read_pattern, read_patterns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    from agentlock.patterns.syntax import Force


class DiskTree:
    """A worktree as its files show it; ``vendor/lib`` is a submodule, ``gone/`` only indexed."""

    def __init__(self, root: Path, cwd: str = "") -> None:
        self.root = os.path.realpath(os.fsencode(root))
        self.cwd = os.path.join(self.root, cwd.encode()) if cwd else self.root

    def lookup(self, path: bytes) -> Literal["file", "directory", "submodule"] | None:
        known: dict[bytes, Literal["file", "directory", "submodule"]] = {
            b"vendor/lib": "submodule",
            b"gone": "directory",
            b"gone/a[1].py": "file",
        }
        if path in known:
            return known[path]
        absolute = os.path.join(self.root, path)
        if os.path.isdir(absolute) and not os.path.islink(absolute):
            return "directory"
        return "file" if os.path.lexists(absolute) else None

    def directories(self) -> Iterator[bytes]:
        for folder, _, _ in os.walk(self.root):
            if folder != self.root:
                yield os.path.relpath(folder, self.root)


FILES = (
    *("README.md", "src/a.py", "src/pages/[id].tsx", "src/{a,b}.py", "src/api/v1/x.py", "docs/!a"),
    *(
        "src/db/m.sql",
        "vendor/lib/x.c",
        "odd/*",
        "odd/a\\b",
        "odd/[z]/x",
        "Makefile",
        "odd/{1..200}",
    ),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    (root / "link").symlink_to("src")
    (root / "src" / "to-file").symlink_to("a.py")
    (root / "hooks").symlink_to(".git/hooks")
    (root / "out").symlink_to("/usr")
    (root / "loop").symlink_to("loop")
    (root / ".git" / "hooks").mkdir(parents=True)
    return root


@pytest.fixture
def tree(root: Path) -> DiskTree:
    return DiskTree(root)


def read(
    text: bytes, tree: DiskTree, force: Force = None, *, whole_repository: bool = False
) -> bytes:
    return read_pattern(text, tree, force=force, whole_repository=whole_repository).pattern


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (b"src/a.py", b"/src/a.py"),
        (b"./src//a.py".replace(b"//", b"/"), b"/src/a.py"),
        (b"src/../README.md", b"/README.md"),
        (b"README.md", b"/README.md"),
        (b"new.py", b"/new.py"),
        (b"src", b"/src/"),
        (b"src/", b"/src/"),
        (b"src/.", b"/src/"),
        (b"src/api/..", b"/src/"),
        (b"newdir/", b"/newdir/"),
        (b"newdir/.", b"/newdir/"),
        (b"gone", b"/gone/"),
        (b"gone/a[1].py", rb"/gone/a\[1].py"),
        (b"src/pages/[id].tsx", rb"/src/pages/\[id].tsx"),
        (rb"src/pages/\[id\].tsx", rb"/src/pages/\[id].tsx"),
        (b"odd/*", rb"/odd/\*"),
        (rb"odd/a\b", rb"/odd/a\\b"),
        (rb"odd/\[z]", rb"/odd/\[z]/"),
        (rb"odd/\[z]/*", rb"/odd/\[z]/*"),
        (b"docs/!a", b"/docs/!a"),
        (b"a\xff", b"/a\xff"),
        (rb"\!b", b"/!b"),
        (b"*.py", b"**/*.py"),
        (b"./*.py", b"/*.py"),
        (b"/*.py", b"/*.py"),
        (b"src/*.py", b"/src/*.py"),
        (b"src/./*/./x", b"/src/*/x"),
        (b"src/*/.", b"/src/*/"),
        (b"src/../docs/*", b"/docs/*"),
        (b"**/*.py", b"**/*.py"),
        (b"src/**", b"/src/**"),
        (b"src/**/**", b"/src/**"),
        (b"src/**/./**", b"/src/**"),
        (b"src/**/", b"/src/**/"),
        (rb"src/**\/", b"/src/**/"),
        (b"src/a**b/x", b"/src/a*b/x"),
        (rb"src/\a*", b"/src/a*"),
        (rb"src/\**", rb"/src/\**"),
        (b"src/a{*", rb"/src/a\{*"),
        (b"src/[{]*", rb"/src/[\{]*"),
        (rb"src/[\{a-\}]*", rb"/src/[\{a-\}]*"),
        (b"/src/*.py", b"/src/*.py"),
        (b"/src/a.py", b"/src/a.py"),
        (b"/src/new.py", b"/src/new.py"),
        (b"/**/x", b"**/x"),
        (b"vendor/lib", b"/vendor/lib/"),
        (b"vendor/lib/", b"/vendor/lib/"),
        (b"vendor/lib/**", b"/vendor/lib/"),
        (b"vendor/**", b"/vendor/**"),
        (b"link/a.py", b"/src/a.py"),
        (b"link", b"/link"),
        (b"link/", b"/src/"),
        (b"link/*.py", b"/src/*.py"),
        (b"link/**", b"/src/**"),
        (b"src/to-file", b"/src/to-file"),
        (b"out", b"/out"),
        (b"loop", b"/loop"),
    ],
)
def test_a_text_is_stored_as(tree: DiskTree, text: bytes, pattern: bytes) -> None:
    assert read(text, tree) == pattern


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (b"a.py", b"/src/a.py"),
        (b".", b"/src/"),
        (b"..", b"/"),
        (b"../README.md", b"/README.md"),
        (b"../*.py", b"/*.py"),
        (b"*.py", b"/src/**/*.py"),
        (b"**", b"/src/**"),
        (b"*", b"/src/**/*"),
        (b"**/x", b"/src/**/x"),
        (b"./*.py", b"/src/*.py"),
        (b"/README.md", b"/README.md"),
        (b"/src/*.py", b"/src/*.py"),
        (b"api*/", b"/src/api*/"),
    ],
)
def test_a_text_is_relative_to_the_current_directory(
    root: Path, text: bytes, pattern: bytes
) -> None:
    assert read(text, DiskTree(root, "src"), whole_repository=True) == pattern


def test_an_absolute_path_inside_the_worktree_is_that_path(tree: DiskTree, tmp_path: Path) -> None:
    assert read(tree.root + b"/src/a.py", tree) == b"/src/a.py"
    assert read(tree.root + b"/src/*.py", tree) == b"/src/*.py"
    assert read(tree.root + b"/*.py", tree) == b"/*.py"
    (tmp_path / "elsewhere").symlink_to(os.fsdecode(tree.root))
    assert read(os.fsencode(tmp_path / "elsewhere/link/a*"), tree) == b"/src/a*"


@pytest.mark.parametrize(
    ("text", "force", "pattern"),
    [
        (b"src/pages/[id].tsx", "glob", b"/src/pages/[id].tsx"),
        (b"README.md", "glob", b"**/README.md"),
        (b"src/a.py", "glob", b"/src/a.py"),
        (b"odd/*", "glob", b"/odd/*"),
        (b"src", "glob", b"**/src"),
        (b"src/*.py", "literal", rb"/src/\*.py"),
        (rb"odd/a\b", "literal", rb"/odd/a\\b"),
        (b"src/{a,c}.py", "literal", rb"/src/\{a,c}.py"),
        (b"!a", "literal", b"/!a"),
        (b"**", "literal", rb"/\**".replace(rb"\**", rb"\*\*")),
        (b"new*/", "literal", rb"/new\*/"),
    ],
)
def test_a_reading_can_be_forced(tree: DiskTree, text: bytes, force: Force, pattern: bytes) -> None:
    assert [reading.pattern for reading in read_patterns([text], tree, force=force)] == [pattern]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b"a\0b", "NUL"),
        (b"../x", "outside"),
        (b"../*.py", "outside"),
        (b"/etc/passwd", "outside"),
        (b"/nowhere/*.py", "outside"),
        (b"out/bin/x", "outside"),
        (b"out/*", "outside"),
        (b".git", r"\.git"),
        (b".git/config", r"\.git"),
        (b".GIT/config", r"\.git"),
        (b".git/*", r"\.git"),
        (b"src/.git/x", r"\.git"),
        (b"hooks/pre-commit", r"\.git"),
        (b"hooks/*", r"\.git"),
        (b"src/*/.git", "matches nothing"),
        (b"*/.[g]it", "matches nothing"),
        (b"src/[.]", "matches nothing"),
        (b"vendor/lib/x.c", "submodule 'vendor/lib'"),
        (b"vendor/lib/new/", "submodule 'vendor/lib'"),
        (b"vendor/lib/*.c", "submodule 'vendor/lib'"),
        (b"vendor/lib/*/**", "submodule 'vendor/lib'"),
        (b"!src", "negation is not supported"),
        (b"!*.py", "negation is not supported"),
        (b"src/*/../x", r"`\.\.` after a wildcard"),
        (b"**/..", r"`\.\.` after a wildcard"),
        (b"*/../README.md", r"`\.\.` after a wildcard"),
        (b"a//b", "two slashes"),
        (b"src//*.py", "two slashes"),
        (b"a\\", "backslash"),
        (b"[", "never closed"),
        (b"src/[[:foo:]]", "unknown class"),
        (b"src/x[/]", "no character"),
        (b"a" * (MAX_LENGTH + 1), "bytes long"),
        (b"**/a/" * 129 + b"*", "259 names"),
        (b"*" + b"?" * 512, "513 characters in names with wildcards"),
        (b"*abcdefg/" * 65, "520 characters"),
    ],
)
def test_what_cannot_be_reserved_is_an_error_that_names_it(
    tree: DiskTree, text: bytes, words: str
) -> None:
    with pytest.raises(PatternError, match=words) as caught:
        read(text, tree)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(
        f"pattern '{text.decode()[:100]}".replace("\\", "\\\\").replace("\0", "\\x00")
    )


@pytest.mark.parametrize(
    "text",
    [b"a" * MAX_LENGTH, b"*/a/" * 127 + b"*/a", b"*abcdefg/" * 64],
    ids=["text", "names", "characters"],
)
def test_what_is_as_long_as_it_may_be_can_be_reserved(tree: DiskTree, text: bytes) -> None:
    assert patterns([text], tree) == [b"/" + text]


@pytest.mark.parametrize(
    "text", [b".", b"./", b"*", b"**", b"**/*", b"/", b"**/**", b"src/..", b"*?", b"./**", b"/**"]
)
def test_the_whole_repository_needs_a_word_for_it(tree: DiskTree, text: bytes) -> None:
    with pytest.raises(PatternError, match="whole repository") as caught:
        read(text, tree)
    assert "--whole-repo" in caught.value.hint
    assert compile_pattern(read(text, tree, whole_repository=True)).is_whole_repository


def test_the_root_by_its_absolute_name_is_the_whole_repository(tree: DiskTree) -> None:
    for text in (tree.root, tree.root + b"/", tree.root + b"/**"):
        with pytest.raises(PatternError, match="whole repository"):
            read(text, tree)


def patterns(texts: list[bytes], tree: DiskTree, force: Force = None) -> list[bytes]:
    return [reading.pattern for reading in read_patterns(texts, tree, force=force)]


def test_braces_stand_for_several_patterns(tree: DiskTree) -> None:
    assert patterns([b"src/{a,c}.{py,md}"], tree) == [
        *(b"/src/a.py", b"/src/a.md", b"/src/c.py", b"/src/c.md"),
    ]
    assert patterns([b"{src,docs}/**"], tree) == [b"/src/**", b"/docs/**"]
    assert patterns([b"v{1..3}.txt"], tree) == [b"/v1.txt", b"/v2.txt", b"/v3.txt"]
    assert patterns([rb"{a\,b,c*}"], tree) == [b"/a,b", b"**/c*"]
    assert patterns([b"\xff{a,b}"], tree) == [b"/\xffa", b"/\xffb"]


def test_braces_that_stand_for_nothing_are_plain(tree: DiskTree) -> None:
    assert patterns([rb"a\{b,c}", b"{a}", b"a{b", b"a}b"], tree) == [
        *(rb"/a\{b,c}", rb"/\{a}", rb"/a\{b", b"/a}b"),
    ]


def test_an_existing_file_with_braces_in_its_name_is_that_file(tree: DiskTree) -> None:
    (reading,) = read_patterns([b"src/{a,b}.py"], tree)
    assert reading.pattern == rb"/src/\{a,b}.py"
    assert "--glob" in reading.notes[0]
    (reading,) = read_patterns([b"odd/{1..200}"], tree)
    assert reading.pattern == rb"/odd/\{1..200}"
    assert "--glob" in reading.notes[0]
    assert patterns([b"src/{a,b}.py"], tree, "glob") == [b"/src/a.py", b"/src/b.py"]


@pytest.mark.parametrize(
    "text",
    [
        b"{1..101}",
        b"{a,b}" * 7,
        b"{1..999999999}",
        b"{" * 4000,
        b"{a," * 2000 + b"}" * 2000,
        b"{,}",
    ],
)
def test_braces_beyond_reason_are_refused(tree: DiskTree, text: bytes) -> None:
    with pytest.raises(PatternError, match=r"pattern '\{"):
        read_patterns([text], tree)


def test_a_hundred_alternatives_and_a_thousand_patterns_are_fine(tree: DiskTree) -> None:
    assert len(patterns([b"{1..100}.py"], tree)) == 100
    assert len(patterns([b"src/f%d.py" % number for number in range(1000)], tree)) == 1000


def test_equal_readings_are_one_and_the_order_stays(tree: DiskTree) -> None:
    readings = read_patterns(
        [b"src/a.py", b"*.md", b"./src/a.py", b"src/{b,a}.py"], tree, force="glob"
    )
    assert [reading.pattern for reading in readings] == [b"/src/a.py", b"**/*.md", b"/src/b.py"]
    assert [reading.typed for reading in readings] == [b"src/a.py", b"*.md", b"src/{b,a}.py"]


def notes(text: bytes, tree: DiskTree, force: Force = None) -> tuple[str, ...]:
    (reading,) = read_patterns([text], tree, force=force)
    assert not any("\n" in note for note in reading.notes)
    return reading.notes


def test_a_note_says_which_of_two_readings_was_taken(tree: DiskTree) -> None:
    assert notes(b"src/pages/[id].tsx", tree) == (
        "'src/pages/[id].tsx' is read as the existing file; --glob reads it as a pattern",
    )
    assert notes(b"src/pages/[id].tsx", tree, "glob") == (
        "'src/pages/[id].tsx' is read as a pattern; --literal reads it as the existing file",
    )
    assert notes(b"src/a.py", tree) == ()
    assert notes(b"src/*.py", tree) == ()


def test_a_note_suggests_a_slash_where_a_new_name_may_be_a_directory(tree: DiskTree) -> None:
    (note,) = notes(b"src/new", tree)
    assert "'src/new/' for a directory" in note
    assert notes(b"src/new.py", tree) == ()
    assert notes(b"src/new/", tree) == ()
    assert notes(b"Makefile", tree) == ()


def test_a_note_shows_what_would_cover_the_directories_that_a_glob_names(root: Path) -> None:
    (note,) = notes(b"src/*", DiskTree(root))
    named, _, advice = note.partition("; ")
    listed = "'src/api', 'src/db', 'src/pages'"
    assert named == f"'src/*' matches the directories {listed} but nothing below"
    assert advice == "'src/*/' or 'src/**' covers that"
    assert notes(b"src/ap*", DiskTree(root)) == (
        "'src/ap*' matches the directory 'src/api' but nothing below; 'src/ap*/' covers that",
    )
    (note,) = notes(b"ap*", DiskTree(root, "src"))
    assert "'/src/**/ap*/' covers that" in note
    assert notes(b"src/**", DiskTree(root)) == ()
    assert notes(b"src/*/", DiskTree(root)) == ()


def test_the_patterns_that_a_note_shows_read_back_as_they_were_meant(root: Path) -> None:
    assert read(b"src/*/", DiskTree(root)) == b"/src/*/"
    assert read(b"src/**", DiskTree(root)) == b"/src/**"
    assert read(b"/src/**/ap*/", DiskTree(root, "src")) == b"/src/**/ap*/"


@pytest.mark.parametrize(
    ("text", "slashes"),
    [
        (rb"src\auth.py", "src/auth.py"),
        (rb"lib\**\test.py", "lib/**/test.py"),
        (rb"src\**", "src/**"),
        (rb"none\**", "none/**"),
        (rb"src\**\*.py", "src/**/*.py"),
        (rb"src\*.py", "src/*.py"),
        (rb"src\*", "src/*"),
        (rb"src/api\v1\x.py", "src/api/v1/x.py"),
        (rb"src\pages\[id].tsx", "src/pages/[id].tsx"),
        (rb"odd\[z]", "odd/[z]"),
        (rb"src\{a,c}.py", "src/{a,c}.py"),
        (rb".\src\a.py", "./src/a.py"),
        (rb"..\x.py", "../x.py"),
        (rb"src\_a.py", "src/_a.py"),
        (rb"src\.env", "src/.env"),
        (b"src\\\xc3\xa9.py", "src/é.py"),
        (rb"src\\a.py", "src/a.py"),
        (rb"C:\work\a.py", "C:/work/a.py"),
        (rb"**\test.py", "**/test.py"),
        (rb"*\test.py", "*/test.py"),
    ],
)
def test_backslashes_between_names_are_refused_with_the_pattern_in_slashes(
    tree: DiskTree, text: bytes, slashes: str
) -> None:
    for force in (None, "glob"):
        with pytest.raises(PatternError, match="backslashes between its names") as caught:
            read_patterns([text], tree, force=force)
        assert caught.value.hint == f"write {slashes!r}"


def test_a_backslash_that_escapes_is_none_between_names(tree: DiskTree) -> None:
    assert notes(rb"src/\[a].py", tree) == ()
    assert read(rb"none\*", tree) == rb"/none\*"
    assert read(rb"my\ file", tree) == b"/my file"
    assert read(rb"odd/a\b", tree) == rb"/odd/a\\b"


@pytest.mark.parametrize(
    ("text", "stored", "said"),
    [
        (
            b"odd/[z]/new.tsx",
            [rb"/odd/\[z]/new.tsx"],
            "'odd/[z]' is read as the existing directory",
        ),
        (b"odd/[z]/new/deep.tsx", [rb"/odd/\[z]/new/deep.tsx"], "existing directory"),
        (b"odd/[z]/new/", [rb"/odd/\[z]/new/"], "existing directory"),
        (b"odd/[z]/*.tsx", [rb"/odd/\[z]/*.tsx"], "existing directory"),
        (b"odd/[z]/**", [rb"/odd/\[z]/**"], "existing directory"),
        (b"odd/[z]/{a,b}.c", [rb"/odd/\[z]/a.c", rb"/odd/\[z]/b.c"], "existing directory"),
        (
            b"odd/[z]/[id].tsx",
            [rb"/odd/\[z]/\[id].tsx", rb"/odd/\[z]/[id].tsx"],
            "both as a name and as a pattern",
        ),
        (b"src/[new].tsx", [b"/src/[new].tsx"], "does not match that name itself"),
        (b"src/[new]/a.tsx", [b"/src/[new]/a.tsx"], "does not match that name itself"),
    ],
)
def test_below_a_folder_with_brackets_a_new_path_is_what_its_author_meant(
    tree: DiskTree, text: bytes, stored: list[bytes], said: str
) -> None:
    readings = read_patterns([text], tree)
    assert [one.pattern for one in readings] == stored
    assert any(said in note for one in readings for note in one.notes)
    (literal,) = read_patterns([text], tree, force="literal")
    assert b"\\[" in literal.pattern


def test_a_file_typed_with_a_final_slash_is_that_file(tree: DiskTree) -> None:
    (reading,) = read_patterns([b"src/a.py/"], tree)
    assert reading == Reading(
        b"/src/a.py",
        b"src/a.py/",
        "literal",
        ("'src/a.py/' is read as the existing file 'src/a.py'",),
    )


pieces = st.sampled_from(
    [
        *(b"src", b"a", b"*", b"?", b"**", b"[a-c]", b"[!{]", b"{", b"}", b",", rb"\*", rb"\{"),
        *(b"!", b".", b"-", b" ", b"\xff", b"[[:alpha:]]", rb"[\]]", b"[[:]", b"a**b", rb"\\"),
        b"README.md",
    ]
)
names = st.lists(pieces, min_size=1, max_size=4).map(b"".join)
texts = st.tuples(
    st.sampled_from([b"src/", b"docs/x/", b"", b"/src/", b"./"]),
    st.lists(names, min_size=1, max_size=3).map(b"/".join),
    st.sampled_from([b"", b"/"]),
).map(b"".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, force=st.sampled_from([None, "glob", "literal"]))
def test_canonical_text_reads_back_as_itself_from_anywhere(
    root: Path, text: bytes, force: Force
) -> None:
    try:
        readings = read_patterns([text], DiskTree(root), force=force, whole_repository=True)
    except PatternError:
        return
    for reading in readings:
        stored = reading.pattern
        first = stored[1:].partition(b"/")[0]
        assert compile_pattern(stored).kind == reading.kind
        if stored.startswith(b"**"):
            assert read(stored, DiskTree(root), whole_repository=True) == stored
        elif first in {b"src", b"docs", b"README.md"}:
            assert read(stored, DiskTree(root)) == stored
            assert read(stored, DiskTree(root, "src/api")) == stored


def test_a_list_asks_our_engine_whatever_else_pathspec_could_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = []

    class Watched(pathspec.PathSpec[Any]):
        def __init__(self, patterns: Any, *, backend: Any = None) -> None:
            chosen.append(backend)
            super().__init__(patterns, backend=backend)

    monkeypatch.setattr(pathspec, "PathSpec", Watched)
    assert ExemptList(("docs/",)).covers(b"docs/a.md")
    assert chosen == ["simple"]
