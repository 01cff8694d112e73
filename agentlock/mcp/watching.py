"""Tells clients when a resource that they subscribed to has changed, in both forms of the protocol.

Each subscription has a thread that is woken by whoever writes to the table.
"""

from __future__ import annotations

from functools import partial
from time import sleep
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp_types import (
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

from agentlock.errors import AgentlockError
from agentlock.mcp.resources import BOARD, inbox_of
from agentlock.model import MICROSECONDS
from agentlock.store.wake import LOG, listening, mail_of
from agentlock.table_errors import CannotWakeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from mcp.server import MCPServer
    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext
    from mcp_types import SubscriptionsListenResult

    from agentlock.mcp.door import Door
    from agentlock.store.base import Store

    _Subscription = tuple[Connection, str]
    Told = Callable[[str], Coroutine[Any, Any, object]]

_LOOK_EVERY = 1.0  # seconds: whether somebody still listens
_MOST = 1_000  # subscriptions


class Watching:
    """The subscriptions of one server."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._threads = anyio.CapacityLimiter(_MOST)
        self._tasks: anyio.abc.TaskGroup | None = None
        self._scopes: dict[_Subscription, anyio.CancelScope] = {}

    def lifespan(self, _server: MCPServer[Any]) -> AbstractAsyncContextManager[None]:
        """What lives as long as the server: the task group of the subscriptions of 2025."""
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def running() -> AsyncIterator[None]:
            async with anyio.create_task_group() as self._tasks:
                yield
                self._tasks.cancel_scope.cancel()

        return running()

    def add_to(self, server: MCPServer[Any]) -> None:
        # The SDK has no public way to answer these methods (2.3).
        add = server._lowlevel_server.add_request_handler  # noqa: SLF001
        add("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        add("resources/subscribe", SubscribeRequestParams, self._subscribe)
        add("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)

    async def _listen(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """The protocol of 2026: the answer is a stream of changes."""
        bus = InMemorySubscriptionBus()

        async def told(uri: str) -> None:
            await bus.publish(ResourceUpdated(uri=uri))

        async with anyio.create_task_group() as tasks:
            for uri in params.notifications.resource_subscriptions or ():
                tasks.start_soon(self._watch, str(uri), told)
            done = await ListenHandler(bus)(ctx, params)
            tasks.cancel_scope.cancel()
        return done

    async def _subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        """The protocol of 2025: changes are told outside any answer, until the client goes."""
        key = _subscription(ctx, params.uri)
        if key not in self._scopes and self._tasks is not None:
            scope = self._scopes[key] = anyio.CancelScope()
            key[0].exit_stack.callback(scope.cancel)
            self._tasks.start_soon(self._tell_client, key, ctx.session)
        return EmptyResult()

    async def _tell_client(self, key: _Subscription, session: Any) -> None:
        try:
            with self._scopes[key]:
                await self._watch(key[1], session.send_resource_updated)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # the client has just gone
        finally:
            del self._scopes[key]

    async def _unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        scope = self._scopes.get(_subscription(ctx, params.uri))
        if scope is not None:
            scope.cancel()
        return EmptyResult()

    async def _watch(self, uri: str, told: Told) -> None:
        if uri == BOARD or inbox_of(uri) is not None:
            watch = partial(self._watch_in_thread, uri, told)
            await anyio.to_thread.run_sync(watch, limiter=self._threads)

    def _watch_in_thread(self, uri: str, told: Told) -> None:
        seen: object = None
        while True:
            try:
                with self._door.workspace(None) as place, place.store(read_only=True) as store:
                    for state in _states(store, uri):
                        anyio.from_thread.check_cancelled()
                        if seen not in (None, state):
                            anyio.from_thread.run(told, uri)
                        seen = state
            except AgentlockError:  # noqa: PERF203 -- whoever reads the resource is told why
                anyio.from_thread.check_cancelled()
                sleep(_LOOK_EVERY)


def _subscription(ctx: ServerRequestContext[Any, Any], uri: object) -> _Subscription:
    """Whose it is, and to what. The SDK's session is made for each request, so it cannot tell."""
    return ctx.session._connection, str(uri)  # noqa: SLF001 -- the SDK has no other way (2.3)


def _states(store: Store, uri: str) -> Any:
    """What changes with the resource: now, and after each wake-up."""
    agent = inbox_of(uri)
    what = LOG if agent is None else mail_of(agent)
    yield _state(store, agent)
    try:
        with listening(store, what) as bell:
            yield _state(store, agent)  # what changed before it listened
            while True:
                anyio.from_thread.check_cancelled()
                until = store.now() + int(_LOOK_EVERY * MICROSECONDS)
                bell.sleep(until)
                if store.now() < until or not bell.is_heard:
                    yield _state(store, agent)
    except CannotWakeError:
        while True:
            anyio.from_thread.check_cancelled()
            sleep(_LOOK_EVERY)
            store.rested()
            yield _state(store, agent)


def _state(store: Store, agent: str | None) -> object:
    if agent is None:
        return [event.id for event in store.events.find(limit=1)]
    newest = [one.id for one in store.messages.inbox(agent, limit=1)]
    return (newest, store.messages.count_unread(agent))
