"""Every SQL statement of the SQLite store, by name.

Patterns are bytes: they are bound as blobs and cast to text, so that the table reads well in any
SQLite client and a name that is not UTF-8 survives.
"""

from __future__ import annotations

APPLICATION_ID = 0x41474C4B  # "AGLK": tells our files from other SQLite databases
SCHEMA_VERSION = 4

READ_IDENTITY = "SELECT id FROM database_identity"
WRITE_IDENTITY = "INSERT INTO database_identity (id, created_ts) VALUES (?, ?)"
RENAME_DATABASE = "UPDATE database_identity SET id = ?"
READ_OWNER_KEY = "SELECT owner_key FROM database_identity"
WRITE_OWNER_KEY = "UPDATE database_identity SET owner_key = ?"

READ_PROJECT = "SELECT id FROM projects WHERE human_key = ?"
READ_PROJECTS = "SELECT human_key FROM projects ORDER BY id"
WRITE_PROJECT = "INSERT INTO projects (human_key, slug, created_ts) VALUES (?, ?, ?)"
READ_POLICY = """
SELECT enforcement, require_reservation, CAST(exempt AS BLOB), max_ttl, allow_skip, retention
FROM projects WHERE id = ?
"""
WRITE_POLICY = """
UPDATE projects
SET enforcement = ?, require_reservation = ?, exempt = CAST(? AS TEXT), max_ttl = ?,
    allow_skip = ?, retention = ?
WHERE id = ?
"""
NEXT_FENCE = "UPDATE projects SET last_fence = last_fence + 1 WHERE id = ?"
READ_FENCE = "SELECT last_fence FROM projects WHERE id = ?"

READ_AGENT_ID = "SELECT id FROM agents WHERE project_id = ? AND name = ?"
WRITE_AGENT = """
INSERT INTO agents (project_id, name, program, model, registered_ts, last_active_ts)
VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (project_id, name) DO UPDATE SET
    last_active_ts = CASE WHEN excluded.last_active_ts > agents.last_active_ts
        THEN excluded.last_active_ts ELSE agents.last_active_ts END,
    program = CASE excluded.program WHEN '' THEN agents.program ELSE excluded.program END,
    model = CASE excluded.model WHEN '' THEN agents.model ELSE excluded.model END
"""
READ_AGENTS = """
SELECT name, program, model, registered_ts, last_active_ts
FROM agents WHERE project_id = ? ORDER BY name
"""

_RESERVATION = """
SELECT r.id, a.name, CAST(r.path_pattern AS BLOB), r.exclusive, r.reason, r.created_ts,
    r.expires_ts, r.released_ts, r.fence, CAST(r.typed_pattern AS BLOB)
FROM file_reservations AS r {index} JOIN agents AS a ON a.id = r.agent_id
WHERE r.project_id = ?
"""
_LIVE_WHERE = " AND r.released_ts IS NULL AND r.expires_ts > ?"
# The planner, left alone, may start from the agents table and read every row of each.
_LIVE = _RESERVATION.format(index="INDEXED BY file_reservations_by_prefix") + _LIVE_WHERE
_LIVE_BY_NAME = _RESERVATION.format(index="INDEXED BY file_reservations_by_name") + _LIVE_WHERE
_LIVE_BY_FENCE = _RESERVATION.format(index="INDEXED BY file_reservations_by_fence") + _LIVE_WHERE
_ALL = _RESERVATION.format(index="")
_OF_AGENT = (
    _RESERVATION.format(index="INDEXED BY file_reservations_by_agent")
    + " AND r.released_ts IS NULL"
)
_NAMED = "a.project_id = r.project_id AND a.name = ?"


_BELOW = "r.prefix_key >= CAST(? AS TEXT) AND r.prefix_key < CAST(? AS TEXT)"


def _in(column: str, count: int) -> str:
    return f"r.{column} IN ({', '.join(['CAST(? AS TEXT)'] * count)})"


def _among(column: str, count: int) -> str:
    return f" AND {_in(column, count)}" if count else ""


def _ending(names: int, extensions: int) -> str:
    return _among("name_key", names) + _among("extension_key", extensions)


def live_on(prefixes: int, names: int, extensions: int = 0) -> str:
    """Parameters: project, now, the prefixes, the names, the extensions (none: any)."""
    return _LIVE + _among("prefix_key", prefixes) + _ending(names, extensions)


def live_below(names: int, extensions: int) -> str:
    """Parameters: project, now, first prefix, prefix past the last, the names, the extensions."""
    return f"{_LIVE} AND {_BELOW}{_ending(names, extensions)}"


def live_anywhere(names: int, extensions: int) -> str:
    """Parameters: project, now, the names, the extensions."""
    return _LIVE_BY_NAME + _ending(names, extensions)


# Parameters: project, now, how many at most
LIVE_PREFIXES = """
SELECT CAST(r.prefix_key AS BLOB) FROM file_reservations AS r
INDEXED BY file_reservations_by_prefix WHERE r.project_id = ?
    AND r.released_ts IS NULL AND r.expires_ts > ?
GROUP BY r.prefix_key LIMIT ?
"""
LIVE_OF_OTHERS = f"{_LIVE} AND r.exclusive = 1 AND a.name <> ? LIMIT 1"
READ_LAST_EVENT = "SELECT coalesce(max(id), 0) FROM events"
_EXTENDED = """ AND r.id IN
    (SELECT reservation_id FROM events WHERE id > ? AND kind IN ('renewed', 'extended'))"""


def live_since(conditions: list[str]) -> str:
    """Parameters: project, now, fence, those of the conditions, of which one must hold."""
    return f"{_LIVE_BY_FENCE} AND r.fence > ?{_any_of(conditions)} ORDER BY r.id"


def extended_since(conditions: list[str]) -> str:
    """Parameters: project, now, event, those of the conditions, of which one must hold."""
    live = _RESERVATION.format(index="NOT INDEXED") + _LIVE_WHERE
    return f"{live}{_EXTENDED}{_any_of(conditions)} ORDER BY r.id"


def near(prefixes: int, names: int, extensions: int, *, below: bool) -> str:
    """That a row is near a pattern, as a condition.

    Parameters: the prefixes (none: any), with ``below`` first prefix and prefix past the last, the
    names, the extensions.
    """
    conditions = [_in("prefix_key", prefixes)] if prefixes else []
    if below:
        conditions = [f"({conditions[0]} OR {_BELOW})"]
    for column, count in (("name_key", names), ("extension_key", extensions)):
        conditions += [_in(column, count)] if count else []
    return " AND ".join(conditions)


def _any_of(conditions: list[str]) -> str:
    return f" AND ({' OR '.join(f'({one})' for one in conditions)})" if conditions else ""


LIVE = f"{_LIVE} ORDER BY r.id"
# Parameters: project, now, prefix, name, extension, agent, pattern
LIVE_OF_PATTERN = f"""{_LIVE}
    AND r.prefix_key = CAST(? AS TEXT) AND r.name_key = CAST(? AS TEXT)
    AND r.extension_key = CAST(? AS TEXT) AND a.name = ? AND r.path_pattern = CAST(? AS TEXT)"""
LIVE_OF_AGENT = f"{_OF_AGENT} AND r.expires_ts > ? AND {_NAMED} ORDER BY r.id"
ALL_RESERVATIONS = f"{_ALL} ORDER BY r.id"
ALL_OF_AGENT = f"{_ALL} AND a.name = ? ORDER BY r.id"
UNRELEASED = f"{_ALL} AND r.released_ts IS NULL ORDER BY r.id"
UNRELEASED_OF_AGENT = f"{_OF_AGENT} AND {_NAMED} ORDER BY r.id"
RESERVATION = f"{_ALL} AND r.id = ?"
READ_KEYS = """
SELECT r.id, CAST(r.prefix_key AS BLOB), CAST(r.name_key AS BLOB), CAST(r.extension_key AS BLOB)
FROM file_reservations AS r WHERE r.project_id = ? AND r.released_ts IS NULL AND r.expires_ts > ?
"""

WRITE_RESERVATION = """
INSERT INTO file_reservations (project_id, agent_id, path_pattern, typed_pattern,
    prefix_key, name_key, extension_key, exclusive, reason, created_ts, expires_ts, fence)
VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT),
    CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?)
"""
CHANGE_RESERVATION = """
UPDATE file_reservations
SET exclusive = ?, reason = ?, expires_ts = ?, released_ts = ?, fence = ?, expiry_logged = 0
WHERE id = ?
"""

CHANGE_KEYS = """
UPDATE file_reservations SET prefix_key = CAST(? AS TEXT), name_key = CAST(? AS TEXT),
    extension_key = CAST(? AS TEXT) WHERE id = ?
"""
RAISE_FENCE = "UPDATE projects SET last_fence = ? WHERE id = ? AND last_fence < ?"

READ_EXPIRY_UNSEEN = """
SELECT r.id, a.name, CAST(r.path_pattern AS BLOB), r.expires_ts
FROM file_reservations AS r INDEXED BY file_reservations_expiry_unseen
    JOIN agents AS a ON a.id = r.agent_id
WHERE r.project_id = ? AND r.released_ts IS NULL AND r.expiry_logged = 0 AND r.expires_ts <= ?
ORDER BY r.expires_ts LIMIT 20
"""
MARK_EXPIRY_SEEN = "UPDATE file_reservations SET expiry_logged = 1 WHERE id = ?"

WRITE_EVENT = """
INSERT INTO events (project_id, created_ts, kind, agent, reservation_id, path_pattern, detail)
VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT), ?)
"""
_EVENTS = """
SELECT id, created_ts, kind, agent, reservation_id, CAST(path_pattern AS BLOB), detail
FROM events {index} WHERE project_id = ? AND id > ?
"""


def read_events(*, since: bool, agent: bool, reservation: bool) -> str:
    """Parameters: project, after which event; those that are asked for, in order; how many."""
    text = _EVENTS.format(index="INDEXED BY events_by_reservation" if reservation else "")
    for condition, asked in (
        ("created_ts >= ?", since),
        ("agent = ?", agent),
        ("reservation_id = ?", reservation),
    ):
        text += f" AND {condition}" if asked else ""
    return f"{text} ORDER BY id DESC LIMIT ?"


# The kinds as in the index that finds them. Parameters: project, since when
READ_INTERVENTIONS = """
SELECT id, created_ts, kind, agent, reservation_id, CAST(path_pattern AS BLOB), detail
FROM events INDEXED BY events_of_interventions WHERE project_id = ? AND created_ts >= ?
    AND kind IN ('policy', 'force-released', 'skipped', 'restored', 'moved', 'started-afresh',
        'owner-key')
ORDER BY id
"""
# Parameters: project, from before when, how many
OLDEST_EVENTS = """
SELECT id FROM events WHERE project_id = ? AND created_ts < ? ORDER BY created_ts LIMIT ?
"""
# Of those that ended first only: the events of a later one may take long to go.
OLDEST_ENDED = """
SELECT id FROM (
    SELECT id FROM file_reservations
    WHERE project_id = ? AND coalesce(released_ts, expires_ts) < ?
    ORDER BY coalesce(released_ts, expires_ts) LIMIT ?
) AS ended
WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.reservation_id = ended.id)
"""
_FORGET = {
    "events": "DELETE FROM events WHERE id IN ",
    "file_reservations": "DELETE FROM file_reservations WHERE id IN ",
}


def forget(table: str, count: int) -> str:
    """Parameters: the ids of the rows."""
    return f"{_FORGET[table]}({', '.join('?' * count)})"


WRITE_MESSAGE = """
INSERT INTO messages (project_id, sender_id, recipient_id, subject, body_md, created_ts)
SELECT ?1, (SELECT id FROM agents WHERE project_id = ?1 AND name = ?2),
    (SELECT id FROM agents WHERE project_id = ?1 AND name = ?3), ?4, ?5, ?6
"""
READ_MESSAGES = """
SELECT m.created_ts, coalesce(s.name, ''), m.subject, m.body_md
FROM messages AS m
    JOIN agents AS r ON r.id = m.recipient_id AND r.project_id = m.project_id
    LEFT JOIN agents AS s ON s.id = m.sender_id
WHERE m.project_id = ? AND r.name = ? AND m.created_ts >= ?
ORDER BY m.id
"""

WRITE_COMMIT = """
INSERT INTO commits (project_id, oid, patch_id, agent, created_ts)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

_COMMITS = {
    "oid": "SELECT oid, agent FROM commits WHERE project_id = ? AND oid IN ",
    "patch_id": "SELECT patch_id, agent FROM commits WHERE project_id = ? AND patch_id IN ",
}


def commits_by(column: str, count: int) -> str:
    """Who made these commits, first records first. Parameters: project, the oids or patch ids."""
    return f"{_COMMITS[column]}({', '.join('?' * count)}) ORDER BY created_ts, rowid"


# Copying from one database to another: of constants, whatever the tables' columns are.


def columns_of(table: str) -> str:
    """Name and type are the second and third column."""
    return f"PRAGMA table_info({table})"


def rows_after(table: str, columns: list[str], key: str, *places: str) -> str:
    """Parameters: project, after which key, how many."""
    project, after, most = places
    owner = "id" if table == "projects" else "project_id"
    return (
        f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608
        f" WHERE {owner} = {project} AND {key} > {after} ORDER BY {key} LIMIT {most}"
    )


def insert_into(table: str, columns: list[str], rows: list[list[str]]) -> str:
    """``rows`` are how each parameter is written."""
    values = ", ".join(f"({', '.join(row)})" for row in rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"  # noqa: S608


def go_on_counting(table: str, key: str) -> str:
    """Give no number again that was copied."""
    return f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), max({key})) FROM {table}"  # noqa: S608


# PostgreSQL's own. What is above serves it too, once store/postgres.py has put it into its words.

_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# The history of writing that the server follows: a new one begins where another server takes over.
_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"
POSTGRES_NOW = f"SELECT {_CLOCK}"
POSTGRES_OPEN = """
SELECT i.schema_version, i.id, p.id, CASE WHEN pg_is_in_recovery() THEN 1 ELSE 0 END
FROM database_identity AS i LEFT JOIN projects AS p ON p.human_key = $1
"""
POSTGRES_BEGIN_READING = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {POSTGRES_NOW}"
# A server that is told not to wait for its disk is told to wait for it: a grant outlives a crash.
# The time is read, and the snapshots of all later statements are taken, after the lock was got.
POSTGRES_BEGIN_WRITING = f"""
BEGIN ISOLATION LEVEL READ COMMITTED {{mode}};
SET LOCAL lock_timeout = {{wait}};
SET LOCAL idle_in_transaction_session_timeout = {{thinking}};
SELECT set_config('synchronous_commit', 'on', true)
    WHERE current_setting('synchronous_commit') = 'off';
SELECT pg_advisory_xact_lock({{application}}, {{project}});
SELECT {_CLOCK}, CASE current_setting('transaction_read_only')
    WHEN 'off' THEN pg_current_xact_id()::text ELSE '' END,
    CASE current_setting('transaction_read_only') WHEN 'off' THEN {_TIMELINE} ELSE '' END
"""
# Parameter: the transaction's id. Another database, or a server that took over, counts its own.
POSTGRES_WAS_COMMITTED = f"""
SELECT pg_xact_status($1::xid8), id, {_TIMELINE} FROM database_identity
"""  # noqa: S608 -- of constants
POSTGRES_LAST_EVENT = "SELECT coalesce(max(id), 0) FROM events WHERE project_id = $1"
# Parameters: project, the prefixes, the names; one row at least, with the policy in it
_STANDING = f"""
WITH moment AS MATERIALIZED (SELECT {_CLOCK} AS now)
SELECT moment.now, p.enforcement, p.require_reservation, p.exempt, p.max_ttl, p.allow_skip,
    p.retention, r.id, a.name, r.path_pattern, r.exclusive, r.reason, r.created_ts,
    r.expires_ts, r.released_ts, r.fence, r.typed_pattern
FROM moment CROSS JOIN projects AS p
    LEFT JOIN (file_reservations AS r JOIN agents AS a ON a.id = r.agent_id)
    ON r.project_id = p.id AND r.released_ts IS NULL AND r.expires_ts > moment.now
        AND r.prefix_key = ANY ($2::text::bytea[]){{names}}
WHERE p.id = $1
ORDER BY r.id
"""  # noqa: S608 -- of constants
POSTGRES_STANDING = _STANDING.format(names="")
POSTGRES_STANDING_NAMED = _STANDING.format(names=" AND r.name_key = ANY ($3::text::bytea[])")

POSTGRES_LOCK_SCHEMA = f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, 0)"
POSTGRES_SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
    to_regclass('database_identity')::text
"""
POSTGRES_VERSION = "SELECT schema_version, id FROM database_identity"
POSTGRES_SET_VERSION = "UPDATE database_identity SET schema_version = $1"
POSTGRES_WRITE_IDENTITY = f"""
INSERT INTO database_identity (id, created_ts, schema_version) VALUES ($1, {_CLOCK}, $2)
"""  # noqa: S608 -- of constants
POSTGRES_WRITE_PROJECT = f"""
INSERT INTO projects (human_key, slug, created_ts) VALUES ($1, $2, {_CLOCK})
ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608 -- of constants
POSTGRES_BEGIN_COPYING = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {wait}"
)
POSTGRES_FIND_PROJECT = "SELECT id FROM projects WHERE human_key = $1"
POSTGRES_LOCK_PROJECT = "SELECT pg_advisory_xact_lock($1::int, $2::int)::text"
POSTGRES_COLUMNS = """
SELECT attname, format_type(atttypid, NULL)
FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""
