"""Waits until something has come for an agent, and wakes those who wait."""

from __future__ import annotations

from agentlock.store.wake import following, mail_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import TypeVar

    from agentlock.store.base import Store

    Found = TypeVar("Found")


def first_that(
    opened: Callable[[], AbstractContextManager[Store]],
    agent: str,
    look: Callable[[Store], Found | None],
    waiting: int,
) -> Found | None:
    """What ``look`` finds, once mail of the agent lets it find something; None if not in time.

    ``opened`` opens the table. What is there already ends the wait at once.
    """
    with opened() as store:
        until = store.now() + waiting
    for store in following(opened, mail_of(agent), until):
        if found := look(store):
            return found
    return None
