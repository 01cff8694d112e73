-- A message that is told only while the reservation that it is about is live.

ALTER TABLE messages ADD COLUMN while_live INTEGER NOT NULL DEFAULT 0
    CHECK (while_live IN (0, 1));
