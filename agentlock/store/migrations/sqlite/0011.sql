-- An entry does not count for these paths (in hex, separated by spaces): somebody else reserved them
-- after they were judged and before the commit was made.

ALTER TABLE commits ADD COLUMN void_paths TEXT NOT NULL DEFAULT '';
