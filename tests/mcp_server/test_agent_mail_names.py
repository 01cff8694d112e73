"""Agents that know only MCP Agent Mail's tools do their day here, and git enforces it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_server.calling import Caller, calling
from support import HOLDER, OTHER, assert_refused

from agentlock.mcp.agent_mail_shapes import slug

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest
    from support import Repo

NAMES = {
    *("ensure_project", "register_agent", "create_agent_identity", "whois"),
    *("file_reservation_paths", "renew_file_reservations", "release_file_reservations"),
    *("force_release_file_reservation", "check_file_reservation_conflicts"),
    *("send_message", "reply_message", "fetch_inbox", "mark_message_read", "acknowledge_message"),
    *("search_messages", "macro_start_session", "macro_file_reservation_cycle"),
}


def mailing(told: Callable[[Caller], Awaitable[None]], *, own: bool = False) -> None:
    """Run a story of calls by Agent Mail's names; several agents share the server, as theirs do."""
    calling(told, is_of_one_program=own, agent_mail_names=True)


async def morning(mail: Caller, served: Repo, key: dict[str, str]) -> None:
    project = await mail.must("ensure_project", human_key=str(served.path))
    assert project["slug"] == slug(bytes(served.path))
    blue = await mail.must(
        *("register_agent",),
        **key,
        program="claude-code",
        model="opus",
        name=HOLDER,
        task_description="the login",
    )
    assert (blue["name"], blue["program"], blue["task_description"]) == (
        *(HOLDER, "claude-code"),
        "the login",
    )
    begun = await mail.must(
        *("macro_start_session",),
        human_key=str(served.path),
        program="codex",
        model="o3",
        agent_name=OTHER,
        file_reservation_paths=["docs/**"],
    )
    assert [one["path_pattern"] for one in begun["file_reservations"]["granted"]] == ["docs/**"]
    assert (begun["agent"]["name"], begun["inbox"]) == (OTHER, [])

    # morning: reserve
    mine = await mail.must(
        "file_reservation_paths", **key, agent_name=HOLDER, paths=["src/**"], reason="bd-42"
    )
    assert set(mine["granted"][0]) == {*("id", "path_pattern", "exclusive", "reason", "expires_ts")}
    both = await mail.must(
        *("file_reservation_paths",),
        **key,
        agent_name=OTHER,
        paths=["src/login.py", "README.md"],
    )
    assert [one["path_pattern"] for one in both["granted"]] == ["README.md"]
    [conflict] = both["conflicts"]
    assert conflict["path"] == "src/login.py"
    [holder] = conflict["holders"]
    assert (holder["agent"], holder["path_pattern"], holder["exclusive"]) == (
        *(HOLDER, "src/**"),
        True,
    )


async def work_and_noon(mail: Caller, served: Repo, key: dict[str, str]) -> None:
    # work: git refuses what the other one holds
    served.write("src/login.py")
    found = await mail.must(
        "check_file_reservation_conflicts", **key, agent_name=OTHER, paths=["src/login.py"]
    )
    assert (found["conflict_free"], found["clear_paths"]) == (False, [])
    assert_refused(served.commit_all(agent=OTHER))

    # noon: mail, renewal, release, take over
    sent = await mail.must(
        *("send_message",),
        **key,
        sender_name=OTHER,
        to=[HOLDER],
        subject="src/login.py",
        body_md="May I have it?",
        importance="high",
        ack_required=True,
    )
    number = sent["deliveries"][0]["payload"]["id"]
    assert sent["count"] == 1
    urgent = await mail.must(
        "fetch_inbox", **key, agent_name=HOLDER, urgent_only=True, include_bodies=True
    )
    assert [(one["id"], one["from"], one["kind"], one["body_md"]) for one in urgent] == [
        (number, OTHER, "to", "May I have it?")
    ]
    reply = await mail.must(
        "reply_message", **key, message_id=number, sender_name=HOLDER, body_md="At noon."
    )
    assert (reply["subject"], reply["reply_to"], reply["to"]) == (
        *("Re: src/login.py", number),
        [OTHER],
    )
    assert reply["thread_id"] == sent["deliveries"][0]["payload"]["thread_id"]
    acknowledged = await mail.must(
        "acknowledge_message", **key, agent_name=HOLDER, message_id=number
    )
    assert acknowledged["acknowledged"]
    assert acknowledged["read_at"]
    read = await mail.must("mark_message_read", **key, agent_name=OTHER, message_id=reply["id"])
    assert read["read"]
    hits = await mail.must("search_messages", **key, query="noon")
    assert [one["id"] for one in hits] == [reply["id"]]
    longer = await mail.must(
        "renew_file_reservations",
        **key,
        agent_name=HOLDER,
        extend_seconds=600,
        paths=["src/**"],
    )
    [renewed] = longer["file_reservations"]
    assert renewed["new_expires_ts"] > renewed["old_expires_ts"]
    assert served.commit_all(agent=HOLDER).code == 0
    released = await mail.must("release_file_reservations", **key, agent_name=HOLDER)
    assert released["released"] == 1
    taken = await mail.must(
        "file_reservation_paths", **key, agent_name=OTHER, paths=["src/login.py"]
    )
    assert taken["granted"]
    assert taken["conflicts"] == []
    served.write("src/login.py", "changed\n")
    assert served.commit_all(agent=OTHER).code == 0


async def evening(mail: Caller, key: dict[str, str]) -> None:
    whole = await mail.must("whois", **key, agent_name=OTHER)
    assert (whole["program"], whole["model"]) == ("codex", "o3")
    cycle = await mail.must(
        *("macro_file_reservation_cycle",),
        **key,
        agent_name=OTHER,
        paths=["LICENSE"],
        auto_release=True,
    )
    assert (len(cycle["file_reservations"]["granted"]), cycle["released"]["released"]) == (1, 1)
    left = await mail.must("release_file_reservations", **key, agent_name=OTHER)
    assert left["released"] == 3


def test_the_days_story_with_agent_mails_names_only(served: Repo) -> None:
    key = {"project_key": str(served.path)}

    async def story(mail: Caller) -> None:
        await morning(mail, served, key)
        await work_and_noon(mail, served, key)
        await evening(mail, key)

    mailing(story)
    assert served.live() == []


def test_their_names_come_next_to_ours(served: Repo) -> None:
    assert served.path.exists()

    async def story(mail: Caller) -> None:
        tools = {one.name for one in (await mail.client.list_tools()).tools}
        assert tools > NAMES
        assert {"reserve", "wait"} < tools

    mailing(story)


def test_only_a_dead_agents_reservation_is_released_by_force(served: Repo) -> None:
    key = {"project_key": str(served.path)}
    held = served.reserve(HOLDER, "a")[0]["id"]

    async def story(mail: Caller) -> None:
        alive = await mail.call(
            "force_release_file_reservation", **key, agent_name=OTHER, file_reservation_id=held
        )
        assert alive.data["error"]["type"] == "REFUSED"
        assert "not stale" in alive.data["error"]["message"]
        an_hour = 3600 * 1_000_000
        served.sql(f"UPDATE agents SET last_active_ts = last_active_ts - {an_hour}")  # noqa: S608
        done = await mail.must(
            "force_release_file_reservation", **key, agent_name=OTHER, file_reservation_id=held
        )
        assert (done["released"], done["reservation"]["id"]) == (1, held)

    mailing(story)


def test_errors_have_the_form_that_their_agents_know(served: Repo, tmp_path: Any) -> None:
    wrong = "INVALID_ARGUMENT"
    here, other = {"project_key": str(served.path)}, {"project_key": str(tmp_path)}

    async def story(mail: Caller) -> None:
        for tool, arguments, kind in (
            ("ensure_project", {"human_key": str(tmp_path)}, "NOT_FOUND"),
            ("ensure_project", {"human_key": "\0"}, "NOT_FOUND"),
            ("acknowledge_message", {**here, "agent_name": OTHER, "message_id": 2**70}, wrong),
            ("whois", {**here, "agent_name": "Nobody"}, wrong),
            ("file_reservation_paths", {**other, "agent_name": OTHER, "paths": ["a"]}, "NOT_FOUND"),
            (
                "file_reservation_paths",
                {**here, "agent_name": OTHER, "paths": []},
                "INVALID_ARGUMENT",
            ),
            ("fetch_inbox", {**here, "agent_name": "no name"}, "AUTHENTICATION_REQUIRED"),
            (
                "send_message",
                {
                    **here,
                    "sender_name": OTHER,
                    "to": [OTHER],
                    "subject": "x",
                    "body_md": "",
                    "bcc": ["X"],
                },
                "INVALID_ARGUMENT",
            ),
        ):
            answer = await mail.call(tool, **arguments)
            assert answer.is_error, tool
            error = answer.data["error"]
            assert (error["type"], error["recoverable"]) == (kind, True), tool
            assert error["data"]["kind"], tool

    mailing(story)


def test_the_project_is_known_by_its_path_its_slug_and_its_worktrees(
    served: Repo, tmp_path: Any
) -> None:
    served.must("worktree", "add", "-q", str(tmp_path / "w1"))

    async def story(mail: Caller) -> None:
        for key in (str(served.path), slug(bytes(served.path)), str(tmp_path / "w1")):
            assert (await mail.must("ensure_project", human_key=key))["id"] == 1

    mailing(story)


def test_an_agent_without_a_name_is_given_one_and_one_of_a_session_keeps_its_own(
    served: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"project_key": str(served.path), "program": "codex", "model": "o3"}

    async def drawn(mail: Caller) -> None:
        names = [(await mail.must("create_agent_identity", **arguments))["name"] for _ in "ab"]
        assert len({*names}) == 2

    mailing(drawn)
    monkeypatch.setenv("AGENTLOCK_AGENT", HOLDER)

    async def own(mail: Caller) -> None:
        assert (await mail.must("register_agent", **arguments))["name"] == HOLDER
        other = await mail.call("register_agent", **arguments, name=OTHER)
        assert other.data["error"]["type"] == "AUTHENTICATION_REQUIRED"

    mailing(own, own=True)


def test_arguments_that_change_nothing_here_are_accepted(served: Repo) -> None:
    async def story(mail: Caller) -> None:
        granted = await mail.must(
            *("file_reservation_paths",),
            project_key=str(served.path),
            agent_name=OTHER,
            paths=[str(served.path / "src" / "a.py")],
            format="toon",
            attachments_policy="auto",
        )
        assert granted["granted"][0]["path_pattern"] == "src/a.py"

    mailing(story)
    assert served.live() == [(OTHER, "/src/a.py", True)]
