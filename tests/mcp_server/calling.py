"""How the tests call the server: with the SDK's own client, in this process or in another."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from mcp import Client

from agentlock.mcp.door import Door
from agentlock.mcp.server import made

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mcp_types import Tool, ToolAnnotations
    from support import Repo


class Answer(NamedTuple):
    """What a tool answered: its data, and whether it is an error."""

    data: Any
    is_error: bool

    @property
    def kind(self) -> str:
        assert self.is_error, self.data
        return str(self.data["error"]["kind"])


class Caller:
    """An agent's program, connected to a server."""

    def __init__(self, client: Client, agent: str | None = None) -> None:
        self.client, self.agent = client, agent

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool, whatever comes of it; the client has checked the answer's type."""
        if self.agent is not None:
            arguments.setdefault("agent", self.agent)
        done = await self.client.call_tool(tool, arguments)
        data = done.structured_content
        if done.is_error:  # data would be held against the schema of what the tool answers
            assert data is None
            data = json.loads(done.content[0].model_dump()["text"])
        if isinstance(data, dict) and [*data] == ["result"]:
            data = data["result"]
        return Answer(data, bool(done.is_error))

    async def must(self, tool: str, **arguments: Any) -> Any:
        """Call a tool, which has to succeed; its data."""
        answer = await self.call(tool, **arguments)
        assert not answer.is_error, answer
        return answer.data


@asynccontextmanager
async def connected(
    name: str | None = None,
    *,
    agent: str | None = None,
    is_of_one_program: bool = True,
    agent_mail_names: bool = False,
) -> AsyncIterator[Caller]:
    """A client of a server in this process, which serves the current directory."""
    door = Door(name, is_of_one_program=is_of_one_program)
    server = made(door, agent_mail_names=agent_mail_names)
    async with Client(server) as client:
        yield Caller(client, agent)


def calling(
    told: Callable[[Caller], Awaitable[None]], name: str | None = None, **options: Any
) -> None:
    """Run a story of calls; what fails in it is raised as it is, without the client's groups."""

    async def main() -> None:
        failure: Exception | None = None
        async with connected(name, **options) as caller:
            try:
                await told(caller)
            except Exception as error:  # noqa: BLE001 -- raised again below
                failure = error
        if failure is not None:
            raise failure

    anyio.run(main)


def hints(tool: Tool) -> ToolAnnotations:
    assert tool.annotations is not None, tool.name
    return tool.annotations


def command_line(repo: Repo, *words: str, agent: str) -> Any:
    """The JSON that the command prints."""
    return repo.agentlock(*words, "--json", agent=agent).json
