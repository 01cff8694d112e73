"""Repositories that several tests of commands start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import copy_repository, make_guarded
from support.doctoring import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo
    from support.repositories import MadeOnce


def _with_folders(folder: Path) -> None:
    make_guarded(folder, "a.py", "src/a.py", "src/b.py", "docs/y.md")


@pytest.fixture
def table(made_once: MadeOnce, tmp_path: Path) -> Repo:
    """A repository with a few files in folders, in which nothing is reserved."""
    return copy_repository(made_once(_with_folders), tmp_path / "repo")


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As whoever calls a doctor has it; see ``doctoring.prepare``."""
    prepare(tmp_path, monkeypatch)


@pytest.fixture
def pair(repo: Repo, tmp_path: Path) -> Repo:
    """A repository with a linked worktree next to it."""
    repo.must("worktree", "add", "-q", str(tmp_path / "linked"))
    return repo
