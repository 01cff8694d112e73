-- How long, in microseconds, what has ended is kept; NULL: for ever. Found by the moment it ended.

ALTER TABLE projects ADD COLUMN retention INTEGER CHECK (retention >= 3600000000);

CREATE INDEX events_by_time ON events (project_id, created_ts);

CREATE INDEX file_reservations_by_end
    ON file_reservations (project_id, coalesce(released_ts, expires_ts));

-- expires_ts moves before the key that is not asked for: leases that ran out and that nobody
-- released are as many as the years make them, and are passed over by it.

DROP INDEX file_reservations_by_prefix;
CREATE INDEX file_reservations_by_prefix
    ON file_reservations (project_id, prefix_key, name_key, expires_ts, extension_key)
    WHERE released_ts IS NULL;

DROP INDEX file_reservations_by_name;
CREATE INDEX file_reservations_by_name
    ON file_reservations (project_id, extension_key, name_key, expires_ts, prefix_key)
    WHERE released_ts IS NULL;
