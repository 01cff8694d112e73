"""The healthy world that every fault is arranged in: made once, and copied for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults.world import build

if TYPE_CHECKING:
    from pathlib import Path

    from support.repositories import MadeOnce


@pytest.fixture
def template(made_once: MadeOnce) -> Path:
    return made_once(build)
