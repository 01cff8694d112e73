"""How `renew` and `release` find a reservation by its number, its stored or its typed text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support import Repo

ME = "GreenHill"
THEM = "BlueLake"


@pytest.mark.parametrize("command", ["renew", "release"])
@pytest.mark.parametrize(
    ("folder", "typed", "stored", "elsewhere"),
    [
        ("", "src/**", "/src/**", "src/**"),
        ("src", "a.py", "/src/a.py", "src/a.py"),
        ("src", "../docs", "/docs/", "docs"),
        ("src", "*.py", "/src/**/*.py", "src/**/*.py"),
        ("", "*.md", "**/*.md", "*.md"),
        ("docs", "[xy].tsx", "/docs/**/[xy].tsx", "docs/**/[xy].tsx"),
    ],
)
def test_the_stored_and_the_typed_text_both_name_a_reservation_from_anywhere(
    table: Repo, command: str, folder: str, typed: str, stored: str, elsewhere: str
) -> None:
    key = {"renew": "renewed", "release": "released"}[command]
    for text, where in (
        (typed, folder),
        (stored, ""),
        (stored, "docs"),
        (elsewhere, ""),
        (typed, ""),
    ):
        (held,) = table.reserve(ME, typed, cwd=table.path / folder)
        assert held["pattern"] == stored
        named = table.agentlock(command, "--json", text, agent=ME, cwd=table.path / where)
        assert named.code == 0, (text, where, named)
        assert [one["id"] for one in named.json[key]] == [held["id"]], (text, where)


def test_a_text_names_the_newest_of_several_that_have_expired(table: Repo) -> None:
    for _ in range(2):
        (newest,) = table.reserve(ME, "a.py")
        table.expire()
    released = table.agentlock("release", "--json", "a.py", agent=ME).json["released"]
    assert [one["id"] for one in released] == [newest["id"]]


def test_a_literal_with_glob_characters_is_named_by_both_texts(table: Repo) -> None:
    table.write("src/[id].tsx")
    (held,) = table.reserve(ME, "src/[id].tsx")
    assert held["pattern"] == r"/src/\[id].tsx"
    for text in ("src/[id].tsx", held["pattern"]):
        assert table.agentlock("renew", text, agent=ME).code == 0
    assert table.agentlock("release", held["pattern"], agent=ME).code == 0


def test_a_text_names_what_it_means_in_this_folder_before_what_was_typed_in_another(
    table: Repo,
) -> None:
    table.reserve(ME, "a.py", cwd=table.path / "src")
    table.reserve(ME, "a.py")
    assert table.agentlock("release", "a.py", agent=ME).code == 0
    assert table.live() == [(ME, "/src/a.py", True)]


def test_a_text_that_means_anothers_reservation_here_never_names_ones_own_elsewhere(
    table: Repo,
) -> None:
    table.reserve(ME, "a.py", cwd=table.path / "src")
    table.reserve(THEM, "a.py")
    refused = table.agentlock("release", "a.py", agent=ME)
    assert refused.code == 1
    assert THEM in refused.err
    assert len(table.live()) == 2


def test_the_holder_is_named_of_what_was_typed_in_another_folder(table: Repo) -> None:
    (held,) = table.reserve(THEM, "a.py", cwd=table.path / "src")
    refused = table.agentlock("release", "a.py", agent=ME)
    assert refused.code == 1
    assert f"'a.py' is held by {THEM} (reservation {held['id']}), not by {ME}" in refused.err


def test_an_agent_that_shares_a_pattern_releases_only_its_own(table: Repo) -> None:
    table.reserve(ME, "src/**", "--shared")
    table.reserve(THEM, "src/**", "--shared")
    assert table.agentlock("release", "src/**", agent=ME).code == 0
    assert table.live() == [(THEM, "/src/**", False)]
