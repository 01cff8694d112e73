"""`agent-mail import`: agents, messages and live reservations, and nothing twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, OTHER, Repo
from support.agent_mail import Archive, Mailbox

if TYPE_CHECKING:
    from pathlib import Path


def imported(repo: Repo) -> Any:
    result = repo.agentlock("agent-mail", "import", "--json")
    assert result.code == 0, result
    return result.json


@pytest.fixture
def mailbox(repo: Repo, tmp_path: Path) -> Mailbox:
    made = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    assert repo.agentlock("init", "--agent-mail", str(made.path)).code == 0
    return made


def test_agents_messages_and_what_is_held_come_over_once(repo: Repo, mailbox: Mailbox) -> None:
    project = mailbox.project(repo.path)
    blue, green = mailbox.agent(project, HOLDER), mailbox.agent(project, OTHER)
    mailbox.agent(mailbox.project("/elsewhere"), "Elsewhere")
    first = mailbox.send(project, blue, [green], "The plan", at=-60, importance="urgent")
    mailbox.send(project, green, [blue, green], "Re: The plan", thread=str(first), at=-50, read=-40)
    mailbox.send(project, blue, [green], "Named", thread="bd-12", at=-30, body="x" * 70_000)
    mailbox.reserve(project, blue, "src/*", reason="the parser")
    mailbox.reserve(project, green, "docs/**", exclusive=False)
    mailbox.reserve(project, green, "old/**", expires=-1)
    done = imported(repo)
    assert (done["agents"], done["messages"], done["left"]) == (2, 3, [])
    assert sorted((one["agent"], one["pattern"]) for one in done["granted"]) == [
        (HOLDER, "/src/*"),
        (HOLDER, "/src/*/**"),
        (OTHER, "/docs/**"),
    ]
    again = imported(repo)
    assert (again["agents"], again["messages"], again["granted"]) == (0, 0, [])
    assert {one["name"] for one in repo.agentlock("agent", "list", "--json").json} == {
        HOLDER,
        OTHER,
    }
    inbox = repo.agentlock("inbox", "--json", agent=OTHER).json
    assert [one["subject"] for one in inbox] == ["Named", "Re: The plan", "The plan"]
    assert inbox[0]["thread"] == "bd-12"
    assert inbox[0]["body"].endswith("[cut by agentlock agent-mail import]")
    assert inbox[1]["thread"] == inbox[2]["thread"] == str(inbox[2]["id"])
    assert inbox[1]["read_ts"] is not None
    assert (inbox[2]["importance"], inbox[2]["read_ts"]) == ("urgent", None)
    mailbox.send(project, blue, [green], "One more")
    assert imported(repo)["messages"] == 1
    # Without the Agent Mail, what its agents held is still held.
    assert repo.agentlock("init", "--no-agent-mail").code == 0
    assert repo.agentlock("check", "src/deep/a.py", agent=OTHER).code == 1


def test_a_message_to_an_agent_that_was_deleted_comes_over(repo: Repo, mailbox: Mailbox) -> None:
    project = mailbox.project(repo.path)
    blue, green = mailbox.agent(project, HOLDER), mailbox.agent(project, OTHER)
    gone = mailbox.agent(project, "Gone")
    mailbox.send(project, blue, [green, gone], "The plan")
    with closing(sqlite3.connect(mailbox.path)) as database, database:
        database.execute("DELETE FROM agents WHERE id = ?", (gone,))
    assert imported(repo)["messages"] == 1
    assert repo.agentlock("inbox", "--json", agent=OTHER).json[0]["to"] == [OTHER]


def test_what_cannot_come_over_is_named_and_the_rest_does(repo: Repo, mailbox: Mailbox) -> None:
    project = mailbox.project(repo.path)
    blue, green = mailbox.agent(project, HOLDER), mailbox.agent(project, OTHER)
    odd = mailbox.agent(project, "no name at all")
    mailbox.reserve(project, blue, "src/**")
    mailbox.reserve(project, green, "src/a.py")
    mailbox.reserve(project, green, "docs/a.md", expires=30)
    mailbox.reserve(project, green, "lib/a.py")
    mailbox.send(project, odd, [green], "From nobody")
    done = imported(repo)
    assert [one["pattern"] for one in done["granted"]] == ["/lib/a.py/"]
    said = "\n".join(done["left"])
    assert '"no name at all" cannot be an agent' in said
    assert "src/** of BlueLake: it meets what GreenHill (Agent Mail) holds" in said
    assert "src/a.py of GreenHill: it meets what BlueLake (Agent Mail) holds" in said
    assert "docs/a.md of GreenHill: it ends within a minute" in said
    assert "1 message of or to nobody who can be an agent here" in said
    told = repo.agentlock("agent-mail", "import")
    assert told.out.splitlines()[1] == "messages:     0 new messages"
    assert "agentlock: not taken over: src/** of BlueLake" in told.err


def test_an_archive_comes_over_too(repo: Repo, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "mailbox", repo.path, generation="ab12")
    assert repo.agentlock("init", "--agent-mail", str(archive.root)).code == 0
    for agent in (HOLDER, OTHER):
        archive.profile(agent)
    archive.reserve(1, HOLDER, "src/**")
    archive.send(1, HOLDER, OTHER, "The plan", "First this.\n\nThen that.")
    done = imported(repo)
    assert (done["agents"], done["messages"], done["left"]) == (2, 1, [])
    assert imported(repo)["messages"] == 0
    message = repo.agentlock("inbox", "--json", agent=OTHER).json[0]
    assert message["body"] == "First this.\n\nThen that."
    assert message["importance"] == "high"
    assert message["read_ts"] is not None  # the archive does not say so, and nobody is told twice
    assert repo.live()[0] == (HOLDER, "/src/**", True)


def test_without_a_recorded_agent_mail_it_says_which_command_records_one(repo: Repo) -> None:
    result = repo.agentlock("agent-mail", "import")
    assert result.code == 2
    assert "fix: agentlock init --agent-mail" in result.err
