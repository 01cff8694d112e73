"""The board in a browser: a server on the loopback interface, for whoever has the token."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agentlock.board import looking, releasing
from agentlock.board.access import HEADERS, Gate
from agentlock.board.hub import MOST_VIEWERS, Hub
from agentlock.errors import AgentlockError, UsageError
from agentlock.guard.judge import folding_of
from agentlock.model import MICROSECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from agentlock.board.feed import Feed
    from agentlock.git.repository import Repository
    from agentlock.rules.owner_key import Opened
    from agentlock.store.base import Store

STATIC = os.path.join(os.path.dirname(__file__), "static")
_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PATIENCE = 30.0  # seconds that a viewer may leave what it was sent unread
_SIGN_EVERY = 15.0  # seconds after which a viewer hears that the server is still there
_LONGEST_BODY = 64 * 1024
_LONGEST_PAST = 14 * 24 * 3600  # seconds
_MOST_CONNECTIONS = 4 * MOST_VIEWERS


class Server:
    """The board of one repository, served on a port.

    ``actor`` is whoever ends leases by force, if ``allow_release``.
    """

    def __init__(
        self,
        feed: Feed,
        repository: Repository,
        opened: Opened,
        *,
        actor: str | None = None,
        allow_release: bool = False,
    ) -> None:
        self.gate = Gate()
        self.hub = Hub(feed)
        self._repository = repository
        self._folding = folding_of(repository)
        self._opened = opened
        self._actor = actor
        self._allow_release = allow_release
        self._running: uvicorn.Server | None = None
        self._static = {name: _read(name) for name in os.listdir(STATIC)}

    def app(self) -> ASGIApp:
        """What answers requests, behind the gate."""
        routes = [
            Route("/", self._page),
            Route("/static/{name}", self._file),
            Route("/changes", _Changes(self.hub)),
            Route("/files", self._files),
            Route("/history", self._history),
            Route("/past", self._past),
            Route("/session", self._session),
        ]
        if self._allow_release:
            routes.append(Route("/release", self._release, methods=["POST"]))

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            self.hub.start()
            yield
            self.hub.stop()

        handlers: Any = {AgentlockError: _refused}
        return _Guarded(
            Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan), self.gate
        )

    def serve(self, port: int, listens: Callable[[str], None]) -> None:
        """Serve until interrupted; ``listens`` gets the address once the server answers there."""
        with _socket(port) as listening:
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/?token={self.gate.token}"
            config = uvicorn.Config(
                self.app(),
                log_level="critical",
                access_log=False,
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=1,
                ws="none",
            )
            self._running = _Announcing(config, lambda: listens(address))
            self._running.run(sockets=[listening])

    def stop(self) -> None:
        """Let ``serve``, which another thread is in, return."""
        if self._running is not None:
            self._running.should_exit = True

    # Answers

    async def _page(self, request: Request) -> Response:
        headers = {}
        if request.query_params.get("token"):  # the gate has looked at it
            headers["set-cookie"] = self.gate.cookie
        page = self._static["index.html"].replace(
            b'data-release="no"',
            b'data-release="yes"' if self._allow_release else b'data-release="no"',
        )
        return Response(page, media_type="text/html", headers=headers)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            return PlainTextResponse("there is no such file", 404)
        return Response(self._static[name], media_type=_KINDS[os.path.splitext(name)[1]])

    def _files(self, _request: Request) -> Response:
        files = self.hub.feed.files
        paths, version = files.paths, files.version
        text = b"\n".join(paths) if all(b"\n" not in path for path in paths) else b""
        shown = text.decode("utf-8", "backslashreplace").split("\n") if text else _shown(paths)
        return JSONResponse({"version": version, "paths": shown})

    def _history(self, request: Request) -> Response:
        path = request.query_params.get("path", "")
        with self._reading() as store:
            return JSONResponse(looking.file_history(store, self._repository, self._folding, path))

    def _past(self, request: Request) -> Response:
        seconds = min(_number(request, "seconds"), _LONGEST_PAST)
        with self._reading() as store:
            return JSONResponse(looking.past(store, store.now() - seconds * MICROSECONDS))

    def _session(self, request: Request) -> Response:
        with self._reading() as store:
            return JSONResponse(looking.session(store, _number(request, "id")))

    async def _release(self, request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return PlainTextResponse("only JSON is read", 415)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST_BODY:
                return PlainTextResponse("that is too long", 413)
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return PlainTextResponse("only JSON is read", 400)
        done = await run_in_threadpool(
            releasing.end_lease, self._repository, self._opened, self._actor, asked
        )
        return JSONResponse(done)

    def _reading(self) -> AbstractContextManager[Store]:
        return self._opened(read_only=True)


class _Guarded:
    """Asks the gate about each request, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        token = None
        if scope["path"] == "/" and scope["method"] == "GET":
            query = parse_qs(scope["query_string"].decode("latin-1"))
            token = query.get("token", [None])[0]
        refusal = self._gate.refusal(scope["method"], headers, token)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *ours]}
            await send(message)

        if refusal is None:
            await self._app(scope, receive, with_headers)
        else:
            await PlainTextResponse(refusal[1] + "\n", refusal[0])(scope, receive, with_headers)


class _Changes:
    """The stream of a viewer: the whole picture, then each change."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._hub.viewers >= MOST_VIEWERS:
            await PlainTextResponse("too many viewers", 503)(scope, receive, send)
            return
        self._hub.viewers += 1
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.viewers -= 1
            for task in (sending, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError, asyncio.TimeoutError):
                    await task

    async def _send(self, send: Send) -> None:
        """Send until the viewer leaves, or does not read for too long."""
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        position, body = 0, b"retry: 1000\n\n"
        while True:
            message = {"type": "http.response.body", "body": body, "more_body": True}
            await asyncio.wait_for(send(message), _PATIENCE)
            if await self._hub.change(position, _SIGN_EVERY):
                body, position = self._hub.after(position)
            else:
                body = b": still here\n\n"


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AgentlockError)  # noqa: S101 -- for the type checker
    shape = {"kind": error.kind, "message": error.message, "hint": error.hint}
    return JSONResponse({"error": shape}, 403 if error.exit_code == 1 else 400)


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise UsageError(f"{name} is not a number", fix="reload the page")
    return int(text)


def _shown(paths: list[bytes]) -> list[str]:
    return [path.decode("utf-8", "backslashreplace") for path in paths]


def _read(name: str) -> bytes:
    with open(os.path.join(STATIC, name), "rb") as file:
        return file.read()


def _socket(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise UsageError(
            f"port {port} cannot be used: {error.strerror}",
            fix="agentlock board --web (without --port it takes a free one)",
        ) from error
    return listening
