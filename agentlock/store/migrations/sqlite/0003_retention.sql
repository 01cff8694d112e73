-- How long, in microseconds, what has ended is kept; NULL: for ever. Found by the moment it ended.

ALTER TABLE projects ADD COLUMN retention INTEGER CHECK (retention >= 3600000000);

CREATE INDEX events_by_time ON events (project_id, created_ts);

CREATE INDEX file_reservations_by_end
    ON file_reservations (project_id, coalesce(released_ts, expires_ts));
