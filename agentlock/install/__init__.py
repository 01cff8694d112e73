"""Put agentlock in place: the database, the hooks, the list of where it was put."""
