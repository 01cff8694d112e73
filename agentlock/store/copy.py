"""Copy a project from one database to another, each on either engine.

Each engine has a `Side`, and all sides give and take rows in the same form: numbers as int,
everything else as bytes. So every id, fence and byte of a name stays what it was.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from agentlock.errors import DatabaseError, UsageError
from agentlock.store import is_url

if TYPE_CHECKING:
    from typing import Any

    Row = tuple[Any, ...]  # int, bytes or None

# Each table after those that it refers to, with the column that its rows are counted by.
TABLES = {
    "projects": "id",
    "agents": "id",
    "file_reservations": "id",
    "waits": "id",
    "wait_patterns": "id",
    "messages": "id",
    "message_recipients": "id",
    "tickets": "id",
    "events": "id",
    "commits": "rowid",
    "notes": "id",
    "wants": "id",
    "conversations": "id",
    "reservation_sessions": "id",
    "turns": "id",
    "bootstrap_history": "id",
    "compaction_metrics": "id",
    "agent_configs": "id",
    "teams": "id",
}
BATCH = 500


class Side(Protocol):
    """A database in a transaction that keeps all other writers of the project out."""

    def find(self, project: str) -> int | None:
        """The id of the project, whose writers are kept out from now on."""

    def columns(self, table: str) -> dict[str, str]:
        """Name → type."""

    def rows(self, table: str, columns: list[str], project: int, after: int) -> list[Row]:
        """The next BATCH rows of a project, in the order of the column that numbers them."""

    def insert(self, table: str, columns: list[str], rows: list[Row]) -> None: ...

    def kept(self, columns: list[str], row: Row) -> Row:
        """The row as this side can keep it."""

    def commit(self) -> None: ...


def copy(source: str, target: str, project: str, *, timeout: int) -> dict[str, int]:
    """Copy every row of a project, with its history; how many rows each table has.

    Nobody can write to the project meanwhile. The copy is read and compared before it is committed.
    UsageError if the target already has the project, DatabaseError if rows of another project have
    the same ids there.
    """
    with _side(source, timeout) as old, _side(target, timeout) as new:
        number = old.find(project)
        if number is None:
            raise UsageError(f"{source} has no project {project!r}", see="agentlock status")
        if new.find(project) is not None:
            raise UsageError(
                f"{target} already has the project {project!r}", fix="copy to another database"
            )
        counts = {}
        for table in TABLES:
            theirs = new.columns(table)
            columns = [name for name in old.columns(table) if name in theirs]
            counts[table] = _copy_table(old, new, table, columns, number)
        new.commit()
    return counts


def _copy_table(old: Side, new: Side, table: str, columns: list[str], project: int) -> int:
    count = after = 0
    key = columns.index(TABLES[table])
    while rows := old.rows(table, columns, project, after):
        wanted = [new.kept(columns, row) for row in rows]
        new.insert(table, columns, wanted)
        written = new.rows(table, columns, project, after)
        if written != wanted:
            raise DatabaseError(f"the copy of {table} differs from the original", fix="try again")
        count += len(rows)
        after = rows[-1][key]
    return count


def _side(location: str, timeout: int) -> contextlib.AbstractContextManager[Side]:
    """One side of the copy; closing it rolls back what was not committed."""
    if is_url(location):
        from agentlock.store.postgres.side import PostgresSide

        return contextlib.closing(PostgresSide(location, timeout))
    from agentlock.store.sqlite.side import opened_side

    return opened_side(location, timeout)


# The SQL of both sides; all names come from the schemas.


def rows_after(table: str, columns: list[str], places: tuple[str, str, str]) -> str:
    """Parameters, in these places: the project, after which row, how many."""
    project, after, most = places
    key = TABLES[table]
    owner = "id" if table == "projects" else "project_id"
    return (
        f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608
        f" WHERE {owner} = {project} AND {key} > {after} ORDER BY {key} LIMIT {most}"
    )


def insert_into(table: str, columns: list[str], rows: list[list[str]]) -> str:
    """``rows`` are how each parameter is written."""
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"  # noqa: S608
