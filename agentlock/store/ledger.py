"""The rows of the ledger: which commits were judged when they were made, and let pass."""

from __future__ import annotations

from agentlock.records import OF_PATHS, OF_PATHS_LENGTH, REVOKED, Entry
from agentlock.store.base import Noun, chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_COLUMNS = ", ".join(Entry._fields)
# A row of an earlier version gives way, for it said only who made the commit; so does one that
# counts for some paths only.
_WRITE = f"""
INSERT INTO commits (project_id, {_COLUMNS})
VALUES (?, {", ".join("?" * len(Entry._fields))})
ON CONFLICT (project_id, oid) DO UPDATE SET
    {", ".join([f"{name} = excluded.{name}" for name in Entry._fields[1:]])}
WHERE commits.how IS NULL OR (commits.void_paths <> '' AND commits.how <> '{REVOKED}')
"""  # noqa: S608 -- of constants
_BEFORE = "SELECT oid FROM commits WHERE project_id = ? AND how = 'before'"
_REVOKE = "UPDATE commits SET how = ?2, reason = ?3 WHERE project_id = ?1 AND origin = ?4"
# The digests of earlier versions can be of any paths.
_MAY_HAVE = f"""
SELECT 1 FROM commits WHERE project_id = ?1 AND patch >= ?2 AND patch < ?3
UNION ALL SELECT 1 FROM commits WHERE project_id = ?1 AND patch < '{OF_PATHS}'
LIMIT 1
"""  # noqa: S608 -- of a constant
_READ_NOTES = "SELECT line FROM notes WHERE project_id = ? ORDER BY id"
_WRITE_NOTE = "INSERT INTO notes (project_id, line) VALUES (?, ?)"

_SEEN = """
UPDATE agents SET last_active_ts = ?3
WHERE project_id = ?1 AND name = ?2 AND last_active_ts < ?3
"""


class Ledger(Noun):
    def entries(self, oids: Iterable[str]) -> dict[str, Entry]:
        """The entries of these commits by oid, those of earlier versions and revoked ones too."""
        return {entry.oid: entry for entry in self._find("oid", oids)}

    def makers(self, oids: Iterable[str]) -> dict[str, str]:
        """The agents who made these commits, by oid; what nobody made by name is left out."""
        return {oid: entry.agent for oid, entry in self.entries(oids).items() if entry.agent}

    def of_patches(self, patches: Sequence[str]) -> list[Entry]:
        """The entries that count and have one of these exact changes, the oldest first."""
        former = {patch[OF_PATHS_LENGTH:]: patch for patch in patches}
        found = self._find("patch", [*patches, *former])
        return [
            one.replace(patch=former.get(one.patch or "", one.patch)) for one in found if one.counts
        ]

    def may_have_patch(self, beginning: str) -> bool:
        """Whether an exact change that begins so (``patches.beginning_of``) can be entered."""
        return bool(self._rows(_MAY_HAVE, beginning, f"{beginning}g"))  # "g" follows what is hex

    def of_origins(self, origins: Iterable[str]) -> list[Entry]:
        """The entries that were made from these commits, the oldest first."""
        return self._find("origin", origins)

    def before(self) -> list[str]:
        """The tips of the local branches when the table was made."""
        return [str(oid) for (oid,) in self._rows(_BEFORE)]

    def notes(self) -> list[str]:
        """The notes of what a person let pass, as guard/notes.py wrote them."""
        return [str(line) for (line,) in self._rows(_READ_NOTES)]

    def _find(self, column: str, values: Iterable[str]) -> list[Entry]:
        found: list[Entry] = []
        for chunk in chunks(list(values)):
            places = ", ".join("?" * len(chunk))
            statement = f"SELECT {_COLUMNS} FROM commits WHERE project_id = ? AND {column}"  # noqa: S608
            rows = self._rows(f"{statement} IN ({places}) ORDER BY created_ts, rowid", *chunk)
            found += [Entry(*row) for row in rows]
        return found

    # What changes them: inside writing() only

    def enter(self, entries: Sequence[Entry]) -> None:
        """Enter commits; the first entry of a commit stands."""
        made: dict[str, int] = {}
        for entry in entries:
            self._rows(_WRITE, *(getattr(entry, name) for name in Entry._fields))
            made[entry.agent] = max(made.get(entry.agent, 0), entry.created_ts)
        for agent, moment in made.items():  # a commit is a sign of life
            self._rows(_SEEN, agent, moment)

    def revoke(self, origin: str, reason: str) -> None:
        """Take back the entry of a commit and of all that were made from it."""
        self._rows(_REVOKE, REVOKED, reason, origin)

    def note(self, line: str) -> None:
        self._rows(_WRITE_NOTE, line)
