-- Finds an agent whose name differs from a new one only in case.

CREATE INDEX agents_by_folded_name ON agents (project_id, lower(name));
