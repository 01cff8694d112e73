-- The same as ../sqlite/0003_retention.sql.

ALTER TABLE projects ADD COLUMN retention BIGINT CHECK (retention >= 3600000000);

CREATE INDEX events_by_time ON events (project_id, created_ts);

CREATE INDEX file_reservations_by_end
    ON file_reservations (project_id, (coalesce(released_ts, expires_ts)));
