"""How soon does `agentlock mcp` answer, and how much memory does it take? Writes benchmarks/MCP.md.

python benchmarks/serving.py [--rounds 20] [--clients 20]
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from support.scripts import arguments

from benchmarks.pages import Page, Section, short
from benchmarks.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
AGENTLOCK = os.path.join(os.path.dirname(sys.executable), "agentlock")
SERVER = (AGENTLOCK, "mcp", "--as", "BlueLake")
LIBRARY = "`python -c 'import mcp.server'`"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "measure", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def call(number: int, tool: str) -> dict[str, Any]:
    params = {"name": tool, "arguments": {}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


class Process:
    """A server that speaks over stdio, as a program has it."""

    def __init__(self, folder: Path) -> None:
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(SERVER, cwd=folder, stdin=pipe, stdout=pipe)

    def ask(self, *messages: dict[str, Any]) -> None:
        """Send messages, and wait for the answer to the last one."""
        stdin, stdout = self._server.stdin, self._server.stdout
        assert stdin is not None
        assert stdout is not None
        for one in messages:
            stdin.write(json.dumps(one).encode() + b"\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        assert answer["id"] == messages[-1]["id"], answer
        assert "error" not in answer, answer

    def seconds(self, message: dict[str, Any]) -> float:
        """How long the answer takes."""
        start = time.perf_counter()
        self.ask(message)
        return time.perf_counter() - start

    @property
    def memory(self) -> float:
        return memory_of(self._server.pid)

    def end(self) -> None:
        self._server.communicate()
        assert self._server.returncode == 0


def memory_of(process: int) -> float:
    """What is resident, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) / 1024


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """The wall and the processor's milliseconds, those of processes that ended in it included."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    action()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, busy * 1000


def how() -> str:
    """A sentence if this was measured before everything else that runs."""
    is_first = os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)
    return " With real-time priority (`chrt -r 1`), as the machine was busy." if is_first else ""


def starting(folder: Path, rounds: int) -> Section:
    """Each step of a program's first use, interleaved with what only starts Python."""
    rows: dict[str, list[tuple[float, float]]] = {}

    def note(name: str, sample: tuple[float, float]) -> None:
        rows.setdefault(name, []).append(sample)

    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True)

    for _ in range(rounds):
        note("`python -c pass`", timed(run(sys.executable, "-c", "pass")))
        note(
            "`python -c 'import mcp.server'`", timed(run(sys.executable, "-c", "import mcp.server"))
        )
        note("`agentlock list`, a process", timed(run(AGENTLOCK, "list")))
        begin, start = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        server = Process(folder)
        server.ask(HELLO)
        greeted = time.perf_counter() - begin
        server.ask(READY, call(2, "list"))
        first = time.perf_counter() - begin
        later = [server.seconds(call(at, "list")) for at in range(3, 13)]
        server.end()
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = (end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime) * 1000
        note("the server is greeted", (greeted * 1000, 0))
        note("its first tool has answered", (first * 1000, 0))
        note("each later call of that tool", (statistics.median(later) * 1000, 0))
        note("all of that, to the server's end", (0, busy))
    table: list[Any] = [("", "wall p50, ms", "worst", "processor p50, ms")]
    for name, samples in rows.items():
        walls, busies = zip(*samples, strict=True)
        cells = (statistics.median(walls), max(walls), statistics.median(busies))
        table.append((name, *(short(number) if number else "" for number in cells)))
    text = (
        f"A program that starts `agentlock mcp` and calls the tool `list`, {rounds} rounds, in a "
        "repository with 500 files and one reservation. Wall times count from the process's start."
        f"{how()}"
    )
    return Section("Start to the first answer", text, table)


def crowd(folder: Path, clients: int) -> Section:
    """The memory of one server over HTTP while all its clients wait."""
    command = (AGENTLOCK, "mcp", "--http", "127.0.0.1:0")
    pipe = subprocess.PIPE
    table: list[Any] = [("one server over HTTP", "resident, MiB")]
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()

        def note(when: str) -> None:
            table.append((when, short(memory_of(server.pid))))

        note("started")
        token = (folder / ".git/agentlock/mcp-token").read_text().strip()

        async def agent(number: int, inside: list[int], waits: anyio.Event) -> None:
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=120) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                me = {"agent": f"agent{number}"}
                await client.call_tool("list", me)
                inside.append(number)
                if len(inside) == clients:
                    note(f"{clients} clients, each has called")
                    waits.set()
                await waits.wait()
                await client.call_tool("queue", {"patterns": ["src/0/0.txt"], **me})
                await client.call_tool("wait", {"seconds": 20, **me})

        async def main() -> None:
            inside: list[int] = []
            waits = anyio.Event()
            async with anyio.create_task_group() as tasks:
                for number in range(clients):
                    tasks.start_soon(agent, number, inside, waits)
                await waits.wait()
                await anyio.sleep(15)
                note(f"{clients} clients wait for their turn")

        anyio.run(main)
        note("they have gone")
        server.terminate()
    alone = Process(folder)
    alone.ask(HELLO)
    alone.ask(READY, call(2, "list"))
    table.append(("a server over stdio, for one program", short(alone.memory)))
    alone.end()
    text = (
        f"{clients} clients at once. Resident memory counts what servers share, such as libraries."
    )
    return Section("Memory", text, table)


def main() -> None:
    """Measure and write MCP.md."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=20, metavar="N")
    parser.add_argument("--clients", type=int, default=20, metavar="N")
    options = parser.parse_args()
    page = Page(HERE / "MCP.md", "The MCP server")
    with tempfile.TemporaryDirectory(prefix="agentlock-serving-") as folder:
        repo = Scratch(Path(folder)).repository("serving", 500)
        repo.must("init", program="agentlock")
        repo.must("reserve", "src/0/0.txt", program="agentlock")
        page.replace(starting(repo.path, options.rounds))
        page.replace(crowd(repo.path, options.clients))


if __name__ == "__main__":
    main()
