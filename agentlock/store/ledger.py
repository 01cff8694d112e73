"""The rows of the ledger: which agent made which commit."""

from __future__ import annotations

from agentlock.store.base import Noun, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WRITE = """
INSERT INTO commits (project_id, oid, patch_id, agent, created_ts)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""


class Ledger(Noun):
    def makers(self, oids: Iterable[str]) -> dict[str, str]:
        """The agents who made these commits, by oid; those in no record are left out."""
        return self._makers("oid", oids)

    def makers_by_patch(self, patch_ids: Iterable[str]) -> dict[str, str]:
        """The agents who were the first to make commits with these patch ids."""
        return self._makers("patch_id", patch_ids)

    def _makers(self, column: str, values: Iterable[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        select = f"SELECT {column}, agent FROM commits WHERE project_id = ? AND {column} IN "  # noqa: S608
        for chunk in chunks(list(values)):
            places = ", ".join("?" * len(chunk))
            for value, agent in self._rows(
                f"{select}({places}) ORDER BY created_ts, rowid", *chunk
            ):
                found.setdefault(value, agent)
        return found

    def record(self, oid: str, patch_id: str | None, agent: str, now: int) -> None:
        """Record who made a commit; the first record of a commit stands."""
        self._rows(_WRITE, oid, patch_id, agent, now)
