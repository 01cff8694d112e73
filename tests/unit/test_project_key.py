"""A project is known by the normalised URL of origin."""

from __future__ import annotations

import pytest

from agentlock.install.project import normalised_url


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Org/Repo.git",
        "https://github.com/Org/Repo",
        "https://me:secret@github.com/Org/Repo.git/",
        "http://GitHub.com/Org/Repo",
        "ssh://git@github.com:22/Org/Repo.git",
        "git@github.com:Org/Repo.git",
        "github.com:Org/Repo",
    ],
)
def test_every_spelling_of_one_remote_is_one_project(url: str) -> None:
    assert normalised_url(url) == "github.com/Org/Repo"


def test_a_password_never_becomes_part_of_the_key() -> None:
    assert "secret" not in normalised_url("https://me:secret@host/x")


@pytest.mark.parametrize("url", ["/srv/git/repo.git", "file:///srv/git/repo.git", "/srv/git/repo/"])
def test_a_remote_on_this_machine_is_its_path(url: str) -> None:
    assert normalised_url(url) == "/srv/git/repo"
