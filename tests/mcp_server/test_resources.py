"""The board and the inboxes can be read, and subscribers are told when they change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.server.subscriptions import ResourceUpdated
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_server.calling import Caller, calling
from mcp_types import ResourceUpdatedNotification
from support import HOLDER, OTHER, Repo

from agentlock.mcp.door import Door
from agentlock.mcp.server import made

if TYPE_CHECKING:
    from mcp_types import ReadResourceResult

BOARD = "agentlock://board"
INBOX = f"agentlock://inbox/{HOLDER}"


def _data(read: ReadResourceResult) -> Any:
    return json.loads(read.contents[0].model_dump()["text"])


async def _in_thread(repo: Repo, *words: str, agent: str) -> None:
    done = await anyio.to_thread.run_sync(lambda: repo.agentlock(*words, agent=agent))
    assert done.code == 0, done


def test_the_board_shows_who_holds_what_and_who_waits(served: Repo) -> None:
    served.reserve(HOLDER, "a")
    served.agentlock("reserve", "a", "--queue", agent=OTHER)

    async def story(caller: Caller) -> None:
        board = _data(await caller.client.read_resource(BOARD))
        assert [one["name"] for one in board["agents"]] == [HOLDER, OTHER]
        assert [(one["agent"], one["pattern"]) for one in board["reservations"]] == [(HOLDER, "/a")]
        assert [one["agent"] for one in board["queue"]] == [OTHER]

    calling(story)


def test_an_inbox_can_be_looked_into_and_nothing_counts_as_read(served: Repo) -> None:
    served.reserve(HOLDER, "a")
    served.agentlock("send", HOLDER, "--subject", "Hello", agent=OTHER)

    async def story(caller: Caller) -> None:
        [message] = _data(await caller.client.read_resource(INBOX))
        assert (message["subject"], message["read_ts"]) == ("Hello", None)
        templates = (await caller.client.list_resource_templates()).resource_templates
        assert [one.uri_template for one in templates] == ["agentlock://inbox/{agent}"]

    calling(story)
    assert served.agentlock("inbox", "--unread", "--json", agent=HOLDER).json[0]["id"]


def test_a_resource_that_cannot_be_read_says_why(served: Repo) -> None:
    served.database.write_bytes(b"no database at all" * 100)

    async def story(caller: Caller) -> None:
        with pytest.raises(MCPError, match=r"agentlock\.sqlite3"):
            await caller.client.read_resource(BOARD)
        with pytest.raises(MCPError, match="not a valid agent name"):
            await caller.client.read_resource("agentlock://inbox/--")

    calling(story)


def test_subscribers_of_the_protocol_of_2026_are_told_of_changes(served: Repo) -> None:
    served.reserve(HOLDER, "a")

    async def story(caller: Caller) -> None:
        async with caller.client.listen(resource_subscriptions=[BOARD, INBOX]) as changes:
            await anyio.sleep(0.5)
            await _in_thread(served, "reserve", "b", agent=OTHER)
            assert await anext(changes) == ResourceUpdated(uri=BOARD)
            await _in_thread(served, "send", HOLDER, "--subject", "x", agent=OTHER)
            while await anext(changes) != ResourceUpdated(uri=INBOX):
                pass

    calling(story)


def test_subscribers_of_the_protocol_of_2025_are_told_of_changes(
    served: Repo,
) -> None:
    told = anyio.Event()
    times: list[str] = []

    async def main() -> None:
        async def note(message: object) -> None:
            if isinstance(message, ResourceUpdatedNotification):
                assert str(message.params.uri) == BOARD
                told.set()
                times.append(BOARD)

        door = Door(None, is_of_one_program=True)
        async with Client(made(door), mode="legacy", message_handler=note) as client:
            assert client.server_capabilities.resources is not None
            assert client.server_capabilities.resources.subscribe
            with pytest.warns(MCPDeprecationWarning):
                await client.subscribe_resource(BOARD)
            await anyio.sleep(0.5)
            await _in_thread(served, "reserve", "b", agent=OTHER)
            await told.wait()
            with pytest.warns(MCPDeprecationWarning):
                await client.unsubscribe_resource(BOARD)
            await anyio.sleep(0.1)
            before = len(times)
            await _in_thread(served, "reserve", "c", agent=OTHER)
            await anyio.sleep(0.5)
            assert len(times) == before

    anyio.run(main)


def test_the_prompt_teaches_the_day(served: Repo) -> None:
    assert served.path.exists()

    async def story(caller: Caller) -> None:
        got = await caller.client.get_prompt("day", {"task": "mend the login"})
        text = got.messages[0].content.model_dump()["text"]
        assert "git refuses your" in text
        assert text.endswith("Your task: mend the login")

    calling(story)
