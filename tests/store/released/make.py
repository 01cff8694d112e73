"""Write down each schema as a small database of its own: python tests/store/released/make.py.

What is there already is never made again: it stands for tables that people have.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from agentlock.store.base import APPLICATION_ID
from agentlock.store.migrations import steps

FOLDER = Path(__file__).parent
MIDNIGHT = 1_767_225_600_000_000  # 2026-01-01
YEAR_2100 = 4_102_444_800_000_000
# BlueLake holds src/, has given up docs/*.md, and GreenHill was refused.
ROWS = f"""
INSERT INTO database_identity (id, created_ts) VALUES ('released', {MIDNIGHT});
INSERT INTO projects (human_key, slug, created_ts, last_fence, max_ttl)
    VALUES ('example.com/project', 'project', {MIDNIGHT}, 2, 28800000000);
INSERT INTO agents (project_id, name, registered_ts, last_active_ts)
    VALUES (1, 'BlueLake', {MIDNIGHT}, {MIDNIGHT}), (1, 'GreenHill', {MIDNIGHT}, {MIDNIGHT});
INSERT INTO file_reservations (project_id, agent_id, path_pattern, typed_pattern, prefix_key,
    name_key, extension_key, exclusive, reason, created_ts, expires_ts, released_ts, fence) VALUES
    (1, 1, '/src/', 'src/', 'src', '*', '*', 1, 'bd-42', {MIDNIGHT}, {YEAR_2100}, NULL, 1),
    (1, 1, '/docs/*.md', 'docs/*.md', 'docs', '*.md', '.md', 0, '', {MIDNIGHT}, {YEAR_2100},
        {MIDNIGHT}, 2);
INSERT INTO events (project_id, created_ts, kind, agent, reservation_id, path_pattern, detail)
    VALUES (1, {MIDNIGHT}, 'granted', 'BlueLake', 1, '/src/', 'bd-42'),
    (1, {MIDNIGHT}, 'granted', 'BlueLake', 2, '/docs/*.md', ''),
    (1, {MIDNIGHT}, 'released', 'BlueLake', 2, '/docs/*.md', ''),
    (1, {MIDNIGHT}, 'refused', 'GreenHill', NULL, '/src/x.py', 'meets reservation 1 of BlueLake');
"""  # noqa: S608 -- of constants
MESSAGE = f"""
INSERT INTO messages (project_id, sender_id, recipient_id, subject, body_md, created_ts)
    VALUES (1, 2, 1, 'hello', 'are you done?', {MIDNIGHT});
"""  # noqa: S608 -- of constants
# GreenHill asked a question, which BlueLake has not read.
MAIL = f"""
INSERT INTO messages (project_id, sender_id, subject, body_md, created_ts, reservation_id)
    VALUES (1, 2, 'hello', 'are you done?', {MIDNIGHT}, 1);
INSERT INTO message_recipients (project_id, message_id, agent_id) VALUES (1, 1, 1);
INSERT INTO tickets (id, project_id, from_agent_id, to_agent_id, created_ts, expires_ts)
    VALUES (1, 1, 2, 1, {MIDNIGHT}, {YEAR_2100});
"""  # noqa: S608 -- of constants
FIRST_WITH_READING, FIRST_WITH_MAIL = 5, 12
# What a schema has that those before it had not.
MORE_ROWS = {
    2: f"""INSERT INTO commits (project_id, oid, patch_id, agent, created_ts)
        VALUES (1, '{"1" * 40}', '{"2" * 40}', 'BlueLake', {MIDNIGHT});""",  # noqa: S608
    3: "UPDATE projects SET retention = 7776000000000;",
    4: "UPDATE database_identity SET owner_key = 'sha256:0';",
    FIRST_WITH_READING: "UPDATE messages SET reservation_id = 1, read_ts = NULL;",
    7: "UPDATE agents SET worktree = '/w1', branch = 'main', host = 'h', process = 7;"
    "UPDATE agents SET located_ts = registered_ts; UPDATE file_reservations SET worktree = '/w1';",
    8: f"""UPDATE projects SET protected = 'release/*', landing = 'now';
        INSERT INTO commits (project_id, oid, agent, how, origin, created_ts)
        VALUES (1, '{"3" * 40}', 'BlueLake', 'allowed', '{"3" * 40}', {MIDNIGHT});
        INSERT INTO notes (project_id, line) VALUES (1, 'a note');""",  # noqa: S608
    10: "UPDATE agents SET seen_event = 3;",
    11: "UPDATE commits SET void_paths = '612f62' WHERE how = 'allowed';",
    14: "UPDATE messages SET while_live = 1;",
    15: f"""UPDATE projects SET offer = 60000000, max_hold = 3600000000, idle_limit = 60000000;
        INSERT INTO waits (project_id, agent_id, exclusive, created_ts, expires_ts, fence, ttl,
            queued, behind_reservation, due_ts)
        VALUES (1, 2, 1, {MIDNIGHT}, {YEAR_2100}, 2, 3600000000, 1, 1, {YEAR_2100});
        INSERT INTO wait_patterns (project_id, wait_id, path_pattern, typed_pattern, prefix_key,
            name_key, extension_key, fence)
        VALUES (1, 1, '/src/x.py', 'src/x.py', 'src/x.py', 'x.py', '.py', 2);""",  # noqa: S608
}


def make(path: Path, schema: int) -> None:
    """A database as it was when this schema was the newest."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for number, script in steps("sqlite")[:schema]:
            connection.executescript(f"{script}\nPRAGMA user_version = {number};")
        connection.executescript(ROWS + (MAIL if schema >= FIRST_WITH_MAIL else MESSAGE))
        for number in range(2, schema + 1):
            if number != FIRST_WITH_READING or schema < FIRST_WITH_MAIL:
                connection.executescript(MORE_ROWS.get(number, ""))


if __name__ == "__main__":
    for newest, _ in steps("sqlite"):
        file = FOLDER / f"schema-{newest}.sqlite3"
        if not file.exists():
            make(file, newest)
