"""Wakes processes that wait for something in the table, and tells which of them still run.

A process that waits has a bell, which it makes before it looks at the table for the last time
before it sleeps, so no wake-up is lost in between. Whoever changes what it waits for rings after
the commit. On SQLite a bell is a named pipe next to the database (``pipes``), on PostgreSQL a
channel of LISTEN and NOTIFY (``channels``); see ADR 17.
"""

from __future__ import annotations

import contextlib
import time

from agentlock.store import is_url
from agentlock.table_errors import CannotWakeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Protocol

    from agentlock.store.base import Store

    class Bell(Protocol):
        """What wakes one process; ``name`` is what the table knows it by.

        ``is_heard``: rings arrive. Otherwise it wakes once a second.
        """

        name: str
        is_heard: bool

        def sleep(self, until: int) -> None:
            """Return when rung, or at a time by the store's clock, or without reason.

            What the store may wait for the table counts from here again.
            """

        def close(self) -> None: ...


PLACE, LOG = "place", "log"
_LOOK_EVERY = 1.0  # seconds
_NEVER = 1 << 62


def mail_of(agent: str) -> str:
    """What a process waits for that waits for an agent's mail."""
    return f"mail:{agent}"


@contextlib.contextmanager
def listening(store: Store, what: str) -> Iterator[Bell]:
    """A bell for a process that waits for a PLACE, for the LOG or for ``mail_of`` an agent.

    CannotWakeError if none can be made: in a sandbox that may only read, for instance.
    """
    if is_url(store.location):
        from agentlock.store.wake.channels import made as made_channel

        bell: Bell = made_channel(store, what)
    else:
        from agentlock.store.wake.pipes import made as made_pipe

        bell = made_pipe(store, what)
    try:
        yield bell
    finally:
        bell.close()


def following(
    opened: Callable[[], AbstractContextManager[Store]], what: str, until: int = _NEVER
) -> Iterator[Store]:
    """The store, again and again: at once, after each ring, and last when the time is over.

    Where this process cannot have a bell, it looks once a second.
    """
    while True:
        with opened() as store:
            try:
                with listening(store, what) as bell:
                    yield store
                    while store.now() < until:
                        bell.sleep(until)
                        yield store
                    return
            except CannotWakeError:
                yield store
                if store.now() >= until:
                    return
        time.sleep(_LOOK_EVERY)


def ring(store: Store, names: Iterable[str]) -> None:
    """Wake these processes; call it after the commit.

    Those that wait for the log, or for mail that was sent, are rung by the commit itself.
    """
    wanted = sorted(set(names) - {""})
    if not wanted:
        return
    if is_url(store.location):
        from agentlock.store.wake.channels import ring as ring_channels

        ring_channels(store, wanted)
    else:
        from agentlock.store.wake.pipes import ring as ring_pipes

        ring_pipes(store.location, wanted)


def alive(store: Store, names: Iterable[str]) -> set[str]:
    """Which of the processes with these bells still run."""
    wanted = sorted(set(names) - {""})
    if not wanted:
        return set()
    if is_url(store.location):
        from agentlock.store.wake.channels import alive as alive_channels

        return alive_channels(store, wanted)
    from agentlock.store.wake.pipes import is_alive

    return {name for name in wanted if is_alive(store.location, name)}
