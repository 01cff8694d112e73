"""A PostgreSQL database as one side of a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentlock.model import Keys
from agentlock.store.base import APPLICATION_ID
from agentlock.store.copy import BATCH, TABLES, insert_into, rows_after
from agentlock.store.postgres import fitting
from agentlock.store.postgres.server import Server

if TYPE_CHECKING:
    from agentlock.store.copy import Row

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {wait}"
_FIND_PROJECT = "SELECT id FROM projects WHERE human_key = $1"
_LOCK_PROJECT = "SELECT pg_advisory_xact_lock($1::int, $2::int)::text"
_COLUMNS = """
SELECT attname, format_type(atttypid, NULL)
FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
_KEYS = ("prefix_key", "name_key", "extension_key")


class PostgresSide(Server):
    """See ``copy.Side``."""

    def __init__(self, location: str, timeout: int) -> None:
        super().__init__(location, timeout)
        self._script(_BEGIN.format(wait=max(timeout // 1000, 1)))
        self._changed: set[str] = set()

    def find(self, project: str) -> int | None:
        found = self._ask(_FIND_PROJECT, (project,))
        if not found:
            return None
        (number,) = found[0]
        self._ask(_LOCK_PROJECT, (APPLICATION_ID, number))
        return int(number)

    def columns(self, table: str) -> dict[str, str]:
        return {str(name): str(kind) for name, kind in self._ask(_COLUMNS, (table,))}

    def rows(self, table: str, columns: list[str], project: int, after: int) -> list[Row]:
        kinds = self.columns(table)
        shown = [
            f"convert_to({name}, 'UTF8')" if kinds[name] == "text" else name for name in columns
        ]
        statement = rows_after(table, shown, ("$1", "$2", "$3"))
        return self._ask(statement, (project, after, BATCH))

    def insert(self, table: str, columns: list[str], rows: list[Row]) -> None:
        kinds = self.columns(table)
        self._changed.add(table)
        bound = []
        parameters: list[Any] = []
        for row in rows:
            places = range(len(parameters) + 1, len(parameters) + 1 + len(row))
            bound.append(
                [
                    f"convert_from(${place}::bytea, 'UTF8')"
                    if kinds[name] == "text"
                    else f"${place}"
                    for name, place in zip(columns, places, strict=True)
                ]
            )
            parameters += row
        self._ask(insert_into(table, columns, bound), tuple(parameters))

    def kept(self, columns: list[str], row: Row) -> Row:
        if _KEYS[0] not in columns:
            return row
        places = [columns.index(name) for name in _KEYS]
        found = fitting(Keys(*(row[place] for place in places)))
        kept = dict(zip(places, (found.prefix, found.name, found.extension), strict=True))
        return tuple(kept.get(place, value) for place, value in enumerate(row))

    def commit(self) -> None:
        for table in self._changed:  # no number that was copied is given again
            key = TABLES[table]
            sequence = f"pg_get_serial_sequence('{table}', '{key}')"
            self._ask(f"SELECT setval({sequence}, max({key})) FROM {table}", ())  # noqa: S608
        self._script("COMMIT")
