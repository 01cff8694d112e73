-- Tables keep the names of the coordination databases that this one grew from, so that their
-- queries run here. Times are microseconds since the epoch, UTC. Patterns are bytes kept as text:
-- git's paths need not be UTF-8.

CREATE TABLE database_identity (
    id TEXT NOT NULL,
    created_ts INTEGER NOT NULL
);

CREATE TABLE projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    human_key TEXT NOT NULL UNIQUE,
    slug TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    last_fence INTEGER NOT NULL DEFAULT 0,
    enforcement TEXT NOT NULL DEFAULT 'block' CHECK (enforcement IN ('block', 'warn')),
    require_reservation INTEGER NOT NULL DEFAULT 0 CHECK (require_reservation IN (0, 1)),
    exempt TEXT NOT NULL DEFAULT '',
    max_ttl INTEGER NOT NULL DEFAULT 86400000000 CHECK (max_ttl >= 60000000),
    allow_skip INTEGER NOT NULL DEFAULT 1 CHECK (allow_skip IN (0, 1))
);

CREATE TABLE agents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    program TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    registered_ts INTEGER NOT NULL,
    last_active_ts INTEGER NOT NULL,
    UNIQUE (project_id, name)
);

CREATE TABLE file_reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    path_pattern TEXT NOT NULL,
    typed_pattern TEXT NOT NULL,
    -- What the pattern is found by, case folded and composed. A path can match it only where
    -- prefix_key is the path or an ancestor, and name_key its last name, its *.extension or *.
    prefix_key TEXT NOT NULL,
    name_key TEXT NOT NULL,
    extension_key TEXT NOT NULL,
    exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    reason TEXT NOT NULL DEFAULT '',
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL,
    released_ts INTEGER,
    fence INTEGER NOT NULL,
    expiry_logged INTEGER NOT NULL DEFAULT 0 CHECK (expiry_logged IN (0, 1))
);

CREATE INDEX file_reservations_by_prefix
    ON file_reservations (project_id, prefix_key, name_key, extension_key, expires_ts)
    WHERE released_ts IS NULL;

CREATE INDEX file_reservations_by_name
    ON file_reservations (project_id, extension_key, name_key, prefix_key, expires_ts)
    WHERE released_ts IS NULL;

CREATE INDEX file_reservations_by_fence
    ON file_reservations (project_id, fence)
    WHERE released_ts IS NULL;

CREATE INDEX file_reservations_by_agent
    ON file_reservations (agent_id, expires_ts)
    WHERE released_ts IS NULL;

CREATE INDEX file_reservations_expiry_unseen
    ON file_reservations (project_id, expires_ts)
    WHERE released_ts IS NULL AND expiry_logged = 0;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    sender_id INTEGER REFERENCES agents (id),
    recipient_id INTEGER REFERENCES agents (id),
    thread_id TEXT,
    subject TEXT NOT NULL,
    body_md TEXT NOT NULL,
    created_ts INTEGER NOT NULL
);

CREATE INDEX messages_by_recipient ON messages (recipient_id, created_ts);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    created_ts INTEGER NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    reservation_id INTEGER REFERENCES file_reservations (id),
    path_pattern TEXT,
    detail TEXT NOT NULL DEFAULT ''
);

CREATE INDEX events_by_reservation ON events (reservation_id) WHERE reservation_id IS NOT NULL;

CREATE TRIGGER events_are_not_rewritten BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;
