"""The row of the policy: one column for each setting, named as in ``model.Policy``."""

from __future__ import annotations

import os

from agentlock.model import SETTINGS, Policy
from agentlock.store.base import Noun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

COLUMNS = tuple(SETTINGS)
_PATTERNS = [name for name in COLUMNS if SETTINGS[name].kind == "patterns"]  # kept as lines
_SHOWN = ", ".join([f"CAST({name} AS BLOB)" if name in _PATTERNS else name for name in COLUMNS])
_READ = f"""
SELECT {_SHOWN}, last_fence FROM projects WHERE id = ?
"""  # noqa: S608 -- of constants


class PolicyRow(Noun):
    def read(self) -> Policy:
        return self.read_with_fence()[0]

    def read_with_fence(self) -> tuple[Policy, int]:
        """The policy, and the last fence of the project, which stands in the same row."""
        *cells, fence = self._store.one(_READ, (self._store.project_id,))
        return policy_of(cells), fence

    def write(self, policy: Policy) -> None:
        places = {name: "CAST(? AS TEXT)" if name in _PATTERNS else "?" for name in COLUMNS}
        changes = ", ".join([f"{name} = {place}" for name, place in places.items()])
        cells = [getattr(policy, name) for name in COLUMNS]
        cells = [
            os.fsencode("\n".join(cell)) if isinstance(cell, tuple) else cell for cell in cells
        ]
        statement = f"UPDATE projects SET {changes} WHERE id = ?"  # noqa: S608 -- of constants
        self._store.rows(statement, (*cells, self._store.project_id))


_latest: tuple[Sequence[Any], Policy] | None = None


def policy_of(row: Sequence[Any]) -> Policy:
    """The policy of a row that has COLUMNS.

    The last one is kept, because each change reads it while all other writers wait.
    """
    global _latest  # noqa: PLW0603 -- a store reads one row, again and again
    if _latest is None or _latest[0] != row:
        _latest = row, _read(row)
    return _latest[1]


def _read(row: Sequence[Any]) -> Policy:
    cells = dict(zip(COLUMNS, row, strict=True))
    for name, cell in cells.items():
        kind = SETTINGS[name].kind
        if kind == "switch":
            cells[name] = bool(cell)
        elif kind == "patterns":
            cells[name] = tuple(filter(None, os.fsdecode(cell).split("\n")))
    return Policy(**cells)
