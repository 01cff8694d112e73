-- The same as ../sqlite/0021.sql.

ALTER TABLE conversations ADD COLUMN tools INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN errors INTEGER NOT NULL DEFAULT 0;
