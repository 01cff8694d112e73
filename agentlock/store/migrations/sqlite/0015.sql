-- The queue: a row of waits is a place, and it is live until ended_ts is set. `fence` is the place's
-- number, `ttl` the lease that is asked for. `bell` names the process that waits in the foreground
-- ('': none), and only a `queued` place outlives that process. `behind_wait` or
-- `behind_reservation` is one row that blocks the place, and `due_ts` is when that row or the place
-- itself runs out; 0: the row has ended, so the place must be tested again. `folding` is how its
-- asker compares names: 1 for case, 2 for composition, 4 for all letters.

CREATE TABLE waits (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    agent_id INTEGER NOT NULL REFERENCES agents (id),
    exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    reason TEXT NOT NULL DEFAULT '',
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    ttl INTEGER NOT NULL,
    worktree TEXT NOT NULL DEFAULT '',
    folding INTEGER NOT NULL DEFAULT 0,
    queued INTEGER NOT NULL CHECK (queued IN (0, 1)),
    bell TEXT NOT NULL DEFAULT '',
    behind_wait INTEGER,
    behind_reservation INTEGER,
    due_ts INTEGER NOT NULL,
    ended_ts INTEGER,
    outcome TEXT NOT NULL DEFAULT ''
);

CREATE INDEX waits_by_fence ON waits (project_id, fence) WHERE ended_ts IS NULL;
CREATE INDEX waits_due ON waits (project_id, due_ts) WHERE ended_ts IS NULL;
CREATE INDEX waits_by_expiry ON waits (project_id, expires_ts) WHERE ended_ts IS NULL;
CREATE INDEX waits_behind_held ON waits (project_id, behind_reservation)
    WHERE ended_ts IS NULL AND behind_reservation IS NOT NULL;
CREATE INDEX waits_by_agent ON waits (agent_id) WHERE ended_ts IS NULL;
CREATE INDEX waits_behind_wait ON waits (behind_wait) WHERE ended_ts IS NULL;
CREATE INDEX waits_behind_reservation ON waits (behind_reservation) WHERE ended_ts IS NULL;
CREATE INDEX waits_by_bell ON waits (project_id, bell) WHERE ended_ts IS NULL;
CREATE INDEX waits_by_end ON waits (project_id, ended_ts) WHERE ended_ts IS NOT NULL;

-- What a place asks for. The keys are those of file_reservations; fence, ended: those of its place.

CREATE TABLE wait_patterns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    wait_id INTEGER NOT NULL REFERENCES waits (id),
    path_pattern TEXT NOT NULL,
    typed_pattern TEXT NOT NULL,
    prefix_key TEXT NOT NULL,
    name_key TEXT NOT NULL,
    extension_key TEXT NOT NULL,
    fence INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1))
);

CREATE INDEX wait_patterns_by_wait ON wait_patterns (wait_id);
CREATE INDEX wait_patterns_by_prefix
    ON wait_patterns (project_id, prefix_key, name_key, extension_key, fence) WHERE ended = 0;
CREATE INDEX wait_patterns_by_name
    ON wait_patterns (project_id, extension_key, name_key, prefix_key, fence) WHERE ended = 0;

-- A hand-over is a reservation with the place that it came from; an offer until its agent takes it.

ALTER TABLE file_reservations ADD COLUMN offer INTEGER NOT NULL DEFAULT 0 CHECK (offer IN (0, 1));
ALTER TABLE file_reservations ADD COLUMN wait_id INTEGER;
ALTER TABLE file_reservations ADD COLUMN waiting_told INTEGER NOT NULL DEFAULT 0
    CHECK (waiting_told IN (0, 1));

CREATE INDEX file_reservations_offers ON file_reservations (agent_id)
    WHERE offer = 1 AND released_ts IS NULL;
CREATE INDEX file_reservations_by_wait ON file_reservations (wait_id) WHERE wait_id IS NOT NULL;

ALTER TABLE projects ADD COLUMN max_hold INTEGER CHECK (max_hold >= 60000000);
ALTER TABLE projects ADD COLUMN offer INTEGER NOT NULL DEFAULT 300000000
    CHECK (offer >= 1000000);
ALTER TABLE projects ADD COLUMN idle_limit INTEGER NOT NULL DEFAULT 900000000
    CHECK (idle_limit >= 60000000);

DROP INDEX events_of_interventions;
CREATE INDEX events_of_interventions ON events (project_id, created_ts)
    WHERE kind IN ('policy', 'force-released', 'skipped', 'restored', 'moved', 'started-afresh',
        'owner-key', 'revoked', 'force-left');
