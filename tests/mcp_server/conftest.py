"""Servers of these tests run in this process, and serve the repository of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support import Repo


@pytest.fixture
def served(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """The repository that a server in this process serves."""
    monkeypatch.chdir(repo.path)
    return repo
