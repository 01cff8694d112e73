"""The Model Context Protocol: tools for agents without a shell, on the official SDK."""
