"""Patterns: how a text is read, which paths a pattern matches, and where two patterns meet."""
