-- The same as ../sqlite/0005.sql.

ALTER TABLE messages ADD COLUMN read_ts BIGINT;
ALTER TABLE messages ADD COLUMN reservation_id BIGINT;
UPDATE messages SET read_ts = created_ts;

CREATE INDEX messages_unread ON messages (recipient_id) WHERE read_ts IS NULL;
CREATE INDEX messages_by_time ON messages (project_id, created_ts);
