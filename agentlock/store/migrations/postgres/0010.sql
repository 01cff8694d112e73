-- The same as ../sqlite/0010.sql.

ALTER TABLE agents ADD COLUMN seen_event BIGINT NOT NULL DEFAULT 0;
