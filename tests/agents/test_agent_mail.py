"""A real MCP Agent Mail and agentlock in one repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agents.agent_mail import AgentMail
from support import HOLDER, OTHER, Repo

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.agents


class Agents:
    """Two agents that know only Agent Mail's tools."""

    def __init__(self, server: AgentMail, repo: Repo) -> None:
        self.server = server
        self._project = str(repo.path)
        server.call("ensure_project", human_key=self._project)
        for name in (HOLDER, OTHER):
            server.call(
                "register_agent",
                project_key=self._project,
                program="codex",
                model="gpt",
                name=name,
            )

    def reserve(self, agent: str, *paths: str, **options: Any) -> Any:
        return self._call("file_reservation_paths", agent, paths=list(paths), **options)

    def release(self, agent: str, *paths: str) -> Any:
        named = {"paths": list(paths)} if paths else {}
        return self._call("release_file_reservations", agent, **named)

    def _call(self, tool: str, agent: str, **arguments: Any) -> Any:
        return self.server.call(tool, project_key=self._project, agent_name=agent, **arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentMail]:
    """One server for all tests here: it takes seconds to start, and each test has its project."""
    with AgentMail(tmp_path_factory.mktemp("mail")) as started:
        yield started


@pytest.fixture
def agents(server: AgentMail, repo: Repo) -> Agents:
    made = Agents(server, repo)
    assert repo.agentlock("init", "--agent-mail", str(server.database)).code == 0
    return made


def commits(repo: Repo, path: str, agent: str) -> bool:
    repo.write(path, f"{agent}\n")
    done = repo.commit_all(agent=agent)
    if done.code:
        assert "(Agent Mail)" in done.err
        repo.must("rm", "-qf", path)
    return done.code == 0


def test_what_its_agent_reserves_git_refuses_to_others_until_it_is_released(
    repo: Repo, agents: Agents
) -> None:
    agents.reserve(HOLDER, "src/**", reason="the parser")
    assert not commits(repo, "src/a.py", OTHER)
    assert commits(repo, "src/b.py", HOLDER)
    assert commits(repo, "docs/a.md", OTHER)
    assert agents.release(HOLDER)["released"] == 1
    assert commits(repo, "src/a.py", OTHER)


def test_both_may_hold_a_file_there_and_neither_can_commit_it(repo: Repo, agents: Agents) -> None:
    agents.reserve(HOLDER, "src/a.py")
    granted = agents.reserve(OTHER, "src/a.py")
    assert granted["granted"]
    assert granted["conflicts"]
    for agent in (HOLDER, OTHER):
        assert not commits(repo, "src/a.py", agent)


def test_overlaps_that_it_does_not_see_are_caught(repo: Repo, agents: Agents) -> None:
    for theirs, ours in (
        ("src/*_test.py", "src/auth_*.py"),
        ("app/[slug]/page.tsx", "app/[[]slug]/*.tsx"),
        ("lib/{a,b}/*.py", "lib/a/x.py"),
    ):
        agents.reserve(HOLDER, theirs)
        assert not agents.reserve(OTHER, ours)["conflicts"], "it sees the overlap by now"
        agents.release(OTHER)
        assert repo.agentlock("reserve", ours, agent=OTHER).code == 1, ours


def test_its_archive_alone_says_the_same(repo: Repo, agents: Agents) -> None:
    archive = agents.server.archive
    assert repo.agentlock("init", "--agent-mail", str(archive)).code == 0
    agents.reserve(HOLDER, "src/*")
    assert not commits(repo, "src/deep/a.py", OTHER)
    agents.release(HOLDER)
    assert commits(repo, "src/deep/a.py", OTHER)


def test_its_agents_and_messages_come_over(repo: Repo, agents: Agents) -> None:
    agents.reserve(HOLDER, "src/**")
    agents.server.call(
        "send_message",
        project_key=str(repo.path),
        sender_name=HOLDER,
        to=[OTHER],
        subject="The plan",
        body_md="First this.",
    )
    done = repo.agentlock("agent-mail", "import", "--json").json
    assert (done["agents"], done["messages"], done["left"]) == (2, 1, [])
    assert repo.agentlock("inbox", "--json", agent=OTHER).json[0]["body"] == "First this."
    assert repo.live()[0] == (HOLDER, "/src/**", True)
    assert repo.agentlock("agent-mail", "import", "--json").json["messages"] == 0
