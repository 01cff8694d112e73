"""A PostgreSQL server: connecting to it, waiting for it, and what its errors mean."""

from __future__ import annotations

import time

from agentlock.errors import DatabaseError, DatabaseUnreachableError
from agentlock.store.postgres.libpq import Connection, PostgresError, TimeoutExpiredError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    Answer = TypeVar("Answer")

_MICROSECONDS = 1_000_000
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
# errcodes.txt: too_many_connections, cannot_connect_now
_TRY_AGAIN = ("53300", "57P03")
PRIMARY = "name the primary server, or add target_session_attrs=read-write to the URL"
_NOT_OURS = (
    DatabaseError,
    "{at} does not have agentlock's tables: {said}",
    "agentlock init --database {at}",
)
_MEANINGS: dict[str, tuple[type[DatabaseError], str, str]] = {
    "55P03": (  # lock_not_available
        DatabaseUnreachableError,
        "{at} stayed locked by another process for {seconds}",
        "try again",
    ),
    "57014": (  # query_canceled
        DatabaseUnreachableError,
        "{at} gave up: {said}",
        "try again when the server is less busy",
    ),
    "42P01": _NOT_OURS,  # undefined_table
    "42703": _NOT_OURS,  # undefined_column
    "42501": (  # insufficient_privilege
        DatabaseError,
        "{at}: {said}",
        "ask whoever runs the server for the grants in docs/how-to/postgresql.md",
    ),
    "25006": (  # read_only_sql_transaction
        DatabaseError,
        "{at} is read-only: {said}",
        PRIMARY,
    ),
}
_LOST = (
    DatabaseUnreachableError,
    "the connection to {at} was lost, and nothing was changed: {said}",
    "try again",
)
_OTHER = (
    DatabaseError,
    "{at} cannot be read or written: {said}",
    "ask whoever runs the server",
)


class Server:
    """One connection, and the time that all waits for it may take together.

    ``timeout`` is in microseconds; time between two calls does not count.
    """

    def __init__(self, location: str, timeout: int) -> None:
        self.location = location
        self._timeout = timeout / _MICROSECONDS
        self._left = self._timeout
        self._connection = self._connect()

    def _connect(self) -> Connection:
        settings = {
            "fallback_application_name": "agentlock",
            # of several hosts, a silent one must not use up the time of all
            "connect_timeout": str(max(2, int(self._timeout / 3))),
            "dbname": self.location,
            "client_encoding": "UTF8",
        }
        pause = FIRST_PAUSE
        while True:
            try:
                return self._within(lambda seconds: Connection(settings, seconds))
            except PostgresError as error:
                if error.state not in _TRY_AGAIN or self._left <= pause:
                    raise self.not_connected(error) from error
            time.sleep(pause)
            self._left -= pause
            pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        self._connection.close()

    def _ask(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        connection = self._connection
        try:
            return self._within(lambda seconds: connection.rows(statement, parameters, seconds))
        except PostgresError as error:
            raise self.translated(error) from error

    def _script(self, statements: str) -> list[tuple[Any, ...]]:
        connection = self._connection
        try:
            return self._within(lambda seconds: connection.script(statements, seconds))
        except PostgresError as error:
            raise self.translated(error) from error

    def _within(self, call: Callable[[float], Answer]) -> Answer:
        """The result of a call that may take what is left of the time-out."""
        started = time.monotonic()
        try:
            return call(self._left)
        finally:
            self._left = max(self._left - (time.monotonic() - started), 0.0)

    def not_connected(self, error: PostgresError) -> DatabaseError:
        if isinstance(error, TimeoutExpiredError):
            return self._silent()
        fix = "try again, or ask whoever runs the server"
        if error.state.startswith("28"):
            fix = "put the password into ~/.pgpass, the file PGPASSFILE names, or a service file"
        return DatabaseUnreachableError(f"{self.location} cannot be reached: {error}", fix=fix)

    def translated(self, error: PostgresError) -> DatabaseError:
        """The DatabaseError for an error of PostgreSQL."""
        if isinstance(error, TimeoutExpiredError):
            return self._silent()
        if error.state in _MEANINGS:
            kind, sentence, fix = _MEANINGS[error.state]
        elif error.lost:
            kind, sentence, fix = _LOST
        else:
            kind, sentence, fix = _OTHER
        facts = {"at": self.location, "said": error, "seconds": f"{self._timeout:g} s"}
        return kind(sentence.format(**facts), fix=fix.format(**facts))

    def _silent(self) -> DatabaseUnreachableError:
        return DatabaseUnreachableError(
            f"{self.location} did not answer for {self._timeout:g} s",
            fix="try again",
        )
