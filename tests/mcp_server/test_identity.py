"""Who calls: `--as`, else the session's name, else the argument; never another session's name."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from edit_hooks.test_sessions import event
from mcp_server.calling import Caller, calling
from support import HOLDER, OTHER, Repo

from agentlock.git.repository import discover
from agentlock.git.sessions import Session, all_open, save
from agentlock.mcp.door import Door
from agentlock.mcp.server import made
from agentlock.processes import ancestors, boot_and_namespace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def _is(agent: str) -> Callable[[Caller], Awaitable[None]]:
    async def story(caller: Caller) -> None:
        granted = (await caller.must("reserve", patterns=["a"]))["granted"]
        assert [held["agent"] for held in granted] == [agent]

    return story


def test_as_goes_before_the_environment(served: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLOCK_AGENT", HOLDER)
    calling(_is(OTHER), OTHER)
    assert served.live() == [(OTHER, "/a", True)]


def test_the_name_that_is_set_is_the_callers_and_an_argument_cannot_change_it(
    served: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTLOCK_AGENT", HOLDER)

    async def story(caller: Caller) -> None:
        await caller.must("reserve", patterns=["a"])
        await caller.must("reserve", patterns=["b"], agent=HOLDER)
        assert (await caller.call("reserve", patterns=["c"], agent=OTHER)).kind == "identity"

    calling(story)
    assert served.live() == [(HOLDER, "/a", True), (HOLDER, "/b", True)]


def test_the_name_is_that_of_the_session(served: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    event("SessionStart", cwd=served.path, source="startup")
    [session] = all_open(discover())
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ID", "S")
    calling(_is(session.agent))


def test_the_name_of_a_session_in_another_process_is_refused(served: Repo) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        _open_session(other.pid)

        async def story(caller: Caller) -> None:
            refused = await caller.call("reserve", patterns=["a"], agent=HOLDER)
            assert refused.kind == "identity"
            assert "open session" in refused.data["error"]["message"]

        calling(story)
    finally:
        other.kill()
        other.wait()
    assert served.live() == []
    calling(_is(HOLDER), agent=HOLDER)  # it has ended


def test_a_program_with_several_sessions_may_say_which_of_them_calls(served: Repo) -> None:
    assert served.path.exists()
    _open_session(os.getppid(), "S", OTHER)
    _open_session(os.getppid())
    calling(_is(HOLDER), agent=HOLDER)


def _open_session(process: int, number: str = "T", agent: str = HOLDER) -> None:
    started = next(one for _, _, one in ancestors(1, process))
    save(discover(), Session(agent, "claude", number, process, started, boot_and_namespace()))


def test_over_http_the_surroundings_of_the_server_name_nobody(
    served: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.path.exists()
    monkeypatch.setenv("AGENTLOCK_AGENT", HOLDER)

    async def story(caller: Caller) -> None:
        assert (await caller.call("reserve", patterns=["a"])).kind == "identity"
        granted = (await caller.must("reserve", patterns=["a"], agent=OTHER))["granted"]
        assert granted[0]["agent"] == OTHER

    calling(story, is_of_one_program=False)


@pytest.mark.parametrize("name", ["no name!", "claude", "-x"])
def test_a_name_that_cannot_be_one_is_refused(served: Repo, name: str) -> None:
    assert served.path.exists()

    async def story(caller: Caller) -> None:
        assert (await caller.call("reserve", patterns=["a"], agent=name)).kind == "identity"

    calling(story)


def test_the_agent_is_told_what_its_template_gives_it_to_read(
    served: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = ("template", "set", "writer", "--bootstrap", "docs/how to.md", "--", "claude")
    assert served.agentlock(*template).code == 0
    assert served.agentlock("agent", "register", HOLDER, agent=HOLDER).code == 0
    served.sql("UPDATE agents SET template = 'writer'")

    def told(door: Door) -> bool:
        return 'Read first: "docs/how to.md"' in (made(door).instructions or "")

    assert not told(Door(None, is_of_one_program=True))
    monkeypatch.setenv("AGENTLOCK_AGENT", HOLDER)
    assert told(Door(None, is_of_one_program=True))
    assert told(Door(HOLDER, is_of_one_program=False))
    assert not told(Door(None, is_of_one_program=False))  # it serves several
