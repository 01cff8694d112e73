-- Sessions: one run of an agent's program. Names and columns follow the database that these grew from.

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    program TEXT NOT NULL,
    program_session TEXT NOT NULL,
    process INTEGER,
    host TEXT NOT NULL DEFAULT '',
    worktree TEXT NOT NULL DEFAULT '',
    transcript TEXT NOT NULL DEFAULT '',
    started_ts INTEGER NOT NULL,
    last_active_ts INTEGER NOT NULL,
    ended_ts INTEGER,
    UNIQUE (project_id, program, program_session)
);

CREATE INDEX conversations_open ON conversations (project_id, id) WHERE ended_ts IS NULL;
CREATE INDEX conversations_by_agent ON conversations (agent_id, started_ts);
CREATE INDEX conversations_by_end ON conversations (project_id, ended_ts)
    WHERE ended_ts IS NOT NULL;

-- `size` is in characters; `content` is kept only with the policy `keep_turns text`.

CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    role TEXT NOT NULL,
    size INTEGER NOT NULL,
    tokens INTEGER,
    content TEXT,
    created_ts INTEGER NOT NULL
);

CREATE INDEX turns_by_conversation ON turns (conversation_id, id);
CREATE INDEX turns_by_age ON turns (project_id, created_ts);

-- What a session was given at its start: `files` one a line.

CREATE TABLE bootstrap_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    source TEXT NOT NULL,
    files TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    duration INTEGER,
    created_ts INTEGER NOT NULL
);

CREATE INDEX bootstrap_history_by_conversation ON bootstrap_history (conversation_id, created_ts);

CREATE TABLE compaction_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    started_by TEXT NOT NULL,
    turns INTEGER NOT NULL,
    tokens INTEGER,
    errors INTEGER NOT NULL DEFAULT 0,
    created_ts INTEGER NOT NULL
);

CREATE INDEX compaction_metrics_by_conversation ON compaction_metrics (conversation_id, created_ts);

ALTER TABLE projects ADD COLUMN keep_turns TEXT NOT NULL DEFAULT 'counts'
    CHECK (keep_turns IN ('off', 'counts', 'text'));
