-- The same as ../sqlite/0022.sql; and patterns are bytes, as everywhere else (no want could be written before).

DROP INDEX file_reservations_automatic;
CREATE INDEX file_reservations_automatic ON file_reservations (project_id, expires_ts)
    WHERE automatic = 1 AND released_ts IS NULL;

ALTER TABLE wants ALTER COLUMN path_pattern TYPE BYTEA USING convert_to(path_pattern, 'UTF8');
