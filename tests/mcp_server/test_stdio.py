"""The server as a program starts it: a process that speaks over stdin and stdout."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_server.calling import Caller
from support import AGENTLOCK, HOLDER, OTHER, Repo, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def over_stdio(
    repo: Repo, told: Callable[[Caller], Awaitable[None]], *options: str, mode: str = "auto"
) -> None:
    """Run a story of calls to a server of its own process."""
    program, *words = AGENTLOCK
    started = StdioServerParameters(
        command=program, args=[*words, "mcp", *options], cwd=repo.path, env={**os.environ}
    )

    async def main() -> None:
        failure: Exception | None = None
        async with Client(started, mode=mode) as client:
            try:
                await told(Caller(client))
            except Exception as error:  # noqa: BLE001 -- raised again below
                failure = error
        if failure is not None:
            raise failure

    anyio.run(main)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_both_protocols_are_spoken_and_a_cancelled_wait_gives_up(repo: Repo, mode: str) -> None:
    repo.reserve(HOLDER, "a")

    async def story(green: Caller) -> None:
        assert "Reserve files before you change them" in (green.client.instructions or "")
        assert (await green.must("status"))["agent"] == OTHER
        await green.must("queue", patterns=["a"])
        with anyio.move_on_after(0.5):
            await green.call("wait")
        left = [1]
        for _ in range(100):
            if not (left := await green.must("queue_list")):
                break
            await anyio.sleep(0.1)
        assert left == []
        await green.must("reserve", patterns=["b"])

    over_stdio(repo, story, "--as", OTHER, mode=mode)
    assert repo.live() == [(HOLDER, "/a", True), (OTHER, "/b", True)]


def test_a_program_that_goes_away_leaves_the_queue(repo: Repo) -> None:
    repo.reserve(HOLDER, "a")

    async def story(green: Caller) -> None:
        await green.must("queue", patterns=["a"])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(green.call, "wait")
            await anyio.sleep(0.5)
            tasks.cancel_scope.cancel()

    over_stdio(repo, story, "--as", OTHER)
    assert repo.agentlock("queue", "list", "--json").json == []


def test_without_the_library_a_sentence_names_the_command_that_brings_it(repo: Repo) -> None:
    code = (
        "import sys; sys.modules['mcp'] = None; from agentlock.cli.main import main; "
        "sys.exit(main(['mcp']))"
    )
    done = run(sys.executable, "-c", code, cwd=repo.path)
    assert done.code == 2
    assert "without MCP's library" in done.err
    assert "./install.sh --mcp" in done.err


def test_a_name_that_cannot_be_one_ends_it_at_once(repo: Repo) -> None:
    done = repo.agentlock("mcp", "--as", "claude")
    assert (done.code, done.out) == (2, "")
    assert "placeholder" in done.err


def test_it_ends_with_its_stdin(repo: Repo) -> None:
    done = subprocess.run(
        [*AGENTLOCK, "mcp"],
        cwd=repo.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
