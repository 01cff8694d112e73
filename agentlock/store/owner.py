"""The owner's key of a database, of which only the hash is kept (``rules.owner_key``)."""

from __future__ import annotations

from agentlock.store.base import Noun

_READ_KEY = "SELECT owner_key FROM database_identity"
WRITE_KEY = "UPDATE database_identity SET owner_key = ?"


class Owner(Noun):
    def key(self) -> str | None:
        """The hash of the owner's key; None if the database has no owner."""
        hashed = self._store.one(_READ_KEY)[0]
        return None if hashed is None else str(hashed)

    def set_key(self, hashed: str) -> None:
        self._store.rows(WRITE_KEY, (hashed,))
