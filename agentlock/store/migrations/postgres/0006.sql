-- The same as ../sqlite/0006.sql.

ALTER TABLE projects ADD COLUMN stale TEXT NOT NULL DEFAULT 'note'
    CHECK (stale IN ('note', 'refuse', 'off'));
