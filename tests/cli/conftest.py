"""What several tests of commands start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.doctoring import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As whoever calls a doctor has it; see ``doctoring.prepare``."""
    prepare(tmp_path, monkeypatch)


@pytest.fixture
def pair(repo: Repo, tmp_path: Path) -> Repo:
    """A repository with a linked worktree beside it."""
    repo.must("worktree", "add", "-q", str(tmp_path / "linked"))
    return repo
