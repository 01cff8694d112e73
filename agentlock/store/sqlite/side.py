"""An SQLite database as one side of a copy."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from agentlock.store.base import READ_PROJECT
from agentlock.store.copy import BATCH, insert_into, rows_after
from agentlock.store.sqlite.files import opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from agentlock.store.copy import Row


class SQLiteSide:
    """See ``copy.Side``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, project: str) -> int | None:
        found = self._connection.execute(READ_PROJECT, (project,)).fetchone()
        return None if found is None else int(found[0])

    def columns(self, table: str) -> dict[str, str]:
        listed = self._connection.execute(f"PRAGMA table_info({table})")
        named = {row[1]: row[2] for row in listed}
        return named if "id" in named else {**named, "rowid": "INTEGER"}

    def rows(self, table: str, columns: list[str], project: int, after: int) -> list[Row]:
        kinds = self.columns(table)
        shown = [f"CAST({name} AS BLOB)" if kinds[name] == "TEXT" else name for name in columns]
        statement = rows_after(table, shown, ("?", "?", "?"))
        return self._connection.execute(statement, (project, after, BATCH)).fetchall()

    def insert(self, table: str, columns: list[str], rows: list[Row]) -> None:
        kinds = self.columns(table)
        bound = ["CAST(? AS TEXT)" if kinds[name] == "TEXT" else "?" for name in columns]
        self._connection.executemany(insert_into(table, columns, [bound]), rows)

    def kept(self, _columns: list[str], row: Row) -> Row:
        return row

    def commit(self) -> None:
        self._connection.execute("COMMIT")


@contextlib.contextmanager
def opened_side(path: str, timeout: int) -> Iterator[SQLiteSide]:
    with opened(path, timeout) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        yield SQLiteSide(connection)
