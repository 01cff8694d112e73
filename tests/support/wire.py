"""A wire between a client and a server, which a test can cut, or let swallow what goes through."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Wire:
    """Listens on ``port`` and passes everything on to the server, until something is arranged.

    ``cut_at`` words end the connection before what holds them is passed on, ``deaf_after`` words
    once it was: the server does it, and its answer never comes. ``silent``: nothing comes through,
    and nobody is told. ``once``: what was arranged happens to one connection, the next is whole;
    ``then_refusing``: there is no next one; ``then_server``: it leads to another port.
    """

    def __init__(self, server: int) -> None:
        self._server = self._server_now = server
        self.then_server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.silent = False
        self.refusing = False
        self.cut_at = b""
        self.deaf_after = b""
        self.once = False
        self.then_refusing = False
        self.connections = 0
        self.questions = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def url(self, direct: str) -> str:
        """The URL of the server by this wire."""
        return direct.replace(f":{self._server}/", f":{self.port}/")

    def close(self) -> None:
        self._end(self._listener, *self._open)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._open):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refusing:
                client.close()
                continue
            self._open.append(client)
            try:
                server = socket.create_connection(("127.0.0.1", self._server_now))
            except OSError:
                self._end(client)
                continue
            self._open.append(server)
            deaf = threading.Event()
            self._start(self._ask, client, server, deaf)
            self._start(self._answer, client, server, deaf)

    def _ask(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                self.questions += 1
                if self.silent:
                    continue
                if self.cut_at and self.cut_at in data:
                    self._happened("cut_at")
                    break
                if self.deaf_after and self.deaf_after in data:
                    self._happened("deaf_after")
                    deaf.set()
                server.sendall(data)
        self._end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.silent:
                    continue
                if deaf.is_set():
                    break
                client.sendall(data)
        self._end(client, server)

    def _happened(self, what: str) -> None:
        if self.once:
            setattr(self, what, b"")
        self.refusing = self.then_refusing
        self._server_now = self.then_server

    @staticmethod
    def _end(*ends: socket.socket) -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()
