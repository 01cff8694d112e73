-- The hash of the key that a person has to give for what weakens the guard; NULL: nobody is asked.
-- What was done with it is shown to every agent, and found however many events there are.

ALTER TABLE database_identity ADD COLUMN owner_key TEXT;

CREATE INDEX events_of_interventions ON events (project_id, created_ts)
    WHERE kind IN ('policy', 'force-released', 'skipped', 'restored', 'moved', 'started-afresh',
        'owner-key');
