"""The healthy world that every fault is arranged in: made once, and copied for each test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.world import build
from support.environment import make_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.repositories import MadeOnce


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    """A folder that other users can reach, as they cannot reach the folders of pytest."""
    with tempfile.TemporaryDirectory(prefix="agentlock-faults-") as folder:
        make_home(Path(folder) / "home")
        yield Path(folder)


@pytest.fixture
def template(made_once: MadeOnce) -> Path:
    return made_once(build)
