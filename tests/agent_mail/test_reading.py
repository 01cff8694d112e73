"""How Agent Mail's patterns are read: never less than its own two guards read in them."""

from __future__ import annotations

import random

import pytest
from pathspec import PathSpec

from agentlock.agent_mail.live import head
from agentlock.agent_mail.reading import readings
from agentlock.patterns.keys import fold_key, path_keys
from agentlock.patterns.matching import PatternIndex

ROOT = b"/work/project"


def held(pattern: str, path: str, *, as_gitignore: bool) -> bool:
    """Whether a path is held by what a pattern means."""
    texts = readings(pattern.encode(), ROOT, as_gitignore=as_gitignore)
    return bool(PatternIndex(texts).matching(path.encode()))


@pytest.mark.parametrize(
    ("pattern", "python", "rust"),
    [
        ("src/app.py", "src/app.py", "src/app.py"),
        ("src", "src/deep/in/it.py", "src/deep/in/it.py"),
        ("src/*", "src/deep/in/it.py", "src/it.py"),
        ("src/**", "src/deep/in/it.py", "src/deep/in/it.py"),
        ("README.md", "docs/README.md", "README.md"),
        ("/README.md", "README.md", "README.md"),
        ("./src/../lib/", "lib/a.py", "lib/a.py"),
        ("src\\windows\\a.py", "src/windows/a.py", "src/windows/a.py"),
        ("/work/project/src/a.py", "src/a.py", "src/a.py"),
        ("/work/project", "src/a.py", "src/a.py"),
        ("app/[slug]/page.tsx", "app/[slug]/page.tsx", "app/s/page.tsx"),
        ("app/[slug]/*.tsx", "app/[slug]/page.tsx", "app/[slug]/page.tsx"),
        ("src/{a,b}/*.py", "src/b/x.py", "src/a/x.py"),
        ("src/{a,b}.py", "src/{a,b}.py", "src/b.py"),
        ("src/**.py", "src/deep/in/it.py", "src/deep/in/it.py"),
        ("[unclosed", "[unclosed", "[unclosed"),
        ("lib/[[:nonsense:]]/x", "lib/a/x", "lib/anything"),
        ("!important", "!important", "!important"),
        ("#notes", "#notes", "#notes"),
        (".", "any/file", "any/file"),
        ("**", "any/file", "any/file"),
        ("docs/**/", "docs/a/b.md", "docs/a/b.md"),
    ],
)
def test_a_pattern_holds_what_its_agent_means(pattern: str, python: str, rust: str) -> None:
    assert held(pattern, python, as_gitignore=True)
    assert held(pattern, rust, as_gitignore=False)


@pytest.mark.parametrize(
    ("pattern", "path", "as_gitignore"),
    [
        ("README.md", "docs/README.md", False),  # a root file is not one in every folder
        ("/README.md", "docs/README.md", True),
        ("src/*", "src/deep/in/it.py", False),
        ("src/app.py", "src/app.pyc", True),
        ("src/app.py", "lib/src/app.py", True),
        ("tool://browser", "browser", True),
        ("resource://src", "src", True),
        (".git/hooks", "hooks", True),
        ("", "a", True),
        ("/elsewhere/src/a.py", "src/a.py", True),
    ],
)
def test_a_pattern_holds_no_more(pattern: str, path: str, as_gitignore: bool) -> None:
    assert not held(pattern, path, as_gitignore=as_gitignore)


def test_a_tool_is_the_tool_of_that_name_here() -> None:
    assert readings(b"tool://Browser", ROOT, as_gitignore=True) == [b"tool://browser"]
    assert readings(b"tool://no such name", ROOT, as_gitignore=True) == []


def test_it_never_reads_less_than_pathspec_and_looks_wherever_it_could_match() -> None:
    choose = random.Random(17)  # noqa: S311 -- for a test
    names = ("a", "b", "a.py", "b.py", "*", "**", "*.py", "a*", "?", "[ab]", "[!a]", "a**b", "")
    files = ("a", "b", "c", "a.py", "b.py", "ab", "axb")
    for _ in range(1_000):
        pattern = "/".join(choose.choices(names, k=choose.randint(1, 4)))
        path = "/".join(choose.choices(files, k=choose.randint(1, 4)))
        theirs = PathSpec.from_lines("gitignore", [pattern.lstrip("/")]).match_file(path)
        anchored = pattern.startswith("/") and "/" not in pattern.strip("/")
        if theirs and not anchored:  # a leading slash is the root for their guard, and for ours
            assert held(pattern, path, as_gitignore=True), (pattern, path)
        for as_gitignore in (True, False):
            start = head(pattern.encode(), as_gitignore=as_gitignore)
            if start is not None and held(pattern, path, as_gitignore=as_gitignore):
                assert fold_key(start) in path_keys(path.encode())[0], (pattern, path)
