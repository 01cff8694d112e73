-- Automatic reservations: made before an edit, they end by themselves. `head` is the commit that was
-- checked out then: what has come since may have committed the file.

ALTER TABLE file_reservations ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0
    CHECK (automatic IN (0, 1));
ALTER TABLE file_reservations ADD COLUMN head TEXT NOT NULL DEFAULT '';
ALTER TABLE file_reservations ADD COLUMN stale_looked INTEGER NOT NULL DEFAULT 0
    CHECK (stale_looked IN (0, 1));

CREATE INDEX file_reservations_automatic ON file_reservations (project_id, agent_id)
    WHERE automatic = 1 AND released_ts IS NULL;

-- The sessions that edited under an automatic reservation.

CREATE TABLE reservation_sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    reservation_id INTEGER NOT NULL REFERENCES file_reservations (id) ON DELETE CASCADE,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    UNIQUE (reservation_id, conversation_id)
);

CREATE INDEX reservation_sessions_by_conversation ON reservation_sessions (conversation_id);

ALTER TABLE projects ADD COLUMN on_edit TEXT NOT NULL DEFAULT 'reserve'
    CHECK (on_edit IN ('reserve', 'check', 'off'));
ALTER TABLE projects ADD COLUMN edit_ttl INTEGER NOT NULL DEFAULT 1800000000
    CHECK (edit_ttl >= 60000000);
ALTER TABLE projects ADD COLUMN release_on TEXT NOT NULL DEFAULT 'commit'
    CHECK (release_on IN ('commit', 'push'));
