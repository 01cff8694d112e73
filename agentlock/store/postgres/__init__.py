"""The PostgreSQL store: one server for the agents of many machines.

A git hook needs one connection and one statement, unless it refuses. Nothing here needs a session
to last longer than a transaction, so a connection pooler may be used.
"""

from __future__ import annotations

import time

from agentlock.errors import DatabaseError
from agentlock.store.base import (
    APPLICATION_ID,
    NEXT_FENCE,
    WHERE_IT_BELONGS,
    Store,
    require_identity,
    require_schema,
)
from agentlock.store.policy import COLUMNS as POLICY_COLUMNS
from agentlock.store.policy import policy_of
from agentlock.store.postgres import loopback
from agentlock.store.postgres.server import FIRST_PAUSE, LONGEST_PAUSE, PRIMARY, Server
from agentlock.store.postgres.values import PostgresError
from agentlock.store.reservations import COLUMNS, few_names, reservation_of
from agentlock.table_errors import DatabaseUnreachableError, LostTableError, OutcomeUnknownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Any

    from agentlock.model import Keys, Policy, Reservation

_THINKING = 10_000  # ms that a client may take between two statements while others wait for it
_LONGEST_KEY = 800  # bytes; an index entry has room for 2704 (nbtree.h), and holds three keys

CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# The timeline of the server's log: a new one begins when a standby takes over.
_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"
_NOW = f"SELECT {CLOCK}"
# What opening checks: see _check.
_CHECKED = 4  # columns
_IDENTITY = "i.schema_version, i.id, p.id, CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END"
_OPEN = f"""
SELECT {_IDENTITY} FROM database_identity AS i LEFT JOIN projects AS p ON p.human_key = $1
"""  # noqa: S608 -- of constants
_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_NOW}"
# A grant must outlive a crash, so a server that does not wait for its disk waits this time.
# The time is read, and later statements take their snapshots, after the lock was taken.
_BEGIN_WRITING = f"""
BEGIN ISOLATION LEVEL READ COMMITTED {{mode}};
SET LOCAL lock_timeout = {{wait}};
SET LOCAL idle_in_transaction_session_timeout = {{thinking}};
SELECT set_config('synchronous_commit', 'on', true)
    WHERE current_setting('synchronous_commit') = 'off';
SELECT pg_advisory_xact_lock({{application}}, {{project}});
SELECT {CLOCK}, CASE current_setting('transaction_read_only')
    WHEN 'off' THEN pg_current_xact_id()::text ELSE '' END,
    CASE current_setting('transaction_read_only') WHEN 'off' THEN {_TIMELINE} ELSE '' END
"""
# Parameters: the project; names of bells, or what their processes wait for. See store.wake.
RING = """
SELECT pg_notify('agentlock_' || split_part(name, '/', 2), '')::text FROM bells
WHERE project_id = $1 AND (name = ANY (string_to_array($2, ' '))
    OR split_part(name, '/', 1) = ANY (string_to_array($2, ' ')))
"""
_COMMIT = """
SELECT pg_notify('agentlock_' || split_part(name, '/', 2), '') FROM bells
    WHERE project_id = {project} AND name LIKE 'log/%';
COMMIT"""
# Parameter: the transaction's id. Another database, or a server that took over, counts its own.
_WAS_COMMITTED = f"SELECT pg_xact_status($1::xid8), id, {_TIMELINE} FROM database_identity"  # noqa: S608
_LAST_EVENT = "SELECT coalesce(max(id), 0) FROM events WHERE project_id = $1"
# Parameters: the project's key, prefixes, names, what is added. At least one row comes, with what
# opening checks and the policy.
_STANDING = """
WITH moment AS MATERIALIZED (SELECT {clock} AS now)
SELECT {identity}, moment.now, p.last_fence, {policy}, {reservation}
FROM moment CROSS JOIN database_identity AS i LEFT JOIN projects AS p ON p.human_key = $1
    LEFT JOIN (file_reservations AS r JOIN agents AS a ON a.id = r.agent_id)
    ON r.project_id = {project} AND r.released_ts IS NULL AND r.expires_ts > moment.now
        AND {near}
ORDER BY r.id
"""
_PROJECT = "(SELECT id FROM projects WHERE human_key = $1)"
_ON = "r.prefix_key = ANY ($2::text::bytea[])"
_OF_NAMES = " AND r.name_key = ANY ($3::text::bytea[])"
_ON_OR_WITHIN = """r.id IN (
    SELECT r.id FROM file_reservations AS r
    WHERE r.project_id = {project} AND r.released_ts IS NULL AND {on}
    UNION ALL
    SELECT r.id
    FROM unnest({added}::text::bytea[]) AS added (key) CROSS JOIN file_reservations AS r
    WHERE r.project_id = {project} AND r.released_ts IS NULL
        AND r.prefix_key >= added.key AND r.prefix_key < added.key || '0'::bytea
)"""


class PostgresStore(Server, Store):
    """One project's rows on a server; see ``Store`` for what each method promises.

    Opening checks that the database has agentlock's tables, this program's schema and the recorded
    id; ``lazily``, the first question does. ``now`` reads the server's clock, which stands still
    inside a transaction.
    """

    def __init__(
        self,
        location: str,
        database_id: str | None,
        project: str | None,
        *,
        timeout: int,
        read_only: bool,
        lazily: bool = False,
    ) -> None:
        Store.__init__(self)
        Server.__init__(self, location, timeout)
        self.timeout = timeout
        self._read_only = read_only
        self._moment: int | None = None
        self._identity = self._transaction_id = self._timeline = ""
        self._recorded = (database_id, project)
        self._is_checked = False
        self._project_id = 0
        try:
            if not lazily:
                self._require_checked()
        except BaseException:
            self.close()
            raise

    @property
    def project_id(self) -> int:
        self._require_checked()
        return self._project_id

    @project_id.setter
    def project_id(self, number: int) -> None:
        self._project_id = number

    def _require_checked(self) -> None:
        if not self._is_checked:
            self._check(self._ask(_OPEN, (self._recorded[1] or "",)))

    def _check(self, rows: Sequence[Sequence[Any]]) -> None:
        """DatabaseError if the database is not the recorded one, by a row that has _IDENTITY."""
        if not rows:
            raise LostTableError(f"{self.location} has lost its own id", fix=WHERE_IT_BELONGS)
        version, found, project_id, standby, *_ = rows[0]
        database_id, project = self._recorded
        if standby:  # it may not have the newest grant yet
            raise DatabaseError(
                f"{self.location} is a standby and may lag behind the primary server", fix=PRIMARY
            )
        require_schema(self.location, version, "postgres")
        require_identity(self.location, found, database_id)
        self._identity = found
        if project is not None:
            self._find_project(project, [] if project_id is None else [(project_id,)])
        self._is_checked = True

    # Transactions

    def reading(self) -> _Transaction:
        return _Transaction(self, self._begin_reading, self.roll_back)

    def writing(self, *, durable: bool = True) -> _Transaction:  # noqa: ARG002 -- always is
        return _Transaction(self, self._begin_writing, self.commit)

    def limit_wait(self, most: int) -> None:
        self._left = min(self._left, most / 1_000_000)

    def _begin_reading(self) -> None:
        self._require_checked()
        ((moment,),) = self._script(_BEGIN_READING)
        self._moment = int(moment)

    def _begin_writing(self) -> None:
        """Wait for the project's lock: its writers get it in the order in which they came."""
        begin = _BEGIN_WRITING.format(
            mode="READ ONLY" if self._read_only else "READ WRITE",
            # a little less than we wait, so that the server gives up first and says so
            wait=max(int(self._left * 900), 1),
            thinking=_THINKING,
            application=APPLICATION_ID,
            project=self.project_id,
        )
        ((moment, self._transaction_id, self._timeline),) = self._script(begin)
        self._moment = int(moment)

    def commit(self) -> None:
        """Commit; if the answer is lost, find out whether the server committed.

        A grant that is held is never reported as refused: if the server cannot be asked,
        OutcomeUnknownError says that nobody knows.
        """
        connection, self._moment = self._connection, None
        if not connection.is_intact:
            self.roll_back()
            raise DatabaseError(f"{self.location}: the transaction failed", fix="try again")
        end = _COMMIT.format(project=self.project_id)
        if self.concerned:
            self._ask(RING, (self.project_id, " ".join(sorted(self.concerned))))
            self.concerned.clear()
        spare = self._left / 4  # to ask again
        self._left -= spare
        try:
            self._within(lambda seconds: connection.script(end, seconds))
        except PostgresError as error:
            if not error.lost:
                raise self.translated(error) from error
            self._left += spare
            self._settle(error)
        else:
            self._left += spare

    def roll_back(self) -> None:
        self._moment = None
        self.concerned.clear()
        connection = self._made
        if connection is None:
            return
        try:
            self._within(lambda seconds: connection.script("ROLLBACK", seconds))
        except PostgresError:
            connection.close()  # the server rolls back a transaction without a client

    def _settle(self, error: PostgresError) -> None:
        """Return if the transaction was committed, raise if it was not or nobody knows."""
        pause = FIRST_PAUSE
        self._connection.close()
        while self._left > 0:
            status = self._status()
            if status == "committed":
                return
            if status == "aborted":
                raise self.translated(error) from error
            time.sleep(min(pause, self._left))
            self._left -= pause
            pause = min(2 * pause, LONGEST_PAUSE)
        raise OutcomeUnknownError(
            f"{self.location} was lost while it committed: nobody knows whether this was done",
            see="agentlock list --mine, once it answers again",
        ) from error

    def _status(self) -> str:
        """The transaction's status over a new connection, or "" if this server does not know it."""
        try:
            self._made = self._connect()
            rows = self._ask(_WAS_COMMITTED, (self._transaction_id,))
        except DatabaseError:
            return ""
        known = [status for status, *where in rows if where == [self._identity, self._timeline]]
        return str(known[0]) if known else ""

    # Statements

    def now(self) -> int:
        return self._moment or int(self.one(_NOW)[0])

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._require_checked()
        return self._ask(_spoken(statement), parameters)

    def inserted(self, statement: str, parameters: Sequence[Any]) -> int:
        ((identifier,),) = self.rows(f"{statement} RETURNING id", parameters)
        return int(identifier)

    def standing(
        self, prefixes: Iterable[bytes], names: Iterable[bytes], added: Iterable[bytes] = ()
    ) -> tuple[int, Policy, list[Reservation], int]:
        few = few_names(names)
        near, arrays = _ON, [_array(prefixes)]
        if few:
            near += _OF_NAMES
            arrays.append(_array(few))
        if within := [_shortened(key) for key in added]:
            arrays.append(_array(within))
            near = _ON_OR_WITHIN.format(on=near, added=f"${len(arrays) + 1}", project=_PROJECT)
        statement = _STANDING.format(
            identity=_IDENTITY,
            clock=CLOCK,
            project=_PROJECT,
            policy=", ".join([f"p.{name}" for name in POLICY_COLUMNS]),
            reservation=_spoken(COLUMNS),
            near=near,
        )
        rows = self._first(statement, (self._recorded[1] or "", *arrays))
        self._check(rows)
        end = _CHECKED + 2 + len(POLICY_COLUMNS)
        now, fence, *settings = rows[0][_CHECKED:end]
        live = [row[end:] for row in rows if row[end] is not None]
        return now, policy_of(settings), [reservation_of(row) for row in live], fence

    def _first(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement that needs no connection to be there already."""
        if not self.is_connected:
            try:
                found = self._within(
                    lambda seconds: loopback.ask(self.location, statement, parameters, seconds)
                )
            except PostgresError as error:
                raise self.translated(error) from error
            if found is not None:
                return found
        try:
            return self._ask(statement, parameters)
        except DatabaseUnreachableError:
            raise
        except DatabaseError:
            self._require_checked()  # a table of an older schema may lack what was asked for
            raise

    def next_fence(self) -> int:  # in one statement, because all other writers wait meanwhile
        statement = f"{NEXT_FENCE} RETURNING last_fence"
        return int(self.rows(statement, (self.project_id,))[0][0])

    def last_event(self) -> int:
        return int(self.one(_LAST_EVENT, (self.project_id,))[0])

    def kept(self, keys: Keys) -> Keys:
        return fitting(keys)

    def messages_with(self, words: Sequence[str], most: int) -> list[int]:
        from agentlock.store.postgres.words import messages_with

        return messages_with(self, words, most)


class _Transaction:
    __slots__ = ("_begin", "_end", "_store")

    def __init__(
        self, store: PostgresStore, begin: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self._store = store
        self._begin = begin
        self._end = end

    def __enter__(self) -> None:
        try:
            self._begin()
        except BaseException:
            self._store.roll_back()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        if kind is None:
            self._end()
        else:
            self._store.roll_back()


_said: dict[str, str] = {}


def _spoken(statement: str) -> str:
    """A statement, or a part of one, translated from SQLite's SQL to PostgreSQL's.

    Hints for SQLite's planner are left out. Bytes are BYTEA, so the casts to and from text are left
    out as well. Parameters are numbered: ``?`` and ``?2`` become ``$1`` and ``$2``.
    """
    if statement not in _said:
        text = statement.replace("NOT INDEXED", "")
        before, *hinted = text.split("INDEXED BY ")
        text = before + "".join([piece[len(piece.split()[0]) :] for piece in hinted])
        before, *casts = text.split("CAST(")
        text = before + "".join(map(_without_cast, casts))
        before, *pieces = text.split("?")
        _said[statement] = before + "".join(
            f"${piece}" if piece[:1].isdigit() else f"${number}{piece}"
            for number, piece in enumerate(pieces, 1)
        )
    return _said[statement]


def _without_cast(piece: str) -> str:
    """What follows ``CAST(``, without the end of the cast."""
    value, _, rest = piece.partition(" AS ")
    return value + rest.removeprefix("BLOB)").removeprefix("TEXT)")


def _array(values: Iterable[bytes]) -> str:
    """An array of bytes as a literal of PostgreSQL's."""
    written = ",".join([f'"\\\\x{value.hex()}"' for value in sorted(set(values))])
    return f"{{{written}}}"


def fitting(keys: Keys) -> Keys:
    """The keys, each less exact if an index could not hold it."""
    return keys.replace(
        prefix=_shortened(keys.prefix),
        name=keys.name if len(keys.name) <= _LONGEST_KEY else b"*",
        extension=keys.extension if len(keys.extension) <= _LONGEST_KEY else b"*",
    )


def _shortened(prefix: bytes) -> bytes:
    """The prefix, or its longest ancestor that an index can hold: a search asks for all of them."""
    while len(prefix) > _LONGEST_KEY:
        prefix = prefix.rpartition(b"/")[0]
    return prefix
