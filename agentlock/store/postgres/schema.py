"""Make agentlock's tables in a PostgreSQL database, and bring old ones up to date.

If many machines start at once, one of them does it, under an advisory lock. Each run is one
transaction, so a run that was interrupted has not happened.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from agentlock.errors import DatabaseError
from agentlock.store.base import APPLICATION_ID, require_identity
from agentlock.store.migrations import steps
from agentlock.store.postgres import CLOCK
from agentlock.store.postgres.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_OLDEST_SERVER = 130000  # pg_current_xact_id, pg_xact_status
_LOCK = f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, 0)"
_SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
    to_regclass('database_identity')::text
"""
_VERSION = "SELECT schema_version, id FROM database_identity"
_SET_VERSION = "UPDATE database_identity SET schema_version = $1"
_WRITE_IDENTITY = f"""
INSERT INTO database_identity (id, created_ts, schema_version) VALUES ($1, {CLOCK}, $2)
"""  # noqa: S608 -- of constants
_WRITE_PROJECT = f"""
INSERT INTO projects (human_key, slug, created_ts) VALUES ($1, $2, {CLOCK})
ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608 -- of constants


def prepare(location: str, *, timeout: int) -> tuple[str, bool]:
    """Make the tables or bring them up to date; the database's id, and whether they are new."""
    with _migrating(location, timeout) as server:
        if server.holds_tables():
            identifier, _, _ = server.migrate()
            return identifier, False
        return server.create(), True


def migrate(location: str, database_id: str, *, timeout: int) -> tuple[int, int]:
    """Migrate the database, if it is the recorded one; its schema before and after."""
    with _migrating(location, timeout) as server:
        _, before, after = server.migrate(database_id)
        return before, after


def add_project(location: str, key: str, slug: str, *, timeout: int) -> bool:
    """Make the project known to the database; whether it is new."""
    with contextlib.closing(_Schema(location, timeout)) as server:
        return server.add_project(key, slug)


def identity(location: str, *, timeout: int) -> str:
    """The id of the database."""
    with contextlib.closing(_Schema(location, timeout)) as server:
        return server.identity()


class _Schema(Server):
    """A connection that makes and migrates the tables."""

    def begin(self) -> None:
        self._script(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
            f"SET LOCAL lock_timeout = {max(int(self._left * 900), 1)};"
            f"{_LOCK}"
        )

    def commit(self) -> None:
        self._script("COMMIT")

    def holds_tables(self) -> bool:
        ((version, encoding, table),) = self._ask(_SERVER, ())
        if version < _OLDEST_SERVER:
            raise DatabaseError(
                f"{self.location} is PostgreSQL {version // 10000}, but 13 or newer is needed",
                fix="upgrade the server",
            )
        if encoding != "UTF8":
            raise DatabaseError(
                f"{self.location} has the encoding {encoding}, but UTF8 is needed",
                fix="createdb --encoding=UTF8 --template=template0",
            )
        return table is not None

    def create(self) -> str:
        identifier = str(uuid.uuid4())
        self._ask(_WRITE_IDENTITY, (identifier, self._run_steps(0)))
        return identifier

    def migrate(self, database_id: str | None = None) -> tuple[str, int, int]:
        """The database's id, the schema that it had, and the one that it has now."""
        ((before, found),) = self._ask(_VERSION, ())
        require_identity(self.location, found, database_id)
        after = self._run_steps(before)
        if after != before:  # a role that only writes rows may not set it
            self._ask(_SET_VERSION, (after,))
        return found, before, after

    def identity(self) -> str:
        ((_, identifier),) = self._ask(_VERSION, ())
        return str(identifier)

    def add_project(self, key: str, slug: str) -> bool:
        return bool(self._ask(_WRITE_PROJECT, (key, slug)))

    def _run_steps(self, schema: int) -> int:
        """Run the migrations after ``schema``; the schema that the database has then."""
        for number, script in steps("postgres"):
            if number > schema:
                self._script(script)
                schema = number
        return schema


@contextlib.contextmanager
def _migrating(location: str, timeout: int) -> Iterator[_Schema]:
    """A transaction that keeps all others from migrating; an exception rolls it back."""
    with contextlib.closing(_Schema(location, timeout)) as server:
        server.begin()
        yield server
        server.commit()
