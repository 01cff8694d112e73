"""Programs that run as agents: `agentlock run` and `agentlock team run`."""
