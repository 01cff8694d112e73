"""What may be wrong with the table, as far as it is told apart. Few git hooks meet any of it."""

from __future__ import annotations

from agentlock.errors import DatabaseError


class DatabaseUnreachableError(DatabaseError):
    """The whole wait (``--timeout``) passed without an answer."""

    kind = "database-unreachable"


class UnsafeFilesystemError(DatabaseError):
    """The table lies where SQLite cannot keep its processes apart."""


class CannotWakeError(DatabaseError):
    """This process cannot be woken when the table changes."""


class LostTableError(DatabaseError):
    """The table is missing or damaged: what was reserved is lost, unless there is a backup."""


class OutcomeUnknownError(DatabaseUnreachableError):
    """The connection was lost during a commit, so nobody knows whether it took effect."""

    kind = "outcome-unknown"


class SchemaError(DatabaseError):
    """The database's schema is older or newer than this program's."""

    kind = "schema"


class OlderSchemaError(SchemaError):
    """A migration is due. Every command except the hooks runs it."""
