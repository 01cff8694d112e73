"""The tools about the queue: queue, wait, queue_list and queue_leave."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import anyio.from_thread
from mcp.server.mcpserver import Context

from agentlock.duration import parse_duration
from agentlock.errors import RefusedError
from agentlock.mcp import arguments as an
from agentlock.mcp import types
from agentlock.mcp.calls import Shape, tool
from agentlock.mcp.door import Door, Place
from agentlock.model import MICROSECONDS
from agentlock.shapes import (
    answer_json,
    asked_place_json,
    left_json,
    stale_json,
    wait_json,
    waited_json,
)
from agentlock.store.base import Store
from agentlock.store.wake import PLACE, listening
from agentlock.waiting import queue as places
from agentlock.waiting.foreground import Waited, listen, stop_listening, wait_for

if TYPE_CHECKING:
    from agentlock.store.wake import Bell

_LASTS = parse_duration("1h")  # a place in the queue
_LOOK_EVERY = MICROSECONDS  # whether the call was cancelled
_PROGRESS_EVERY = 5.0  # seconds


class Queueing:
    """The tools for waiting one's turn."""

    def __init__(self, door: Door) -> None:
        self._door = door

    @tool(types.Reserved)
    def queue(
        self,
        patterns: an.Patterns,
        ttl: an.Ttl = "1h",
        shared: an.Shared = False,
        reason: an.Reason = "",
        literal: an.Literal = False,
        glob: an.Glob = False,
        whole_repo: an.WholeRepo = False,
        agent: an.Agent = None,
    ) -> Shape:
        """Reserve, or else take a place in the queue that lasts for an hour, and return at once.

        First come, first served. `wait` is your place, or null if everything was granted. Call the
        tool `wait` until it is ready, or go on with other work: you are told when it is your turn.
        """
        with self._door.workspace(agent) as place:
            readings = place.readings(
                patterns, literal=literal, glob=glob, whole_repository=whole_repo
            )
            request = place.request(readings, ttl, shared=shared, reason=reason)
            with place.store(take_in=True) as store:
                asked = places.ask(
                    *(store, request.replace(waits=True), place.folding, place.repository),
                    last=_LASTS,
                    queued=True,
                )
            notes = place.notes(readings, asked.answer.limits, [])
            wait = {"wait": asked_place_json(asked)}
            return answer_json(asked.answer, asked.answer.free(readings), notes, wait)

    @tool(types.Waited, waits=True)
    def wait(
        self,
        ctx: Context,
        ids: an.Places = [],
        seconds: an.Seconds = 50,
        agent: an.Agent = None,
    ) -> Shape:
        """Wait until one of your places in the queue is granted.

        `ready` false means: not yet, and your place is kept; call it again. A call that you cancel
        gives the place up.
        """
        with self._door.workspace(agent) as place, place.store(take_in=True) as store:
            found = _waited(place, store, ctx, ids, seconds)
            stale = {} if found.stale is None else stale_json(found.stale)
            return {"ready": bool(found.granted), **waited_json(found), **stale}

    @tool(list[types.Place], reads=True)
    def queue_list(self, agent: an.Agent = None) -> list[Shape]:
        """List everybody's places in the queue, in their order."""
        with self._door.workspace(agent) as place:
            return queued(place)

    @tool(types.Left)
    def queue_leave(self, ids: an.Places = [], agent: an.Agent = None) -> Shape:
        """Give up your places in the queue: those with these numbers, or all."""
        with self._door.workspace(agent) as place, place.store(take_in=True) as store:
            left = places.leave(store, place.agent, ids)
            return left_json(left.waits, left.handed)


def queued(place: Place) -> list[Shape]:
    """The places in the queue as JSON."""
    with place.store(read_only=True, take_in=True) as store:
        found, standing = places.listed(store)
        return [wait_json(one, standing[one.id]) for one in found]


def _waited(place: Place, store: Store, ctx: Context, ids: Sequence[int], seconds: int) -> Waited:
    name = place.agent
    numbers = [one.id for one in places.mine(store, name, ids)]
    if not numbers:
        if late := place.taken_until_now(store):  # all that the agent waited for
            return Waited(late, now=store.now())
        raise RefusedError(
            f"{name} has no place in the queue", fix="take one with the tool `queue`"
        )
    with listening(store, PLACE) as bell, _given_up_if_cancelled(store, name, numbers):
        listen(store, numbers, name, bell.name)
        try:
            found = wait_for(
                *(store, _Watched(store, bell, ctx, seconds), name, numbers),
                every=False,
                until=store.now() + seconds * MICROSECONDS,
                repository=place.repository,
                folding=place.folding,
            )
        finally:
            stop_listening(store, numbers, bell.name)
    taken = {held.id: held for held in (*place.taken, *found.granted)}
    return found.replace(granted=tuple(taken.values())) if not ids else found


@contextmanager
def _given_up_if_cancelled(store: Store, agent: str, numbers: Sequence[int]) -> Iterator[None]:
    cancelled = anyio.from_thread.run_sync(anyio.get_cancelled_exc_class)
    try:
        yield
    except cancelled:
        live = [one.id for one in places.mine(store, agent, numbers) if one.ended_ts is None]
        if live:
            places.leave(store, agent, live)
        raise


class _Watched:
    """A bell that also wakes to see whether its call was cancelled, and to tell of progress."""

    def __init__(self, store: Store, bell: "Bell", ctx: Context, seconds: int) -> None:
        self.name, self.is_heard = bell.name, bell.is_heard
        self._store, self._bell, self._ctx, self._seconds = store, bell, ctx, seconds
        self._start = self._told = monotonic()

    def sleep(self, until: int) -> None:
        anyio.from_thread.check_cancelled()
        now = monotonic()
        if now - self._told >= _PROGRESS_EVERY:
            self._told = now
            waited = now - self._start
            anyio.from_thread.run(
                self._ctx.report_progress, waited, self._seconds, f"waiting for {waited:.0f} s"
            )
        self._bell.sleep(min(until, self._store.now() + _LOOK_EVERY))

    def close(self) -> None:
        self._bell.close()
