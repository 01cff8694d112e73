"""The rows of MCP Agent Mail's own database, of its Python version; they are only read.

Its Rust version has the same tables in a file that no other SQLite may open while it runs, so that
is never opened here: `refuse_rust` tells it by the files next to it.
"""

from __future__ import annotations

import os

from agentlock.errors import DatabaseError
from agentlock.store.base import chunks
from agentlock.store.sqlite import connect, is_busy, read_mode
from agentlock.store.sqlite.driver import driver
from agentlock.table_errors import DatabaseUnreachableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_MARKS = ("{0}-wal-cert", "{0}-wal-cert-head", "{0}.activity.lock", "{1}/.mailbox.activity.lock")
"""What the Rust version keeps next to its database ({0}), or in its folder ({1})."""
SEE = "agentlock doctor"
_HEADER = b"SQLite format 3\0"

_PROJECTS = "SELECT id, human_key FROM projects"
_LIVE = """
SELECT id, CAST(path_pattern AS BLOB) FROM file_reservations
WHERE project_id IN ({}) AND released_ts IS NULL
    AND (expires_ts > ? OR typeof(expires_ts) <> 'text')
"""
_RESERVATIONS = """
SELECT f.id, a.name, CAST(f.path_pattern AS BLOB), f.exclusive, f.reason, f.created_ts,
    f.expires_ts, a.last_active_ts,
    CASE WHEN a.last_active_ts > ? THEN '' ELSE max(
        coalesce((SELECT max(m.created_ts) FROM messages AS m WHERE m.sender_id = a.id), ''),
        coalesce((SELECT max(max(coalesce(r.read_ts, ''), coalesce(r.ack_ts, '')))
            FROM message_recipients AS r WHERE r.agent_id = a.id), '')) END,
    f.project_id
FROM file_reservations AS f JOIN agents AS a ON a.id = f.agent_id
WHERE f.id IN ({}) AND f.released_ts IS NULL ORDER BY f.id
"""
_AGENTS = """
SELECT name, program, model, last_active_ts FROM agents WHERE project_id IN ({}) ORDER BY id
"""
_MESSAGES = """
SELECT id, project_id, sender_id, subject, body_md, created_ts, thread_id, importance, ack_required,
    attachments
FROM messages WHERE project_id IN ({}) ORDER BY id
"""
_RECIPIENTS = """
SELECT r.message_id, r.agent_id, r.kind, r.read_ts, r.ack_ts
FROM message_recipients AS r JOIN messages AS m ON m.id = r.message_id
WHERE m.project_id IN ({}) ORDER BY r.message_id, r.agent_id
"""
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
NEEDED = frozenset(["projects", "agents", "file_reservations", "messages", "message_recipients"])
OF_RUST = frozenset(["file_reservation_releases", "db_identity"])


class AgentMailDatabase:
    """One connection, which waits at most ``timeout`` microseconds. DatabaseError says what fails.

    ``frozen`` opens the file without any lock, and sees what is in the file itself only.
    """

    def __init__(self, path: str, timeout: int, *, frozen: bool = False) -> None:
        self.path = path
        self._timeout = timeout
        refuse_rust(path)
        _require_sqlite(path)
        mode = "ro&immutable=1" if frozen else read_mode(path)
        try:
            self._connection = connect(path, mode, timeout / 1_000_000)
        except driver.Error as error:
            raise self._explained(error) from error

    def close(self) -> None:
        self._connection.close()

    def tables(self) -> set[str]:
        return {name for (name,) in self.rows(_TABLES)}

    def projects(self) -> list[tuple[int, str]]:
        """The id of every project, and the folder that it is about."""
        return [(number, str(key)) for number, key in self.rows(_PROJECTS)]

    def live(self, projects: Sequence[int], now: str) -> list[tuple[Any, ...]]:
        """Id and pattern of the reservations in these projects that nobody released, if live."""
        return self.rows(_LIVE.format(", ".join("?" * len(projects))), (*projects, now))

    def reservations(self, numbers: Sequence[int], active: str) -> list[tuple[Any, ...]]:
        """The rows of these reservations, but for those that were released meanwhile.

        Id, agent, pattern, exclusive, reason, made, ends, the agent's last activity, its last mail
        if that was before ``active``, and the project; the times as they are kept.
        """
        found: list[tuple[Any, ...]] = []
        for chunk in chunks(numbers):
            found += self.rows(_RESERVATIONS.format(", ".join("?" * len(chunk))), (active, *chunk))
        return found

    def names(self) -> list[tuple[int, str]]:
        """The id and name of every agent of every project."""
        return [(number, str(name)) for number, name in self.rows("SELECT id, name FROM agents")]

    def agents(self, projects: Sequence[int]) -> list[tuple[Any, ...]]:
        """Name, program, model and last activity of the agents in these projects."""
        return self._of(_AGENTS, projects)

    def messages(self, projects: Sequence[int]) -> list[tuple[Any, ...]]:
        """The messages in these projects: the columns of ``_MESSAGES``."""
        return self._of(_MESSAGES, projects)

    def recipients(self, projects: Sequence[int]) -> list[tuple[Any, ...]]:
        """For each message and recipient: both numbers, how, when read and when acknowledged."""
        return self._of(_RECIPIENTS, projects)

    def _of(self, statement: str, projects: Sequence[int]) -> list[tuple[Any, ...]]:
        return self.rows(statement.format(", ".join("?" * len(projects))), projects)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(statement, parameters).fetchall()
        except driver.Error as error:
            raise self._explained(error) from error
        return rows

    def _explained(self, error: Exception) -> DatabaseError:
        if is_busy(error):
            return DatabaseUnreachableError(
                f"Agent Mail's database {self.path} stayed locked by another process for "
                f"{self._timeout / 1_000_000:g} s, so nobody knows what its agents hold",
                fix="try again",
            )
        said = str(error)
        if "no such table" in said or "no such column" in said:
            return unknown_schema(self.path, said)
        return DatabaseError(
            f"Agent Mail's database {self.path} cannot be read ({said}), so nobody knows what its "
            "agents hold",
            see=SEE,
        )


def unknown_schema(path: str, said: str) -> DatabaseError:
    return DatabaseError(
        f"{path} is not a database of an MCP Agent Mail that this version of agentlock knows "
        f"({said})",
        see=SEE,
    )


def is_of_rust(folder: str) -> bool:
    """Whether the Rust version keeps its archive here: the files next to it show that."""
    database = os.path.join(folder, "storage.sqlite3")
    return os.path.lexists(database) or _has_marks(database)


def refuse_rust(path: str) -> None:
    """DatabaseError if the database is that of the Rust version, which must not be opened."""
    if _has_marks(path):
        raise DatabaseError(
            f"{path} is the live database of Agent Mail's Rust version, which no other program "
            "may open; its archive can be read",
            fix="agentlock init --agent-mail ARCHIVE, the folder that has `projects`",
        )


def _has_marks(database: str) -> bool:
    folder = os.path.dirname(database)
    return any(os.path.lexists(mark.format(database, folder)) for mark in _MARKS)


def _require_sqlite(path: str) -> None:
    try:
        with open(path, "rb") as file:
            header = file.read(len(_HEADER))
    except FileNotFoundError:
        raise DatabaseError(
            f"the Agent Mail at {path} is missing, so nobody knows what its agents hold",
            fix="put it back, or ask whoever runs this project",
        ) from None
    except (OSError, ValueError) as error:
        raise DatabaseError(
            f"Agent Mail's database {path} cannot be read ({error}), so nobody knows what its "
            "agents hold",
            see=SEE,
        ) from error
    if header != _HEADER:
        raise DatabaseError(f"{path} is not an SQLite database", see=SEE)
