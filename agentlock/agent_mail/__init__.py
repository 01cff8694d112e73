"""MCP Agent Mail as a second source: its live reservations count like ours, and it is only read."""
