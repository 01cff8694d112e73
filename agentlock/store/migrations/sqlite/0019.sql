-- Templates: what an agent of one kind is started with. `command`, `bootstrap` (files that it is
-- given at its start) and `patterns` (what it reserves) are lists in JSON. `ttl`: NULL for the
-- short lease of `agentlock run`.

CREATE TABLE agent_configs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT '',
    program TEXT NOT NULL DEFAULT '',
    command TEXT NOT NULL,
    bootstrap TEXT NOT NULL DEFAULT '[]',
    patterns TEXT NOT NULL DEFAULT '[]',
    ttl INTEGER CHECK (ttl >= 60000000),
    created_ts INTEGER NOT NULL,
    updated_ts INTEGER NOT NULL,
    UNIQUE (project_id, name)
);

-- Teams: `members` is an object in JSON, the template of each agent by the agent's name.

CREATE TABLE teams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    members TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    updated_ts INTEGER NOT NULL,
    UNIQUE (project_id, name)
);

ALTER TABLE agents ADD COLUMN template TEXT NOT NULL DEFAULT '';
