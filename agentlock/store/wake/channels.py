"""Bells on PostgreSQL: LISTEN and NOTIFY, and a row that says by the server's clock who lives."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, cast

from agentlock.errors import DatabaseError
from agentlock.store.postgres import CLOCK, RING
from agentlock.store.postgres.values import PostgresError
from agentlock.table_errors import CannotWakeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.base import Store
    from agentlock.store.postgres import PostgresStore

_SILENCE = 30_000_000  # microseconds after which a process counts as dead
_LOOK_EVERY = 1.0  # seconds, where a pooler keeps notifications back
_TEST = 1.0  # seconds that a notification may take
_SIGN = f"""
INSERT INTO bells (project_id, name, seen_ts) VALUES ($1, $2, {CLOCK})
ON CONFLICT (project_id, name) DO UPDATE SET seen_ts = excluded.seen_ts
RETURNING (SELECT coalesce(max(id), 0) FROM events WHERE project_id = $1)
"""  # noqa: S608
_REMOVE = "DELETE FROM bells WHERE project_id = $1 AND name = $2"
_REMOVE_DEAD = f"""
DELETE FROM bells WHERE project_id = $1 AND seen_ts < {CLOCK} - {2 * _SILENCE}
"""  # noqa: S608
_ALIVE = f"""
SELECT name FROM bells WHERE project_id = $1 AND name = ANY (string_to_array($2, ' '))
    AND seen_ts > {CLOCK} - {_SILENCE}
"""  # noqa: S608


class ChannelBell:
    """See ``wake.Bell``. Each ``look_every`` seconds it gives a sign of life, also while it sleeps.

    It learns then whether there are new events, because whoever logged them may have been killed
    before it rang.
    """

    look_every = 10.0

    def __init__(self, store: PostgresStore, what: str) -> None:
        token = os.urandom(6).hex()
        self.name = f"{what}/{token}"
        self._store = store
        self._channel = f"agentlock_{token}"
        self._newest = 0
        self._signed = 0.0
        self._listen()
        self.is_heard = hears(store, self._channel)

    def _listen(self) -> None:
        self._store.rows(f"LISTEN {self._channel}")
        self._sign()

    def _sign(self) -> bool:
        """Show that this process lives; whether there are events that it has not looked at."""
        ((newest,),) = self._store.rows(_SIGN, (self._store.project_id, self.name))
        is_new = bool(newest != self._newest)
        self._newest = newest
        self._signed = time.monotonic()
        return is_new

    def sleep(self, until: int) -> None:
        end = time.monotonic() + (until - self._store.now()) / 1_000_000
        if not self.is_heard:
            end = min(end, time.monotonic() + _LOOK_EVERY)
        try:
            while (left := end - time.monotonic()) > 0:
                due = self._signed + self.look_every - time.monotonic()
                if self._store.notified(max(min(left, due), 0)):
                    self.is_heard = True
                    break
                self._store.rested()
                if time.monotonic() >= self._signed + self.look_every and self._sign():
                    break
        except PostgresError:
            self._store.rested()
            self._store.connect_again()
            self._listen()
        self._store.rested()

    def close(self) -> None:
        with contextlib.suppress(DatabaseError):  # its silence ends it
            self._store.rows(_REMOVE, (self._store.project_id, self.name))


def made(store: Store, what: str) -> ChannelBell:
    """A new bell. Rows of dead processes are removed."""
    try:
        store.rows(_REMOVE_DEAD, (store.project_id,))
        return ChannelBell(cast("PostgresStore", store), what)
    except DatabaseError as error:
        raise CannotWakeError(
            f"this process cannot be woken: {error}", fix=error.fix, see=error.see
        ) from error


def hears(store: PostgresStore, channel: str) -> bool:
    """Whether what another connection sends to a channel arrives: a pooler may keep it back."""
    try:
        with contextlib.closing(store.another()) as other:
            other.script(f"NOTIFY {channel}", _TEST)
        return store.notified(_TEST)
    except (DatabaseError, PostgresError):
        return False


def ring(store: Store, names: Sequence[str]) -> None:
    """Notify those bells that are there."""
    store.rows(RING, (store.project_id, " ".join(names)))


def alive(store: Store, names: Sequence[str]) -> set[str]:
    """The bells whose processes gave a sign of life within the last 30 s."""
    return {str(name) for (name,) in store.rows(_ALIVE, (store.project_id, " ".join(names)))}
