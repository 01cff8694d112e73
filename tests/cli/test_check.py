"""`check` says of each path whose it is, and reads lists of paths as they come."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, OTHER, Repo, Result, copy_repository, make_guarded, run

if TYPE_CHECKING:
    from pathlib import Path

    from support.repositories import MadeOnce


def _table(folder: Path) -> None:
    made = make_guarded(folder, "README.md", "src/a.py", "docs/y.md", "lib/z.py")
    made.reserve(HOLDER, "src/")
    made.reserve(HOLDER, "lib/*.py", "--shared")
    made.reserve(OTHER, "docs/")


@pytest.fixture
def table(made_once: MadeOnce, tmp_path: Path) -> Repo:
    """BlueLake holds src/ and, shared, lib/*.py. GreenHill, who asks, holds docs/."""
    return copy_repository(made_once(_table), tmp_path / "repo")


def states(checked: Result) -> dict[str, str]:
    return {one["path"]: one["state"] for one in checked.json["paths"]}


def test_check_alone_is_about_everything_uncommitted(table: Repo) -> None:
    for name in ("src/a.py", "docs/y.md", "lib/z.py", "new file.txt"):
        table.write(name, "changed\n")
    table.must("add", "docs")
    table.must("rm", "-q", "README.md")
    checked = table.agentlock("check", "--json", agent=OTHER)
    assert checked.code == 1
    assert states(checked) == {
        "README.md": "free",
        "docs/y.md": "mine",
        "lib/z.py": "shared",
        "new file.txt": "free",
        "src/a.py": "held",
    }
    assert [one["path"] for one in checked.json["conflicts"]] == ["src/a.py"]
    staged = table.agentlock("check", "--staged", "--json", agent=OTHER)
    assert (staged.code, list(states(staged))) == (0, ["README.md", "docs/y.md"])


def test_a_file_that_was_only_touched_is_not_uncommitted(table: Repo) -> None:
    os.utime(table.path / "README.md", (0, 0))
    assert table.agentlock("check", agent=OTHER).out == "allow: 0 paths checked\n"


def test_each_path_comes_with_the_reservation_that_says_so(table: Repo) -> None:
    names = ("src/a.py", "docs/y.md", "lib/z.py", "README.md")
    checked = table.agentlock("check", "--json", *names, agent=OTHER).json
    assert checked["paths_total"] == 4
    found: dict[str, Any] = {one["path"]: one["reservation"] for one in checked["paths"]}
    assert {name: held and held["pattern"] for name, held in found.items()} == {
        "src/a.py": "/src/",
        "docs/y.md": "/docs/",
        "lib/z.py": "/lib/*.py",
        "README.md": None,
    }
    assert found["src/a.py"] == checked["conflicts"][0]["reservation"]


def test_it_prints_a_line_for_each_path_and_then_the_verdict(table: Repo) -> None:
    names = ("src/a.py", "docs/y.md", "README.md")
    refused = table.agentlock("check", *names, agent=OTHER)
    cells = [line.split("\t")[:4] for line in refused.out.splitlines()]
    assert cells == [
        ["free", "README.md"],
        ["mine", "docs/y.md", OTHER, "docs/"],
        ["held", "src/a.py", HOLDER, "src/"],
    ]
    assert "check refused: 1 of 3 paths is reserved by others" in refused.err
    allowed = table.agentlock("check", "docs/y.md", "README.md", agent=OTHER)
    assert allowed.out.splitlines()[-1] == "allow: 2 paths checked"


@pytest.mark.parametrize(
    ("folder", "agent", "state"),
    [
        ("src", OTHER, "held"),
        ("src/deep/er", OTHER, "held"),
        ("src", HOLDER, "mine"),
        ("src/deep", HOLDER, "mine"),
        ("docs", OTHER, "mine"),
        ("lib", OTHER, "shared"),
        ("elsewhere", OTHER, "free"),
        (".", OTHER, "held"),
        (".", HOLDER, "held"),
    ],
)
def test_a_folder_is_ones_own_only_as_a_whole(
    table: Repo, folder: str, agent: str, state: str
) -> None:
    os.makedirs(table.path / folder, exist_ok=True)
    (found,) = table.agentlock("check", "--json", folder, agent=agent).json["paths"]
    assert found["state"] == state
    assert (found["reservation"] is None) == (state == "free")
    assert found["path"] == ("/" if folder == "." else f"{folder}/")


def test_a_part_of_a_folder_does_not_make_the_folder_ones_own(table: Repo) -> None:
    assert table.agentlock("release", "src/", agent=HOLDER).code == 0
    assert table.agentlock("release", "lib/*.py", agent=HOLDER).code == 0
    table.reserve(OTHER, "src/*.py")
    for folder, state in (("src", "free"), (".", "free"), ("docs", "mine")):
        (found,) = table.agentlock("check", "--json", folder, agent=OTHER).json["paths"]
        assert found["state"] == state
    table.reserve(OTHER, "src/**")
    (found,) = table.agentlock("check", "--json", "src", agent=OTHER).json["paths"]
    assert found["state"] == "mine"


def test_without_a_name_nothing_is_mine(table: Repo) -> None:
    checked = table.agentlock("check", "--json", "docs/y.md", "lib/z.py", "README.md")
    assert states(checked) == {"docs/y.md": "held", "lib/z.py": "shared", "README.md": "free"}


@pytest.mark.parametrize(
    "given",
    [b"src/a.py\ndocs/y.md\n", b"src/a.py\n", b'"src/\\303\\244.py"', b'x\0"src/\\t.py"\0'],
)
def test_a_list_that_is_not_nul_separated_is_not_misread(table: Repo, given: bytes) -> None:
    refused = table.agentlock("check", "--stdin", agent=OTHER, stdin=given)
    assert refused.code == 2
    assert "--lines" in refused.err
    assert "  fix: git diff -z --name-only | agentlock check --stdin\n" in refused.err


def test_a_stdin_that_is_closed_is_no_bug(table: Repo) -> None:
    asking = (sys.executable, "-m", "agentlock", "check", "--stdin")
    checked = run("sh", "-c", '"$@" <&-', "sh", *asking, cwd=table.path)
    assert checked.code == 2, checked
    assert "stdin cannot be read" in checked.err
    assert "  fix: git diff -z --name-only | agentlock check --stdin\n" in checked.err


@pytest.mark.parametrize("option", [("--lines",), ("--stdin", "--lines")])
def test_lines_are_read_as_git_prints_them(table: Repo, option: tuple[str, ...]) -> None:
    given = b'docs/y.md\r\n"src/\\303\\244\\t\\"\\\\.py"\n\nREADME.md'
    checked = table.agentlock("check", *option, "--json", agent=OTHER, stdin=given)
    assert checked.code == 1
    assert states(checked) == {"docs/y.md": "mine", 'src/ä\t"\\.py': "held", "README.md": "free"}


@pytest.mark.parametrize(
    "name", [b"\xc3\xa4", b'a"b', b"tab\t", b"new\nline", b"\xff", b"\x01\x7f"]
)
def test_every_name_that_git_lists_is_read_back(table: Repo, name: bytes) -> None:
    path = os.path.join(os.fsencode(table.path), b"src", name)
    with open(path, "wb") as file:
        file.write(b"x")
    lines = os.fsencode(table.must("ls-files", "--others", "src"))
    for option, given in (("--stdin", b"src/" + name + b"\0"), ("--lines", lines)):
        checked = table.agentlock("check", option, "--json", agent=OTHER, stdin=given)
        assert [os.fsencode(one["path"]) for one in checked.json["paths"]] == [b"src/" + name]


def test_a_name_in_quotes_can_be_checked(table: Repo) -> None:
    checked = table.agentlock("check", "--stdin", "--json", agent=OTHER, stdin=b'"quoted"\0')
    assert states(checked) == {'"quoted"': "free"}


def test_a_refused_reserve_names_the_part_that_is_free(table: Repo) -> None:
    asked = ("src/a.py", "new one/", "x", "--ttl", "2h", "--reason", "it's")
    refused = table.agentlock("reserve", *asked, agent=OTHER)
    assert refused.code == 1
    command = r"agentlock reserve 'new one/' x --ttl 2h --reason 'it'\''s'"
    assert f"  the rest is free: {command}\n" in refused.err
    assert table.agentlock("reserve", "--json", *asked, agent=OTHER).json["free"] == [
        "new one/",
        "x",
    ]
    granted = table.agentlock("reserve", "new one/", "x", "--ttl", "2h", agent=OTHER)
    assert granted.code == 0


def test_a_text_with_braces_is_free_only_if_all_of_it_is(table: Repo) -> None:
    refused = table.agentlock("reserve", "{src,new}/b.py", "--", "-x", agent=OTHER)
    assert "the rest is free: agentlock reserve -- -x\n" in refused.err
    refused = table.agentlock("reserve", "{src,new}/b.py", "src/a.py", agent=OTHER)
    assert "the rest" not in refused.err
