"""A PostgreSQL server: connecting to it, waiting for it, and what its errors mean."""

from __future__ import annotations

import time

from agentlock.errors import DatabaseError, ReadOnlyTableError
from agentlock.store.postgres.values import PostgresError, TimeoutExpiredError
from agentlock.table_errors import DatabaseUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from agentlock.store.postgres.libpq import Connection

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
_DAMAGED = (
    DatabaseError,
    "{at} is damaged: {said}",
    "ask whoever runs the server to restore it from a backup",
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
        ReadOnlyTableError,
        "{at}: {said}",
        "ask whoever runs the server for the grants in docs/how-to/postgresql.md",
    ),
    "53100": (  # disk_full
        DatabaseError,
        "{at}: {said}",
        "free space on the disk of the server, then try again",
    ),
    "40001": (DatabaseError, "{at}: {said}", "try again"),  # serialization_failure
    "40P01": (DatabaseError, "{at}: {said}", "try again"),  # deadlock_detected
    "XX001": _DAMAGED,  # data_corrupted
    "XX002": _DAMAGED,  # index_corrupted
    "25006": (  # read_only_sql_transaction
        ReadOnlyTableError,
        "{at} is read-only: {said}",
        PRIMARY,
    ),
}
_ASK = "try again, or ask whoever runs the server"
_HOW_TO_LOG_IN = "put the password into ~/.pgpass, the file PGPASSFILE names, or a service file"
_CONNECTING = {
    "28P01": _HOW_TO_LOG_IN,  # invalid_password
    "28000": (  # invalid_authorization_specification: no such role, or no line in pg_hba.conf
        "name a role that the server lets in from here: postgresql://ROLE@HOST/DATABASE"
    ),
    "3D000": "correct the name of the database in the URL, or make it: createdb NAME",
    "42501": "ask whoever runs the server to grant CONNECT on this database",
    "53300": "try again; if it stays so, raise max_connections or use a pooler",
    "57P03": "try again: the server is starting or stopping",
}
# libpq gives its own errors no SQLSTATE.
_SAID = (
    ("no password supplied", _HOW_TO_LOG_IN),
    ("translate host name", "correct the host's name in the URL"),
    ("connection refused", "start the server, or correct host and port in the URL"),
    ("no such file or directory", "start the server, or correct the socket's folder in the URL"),
    ("certificate", "correct sslrootcert in the URL, or set PGSSLROOTCERT"),
    ("ssl", "correct sslmode in the URL"),
    ("invalid", "correct the URL: postgresql://ROLE@HOST:PORT/DATABASE"),
)
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


def _fix_of_connecting(error: PostgresError) -> str:
    """What to do about a connection that failed: by its SQLSTATE, or by what libpq says."""
    if error.state in _CONNECTING:
        return _CONNECTING[error.state]
    said = str(error).lower()
    return next((fix for words, fix in _SAID if words in said), _ASK)


class Server:
    """One connection, and the time that all waits for it may take together.

    It is made when it is first needed. ``timeout`` is in microseconds; time between two calls does
    not count.
    """

    def __init__(self, location: str, timeout: int) -> None:
        self.location = location
        self._timeout = timeout / _MICROSECONDS
        self._left = self._timeout
        self._made: Connection | None = None

    @property
    def _connection(self) -> Connection:
        if self._made is None:
            self._made = self._connect()
        return self._made

    def _connect(self) -> Connection:
        from agentlock.store.postgres.libpq import Connection  # a hook may need none

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

    @property
    def is_connected(self) -> bool:
        return self._made is not None

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    def another(self) -> Connection:
        """A second connection, which the caller closes."""
        return self._connect()

    def connect_again(self) -> None:
        self.close()
        self._made = self._connect()

    def rested(self) -> None:
        self._left = self._timeout

    def notified(self, seconds: float) -> bool:
        """Whether a notification came, or comes within that time. PostgresError if none can."""
        return self._connection.notified(seconds)

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
        return DatabaseUnreachableError(
            f"{self.location} cannot be reached: {error}", fix=_fix_of_connecting(error)
        )

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
