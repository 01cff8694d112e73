"""The server over HTTP: on the loopback only, for whoever has the token of this user."""

from __future__ import annotations

import hmac
import os
import secrets
import socket
from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse

from agentlock.errors import UndecidedError, UsageError
from agentlock.files import replace_file
from agentlock.git.repository import discover
from agentlock.mcp.door import Door, go_to_root
from agentlock.mcp.server import made
from agentlock.store import NOT_INITIALISED

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from agentlock.git.repository import Repository

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PATH = "/mcp"
_TOKEN = b"agentlock/mcp-token"


def address_of(text: str) -> tuple[str, int]:
    """The host and the port of ``HOST:PORT``; UsageError unless it is this machine's loopback."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is not HOST:PORT", fix="--http 127.0.0.1:8765")
    if host not in _LOOPBACK:
        raise UsageError(
            f"{host!r} is not this machine's loopback, and the server listens nowhere else",
            fix=f"--http 127.0.0.1:{port}",
        )
    return host, int(port)


def serve_http(
    name: str | None,
    address: str,
    listens: Callable[[str, str], None],
    *,
    agent_mail_names: bool = False,
) -> None:
    """Serve until ^C or SIGTERM.

    ``listens`` is called with the URL, and the file of the token, once the server listens.
    """
    import uvicorn

    host, port = address_of(address)
    repository = discover()
    if repository.database is None:
        raise UsageError(NOT_INITIALISED, fix="agentlock init")
    go_to_root()
    bound = _bound(host, port)
    port = bound.getsockname()[1]
    path, token = kept_token(repository)
    server = made(Door(name, is_of_one_program=False), agent_mail_names=agent_mail_names)
    app = server.streamable_http_app(
        streamable_http_path=_PATH, host=host, transport_security=_security(port)
    )
    config = uvicorn.Config(WithToken(app, token), log_level="error", lifespan="on")
    shown = f"[{host}]" if ":" in host else host
    listens(f"http://{shown}:{port}{_PATH}", path)
    uvicorn.Server(config).run(sockets=[bound])


class WithToken:
    """Lets only requests through that bring the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_allowed(scope):
            refused = JSONResponse(
                {"error": "the token is missing or wrong"},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._wanted)


def _security(port: int) -> TransportSecuritySettings:
    """Only requests to this address, and from no web page of another one."""
    hosts = [f"{'[::1]' if one == '::1' else one}:{port}" for one in _LOOPBACK]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{one}" for one in hosts]
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UndecidedError(
            f"{host}:{port} cannot be listened on: {error.strerror}",
            fix="--http 127.0.0.1:0 takes a port that is free",
        ) from error


def kept_token(repository: Repository) -> tuple[str, str]:
    """The file of the token, and the token: made once, readable by this user only."""
    path = os.path.join(repository.common_dir, _TOKEN)
    shown = os.fsdecode(path)
    try:
        try:
            with open(path, encoding="ascii") as file:
                status, kept = os.fstat(file.fileno()), file.read().strip()
            if kept and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
                return shown, kept
        except (FileNotFoundError, UnicodeDecodeError):
            pass
        token = secrets.token_urlsafe(32)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, f"{token}\n".encode(), 0o600)
    except OSError as error:
        raise UndecidedError(
            f"the token cannot be kept in {shown}: {error.strerror}",
            see=f"ls -l {os.path.dirname(shown)}",
        ) from error
    return shown, token
