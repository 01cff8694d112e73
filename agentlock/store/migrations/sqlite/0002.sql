-- Which agent made which commit, so that an integrator who pushes the holders' own commits is not
-- refused. patch_id (git-patch-id(1)) finds a commit again after a rebase or a cherry-pick.

CREATE TABLE commits (
    project_id INTEGER NOT NULL REFERENCES projects (id),
    oid TEXT NOT NULL,
    patch_id TEXT,
    agent TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    PRIMARY KEY (project_id, oid)
);

CREATE INDEX commits_by_patch ON commits (project_id, patch_id) WHERE patch_id IS NOT NULL;
