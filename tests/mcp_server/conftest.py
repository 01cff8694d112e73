"""Servers of these tests run in this process, and serve the repository of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Repo
    from support.postgresql import Server


@pytest.fixture
def served(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """The repository that a server in this process serves."""
    monkeypatch.chdir(repo.path)
    return repo


@pytest.fixture
def served_by_postgresql(
    new_repo: Callable[..., Repo], postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> Repo:
    """The same, with its table on a PostgreSQL server."""
    repo = new_repo()
    assert repo.agentlock("init", "--database", postgresql.database()).code == 0
    monkeypatch.chdir(repo.path)
    return repo
