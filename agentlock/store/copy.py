"""Copy a project from one database to another, whichever engine each of them is.

Both sides give and take rows in one form: numbers as int, everything else as bytes. So every id,
fence and byte of a name stays what it was.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Protocol

from agentlock.errors import DatabaseError, UsageError
from agentlock.model import Keys
from agentlock.store import is_url
from agentlock.store import statements as sql
from agentlock.store.postgres import fitting
from agentlock.store.postgres.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Row = tuple[Any, ...]  # int, bytes or None

# Each after those that it refers to, with the column that its rows are counted by.
TABLES = {
    "projects": "id",
    "agents": "id",
    "file_reservations": "id",
    "messages": "id",
    "events": "id",
    "commits": "rowid",
}
_BATCH = 500
_KEYS = ("prefix_key", "name_key", "extension_key")


class _Side(Protocol):
    """A database in a transaction that keeps all other writers of the project out."""

    def find(self, project: str) -> int | None: ...

    def columns(self, table: str) -> dict[str, str]:
        """Name → type."""

    def rows(self, table: str, columns: list[str], project: int, after: int) -> list[Row]:
        """The next rows of a project, in the order of the column that they are counted by."""

    def insert(self, table: str, columns: list[str], rows: list[Row]) -> None: ...

    def kept(self, columns: list[str], row: Row) -> Row:
        """The row as this side can keep it."""

    def commit(self) -> None: ...


def copy(source: str, target: str, project: str, *, timeout: int) -> dict[str, int]:
    """Copy every row of a project, with its history; how many each table has.

    Nobody writes to the project meanwhile. What was written is read again and compared before it is
    committed. UsageError where the target holds the project already, DatabaseError where another
    project's rows have the same ids there.
    """
    with _opened(source, timeout) as old, _opened(target, timeout) as new:
        number = old.find(project)
        if number is None:
            raise UsageError(f"{source} knows no project {project!r}", see="agentlock status")
        if new.find(project) is not None:
            raise UsageError(f"{target} holds {project!r} already", fix="copy to an empty one")
        counts = {}
        for table in TABLES:
            theirs = new.columns(table)
            columns = [name for name in old.columns(table) if name in theirs]
            counts[table] = _copy_table(old, new, table, columns, number)
        new.commit()
    return counts


def _copy_table(old: _Side, new: _Side, table: str, columns: list[str], project: int) -> int:
    count = after = 0
    key = columns.index(TABLES[table])
    while rows := old.rows(table, columns, project, after):
        wanted = [new.kept(columns, row) for row in rows]
        new.insert(table, columns, wanted)
        written = new.rows(table, columns, project, after)
        if written != wanted:
            raise DatabaseError(f"{table}: what was written is not what was read", fix="try again")
        count += len(rows)
        after = rows[-1][key]
    return count


class _SQLite:
    def __init__(self, path: str, timeout: int) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, timeout=timeout / 1_000_000, isolation_level=None)
        for statement in ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"):
            self._connection.execute(statement)
        self._connection.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        self._connection.close()

    def find(self, project: str) -> int | None:
        found = self._connection.execute(sql.READ_PROJECT, (project,)).fetchone()
        return None if found is None else int(found[0])

    def columns(self, table: str) -> dict[str, str]:
        named = {row[1]: row[2] for row in self._connection.execute(sql.columns_of(table))}
        return named if "id" in named else {**named, "rowid": "INTEGER"}

    def rows(self, table: str, columns: list[str], project: int, after: int) -> list[Row]:
        kinds = self.columns(table)
        shown = [f"CAST({name} AS BLOB)" if kinds[name] == "TEXT" else name for name in columns]
        statement = sql.rows_after(table, shown, TABLES[table], "?", "?", "?")
        return self._connection.execute(statement, (project, after, _BATCH)).fetchall()

    def insert(self, table: str, columns: list[str], rows: list[Row]) -> None:
        kinds = self.columns(table)
        bound = ["CAST(? AS TEXT)" if kinds[name] == "TEXT" else "?" for name in columns]
        self._connection.executemany(sql.insert_into(table, columns, [bound]), rows)

    def kept(self, _columns: list[str], row: Row) -> Row:
        return row

    def commit(self) -> None:
        self._connection.execute("COMMIT")


class _Postgres(Server):
    def __init__(self, location: str, timeout: int) -> None:
        super().__init__(location, timeout)
        self._script(sql.POSTGRES_BEGIN_COPYING.format(wait=max(timeout // 1000, 1)))
        self._changed: set[str] = set()

    def find(self, project: str) -> int | None:
        found = self._ask(sql.POSTGRES_FIND_PROJECT, (project,))
        if not found:
            return None
        (number,) = found[0]
        self._ask(sql.POSTGRES_LOCK_PROJECT, (sql.APPLICATION_ID, number))
        return int(number)

    def columns(self, table: str) -> dict[str, str]:
        return {str(name): str(kind) for name, kind in self._ask(sql.POSTGRES_COLUMNS, (table,))}

    def rows(self, table: str, columns: list[str], project: int, after: int) -> list[Row]:
        kinds = self.columns(table)
        shown = [
            f"convert_to({name}, 'UTF8')" if kinds[name] == "text" else name for name in columns
        ]
        statement = sql.rows_after(table, shown, TABLES[table], "$1", "$2", "$3")
        return self._ask(statement, (project, after, _BATCH))

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
        self._ask(sql.insert_into(table, columns, bound), tuple(parameters))

    def kept(self, columns: list[str], row: Row) -> Row:
        if _KEYS[0] not in columns:
            return row
        places = [columns.index(name) for name in _KEYS]
        found = fitting(Keys(*(row[place] for place in places)))
        kept = dict(zip(places, (found.prefix, found.name, found.extension), strict=True))
        return tuple(kept.get(place, value) for place, value in enumerate(row))

    def commit(self) -> None:
        for table in self._changed:
            self._ask(sql.go_on_counting(table, TABLES[table]), ())
        self._script("COMMIT")


@contextlib.contextmanager
def _opened(location: str, timeout: int) -> Iterator[_Side]:
    """One side; closing takes back what was not committed."""
    try:
        side = _Postgres(location, timeout) if is_url(location) else _SQLite(location, timeout)
        with contextlib.closing(side):
            yield side
    except sqlite3.Error as error:
        raise DatabaseError(f"{location} cannot be read or written: {error}") from error
