-- The same as ../sqlite/0011.sql.

ALTER TABLE commits ADD COLUMN void_paths TEXT NOT NULL DEFAULT '';
