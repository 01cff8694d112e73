"""The only caller of ``git``: the repository, the agent, and which paths change."""
