-- Automatic reservations that ran out long ago, and that nobody released, are no longer read with the live ones.

DROP INDEX file_reservations_automatic;
CREATE INDEX file_reservations_automatic ON file_reservations (project_id, expires_ts)
    WHERE automatic = 1 AND released_ts IS NULL;
