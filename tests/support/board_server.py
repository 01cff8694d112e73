"""The board's server in a thread of this process, as a real client on the loopback meets it."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agentlock.board.feed import Feed
from agentlock.board.web import Server
from agentlock.git.repository import discover
from agentlock.workspace import migrated_table

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Board:
    """A server that runs, and how to ask it."""

    def __init__(self, server: Server, address: str) -> None:
        self.server = server
        self.address = address
        self.port = int(address.split(":")[2].split("/", maxsplit=1)[0])
        self.token = server.gate.token
        self.cookie = server.gate.cookie.split(";")[0]
        self.origin = f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, headers: dict[str, str] | None = None, body: object = None) -> Answer:
        """One request; it has the cookie unless the headers say otherwise."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Cookie": self.cookie, **(headers or {})}
        try:
            if body is None:
                connection.request("GET", path, headers=sent)
            else:
                sent = {"Content-Type": "application/json", "Origin": self.origin, **sent}
                connection.request("POST", path, json.dumps(body), sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    @contextmanager
    def changes(self) -> Iterator[Iterator[dict[str, Any]]]:
        """What a viewer is sent, message by message."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/changes", headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.getheader("content-type") == "text/event-stream"

        def messages() -> Iterator[dict[str, Any]]:
            while line := answer.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

        try:
            yield messages()
        finally:
            connection.close()


@contextmanager
def serving(**options: Any) -> Iterator[Board]:
    """The board of the repository that this process is in."""
    repository = discover()
    opened = partial(migrated_table, repository, timeout=30_000_000)
    feed = Feed(repository, partial(opened, read_only=True), with_files=True)
    server = Server(feed, repository, opened, **options)
    is_listening, addresses = threading.Event(), []

    def listens(address: str) -> None:
        addresses.append(address)
        is_listening.set()

    thread = threading.Thread(target=server.serve, args=(0, listens))
    thread.start()
    try:
        assert is_listening.wait(30)
        yield Board(server, addresses[0])
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive()
