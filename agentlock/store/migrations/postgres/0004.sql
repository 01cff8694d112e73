-- The same as ../sqlite/0004.sql.

ALTER TABLE database_identity ADD COLUMN owner_key TEXT;

CREATE INDEX events_of_interventions ON events (project_id, created_ts)
    WHERE kind IN ('policy', 'force-released', 'skipped', 'restored', 'moved', 'started-afresh',
        'owner-key');
