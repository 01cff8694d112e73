-- Where an agent worked when its last command ran, and where each reservation was made.

ALTER TABLE agents ADD COLUMN worktree TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN branch TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN process INTEGER;
ALTER TABLE agents ADD COLUMN located_ts INTEGER;
ALTER TABLE file_reservations ADD COLUMN worktree TEXT NOT NULL DEFAULT '';
