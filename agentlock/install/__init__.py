"""Set agentlock up: the database, the hooks, and the list of repositories that have it."""
