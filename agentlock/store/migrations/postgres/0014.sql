-- The same as ../sqlite/0014.sql.

ALTER TABLE messages ADD COLUMN while_live INTEGER NOT NULL DEFAULT 0
    CHECK (while_live IN (0, 1));
