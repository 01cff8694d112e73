"""The migrations of each engine: files of SQL, named by their number.

Each is run once, and none is changed once it has been released. The last number is the schema that
this program needs. Both engines have the same numbers.
"""

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
                found.append((int(name.removesuffix(".sql")), file.read()))
    return found


def schema_version() -> int:
    """The schema that this program needs."""
    return steps("sqlite")[-1][0]
