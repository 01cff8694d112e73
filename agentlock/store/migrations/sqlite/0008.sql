-- The ledger: which commits were judged when they were made, and let pass. A row without `how` is
-- from an earlier version, and says only who made the commit. `origin` is the commit that a replay
-- was made from, `patch` the digest of the exact change (git/patches.py), `fence` the project's
-- last fence when the change was judged.

ALTER TABLE commits ADD COLUMN how TEXT;
ALTER TABLE commits ADD COLUMN origin TEXT;
ALTER TABLE commits ADD COLUMN patch TEXT;
ALTER TABLE commits ADD COLUMN base TEXT NOT NULL DEFAULT '';
ALTER TABLE commits ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE commits ADD COLUMN reason TEXT NOT NULL DEFAULT '';

CREATE INDEX commits_by_exact_patch ON commits (project_id, patch) WHERE patch IS NOT NULL;
CREATE INDEX commits_by_origin ON commits (project_id, origin) WHERE origin IS NOT NULL;
CREATE INDEX commits_from_before ON commits (project_id) WHERE how = 'before';

-- A skip is noted here, because it must not be lost; all other notes are lines of a file.

CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    line TEXT NOT NULL
);

CREATE INDEX notes_by_project ON notes (project_id);

-- Which reservations were granted after a change was judged, live or not.

CREATE INDEX file_reservations_by_grant ON file_reservations (project_id, fence);

ALTER TABLE projects ADD COLUMN protected TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN landing TEXT NOT NULL DEFAULT 'made'
    CHECK (landing IN ('made', 'now'));

DROP INDEX events_of_interventions;
CREATE INDEX events_of_interventions ON events (project_id, created_ts)
    WHERE kind IN ('policy', 'force-released', 'skipped', 'restored', 'moved', 'started-afresh',
        'owner-key', 'revoked');
