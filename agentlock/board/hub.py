"""Passes the feed's patches on to everybody who looks at the board in a browser.

Each patch is written as JSON once. A viewer has a position in the newest of them; one that has
fallen behind further, because it does not read, gets the whole picture again instead.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from typing import TYPE_CHECKING

from agentlock.board.changes import Picture

if TYPE_CHECKING:
    from agentlock.board.changes import Patch
    from agentlock.board.feed import Feed

_KEPT = 100  # patches
MOST_VIEWERS = 50


class Hub:
    """The picture for all viewers, kept up by a thread that follows the feed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.viewers = 0
        self._picture = Picture()
        self._lock = threading.Lock()
        self._position = 0
        self._patches: deque[bytes] = deque(maxlen=_KEPT)
        self._whole: tuple[int, bytes] = (-1, b"")
        self._now = 0
        self._is_stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Follow the feed from here on; call it in the event loop that serves the viewers."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._follow, name="board feed", daemon=True).start()

    def stop(self) -> None:
        self._is_stopped.set()

    def _follow(self) -> None:
        for patch in self.feed.changes(self._is_stopped.is_set):
            self.take(patch)
            if self._loop is not None and not self._is_stopped.is_set():
                self._loop.call_soon_threadsafe(self._wake)

    def take(self, patch: Patch) -> None:
        """Pass a patch on."""
        written = _event(patch)
        with self._lock:
            self._picture.apply(patch)
            self._picture.patch(0)  # what it notes as changed is known to nobody here
            self._now = patch["now"]
            self._patches.append(written)
            self._position += 1

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def after(self, position: int) -> tuple[bytes, int]:
        """What a viewer lacks that has seen all up to a position (0: nothing), and the new one."""
        with self._lock:
            missed = self._position - position
            if position and missed <= len(self._patches):
                newest = list(self._patches)[len(self._patches) - missed :]
                return b"".join(newest), self._position
            if self._whole[0] != self._position:
                whole = {**self._picture.whole(self._now), "whole": True}
                self._whole = (self._position, _event(whole))
            return self._whole[1], self._position

    async def change(self, position: int, seconds: float) -> bool:
        """Wait until there is something after a position; False if there is not in time."""
        changed = self._changed
        if self._position > position:
            return True
        try:
            await asyncio.wait_for(changed.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True


def _event(patch: Patch) -> bytes:
    """A patch as one message of a stream of server-sent events."""
    return b"data: " + json.dumps(patch, separators=(",", ":")).encode("ascii") + b"\n\n"
