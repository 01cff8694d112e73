-- Wants: edits that were denied lately. A want takes no place in the queue and refuses nobody; it shows
-- who waits for whom without having said so. `told`: its circle was told to its agents.

CREATE TABLE wants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    path_pattern TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
    UNIQUE (project_id, agent_id, path_pattern)
);

CREATE INDEX wants_by_age ON wants (project_id, created_ts);
