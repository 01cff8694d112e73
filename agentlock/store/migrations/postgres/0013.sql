-- Processes that wait and can be woken by NOTIFY, with the time of their last sign of life.
CREATE TABLE bells (
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    seen_ts BIGINT NOT NULL,
    PRIMARY KEY (project_id, name)
);
