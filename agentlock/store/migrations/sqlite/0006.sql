-- What `reserve` does about a file that another branch has changed and HEAD lacks.

ALTER TABLE projects ADD COLUMN stale TEXT NOT NULL DEFAULT 'note'
    CHECK (stale IN ('note', 'refuse', 'off'));
