"""Look up what the ledger says of commits, and take an entry back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.errors import RefusedError
from agentlock.event_kinds import REVOKED
from agentlock.guard.take_in import Reader
from agentlock.text import and_more, storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.repository import Repository
    from agentlock.records import Entry
    from agentlock.store.base import Store


def looked_up(store: Store, repository: Repository, oids: Sequence[str]) -> dict[str, Entry]:
    """The entries of commits, those of earlier versions and revoked ones too."""
    reader = Reader(store, repository)
    found = reader.entries(oids)
    reader.save()
    return store.ledger.entries(oids) | found


def revoke(
    store: Store, repository: Repository, oids: Sequence[str], agent: str, reason: str
) -> int:
    """Take back the entries of commits and of all that was made of them; how many commits.

    `status` shows every agent who did it and why. RefusedError where one has no entry.
    """
    looked_up(store, repository, oids)
    entries = store.ledger.entries(oids)
    lacking = [oid for oid in oids if oid not in entries or not entries[oid].counts]
    if lacking:
        raise RefusedError(
            f"{lacking[0][:12]}{and_more(len(lacking) - 1)} has no entry to take back",
            see=f"agentlock ledger show {lacking[0][:12]}",
        )
    origins = dict.fromkeys(entry.origin or entry.oid for entry in entries.values())
    copies = store.ledger.of_origins(origins)
    with store.writing():
        now = store.now()
        for origin in origins:
            store.ledger.revoke(origin, storable(reason))
        named = ", ".join(oid[:12] for oid in oids)
        store.events.log(REVOKED, now, agent=agent, detail=storable(f"{named} ({reason})"))
    return len({*oids, *(one.oid for one in copies)})
