"""Waits until something has come: a message, or an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentlock.store.base import Store

    Found = TypeVar("Found")

_LOOK_EVERY = 1.0  # seconds


def first_that(
    store: Store, _what: str, look: Callable[[], Found | None], waiting: int
) -> Found | None:
    """What ``look`` finds, once it finds something; None if it has found nothing in that time."""
    until = store.now() + waiting
    while not (found := look()):
        left = (until - store.now()) / 1_000_000
        if left <= 0:
            return None
        time.sleep(min(left, _LOOK_EVERY))
    return found
