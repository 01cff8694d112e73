"""The SQLite store. Git hooks read through it, so it imports next to nothing."""

from __future__ import annotations

import os
import stat
import time

from agentlock.errors import DatabaseError, ReadOnlyTableError, UsageError
from agentlock.store.base import (
    APPLICATION_ID,
    READ_IDENTITY,
    READ_PROJECT,
    WHERE_IT_BELONGS,
    Store,
    require_identity,
    require_schema,
)
from agentlock.store.sqlite.driver import driver, has_reset_bug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any

    from agentlock.store.sqlite.turns import Turn

_SLICE = 0.25  # seconds that SQLite may wait at a time, because Python hears no ^C meanwhile
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1  # seconds between two such waits, like SQLite's own
_SMALLEST_PAGE = 512
_FROZEN = "ro&immutable=1"
_CHECKPOINT_EVERY = 256  # turns, which fill about the 1,000 pages after which SQLite would do it
_CHECKPOINT_REST = 16  # turns later
_CHECKPOINT_PAGES = 8000  # in COMMIT after all, if turns are large or nobody takes one
_PLAIN_URI_BYTES = frozenset(b"/-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
LOOK_AT_THE_DISK = "check whether that disk is full, read-only or failing (df, mount, dmesg)"
CHECK_PERMISSIONS = "check the permissions of the file and its folder"


class SQLiteStore(Store):
    """One project's rows in one SQLite file; see ``Store`` for what each method promises.

    Opening checks that the file exists, is agentlock's, has this program's schema and the recorded
    id. It never makes or changes a file.
    """

    def __init__(
        self,
        path: str,
        database_id: str | None,
        project: str | None,
        *,
        timeout: int,
        read_only: bool,
    ) -> None:
        super().__init__()
        self.location = path
        self.timeout = timeout
        self._patience = timeout / 1_000_000  # seconds that may still be spent waiting
        self._turn: Turn | None = None
        self._log = ""
        self._syncs = False
        self._level = ""  # what ``PRAGMA synchronous`` was set to
        self._frozen: tuple[int, ...] | None = None
        self._connection = self._connect(read_only=read_only)
        try:
            self._verify(database_id)
            if project is not None:
                self._find_project(project, self.rows(READ_PROJECT, (project,)))
        except BaseException:
            self.close()
            raise

    def _connect(self, *, read_only: bool) -> Any:
        self._file = require_database_file(self.location)
        if not os.major(self._file[0]):  # no disk of this machine, as far as one can see
            from agentlock.store.sqlite.filesystem import refuse_unsafe_device

            refuse_unsafe_device(self.location, self._file[0])
        mode = read_mode(self.location) if read_only else "rw"
        self._frozen = _state(self.location) if mode == _FROZEN else None
        with _Translated(self):
            seconds = min(self._patience, _SLICE)
            connection = connect(self.location, mode, seconds)
            connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _verify(self, database_id: str | None) -> None:
        require_application(self.location, self.one("PRAGMA application_id"))
        (version,) = self.one("PRAGMA user_version")
        require_schema(self.location, version, "sqlite")
        (found,) = self.one(READ_IDENTITY)
        require_identity(self.location, found, database_id)

    def close(self) -> None:
        self._connection.close()
        if self._frozen is not None and self._frozen != _state(self.location):
            from agentlock.table_errors import DatabaseUnreachableError

            raise DatabaseUnreachableError(
                f"{self.location} was changed while it was read, and its folder is read-only here",
                fix="try again",
            )

    # Transactions

    def reading(self) -> _Transaction:
        self._syncs = False
        return _Transaction(self, "BEGIN")

    def writing(self, *, durable: bool = True) -> _Transaction:
        self._syncs = durable and bool(self._log_to_sync())
        level = "FULL" if durable and not self._syncs else "NORMAL"
        if level != self._level:
            self.rows(f"PRAGMA synchronous = {level}")
            self._level = level
        return _Transaction(self, "BEGIN IMMEDIATE")

    def _log_to_sync(self) -> str:
        """SQLite's log, which ``commit`` syncs; "" if somebody has given the database another."""
        if not self._log and self.one("PRAGMA journal_mode") == ("wal",):
            self._log = os.path.realpath(self.location) + "-wal"
        return self._log

    def limit_wait(self, most: int) -> None:
        self._patience = min(self._patience, most / 1_000_000)

    def rested(self) -> None:
        self._patience = self.timeout / 1_000_000

    def begin(self, statement: str) -> None:
        """Begin a transaction, within what is left of the time-out; to write, wait for a turn."""
        try:
            if statement != "BEGIN":
                self._take_turn()
            self._execute(statement)
        except BaseException:
            self._give_up_turn()
            raise

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement; while the table is locked, try again until patience ends."""
        pause = _FIRST_PAUSE
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._connection.execute(statement, parameters)
            except driver.OperationalError as error:
                left = deadline - time.monotonic()
                if left <= 0 or not is_busy(error):
                    raise
            except OverflowError as error:  # only the driver's own check of a number that is given
                raise UsageError("a number that is given is larger than any in a table") from error
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._patience = max(deadline - time.monotonic(), 0.0)
            wait = int(min(self._patience, _SLICE) * 1000)
            self._connection.execute(f"PRAGMA busy_timeout = {wait}")

    def _take_turn(self) -> None:
        """Queue with the other writers; after half of the time, ask SQLite without a turn."""
        from agentlock.store.sqlite.turns import Turn  # a hook that only reads needs none

        if self._turn is None:
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._turn = Turn(self.location)
        started = time.monotonic()
        self._turn.wait(self._patience / 2)
        self._patience = max(self._patience - (time.monotonic() - started), 0.0)

    def _give_up_turn(self) -> None:
        if self._turn is not None:
            self._turn.give_up()

    def commit(self) -> None:
        turns = 0 if self._turn is None else self._turn.number
        is_due = bool(turns) and turns % _CHECKPOINT_EVERY == 0
        keeps_turn = is_due and has_reset_bug()
        try:
            self._connection.execute("COMMIT")
            if keeps_turn or turns % _CHECKPOINT_EVERY == _CHECKPOINT_REST:
                self._copy_back()
        except BaseException:
            self.roll_back()
            raise
        self._give_up_turn()
        if is_due and not keeps_turn:
            self._copy_back()
        # SQLite does not check this. A transaction that only read is right whatever happened.
        if self._turn is not None and require_database_file(self.location) != self._file:
            raise DatabaseError(
                f"{self.location} was replaced while this command ran: what it did is lost",
                fix="try again",
            )
        if self._turn is not None:
            if self._syncs:
                from agentlock.store.sqlite.log import sync

                sync(self._log, self.location)
            waiting = [
                what
                for what in ("log", *self.concerned)
                if os.path.isdir(f"{self.location}.bells/{what}")
            ]
            self.concerned.clear()
            if waiting:
                from agentlock.store.wake.pipes import ring

                ring(self.location, waiting)

    def _copy_back(self) -> None:
        from agentlock.store.sqlite.log import copy_back  # a hook that only reads needs none

        copy_back(self._connection)

    def roll_back(self) -> None:
        try:
            if self._connection.in_transaction:  # after some errors SQLite has rolled back already
                self._connection.execute("ROLLBACK")
        finally:
            self._give_up_turn()
            self.concerned.clear()

    def translated(self, error: Exception) -> DatabaseError:
        return explained(error, self.location, self.timeout)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _Translated(self):
            rows: list[tuple[Any, ...]] = self._execute(statement, parameters).fetchall()
            return rows

    def inserted(self, statement: str, parameters: Sequence[Any]) -> int:
        with _Translated(self):
            return int(self._connection.execute(statement, parameters).lastrowid)

    def now(self) -> int:
        return time.time_ns() // 1000

    def messages_with(self, words: Sequence[str], most: int) -> list[int]:
        from agentlock.store.sqlite.words import messages_with

        return messages_with(self, words, most)


class _Translated:
    """Turns each error of the driver into a DatabaseError with a sentence."""

    __slots__ = ("_store",)

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _where: object
    ) -> None:
        if isinstance(error, driver.Error):
            raise self._store.translated(error) from error
        if isinstance(error, UnicodeDecodeError):
            raise self._store.translated(driver.DatabaseError("text is garbled")) from error


class _Transaction:
    __slots__ = ("_begin", "_store")

    def __init__(self, store: SQLiteStore, begin: str) -> None:
        self._store = store
        self._begin = begin

    def __enter__(self) -> None:
        with _Translated(self._store):
            self._store.begin(self._begin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        if kind is None:
            with _Translated(self._store):
                self._store.commit()
        else:
            self._store.roll_back()


def explained(
    error: Exception, path: str, timeout: int, *, remedy: str = WHERE_IT_BELONGS
) -> DatabaseError:
    """The DatabaseError for an error of the driver; ``remedy`` if no better one is known."""
    said = str(error)
    if is_busy(error):
        from agentlock.table_errors import DatabaseUnreachableError

        return DatabaseUnreachableError(
            f"{path} stayed locked by another process for {timeout / 1_000_000:g} s",
            fix="try again",
        )
    folder = os.path.dirname(path)
    if ("unable to open" in said or "readonly" in said) and not os.access(folder, os.W_OK):
        return ReadOnlyTableError(
            f"{path} cannot be written, because its folder is read-only here ({said}); reading "
            "works: check, list, status",
            fix=f"let this user or sandbox write to {folder}, or move the table where it may: "
            "agentlock db copy --help",
        )
    if "unable to open" in said or "readonly" in said or "authorization" in said:
        return DatabaseError(f"{path} cannot be opened: {said}", fix=CHECK_PERMISSIONS)
    if "full" in said:
        return DatabaseError(f"{path}: {said}", fix="free space on that disk")
    hint = LOOK_AT_THE_DISK if "I/O error" in said else remedy
    return DatabaseError(f"{path} cannot be read or written: {said}", fix=hint)


def read_mode(path: str) -> str:
    """How to open a database only to read it.

    SQLite makes a file next to its log even to read, and cannot do so where the folder is
    read-only, as in an agent's sandbox. While there is no log, the file holds everything, and is
    read as it is.
    """
    if os.access(os.path.dirname(path), os.W_OK) or _state(path)[0]:
        return "ro"
    return _FROZEN


def _state(path: str) -> tuple[int, ...]:
    """The size of SQLite's log, and what changes when the file does."""
    file = os.stat(path)
    try:
        log = os.stat(path + "-wal").st_size
    except OSError:
        log = 0
    return log, file.st_size, file.st_mtime_ns, file.st_ino


def is_busy(error: Exception) -> bool:
    said = str(error)
    return "locked" in said or "busy" in said


def connect(path: str, mode: str, seconds: float) -> Any:
    """A connection to an existing file, which waits at most ``seconds`` for a lock.

    ``mode`` is "rw", or what ``read_mode`` says.
    """
    return driver.connect(uri(path, mode), timeout=seconds, isolation_level=None, uri=True)


def uri(path: str, mode: str) -> str:
    """A file name as a URI, whatever bytes it holds; urllib would cost a hook an import."""
    quoted = "".join(
        chr(byte) if byte in _PLAIN_URI_BYTES else f"%{byte:02X}" for byte in os.fsencode(path)
    )
    return f"file:{quoted}?mode={mode}"


def require_application(path: str, found: tuple[int, ...]) -> None:
    """DatabaseError if another program made this SQLite file."""
    if found != (APPLICATION_ID,):
        raise DatabaseError(f"{path} is not an agentlock database", fix=WHERE_IT_BELONGS)


def require_database_file(path: str) -> tuple[int, int]:
    """The device and inode of the file; DatabaseError if it is missing or no database.

    Only `init` makes a database, so a missing one is never made here.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise DatabaseError(f"{path} is missing", fix=WHERE_IT_BELONGS) from None
    except PermissionError as error:
        raise DatabaseError(
            f"{path} cannot be reached: permission denied",
            fix="have its owner run `agentlock doctor`, which names the command that opens it",
        ) from error
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be reached: {error.strerror}", fix=WHERE_IT_BELONGS
        ) from error
    except ValueError as error:  # a NUL in the recorded path
        raise DatabaseError(f"{path!r} is not a path", fix=WHERE_IT_BELONGS) from error
    if not stat.S_ISREG(found.st_mode):
        what = "a directory," if stat.S_ISDIR(found.st_mode) else "a special file,"
        raise DatabaseError(f"{path} is {what} not a database", fix=WHERE_IT_BELONGS)
    if found.st_size == 0:
        raise DatabaseError(f"{path} is empty, not a database", fix=WHERE_IT_BELONGS)
    if found.st_size % _SMALLEST_PAGE:  # SQLite would read a short last page as zeros
        raise DatabaseError(f"{path} is cut short", fix=WHERE_IT_BELONGS)
    return found.st_dev, found.st_ino
