"""The worlds that the operations are tried in: each made once, and copied for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from operations.world import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from operations.world import Mode


@pytest.fixture
def template(kept: Path) -> Callable[[Mode], Path]:
    """Builds the world of a mode for the first test that needs it, in its sealed environment."""

    def made(mode: Mode) -> Path:
        if not (kept / mode).exists():
            build(kept / mode, mode)
        return kept / mode

    return made
