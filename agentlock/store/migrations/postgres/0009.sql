-- The same as ../sqlite/0009.sql.

CREATE INDEX agents_by_folded_name ON agents (project_id, lower(name));
