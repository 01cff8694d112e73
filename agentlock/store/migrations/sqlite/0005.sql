-- When a message was read, and the reservation that it is about, which may have been pruned: so it
-- refers to none. What was there before was shown for a day, and is not told again.

ALTER TABLE messages ADD COLUMN read_ts INTEGER;
ALTER TABLE messages ADD COLUMN reservation_id INTEGER;
UPDATE messages SET read_ts = created_ts;

CREATE INDEX messages_unread ON messages (recipient_id) WHERE read_ts IS NULL;
CREATE INDEX messages_by_time ON messages (project_id, created_ts);
