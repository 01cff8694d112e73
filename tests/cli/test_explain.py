"""`agentlock explain`: how a pattern is read, what it covers, and what it would meet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support import Repo


@pytest.fixture
def filled(repo: Repo) -> Repo:
    for number in range(7):
        repo.write(f"src/{number}.py")
    for name in ("src/api/x.py", "pages/[id].tsx", "README.txt"):
        repo.write(name)
    repo.commit_unguarded("files")
    return repo


def test_it_shows_how_a_glob_is_read_what_it_covers_and_what_it_meets(filled: Repo) -> None:
    (held,) = filled.reserve("BlueLake", "**/3.*")
    filled.reserve("GreenHill", "src/4.py")
    told = filled.agentlock("explain", "src/*.py", "src/3.py", "src/api/x.py", agent="GreenHill")
    assert told.code == 0, told
    out = re.sub(r"until [^(]+ \(\S+\)", "for a while", told.out)
    out = re.sub(r"seen \d+s ago in \S+ \(main\), \S+", "seen 0s ago in repo (main), python", out)
    assert out.splitlines() == [
        "src/*.py is read as a glob, matched against whole paths",
        "  stored as  /src/*.py",
        "  covers     7 tracked files: src/0.py, src/1.py, src/2.py, src/3.py, src/4.py, ...",
        "  matches    src/3.py",
        "  no match   src/api/x.py",
        f"  meets      **/3.*  BlueLake  exclusive  for a while  (id {held['id']}), at src/3.py",
        "  holder     BlueLake, working, last seen 0s ago in repo (main), python",
    ]


def test_a_pattern_that_meets_nothing_is_told_so(filled: Repo) -> None:
    told = filled.agentlock("explain", "docs/")
    assert told.code == 0, told
    assert "  covers     0 tracked files\n" in told.out
    assert "  meets      no live reservation of other agents\n" in told.out


def test_an_existing_name_with_brackets_is_read_as_that_file_and_a_note_says_so(
    filled: Repo,
) -> None:
    told = filled.agentlock("explain", "pages/[id].tsx")
    assert "is read as a plain path\n" in told.out
    assert r"  stored as  /pages/\[id].tsx" in told.out
    assert "--glob reads it as a pattern" in told.err
    as_glob = filled.agentlock("explain", "--glob", "pages/[id].tsx")
    assert "is read as a glob" in as_glob.out


def test_each_alternative_of_a_brace_is_explained(filled: Repo) -> None:
    told = filled.agentlock("explain", "src/{1,2}.py", "--json")
    assert [one["pattern"] for one in told.json] == ["/src/1.py", "/src/2.py"]


def test_the_json_has_every_part(filled: Repo) -> None:
    filled.reserve("BlueLake", "src/**")
    (one,) = filled.agentlock("explain", "--json", "**/3.py", "src/3.py", "README.txt").json
    (meeting,) = one.pop("meets")
    assert one == {
        "typed": "**/3.py",
        "pattern": "**/3.py",
        "kind": "glob",
        "notes": [],
        "covers": {"count": 1, "first": ["src/3.py"]},
        "paths": [
            {"path": "src/3.py", "matches": True},
            {"path": "README.txt", "matches": False},
        ],
        "stale": [],
    }
    assert meeting["witness"] == "src/3.py"
    assert meeting["reservation"]["agent"] == "BlueLake"


def test_a_bad_pattern_is_an_error_and_not_an_explanation(filled: Repo) -> None:
    told = filled.agentlock("explain", "src/[")
    assert told.code == 2
    assert "'src/['" in told.err


def test_the_whole_repository_can_be_explained_without_being_reserved(filled: Repo) -> None:
    told = filled.agentlock("explain", ".")
    assert told.code == 0, told
    assert "11 tracked files" in told.out
