"""Examine a database without changing it: find what opening it for a verdict does not show."""

from __future__ import annotations

from agentlock.store.sqlite import require_database_file
from agentlock.store.sqlite.files import opened

INTEGRITY = "PRAGMA integrity_check(5)"
FOREIGN_KEYS = "PRAGMA foreign_key_check"
# Rows get the time of the moment: one from the future means that the clock was set back.
NEWEST = """
SELECT max(ts) FROM (
    SELECT max(created_ts) AS ts FROM file_reservations
    UNION ALL SELECT created_ts FROM events WHERE id = (SELECT max(id) FROM events)
    UNION ALL SELECT max(last_active_ts) FROM agents
)
"""


def faults(path: str, *, timeout: int) -> list[str]:
    """What SQLite finds wrong with the file, one sentence each; DatabaseError if it cannot look."""
    require_database_file(path)
    with opened(path, timeout, mode="ro") as connection:
        found = [str(row[0]) for row in connection.execute(INTEGRITY).fetchall() if row[0] != "ok"]
        orphans = connection.execute(FOREIGN_KEYS).fetchall()
    if orphans:
        found.append(f"{len(orphans)} rows refer to rows that are missing")
    return found


def newest(path: str, *, timeout: int) -> int:
    """When the newest row was written, in microseconds since the epoch; 0 if there is none."""
    require_database_file(path)
    with opened(path, timeout, mode="ro") as connection:
        (moment,) = connection.execute(NEWEST).fetchone()
    return moment if isinstance(moment, int) else 0
