"""The schemas: made afresh or migrated they are equal, and both dialects say the same."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from agentlock.store import migrate
from agentlock.store.base import require_schema
from agentlock.store.migrations import schema_version, steps
from agentlock.store.sqlite.filesystem import Modes
from agentlock.table_errors import OlderSchemaError, SchemaError

if TYPE_CHECKING:
    from pathlib import Path

    from support.postgresql import Server

# What SQLite keeps outside its tables: the schema's version is a pragma, a row's place is its own.
# Which processes wait, and when they last gave a sign of life, the kernel knows on SQLite.
ONLY_POSTGRESQL = {
    ("database_identity", "schema_version"),
    ("commits", "rowid"),
    *(("bells", column) for column in ("project_id", "name", "seen_ts")),
}
# SQLite has no index for the last event of one project: its writers exclude each other anyway.
# Its index of words is a table that the search makes.
INDEXES_ONLY_POSTGRESQL = {"events_by_project", "messages_by_words"}
BYTES_KEPT_AS_TEXT = {
    ("projects", "exempt"),
    ("projects", "protected"),
    ("file_reservations", "path_pattern"),
    ("file_reservations", "typed_pattern"),
    ("file_reservations", "prefix_key"),
    ("file_reservations", "name_key"),
    ("file_reservations", "extension_key"),
    ("events", "path_pattern"),
    ("wait_patterns", "path_pattern"),
    ("wait_patterns", "typed_pattern"),
    ("wait_patterns", "prefix_key"),
    ("wait_patterns", "name_key"),
    ("wait_patterns", "extension_key"),
    ("wants", "path_pattern"),
}
KINDS = {"bigint": "INTEGER", "integer": "INTEGER", "text": "TEXT", "bytea": "BYTES"}
POSTGRES_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), a.attnotnull::int
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
    AND NOT a.attisdropped
"""
POSTGRES_EVERYTHING = """
SELECT 'column', table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
    || ' ' || coalesce(column_default, '') || ' ' || coalesce(collation_name, '')
    FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2
"""


def steps_of(dialect: Any) -> list[tuple[int, str]]:
    return steps(dialect)


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_the_migrations_of_each_dialect_count_up_to_the_same_schema(dialect: str) -> None:
    assert [number for number, _ in steps_of(dialect)] == [*range(1, schema_version() + 1)]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_the_schema_of_the_last_migration_is_the_one_that_is_needed(dialect: str) -> None:
    last = schema_version()
    require_schema("it", last, dialect)
    for older in range(last):
        with pytest.raises(OlderSchemaError, match="older"):
            require_schema("it", older, dialect)
    with pytest.raises(SchemaError, match="newer"):
        require_schema("it", last + 1, dialect)


@pytest.mark.parametrize("oldest", range(1, schema_version()))
def test_a_server_migrated_from_any_older_schema_equals_a_fresh_one(
    oldest: int, postgresql: Server
) -> None:
    fresh, old = postgresql.database(), postgresql.database()
    migrate.make(fresh, Modes())
    for number, script in steps_of("postgres")[:oldest]:
        postgresql.run(script, url=old)
        if number == 1:
            insert = "INSERT INTO database_identity VALUES ('x', 1, 1)"
            postgresql.run(insert, url=old)
    postgresql.run(f"UPDATE database_identity SET schema_version = {oldest}", url=old)  # noqa: S608
    assert migrate.migrate(old, "x") == (oldest, schema_version())
    assert migrate.migrate(old, "x") == (schema_version(), schema_version())
    found = postgresql.run(POSTGRES_EVERYTHING, url=old)
    assert len(found) > 60
    assert found == postgresql.run(POSTGRES_EVERYTHING, url=fresh)


def test_both_dialects_have_the_same_tables_columns_and_indexes(
    postgresql: Server, tmp_path: Path
) -> None:
    url, path = postgresql.database(), str(tmp_path / "agentlock.sqlite3")
    migrate.make(url, Modes())
    migrate.make(path, Modes())
    theirs = {
        (table, column): (KINDS[kind], int(required))
        for table, column, kind, required in postgresql.run(POSTGRES_COLUMNS, url=url)
    }
    assert theirs.keys() >= ONLY_POSTGRESQL | BYTES_KEPT_AS_TEXT
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        ours = {
            (table, row[1]): (
                "BYTES" if (table, row[1]) in BYTES_KEPT_AS_TEXT else row[2],
                int(row[3] or row[5] > 0),  # a key is never NULL
            )
            for (table,) in tables
            for row in connection.execute(f"PRAGMA table_info({table})")
        }
        named = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        indexes = {name for (name,) in connection.execute(named)}
    assert {name: kind for name, kind in theirs.items() if name not in ONLY_POSTGRESQL} == ours
    listed = postgresql.run("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'", url=url)
    named_theirs = {name for (name,) in listed if not name.endswith(("_pkey", "_key"))}
    assert named_theirs - INDEXES_ONLY_POSTGRESQL == indexes
