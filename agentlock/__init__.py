"""File reservations that git enforces, for many coding agents in one repository."""

__version__ = "0.1.0"
