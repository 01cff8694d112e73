"""A refusal names a file that exists, or says that its example is a new one."""

from __future__ import annotations

import pytest
from support import HOLDER, OTHER, Repo


@pytest.fixture
def held(repo: Repo) -> Repo:
    """BlueLake holds src/**/*.py, of which two files exist, and docs/, where there is none."""
    for name in ("src/deep/model.py", "src/view.py", "src/view.css"):
        repo.write(name)
    repo.commit_unguarded("files")
    repo.write("lib/untracked.py")
    repo.reserve(HOLDER, "src/**/*.py", "docs/", "lib/*")
    return repo


@pytest.mark.parametrize(
    ("asked", "shown", "witness"),
    [
        ("src/", "both match src/deep/model.py", "src/deep/model.py"),
        ("src/v*", "both match src/view.py", "src/view.py"),
        ("src/new*", "e.g. a new file src/new", None),
        ("docs/guide.md", "e.g. a new file docs/guide.md", "docs/guide.md"),
        ("**/*.md", "e.g. a new file docs/", None),
        ("lib/untracked.py", "both match lib/untracked.py", "lib/untracked.py"),
    ],
)
def test_a_refused_reserve_names_a_file_that_exists(
    held: Repo, asked: str, shown: str, witness: str | None
) -> None:
    refused = held.agentlock("reserve", asked, agent=OTHER)
    assert refused.code == 1
    assert shown in refused.err
    conflict, *_ = held.agentlock("reserve", asked, "--json", agent=OTHER).json["conflicts"]
    assert witness in (None, conflict["witness"])
    meets, *_ = held.agentlock("explain", asked, "--json", agent=OTHER).json[0]["meets"]
    assert meets["witness"] == conflict["witness"]


def test_a_refused_check_of_a_folder_names_a_file_that_exists(held: Repo) -> None:
    (held.path / "docs").mkdir()
    there = held.agentlock("check", "src", agent=OTHER)
    assert "  src/deep/model.py  BlueLake" in there.err
    new = held.agentlock("check", "docs", agent=OTHER)
    assert "  e.g. a new file docs" in new.err


def test_a_tool_has_no_example(held: Repo) -> None:
    held.reserve(HOLDER, "tool:browser")
    refused = held.agentlock("reserve", "tool:browser", agent=OTHER)
    assert "e.g." not in refused.err
    assert "both match" not in refused.err
