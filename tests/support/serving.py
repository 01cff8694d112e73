"""Real servers on loopback that serve git repositories: smart HTTP and ssh."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CGI = {
    "Content-Type": "CONTENT_TYPE",
    "Content-Length": "CONTENT_LENGTH",
    "Content-Encoding": "HTTP_CONTENT_ENCODING",
    "Git-Protocol": "GIT_PROTOCOL",
}


@contextmanager
def http_server(folder: Path, *, login: bool) -> Iterator[str]:
    """``git http-backend`` behind a web server that believes any password; yields HOST:PORT.

    Who pushes must log in, where ``login`` says so; REMOTE_USER is the name that was given. As a
    CGI server does, it gives every header of the client's to the program as HTTP_….
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            """Nothing: the terminal is the test's."""

        def _answer(self) -> None:
            if login and "git-receive-pack" in self.path and "Authorization" not in self.headers:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            done = subprocess.run(
                ("git", "http-backend"),
                input=body,
                env={**os.environ, **self._cgi()},
                capture_output=True,
                check=True,
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _cgi(self) -> dict[str, str]:
            path, _, query = self.path.partition("?")
            variables = {
                f"HTTP_{name.upper().replace('-', '_')}": value
                for name, value in self.headers.items()
            }
            variables |= {_CGI[name]: self.headers[name] for name in _CGI if name in self.headers}
            scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
            if scheme == "Basic":
                user = base64.b64decode(credentials).decode().partition(":")[0]
                variables["REMOTE_USER"] = user
            return variables | {
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": unquote(path),
                "QUERY_STRING": query,
                "REMOTE_ADDR": self.client_address[0],
            }

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def ssh_server(authorized_keys: Path, shell: str) -> Iterator[int]:
    """An ssh server with a key of its own, where every user has ``shell``; yields its port.

    Like sshd it runs ``shell -c COMMAND``, with what ``environment=`` in authorized_keys says. What
    the client asks to set is ignored, as by an sshd without AcceptEnv.
    """
    command = (sys.executable, __file__, "serve", str(authorized_keys), shell)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


async def _serve(authorized_keys: str, shell: str) -> None:
    async def copy(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
        while chunk := await source.read(1 << 16):
            target.write(chunk)
            await target.drain()

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        connection: Any = process.channel.get_connection()
        child = await asyncio.create_subprocess_exec(
            *(shell, "-c", process.command or "exit"),
            env={**os.environ, **connection.get_key_option("environment", {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stderr is not None
        await process.redirect(stdin=child.stdin)
        await asyncio.gather(copy(child.stdout, process.stdout), copy(child.stderr, process.stderr))
        process.exit(await child.wait())

    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=authorized_keys,
        process_factory=run,
        encoding=None,
    )
    print(acceptor.get_port(), flush=True)
    await acceptor.wait_closed()


async def _connect(port: str, key: str, _host: str, command: str) -> None:
    """What git calls to reach ``ssh_server``: GIT_SSH_COMMAND, with GIT_SSH_VARIANT=simple."""
    async with asyncssh.connect(
        "127.0.0.1", int(port), username="git", client_keys=[key], known_hosts=None
    ) as connection:
        done = await connection.run(
            command, encoding=None, stdin=sys.stdin, stdout=sys.stdout, stderr=sys.stderr
        )
    sys.exit(done.exit_status)


if __name__ == "__main__":
    asyncio.run((_serve if sys.argv[1] == "serve" else _connect)(*sys.argv[2:]))
