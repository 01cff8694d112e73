"""The healthy world that every fault is arranged in: made once, and copied for each test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.world import build

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def kept() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="agentlock-faults-") as folder:
        yield Path(folder)


@pytest.fixture
def template(kept: Path) -> Path:
    """Built by the first test that needs it, in its sealed environment."""
    folder = kept / "template"
    if not folder.exists():
        build(folder)
    return folder
