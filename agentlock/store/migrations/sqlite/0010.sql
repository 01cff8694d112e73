-- The newest event that `status` has shown to an agent.

ALTER TABLE agents ADD COLUMN seen_event INTEGER NOT NULL DEFAULT 0;
