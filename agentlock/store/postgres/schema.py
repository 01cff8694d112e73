"""Make agentlock's tables in a PostgreSQL database, and bring old ones up to date.

However many machines start at once, one of them does it, under an advisory lock; each run is one
transaction, so one that was interrupted has not happened.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from agentlock.errors import DatabaseError
from agentlock.store import statements as sql
from agentlock.store.postgres.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_OLDEST_SERVER = 130000  # pg_current_xact_id, pg_xact_status


def prepare(location: str, steps: list[tuple[int, str]], *, timeout: int) -> tuple[str, bool]:
    """The id of the database's tables, which are made where there are none; whether they are new.

    Tables that are there already are brought up to date.
    """
    with _migrating(location, timeout) as server:
        if server.holds_tables():
            identifier, _ = server.migrate(steps)
            return identifier, False
        return server.create(steps), True


def migrate(
    location: str, database_id: str, steps: list[tuple[int, str]], *, timeout: int
) -> tuple[int, int]:
    """Run what is due; (schema before, schema after). Only the recorded database is touched."""
    with _migrating(location, timeout) as server:
        _, before = server.migrate(steps, database_id)
        return before, max(before, steps[-1][0])


def add_project(location: str, key: str, slug: str, *, timeout: int) -> bool:
    """Make the project known to the database; whether it is new."""
    with contextlib.closing(_Schema(location, timeout)) as server:
        return server.add_project(key, slug)


def identity(location: str, *, timeout: int) -> str:
    """The id of the tables that are there."""
    with contextlib.closing(_Schema(location, timeout)) as server:
        return server.identity()


class _Schema(Server):
    """A connection that looks after the tables."""

    def begin(self) -> None:
        self._script(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
            f"SET LOCAL lock_timeout = {max(int(self._left * 900), 1)};"
            f"{sql.POSTGRES_LOCK_SCHEMA}"
        )

    def commit(self) -> None:
        self._script("COMMIT")

    def holds_tables(self) -> bool:
        ((version, encoding, table),) = self._ask(sql.POSTGRES_SERVER, ())
        if version < _OLDEST_SERVER:
            raise DatabaseError(
                f"{self.location} is PostgreSQL {version // 10000}, and 13 or newer is needed",
                fix="upgrade the server",
            )
        if encoding != "UTF8":
            raise DatabaseError(
                f"{self.location} keeps its text in {encoding}, and UTF8 is needed",
                fix="createdb --encoding=UTF8 --template=template0",
            )
        return table is not None

    def create(self, steps: list[tuple[int, str]]) -> str:
        identifier = str(uuid.uuid4())
        self._run(steps, 0)
        self._ask(sql.POSTGRES_WRITE_IDENTITY, (identifier, steps[-1][0]))
        return identifier

    def migrate(
        self, steps: list[tuple[int, str]], database_id: str | None = None
    ) -> tuple[str, int]:
        """The database's id, and the schema that it had."""
        ((before, found),) = self._ask(sql.POSTGRES_VERSION, ())
        if database_id not in (None, found):
            raise DatabaseError(
                f"{self.location} is another database (id {found}) than the one recorded for this "
                f"repository (id {database_id})"
            )
        if self._run(steps, before):
            self._ask(sql.POSTGRES_SET_VERSION, (steps[-1][0],))
        return found, before

    def identity(self) -> str:
        ((_, identifier),) = self._ask(sql.POSTGRES_VERSION, ())
        return str(identifier)

    def add_project(self, key: str, slug: str) -> bool:
        return bool(self._ask(sql.POSTGRES_WRITE_PROJECT, (key, slug)))

    def _run(self, steps: list[tuple[int, str]], before: int) -> bool:
        due = [script for number, script in steps if number > before]
        for script in due:
            self._script(script)
        return bool(due)


@contextlib.contextmanager
def _migrating(location: str, timeout: int) -> Iterator[_Schema]:
    """A transaction of the only one who migrates; closing rolls back what is not committed."""
    with contextlib.closing(_Schema(location, timeout)) as server:
        server.begin()
        yield server
        server.commit()
