"""The server over HTTP: only here, only with the token, and for many clients at once."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_server.calling import Caller
from support import AGENTLOCK, HOLDER, OTHER, Repo

from agentlock.git.repository import discover
from agentlock.mcp.http import kept_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

CLIENTS = 20


class Served(NamedTuple):
    """A server, and what admits to it."""

    url: str
    token: str
    repo: Repo

    def post(self, **headers: str) -> httpx2.Response:
        """Ask for the tools, as a program would without any library."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        given = {"Accept": "application/json, text/event-stream", **headers}
        return httpx2.post(self.url, json=asked, headers=given)

    @property
    def bearer(self) -> str:
        return f"Bearer {self.token}"


@contextmanager
def serving(repo: Repo, *options: str) -> Iterator[Served]:
    command = [*AGENTLOCK, "mcp", "--http", "127.0.0.1:0", *options]
    with subprocess.Popen(
        command, cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        said = process.stderr.readline()
        try:
            file = re.search(r"the token is in (.*): send", said)
            assert file, said
            with open(file[1], encoding="ascii") as token:
                yield Served(url, token.read().strip(), repo)
        finally:
            process.terminate()


@pytest.fixture
def server(repo: Repo) -> Iterator[Served]:
    with serving(repo) as served:
        yield served


@asynccontextmanager
async def client_of(server: Served, agent: str, mode: str = "auto") -> AsyncIterator[Caller]:
    headers = {"Authorization": server.bearer}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, mode=mode) as client:
            yield Caller(client, agent)


def test_twenty_clients_at_once_get_one_answer(server: Served) -> None:
    granted: list[str] = []

    async def agent(number: int) -> None:
        name = f"agent{number}"
        async with client_of(server, name, "auto" if number % 2 else "legacy") as caller:
            mine = await caller.must("reserve", patterns=[f"own/{number}"])
            assert mine["granted"][0]["agent"] == name
            both = await caller.must("reserve", patterns=["shared.txt"])
            granted.extend(held["agent"] for held in both["granted"])
            assert both["granted"] or both["conflicts"][0]["reservation"]["agent"] != name
            listed = await caller.must("list", holder=name)
            assert f"/own/{number}" in {held["pattern"] for held in listed}
            await caller.must("release", all=True)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(CLIENTS):
                tasks.start_soon(agent, number)

    anyio.run(main)
    assert granted
    assert server.repo.live() == []


def test_twenty_waits_do_not_keep_others_from_being_served(server: Served) -> None:
    server.repo.reserve(HOLDER, "a")
    ready: list[str] = []

    async def wait(number: int) -> None:
        name = f"agent{number}"
        async with client_of(server, name, "auto" if number % 2 else "legacy") as caller:
            await caller.must("queue", patterns=["a"], shared=True)
            done = await caller.must("wait", seconds=50)
            ready.extend([name] if done["ready"] else [])

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(CLIENTS):
                tasks.start_soon(wait, number)
            async with client_of(server, HOLDER) as holder:
                await until(holder, lambda places: len(places) == CLIENTS)
                await holder.must("release", all=True)

    anyio.run(main)
    assert len(ready) == CLIENTS


async def until(caller: Caller, holds: Callable[[Any], bool]) -> None:
    """Wait until something holds of the queue."""
    for _ in range(300):
        if holds(await caller.must("queue_list")):
            return
        await anyio.sleep(0.1)
    raise AssertionError("it did not come to that")


def test_a_client_that_goes_away_while_it_waits_leaves_the_queue(server: Served) -> None:
    server.repo.reserve(HOLDER, "a")

    async def main() -> None:
        async with client_of(server, OTHER) as other:
            await other.must("queue", patterns=["a"])
            with anyio.move_on_after(0.5):
                await other.call("wait")
            await until(other, lambda places: not places)

    anyio.run(main)


def test_whoever_lacks_the_token_and_every_web_page_is_refused(repo: Repo) -> None:
    with serving(repo, "--as", HOLDER) as server:
        port = server.url.rpartition(":")[2].partition("/")[0]
        for headers, code in (
            ({"Authorization": ""}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": server.token}, 401),
            ({"Authorization": f"{server.bearer}x"}, 401),
            ({"Host": "evil.example"}, 421),
            ({"Host": f"evil.example:{port}"}, 421),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Origin": "null"}, 403),
        ):
            refused = server.post(**{"Authorization": server.bearer, **headers})
            assert refused.status_code == code, headers
        same = server.post(Authorization=server.bearer, Origin=f"http://127.0.0.1:{port}")
        assert same.status_code not in (401, 403, 421)
        in_use = repo.agentlock("mcp", "--http", f"127.0.0.1:{port}")
        assert in_use.code == 3
        assert "cannot be listened on" in in_use.err

        async def main() -> None:
            async with client_of(server, HOLDER) as caller:
                assert (await caller.must("status"))["agent"] == HOLDER
                refused = await caller.call("reserve", patterns=["a"], agent=OTHER)
                assert refused.kind == "identity"

        anyio.run(main)


def test_the_token_stays_and_is_for_this_user_only(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    path, first = kept_token(discover())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert kept_token(discover()) == (path, first)
    os.chmod(path, 0o644)  # others may have read it
    assert kept_token(discover())[1] != first
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("0.0.0.0:8765", "is not this machine's loopback"),
        ("192.168.1.1:0", "is not this machine's loopback"),
        ("example.org:80", "is not this machine's loopback"),
        (":8765", "is not this machine's loopback"),
        ("8765", "is not HOST:PORT"),
        ("127.0.0.1:99999", "is not HOST:PORT"),
        ("127.0.0.1:x", "is not HOST:PORT"),
    ],
)
def test_it_listens_on_the_loopback_only(repo: Repo, address: str, word: str) -> None:
    done = repo.agentlock("mcp", "--http", address)
    assert done.code == 2
    assert word in done.err
    assert "--http 127.0.0.1:" in done.err


def test_where_there_is_no_table_it_does_not_start(new_repo: Any) -> None:
    done = new_repo().agentlock("mcp", "--http", "127.0.0.1:0")
    assert (done.code, done.out) == (2, "")
    assert "agentlock init" in done.err
