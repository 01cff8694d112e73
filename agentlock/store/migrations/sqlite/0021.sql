-- Tools that have ended in a session since its last compaction, and how many of them failed.

ALTER TABLE conversations ADD COLUMN tools INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN errors INTEGER NOT NULL DEFAULT 0;
