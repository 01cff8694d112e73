"""What has changed in a picture since it was last shown: a patch, and how to apply it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentlock.board.rows import Row

Patch = dict[str, Any]
"""``set``: section → key → row; ``gone``: section → keys; ``now``: by the table's clock."""


class Picture:
    """The rows of each section, by key, and which of them have changed since the last patch."""

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, Row]] = {}
        self._set: dict[str, dict[str, Row]] = {}
        self._gone: dict[str, set[str]] = {}

    def put(self, section: str, key: str, row: Row) -> None:
        """Show this row."""
        rows = self.sections.setdefault(section, {})
        if rows.get(key) == row:
            return
        rows[key] = row
        self._set.setdefault(section, {})[key] = row
        self._gone.get(section, set()).discard(key)

    def drop(self, section: str, key: str) -> None:
        """Show the row with this key no more."""
        if self.sections.get(section, {}).pop(key, None) is None:
            return
        self._set.get(section, {}).pop(key, None)
        self._gone.setdefault(section, set()).add(key)

    def replace(self, section: str, rows: Mapping[str, Row]) -> None:
        """Show these rows of a section and no others."""
        for key in [*self.sections.setdefault(section, {})]:
            if key not in rows:
                self.drop(section, key)
        for key, row in rows.items():
            self.put(section, key, row)

    def rows(self, section: str) -> list[Row]:
        return [*self.sections.get(section, {}).values()]

    def patch(self, now: int) -> Patch | None:
        """What has changed since the last call; None if nothing has."""
        changed = {name: rows for name, rows in self._set.items() if rows}
        gone = {name: sorted(keys) for name, keys in self._gone.items() if keys}
        self._set, self._gone = {}, {}
        return {"now": now, "set": changed, "gone": gone} if changed or gone else None

    def whole(self, now: int) -> Patch:
        """A patch that makes this picture from an empty one."""
        return {"now": now, "set": {name: dict(rows) for name, rows in self.sections.items()}}

    def apply(self, patch: Patch) -> None:
        """Make the changes of a patch."""
        for section, keys in patch.get("gone", {}).items():
            for key in keys:
                self.drop(section, key)
        for section, rows in patch["set"].items():
            for key, row in rows.items():
                self.put(section, key, row)
