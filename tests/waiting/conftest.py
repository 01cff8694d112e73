from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from waiting.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    if request.param == "sqlite":
        location = str(tmp_path / "table" / "agentlock.sqlite3")
    else:
        location = request.getfixturevalue("postgresql").database()
    made = Project(location)
    yield made
    made.store.close()
