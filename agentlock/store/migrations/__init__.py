"""The migrations of each engine: numbered files of SQL, each run once and never changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal


def steps(dialect: Literal["sqlite", "postgres"]) -> list[tuple[int, str]]:
    """(number, SQL) of every migration, in order."""
    folder = os.path.join(os.path.dirname(__file__), dialect)
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".sql"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                found.append((int(name.partition("_")[0]), file.read()))
    return found
