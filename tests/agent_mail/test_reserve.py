"""`reserve` and the queue behind what an Agent Mail's agents hold."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo
from support.agent_mail import HOUR, Mailbox, kept

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mailbox(repo: Repo, tmp_path: Path) -> Mailbox:
    made = Mailbox(tmp_path / "mail" / "storage.sqlite3")
    assert repo.agentlock("init", "--agent-mail", str(made.path)).code == 0
    return made


@pytest.fixture
def project(mailbox: Mailbox, repo: Repo) -> int:
    return mailbox.project(repo.path)


@pytest.fixture
def held(mailbox: Mailbox, project: int) -> int:
    """HOLDER holds all below src there."""
    return mailbox.reserve(project, mailbox.agent(project, HOLDER), "src/**")


def test_a_reserve_is_refused_also_where_agent_mail_would_miss_the_overlap(
    repo: Repo, mailbox: Mailbox, held: int
) -> None:
    refused = repo.agentlock("reserve", "--json", "**/*.py", agent=OTHER)
    assert refused.code == 1
    met = refused.json["conflicts"][0]
    assert met["witness"].startswith("src/")
    assert met["reservation"]["agent"] == "BlueLake (Agent Mail)"
    said = repo.agentlock("reserve", "src/a.py", agent=OTHER).err
    assert "src/a.py meets src/**  BlueLake (Agent Mail)  exclusive" in said
    assert "agentlock reserve src/a.py --wait" in said
    assert repo.agentlock("reserve", "docs/**", agent=OTHER).code == 0
    mailbox.release(held)
    assert repo.agentlock("reserve", "**/*.py", agent=OTHER).code == 0


@pytest.mark.usefixtures("held")
def test_shared_meets_exclusive_and_a_namesake_meets_nothing(
    repo: Repo, mailbox: Mailbox, project: int
) -> None:
    agent = mailbox.agent(project, "GreenHill")
    mailbox.reserve(project, agent, "docs/*", exclusive=False)
    assert repo.agentlock("reserve", "--shared", "src/a.py", agent="RedFox").code == 1
    assert repo.agentlock("reserve", "--shared", "docs/a.md", agent="RedFox").code == 0
    assert repo.agentlock("reserve", "docs/b.md", agent="RedFox").code == 1
    assert repo.agentlock("reserve", "src/a.py", agent=HOLDER).code == 0


def test_what_the_agent_holds_already_is_extended_whatever_agent_mail_granted_since(
    repo: Repo, mailbox: Mailbox, project: int
) -> None:
    repo.reserve(OTHER, "src/a.py", "--ttl", "5m")
    mailbox.reserve(project, mailbox.agent(project, HOLDER), "src/**")
    assert repo.agentlock("reserve", "src/a.py", "--ttl", "1h", agent=OTHER).code == 0
    assert repo.agentlock("reserve", "src/b.py", agent=OTHER).code == 1


def test_who_waits_behind_one_is_granted_soon_after_its_release(
    repo: Repo, mailbox: Mailbox, held: int
) -> None:
    waiting = repo.agentlock_in_background("reserve", "src/a.py", "--wait", "1m", agent=OTHER)
    while not (places := repo.agentlock("queue", "list", "--json").json):
        time.sleep(0.05)
    behind = places[0]["behind"]
    assert [(one["agent"], one["source"]) for one in behind] == [
        ("BlueLake (Agent Mail)", "Agent Mail")
    ]
    mailbox.release(held)
    waiting.communicate()
    assert waiting.wait() == 0
    assert repo.live() == [(OTHER, "/src/a.py", True)]


def test_a_place_is_granted_by_the_next_command_and_db_check_finds_no_fault(
    repo: Repo, mailbox: Mailbox, held: int
) -> None:
    assert repo.agentlock("reserve", "src/a.py", "--queue", agent=OTHER).code == 1
    assert repo.agentlock("db", "check").code == 0
    mailbox.release(held)
    while not repo.live():  # a place is tested once a second
        time.sleep(0.1)
    assert repo.agentlock("db", "check").code == 0


@pytest.mark.usefixtures("held")
def test_what_is_released_while_agent_mail_cannot_be_read_is_released_and_granted_to_nobody(
    repo: Repo, mailbox: Mailbox
) -> None:
    repo.reserve("RedFox", "docs/**")
    assert repo.agentlock("reserve", "docs/a.md", "--queue", agent=OTHER).code == 1
    away = mailbox.path.rename(mailbox.path.with_suffix(".away"))
    released = repo.agentlock("release", "--all", "--json", agent="RedFox")
    assert released.code == 0
    assert "handed_over" not in released.json
    refused = repo.agentlock("reserve", "lib/a.py", agent=OTHER)
    assert refused.code == 3
    assert "storage.sqlite3 is missing" in refused.err
    away.rename(mailbox.path)
    while (OTHER, "/docs/a.md", True) not in repo.live():
        time.sleep(0.1)


def _old(path: Path) -> None:
    os.utime(path, (time.time() - HOUR, time.time() - HOUR))


def test_what_agent_mail_is_about_to_release_for_idleness_refuses_nothing(
    repo: Repo, mailbox: Mailbox, project: int, tmp_path: Path
) -> None:
    path = repo.write("src/a.py")
    repo.commit_unguarded("an hour ago")  # by the dates that the sealed environment sets
    _old(path)
    other = Repo(tmp_path / "second")
    repo.must("worktree", "add", "-q", str(other.path))
    agent = mailbox.agent(project, HOLDER, active=-HOUR)
    mailbox.reserve(project, agent, "src/*.py")

    def commits() -> bool:
        other.write("src/a.py", f"{time.monotonic()}\n")
        done = other.commit_all(agent=OTHER).code == 0
        other.must("reset", "-q", "--hard", "main")
        return done

    assert commits()
    assert repo.agentlock("check", "src/a.py", agent=OTHER).code == 0
    path.touch()  # somebody works there
    assert not commits()
    _old(path)
    assert commits()
    mailbox.run("UPDATE agents SET last_active_ts = ?", kept(-60))
    assert not commits()
    mailbox.run("UPDATE agents SET last_active_ts = ?", kept(-HOUR))
    mailbox.run(
        "INSERT INTO messages (project_id, sender_id, subject, body_md, importance, ack_required,"
        " created_ts) VALUES (?, ?, 'hello', '', 'normal', 0, ?)",
        *(project, agent, kept(-60)),
    )
    assert not commits()
