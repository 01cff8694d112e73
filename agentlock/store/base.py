"""One project's rows in one database: what SQLite and PostgreSQL have in common.

A `Store` has the connection, the transactions and the clock. The rows of each noun and their SQL
have a file next to this one: ``store.reservations`` is in ``reservations.py``, and so on. A file is
loaded when its noun is first used, because each module costs a git hook 0.2 ms or more.

The SQL is written for SQLite, and ``postgres`` translates it. Patterns and paths are bytes: they
are bound as blobs and cast to text, so that every SQLite client shows them readably and a name
that is not UTF-8 survives.
"""

from __future__ import annotations

import os

from agentlock.errors import DatabaseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from agentlock.model import Keys, Policy, Reservation
    from agentlock.store import Recorded
    from agentlock.store.agents import Agents
    from agentlock.store.automatic import Automatic
    from agentlock.store.events import Events
    from agentlock.store.ledger import Ledger
    from agentlock.store.messages import Messages
    from agentlock.store.offers import Offers
    from agentlock.store.owner import Owner
    from agentlock.store.policy import PolicyRow
    from agentlock.store.reservations import Reservations
    from agentlock.store.sessions import Sessions
    from agentlock.store.teams import Teams
    from agentlock.store.templates import Templates
    from agentlock.store.tickets import Tickets
    from agentlock.store.waits import Waits
    from agentlock.store.wants import Wants
    from agentlock.store.whereabouts import Whereabouts

APPLICATION_ID = 0x41474C4B  # "AGLK": tells our files from other SQLite databases
MOST_PARAMETERS = 400  # in one list of a statement; SQLite before 3.32 takes 999 in all
WHERE_IT_BELONGS = "put it back where it was (agentlock db path), or ask whoever runs this project"

READ_IDENTITY = "SELECT id FROM database_identity"
READ_PROJECT = "SELECT id FROM projects WHERE human_key = ?"
READ_PROJECTS = "SELECT human_key FROM projects ORDER BY id"
READ_FENCE = "SELECT last_fence FROM projects WHERE id = ?"
NEXT_FENCE = "UPDATE projects SET last_fence = last_fence + 1 WHERE id = ?"
RAISE_FENCE = "UPDATE projects SET last_fence = ? WHERE id = ? AND last_fence < ?"
READ_LAST_EVENT = "SELECT coalesce(max(id), 0) FROM events"


class Store:
    """One project's rows in one database.

    Inside ``reading()`` all reads see one snapshot. Rows may change only inside ``writing()``: a
    transaction that has the write lock from its first statement, is durable once it has ended, and
    is rolled back by any exception. All times are microseconds since the epoch, by the clock that
    ``now`` reads.
    """

    location: str
    timeout: int  # microseconds that a command may wait and compute
    project_id = 0

    def __init__(self) -> None:
        self.beside: Recorded | None = None  # what records an Agent Mail that counts as well
        self.concerned: set[str] = set()  # by what is being written: whom COMMIT wakes (store.wake)

    # What each engine does in its own way

    def close(self) -> None:
        raise NotImplementedError

    def reading(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def writing(self, *, durable: bool = True) -> AbstractContextManager[None]:
        """A transaction that is not ``durable`` survives every crash but a power failure."""
        raise NotImplementedError

    def limit_wait(self, most: int) -> None:
        """From here on wait at most this many microseconds for the table."""
        raise NotImplementedError

    def rested(self) -> None:
        """Allow the whole time-out again: the command has waited for something else meanwhile."""
        raise NotImplementedError

    def now(self) -> int:
        raise NotImplementedError

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement; an error of the driver becomes a DatabaseError."""
        raise NotImplementedError

    def inserted(self, statement: str, parameters: Sequence[Any]) -> int:
        """Run an INSERT of one row; the row's id."""
        raise NotImplementedError

    def kept(self, keys: Keys) -> Keys:
        """The keys as the database can keep them: if they differ, they find more, never less."""
        return keys

    def messages_with(self, words: Sequence[str], most: int) -> list[int]:
        """The numbers of the newest messages in which each word begins one, newest first.

        ``words`` are of letters and digits only.
        """
        raise NotImplementedError

    def next_fence(self) -> int:
        """A new fence, above every fence that the project has given."""
        self.rows(NEXT_FENCE, (self.project_id,))
        return self.last_fence()

    def last_event(self) -> int:
        """The number of the newest event, or 0; no event of this project comes in below it."""
        return int(self.one(READ_LAST_EVENT)[0])

    # The nouns

    @property
    def reservations(self) -> Reservations:
        from agentlock.store.reservations import Reservations

        return Reservations(self)

    @property
    def policy(self) -> PolicyRow:
        from agentlock.store.policy import PolicyRow

        return PolicyRow(self)

    @property
    def events(self) -> Events:
        from agentlock.store.events import Events

        return Events(self)

    @property
    def ledger(self) -> Ledger:
        from agentlock.store.ledger import Ledger

        return Ledger(self)

    @property
    def agents(self) -> Agents:
        from agentlock.store.agents import Agents

        return Agents(self)

    @property
    def messages(self) -> Messages:
        from agentlock.store.messages import Messages

        return Messages(self)

    @property
    def tickets(self) -> Tickets:
        from agentlock.store.tickets import Tickets

        return Tickets(self)

    @property
    def templates(self) -> Templates:
        from agentlock.store.templates import Templates

        return Templates(self)

    @property
    def teams(self) -> Teams:
        from agentlock.store.teams import Teams

        return Teams(self)

    @property
    def automatic(self) -> Automatic:
        from agentlock.store.automatic import Automatic

        return Automatic(self)

    @property
    def offers(self) -> Offers:
        from agentlock.store.offers import Offers

        return Offers(self)

    @property
    def waits(self) -> Waits:
        from agentlock.store.waits import Waits

        return Waits(self)

    @property
    def wants(self) -> Wants:
        from agentlock.store.wants import Wants

        return Wants(self)

    @property
    def sessions(self) -> Sessions:
        from agentlock.store.sessions import Sessions

        return Sessions(self)

    @property
    def whereabouts(self) -> Whereabouts:
        from agentlock.store.whereabouts import Whereabouts

        return Whereabouts(self)

    @property
    def owner(self) -> Owner:
        from agentlock.store.owner import Owner

        return Owner(self)

    # The database and the project

    def standing(
        self, prefixes: Collection[bytes], names: Iterable[bytes], added: Iterable[bytes] = ()
    ) -> tuple[int, Policy, list[Reservation], int]:
        """What a verdict needs, from one snapshot.

        The time, the policy, ``live_on`` then, and the last fence.
        """
        with self.reading():
            now = self.now()
            policy, fence = self.policy.read_with_fence()
            return now, policy, self.reservations.live_on(prefixes, names, now, added), fence

    def projects(self) -> list[str]:
        """The keys of all projects in the database, oldest first."""
        return [str(key) for (key,) in self.rows(READ_PROJECTS)]

    def last_fence(self) -> int:
        return int(self.one(READ_FENCE, (self.project_id,))[0])

    def raise_fence(self, fence: int) -> None:
        """Give only fences above this one from now on."""
        self.rows(RAISE_FENCE, (fence, self.project_id, fence))

    def one(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The only row of a statement; DatabaseError if there is none."""
        rows = self.rows(statement, parameters)
        if not rows:
            raise DatabaseError(f"{self.location} lacks a row of its own", fix=WHERE_IT_BELONGS)
        return rows[0]

    # What opening checks

    def _find_project(self, project: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            raise DatabaseError(f"{self.location} has no project {project!r}", fix="agentlock init")
        self.project_id = int(rows[0][0])


class Noun:
    """The rows of one noun in a store; their statements take the project as first parameter."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._store.rows(statement, (self._store.project_id, *parameters))

    def _forget(self, table: str, numbers: Sequence[int], least: int, *, column: str = "id") -> int:
        """Delete the rows with these numbers, or none if there are fewer than ``least``."""
        if len(numbers) < least:
            return 0
        for chunk in chunks(numbers):
            where = f"{column} IN ({', '.join('?' * len(chunk))})"
            self._store.rows(f"DELETE FROM {table} WHERE {where}", chunk)  # noqa: S608
        return len(numbers)


def require_schema(location: str, version: int, dialect: str) -> None:
    """OlderSchemaError or SchemaError if a migration is due, or if this program lacks one.

    The names of the migrations are their numbers, so a git hook need not list them.
    """
    folder = os.path.join(os.path.dirname(__file__), "migrations", dialect)
    if os.path.exists(f"{folder}/{version + 1:04}.sql"):
        from agentlock.table_errors import OlderSchemaError

        raise OlderSchemaError(
            f"{location} has the older schema {version}: this program needs a newer one",
            fix="agentlock db migrate",
        )
    if not os.path.exists(f"{folder}/{version:04}.sql"):
        from agentlock.table_errors import SchemaError

        raise SchemaError(
            f"{location} has the newer schema {version}, which this program does not know",
            fix="upgrade agentlock",
        )


def require_identity(
    location: str, found: str, recorded: str | None, *, fix: str = WHERE_IT_BELONGS
) -> None:
    """DatabaseError if the database is not the recorded one; without a record any will do."""
    if recorded is not None and found != recorded:
        raise DatabaseError(
            f"{location} is another database (id {found}) than the one recorded for this "
            f"repository (id {recorded})",
            fix=fix,
        )


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in pieces that one statement takes."""
    for start in range(0, len(values), MOST_PARAMETERS):
        yield values[start : start + MOST_PARAMETERS]
