"""The SQLite store. A hook reads through it, so it imports next to nothing."""

from __future__ import annotations

import os
import stat
import time

from agentlock.errors import (
    DatabaseError,
    DatabaseUnreachableError,
    OlderSchemaError,
    SchemaError,
)
from agentlock.model import Agent, Event, Keys, Policy, Reservation
from agentlock.store import statements as sql
from agentlock.store.driver import driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any

_KEYS_PER_QUERY = 400  # SQLite before 3.32 takes 999 parameters
_MOST_NAMES = 30  # with more of them, reading what they would rule out is cheaper
_ATTEMPTS = 4  # the first and three retries
_FIRST_PAUSE = 0.05
_SMALLEST_PAGE = 512
_PLAIN_URI_BYTES = frozenset(b"/-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
WHERE_IT_BELONGS = "put it back where it was (agentlock db path), or ask whoever runs this project"

CHECK_PERMISSIONS = "check the permissions of the file and its folder"


class SQLiteStore:
    """One project's rows in one SQLite file; see ``protocol.Store`` for what each method promises.

    Opening checks that the file is there, is ours, has this program's schema and carries the
    recorded id. It never makes or changes a file.
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
        self.path = path
        self._deadline = time.monotonic() + timeout / 1_000_000
        self._timeout = timeout
        self._connection = self._connect(read_only=read_only)
        try:
            with _Translated(self):
                self._verify(database_id)
                self._project_id = 0 if project is None else self._find_project(project)
        except BaseException:
            self.close()
            raise

    def _connect(self, *, read_only: bool) -> Any:
        _require_database_file(self.path)
        mode = "ro" if read_only else "rw"
        with _Translated(self):
            connection = driver.connect(
                f"file:{_uri(self.path)}?mode={mode}",
                timeout=self._remaining(),
                isolation_level=None,
                uri=True,
            )
            connection.execute("PRAGMA foreign_keys = ON")
            if not read_only:
                connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _verify(self, database_id: str | None) -> None:
        if self._one("PRAGMA application_id") != (sql.APPLICATION_ID,):
            raise DatabaseError(f"{self.path} is not an agentlock database", hint=WHERE_IT_BELONGS)
        (version,) = self._one("PRAGMA user_version")
        if version < sql.SCHEMA_VERSION:
            raise OlderSchemaError(
                f"{self.path} has the older schema {version}, this program needs "
                f"{sql.SCHEMA_VERSION}",
                hint="agentlock db migrate",
            )
        if version > sql.SCHEMA_VERSION:
            raise SchemaError(
                f"{self.path} has the newer schema {version}, this program knows "
                f"{sql.SCHEMA_VERSION}",
                hint="upgrade agentlock",
            )
        (found,) = self._one(sql.READ_IDENTITY)
        if database_id is not None and found != database_id:
            raise DatabaseError(
                f"{self.path} is another database (id {found}) than the one recorded for this "
                f"repository (id {database_id})",
                hint=WHERE_IT_BELONGS,
            )

    def _find_project(self, project: str) -> int:
        row = self._connection.execute(sql.READ_PROJECT, (project,)).fetchone()
        if row is None:
            raise DatabaseError(f"{self.path} knows no project {project!r}", hint="agentlock init")
        identifier: int = row[0]
        return identifier

    def close(self) -> None:
        self._connection.close()

    # Transactions

    def reading(self) -> _Transaction:
        return _Transaction(self, "BEGIN")

    def writing(self) -> _Transaction:
        return _Transaction(self, "BEGIN IMMEDIATE")

    def begin(self, statement: str) -> None:
        """Start a transaction within what is left of the time-out, trying again when locked."""
        pause = _FIRST_PAUSE
        for attempt in range(1, _ATTEMPTS + 1):
            remaining = self._remaining()
            self._connection.execute(f"PRAGMA busy_timeout = {int(remaining * 1000)}")
            try:
                self._connection.execute(statement)
            except driver.OperationalError as error:
                over = attempt == _ATTEMPTS or self._remaining() <= pause
                if over or not _is_busy(error):
                    raise
                time.sleep(pause)
                pause *= 2
            else:
                return

    def finish(self, statement: str) -> None:
        self._connection.execute(statement)

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.in_transaction)

    def translated(self, error: Exception) -> DatabaseError:
        """What a driver's error means, in a sentence with a remedy."""
        said = str(error)
        if _is_busy(error):
            seconds = self._timeout / 1_000_000
            return DatabaseUnreachableError(
                f"{self.path} stayed locked by another process for {seconds:g} s",
                hint="try again; agentlock status shows whether it answers",
            )
        if "unable to open" in said or "readonly" in said or "authorization" in said:
            return DatabaseError(
                f"{self.path} cannot be opened as it must be: {said}",
                hint=CHECK_PERMISSIONS,
            )
        if "full" in said:
            return DatabaseError(f"{self.path}: {said}", hint="free space on that disk")
        return DatabaseError(
            f"{self.path} cannot be read or written: {said}", hint=WHERE_IT_BELONGS
        )

    def _remaining(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def _one(self, statement: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._connection.execute(statement, parameters).fetchone()
        if row is None:
            raise DatabaseError(f"{self.path} misses a row of its own", hint=WHERE_IT_BELONGS)
        return row

    def _rows(self, statement: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        with _Translated(self):
            rows: list[tuple[Any, ...]] = self._connection.execute(statement, parameters).fetchall()
            return rows

    # What is there

    def now(self) -> int:
        return time.time_ns() // 1000

    def policy(self) -> Policy:
        with _Translated(self):
            enforcement, require, exempt, max_ttl, allow_skip = self._one(
                sql.READ_POLICY, (self._project_id,)
            )
        return Policy(
            enforcement=enforcement,
            require_reservation=bool(require),
            exempt=tuple(filter(None, os.fsdecode(exempt).split("\n"))),
            max_ttl=max_ttl,
            allow_skip=bool(allow_skip),
        )

    def live_on(
        self, prefixes: Iterable[bytes], names: Iterable[bytes], now: int
    ) -> list[Reservation]:
        wanted = sorted(set(prefixes))
        few = sorted(set(names))
        if len(few) > _MOST_NAMES:
            few = []
        found: list[Reservation] = []
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            chunk = wanted[start : start + _KEYS_PER_QUERY]
            statement = sql.live_on(len(chunk), len(few))
            found += self._reservations(statement, (self._project_id, now, *chunk, *few))
        return sorted(found, key=_id)

    def live_near(self, keys: Keys, now: int, *, below: bool) -> list[Reservation]:
        names, extensions = _agreeing(keys)
        counts = (len(names), len(extensions))
        if below and not keys.prefix:
            statement = sql.live_anywhere(*counts) if extensions else sql.LIVE
            found = self._reservations(statement, (self._project_id, now, *names, *extensions))
            return sorted(found, key=_id)
        above = list(_with_ancestors(keys.prefix))
        statement = sql.live_on(len(above), *counts)
        found = self._reservations(statement, (self._project_id, now, *above, *names, *extensions))
        if below:
            # "0" is the byte after "/": everything from prefix/ up to there lies below it
            limits = (keys.prefix + b"/", keys.prefix + b"0")
            parameters = (self._project_id, now, *limits, *names, *extensions)
            found += self._reservations(sql.live_below(*counts), parameters)
        return sorted(found, key=_id)

    def live_since(self, fence: int, now: int) -> list[Reservation]:
        return self._reservations(sql.LIVE_SINCE, (self._project_id, now, fence))

    def extended_since(self, event: int, now: int) -> list[Reservation]:
        return self._reservations(sql.EXTENDED_SINCE, (self._project_id, now, event))

    def last_event(self) -> int:
        with _Translated(self):
            return int(self._one(sql.READ_LAST_EVENT)[0])

    def last_fence(self) -> int:
        with _Translated(self):
            return int(self._one(sql.READ_FENCE, (self._project_id,))[0])

    def own(self, agent: str, pattern: bytes, keys: Keys, now: int) -> Reservation | None:
        known = (keys.prefix, keys.name, keys.extension)
        parameters = (self._project_id, now, *known, agent, pattern)
        found = self._reservations(sql.LIVE_OF_PATTERN, parameters)
        return found[0] if found else None

    def reservations(
        self, *, agent: str | None = None, live_at: int | None = None
    ) -> list[Reservation]:
        if live_at is None:
            if agent is None:
                return self._reservations(sql.ALL_RESERVATIONS, (self._project_id,))
            return self._reservations(sql.ALL_OF_AGENT, (self._project_id, agent))
        if agent is None:
            return self._reservations(sql.LIVE, (self._project_id, live_at))
        return self._reservations(sql.LIVE_OF_AGENT, (self._project_id, live_at, agent))

    def reservation(self, identifier: int) -> Reservation | None:
        found = self._reservations(sql.RESERVATION, (self._project_id, identifier))
        return found[0] if found else None

    def unreleased(self, agent: str | None) -> list[Reservation]:
        if agent is None:
            return self._reservations(sql.UNRELEASED, (self._project_id,))
        return self._reservations(sql.UNRELEASED_OF_AGENT, (self._project_id, agent))

    def agents(self) -> list[Agent]:
        return [Agent(*row) for row in self._rows(sql.READ_AGENTS, (self._project_id,))]

    def events(
        self,
        *,
        after: int = 0,
        since: int | None = None,
        agent: str | None = None,
        reservation: int | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        parameters = {
            "project": self._project_id,
            "after": after,
            "since": since,
            "agent": agent,
            "reservation": reservation,
            "limit": -1 if limit is None else limit,
        }
        return [Event(*row) for row in reversed(self._rows(sql.READ_EVENTS, parameters))]

    def messages(self, recipient: str, since: int) -> list[tuple[int, str, str, str]]:
        rows = self._rows(sql.READ_MESSAGES, (self._project_id, recipient, since))
        return [(created, sender, subject, body) for created, sender, subject, body in rows]

    def makers(self, oids: Iterable[str]) -> dict[str, str]:
        return self._makers("oid", oids)

    def makers_by_patch(self, patch_ids: Iterable[str]) -> dict[str, str]:
        return self._makers("patch_id", patch_ids)

    def _makers(self, column: str, values: Iterable[str]) -> dict[str, str]:
        wanted = list(values)
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _KEYS_PER_QUERY):
            chunk = wanted[start : start + _KEYS_PER_QUERY]
            statement = sql.commits_by(column, len(chunk))
            for value, agent in self._rows(statement, (self._project_id, *chunk)):
                found.setdefault(value, agent)
        return found

    def _reservations(self, statement: str, parameters: tuple[Any, ...]) -> list[Reservation]:
        rows = self._rows(statement, parameters)
        for row in rows:  # SQLite keeps text in an integer column where it is given some
            if not (isinstance(row[5], int) and isinstance(row[6], int)):
                raise DatabaseError(
                    f"{self.path}: the times of reservation {row[0]} are garbled",
                    hint="restore the table from a backup, or ask whoever runs this project",
                )
        return [Reservation(row[0], row[1], row[2], bool(row[3]), *row[4:]) for row in rows]

    # What changes it

    def register(self, agent: str, now: int, *, program: str = "", model: str = "") -> None:
        self._rows(sql.WRITE_AGENT, (self._project_id, agent, program, model, now))

    def grant(
        self,
        agent: str,
        pattern: bytes,
        *,
        typed: bytes,
        keys: Keys,
        exclusive: bool,
        reason: str,
        now: int,
        expires: int,
    ) -> Reservation:
        with _Translated(self):
            (agent_id,) = self._one(sql.READ_AGENT_ID, (self._project_id, agent))
            fence = self._next_fence()
            texts = (pattern, typed, keys.prefix, keys.name, keys.extension)
            row = (self._project_id, agent_id, *texts, exclusive, reason, now, expires, fence)
            cursor = self._connection.execute(sql.WRITE_RESERVATION, row)
        return Reservation(
            cursor.lastrowid, agent, pattern, exclusive, reason, now, expires, None, fence, typed
        )

    def change(
        self,
        reservation: Reservation,
        *,
        expires: int | None = None,
        exclusive: bool | None = None,
        reason: str | None = None,
        released: int | None = None,
    ) -> Reservation:
        wanted = {"expires_ts": expires, "exclusive": exclusive, "reason": reason}
        wanted["released_ts"] = released
        given = {name: value for name, value in wanted.items() if value is not None}
        changed = reservation.replace(**given)
        with _Translated(self):
            if changed.exclusive != reservation.exclusive:
                changed = changed.replace(fence=self._next_fence())
            columns = (changed.exclusive, changed.reason, changed.expires_ts, changed.released_ts)
            self._connection.execute(
                sql.CHANGE_RESERVATION, (*columns, changed.fence, reservation.id)
            )
        return changed

    def log(
        self,
        kind: str,
        now: int,
        *,
        agent: str = "",
        reservation: Reservation | None = None,
        pattern: bytes | None = None,
        detail: str = "",
    ) -> None:
        identifier = None if reservation is None else reservation.id
        if pattern is None and reservation is not None:
            pattern = reservation.pattern
        row = (self._project_id, now, kind, agent, identifier, pattern, detail)
        self._rows(sql.WRITE_EVENT, row)

    def log_expired(self, now: int) -> None:
        for identifier, agent, pattern, expires in self._rows(
            sql.READ_EXPIRY_UNSEEN, (self._project_id, now)
        ):
            row = (self._project_id, expires, "expired", agent, identifier, pattern, "")
            self._rows(sql.WRITE_EVENT, row)
            self._rows(sql.MARK_EXPIRY_SEEN, (identifier,))

    def record_commit(self, oid: str, patch_id: str | None, agent: str, now: int) -> None:
        self._rows(sql.WRITE_COMMIT, (self._project_id, oid, patch_id, agent, now))

    def send(self, sender: str, recipient: str, subject: str, body: str, now: int) -> None:
        self._rows(sql.WRITE_MESSAGE, (self._project_id, sender, recipient, subject, body, now))

    def set_policy(self, policy: Policy) -> None:
        exempt = os.fsencode("\n".join(policy.exempt))
        row = (policy.enforcement, policy.require_reservation, exempt, policy.max_ttl)
        self._rows(sql.WRITE_POLICY, (*row, policy.allow_skip, self._project_id))

    def _next_fence(self) -> int:
        self._connection.execute(sql.NEXT_FENCE, (self._project_id,))
        (fence,) = self._one(sql.READ_FENCE, (self._project_id,))
        return int(fence)


class _Translated:
    """Turns the driver's errors into ours: every one is a refusal with a sentence."""

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
                self._store.finish("COMMIT")
        elif self._store.in_transaction:
            self._store.finish("ROLLBACK")


def _id(held: Reservation) -> int:
    return held.id


def _agreeing(keys: Keys) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The names and extensions that others must have to meet these; none: any will do."""
    if keys.extension == b"*":
        return (), ()
    extensions = (b"*", keys.extension)
    if keys.name.startswith(b"*"):
        return (), extensions
    return (b"*", b"*" + keys.extension, keys.name), extensions


def _with_ancestors(key: bytes) -> Iterator[bytes]:
    yield key
    while key:
        key = key.rpartition(b"/")[0]
        yield key


def _is_busy(error: Exception) -> bool:
    said = str(error)
    return "locked" in said or "busy" in said


def _uri(path: str) -> str:
    """A file name as the path of a ``file:`` URI, whatever bytes it holds."""
    return "".join(
        chr(byte) if byte in _PLAIN_URI_BYTES else f"%{byte:02X}" for byte in os.fsencode(path)
    )


def _require_database_file(path: str) -> None:
    """Only `init` makes a database: what is missing or no file is an error, never made here."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise DatabaseError(f"{path} is missing", hint=WHERE_IT_BELONGS) from None
    except PermissionError as error:
        raise DatabaseError(
            f"{path} cannot be reached: permission denied", hint=CHECK_PERMISSIONS
        ) from error
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be reached: {error.strerror}", hint=WHERE_IT_BELONGS
        ) from error
    except ValueError as error:  # a NUL in the recorded path
        raise DatabaseError(f"{path!r} is no path", hint=WHERE_IT_BELONGS) from error
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise DatabaseError(f"{path} is {what}, not a database", hint=WHERE_IT_BELONGS)
    if found.st_size == 0:
        raise DatabaseError(f"{path} is empty, not a database", hint=WHERE_IT_BELONGS)
    if found.st_size % _SMALLEST_PAGE:  # SQLite itself takes a short last page for zeros
        raise DatabaseError(f"{path} is cut short", hint=WHERE_IT_BELONGS)
