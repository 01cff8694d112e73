"""Leases are renewed while a program runs; a lost one is told once, and never taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER

from agentlock.git.repository import discover
from agentlock.guard.judge import folding_of
from agentlock.running.keeping import LEASE, Keeper
from agentlock.store import open_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Repo

SECOND = 1_000_000
AGE = """
UPDATE file_reservations SET created_ts = created_ts - {0}, expires_ts = expires_ts - {0}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def guarded(
    request: pytest.FixtureRequest, new_repo: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> Repo:
    repo = new_repo("repo")
    where = ("--database", request.getfixturevalue("postgresql").database())
    assert repo.agentlock("init", *(where if request.param == "postgresql" else ())).code == 0
    monkeypatch.chdir(repo.path)
    return repo


def keeper(repo: Repo, *patterns: str) -> Keeper:
    repo.reserve(HOLDER, *patterns, "--ttl", "2m")
    repository = discover()
    store = open_table(repository, 10 * SECOND)
    held = store.reservations.all(agent=HOLDER)
    store.close()
    return Keeper(repository, folding_of(repository), HOLDER, held)


def left() -> list[float]:
    """How many seconds each live lease still lasts."""
    repository = discover()
    store = open_table(repository, 10 * SECOND)
    now = store.now()
    found = [(one.expires_ts - now) / SECOND for one in store.reservations.all(live_at=now)]
    store.close()
    return found


def age(repo: Repo, seconds: int) -> None:
    repo.sql(AGE.format(seconds * SECOND))


def test_a_renewal_gives_each_lease_its_two_minutes_again(guarded: Repo) -> None:
    kept = keeper(guarded, "src/**", "docs/")
    age(guarded, 100)
    assert kept.renew() == []
    assert all(LEASE / SECOND - 15 < one <= LEASE / SECOND for one in left())
    assert kept.give_back() == []
    assert left() == []


def test_a_lease_that_ran_out_is_told_once_and_not_taken_back(guarded: Repo) -> None:
    kept = keeper(guarded, "src/**", "docs/")
    age(guarded, 121)
    guarded.reserve(OTHER, "src/x.py")
    said = kept.renew()
    assert len(said) == 2
    assert f"{HOLDER} has lost src/** (reservation 1): it expired" in said[0]
    assert kept.renew() == []
    assert [agent for agent, _, _ in guarded.live()] == [OTHER]
    news = guarded.agentlock("status", agent=HOLDER)
    assert "your reservation 1 (src/**) expired" in news.out + news.err  # the agent is told too
    assert kept.give_back() == []
    assert [agent for agent, _, _ in guarded.live()] == [OTHER]


def test_a_lease_that_somebody_ended_is_told(guarded: Repo) -> None:
    kept = keeper(guarded, "src/**", "docs/")
    forced = ("release", "--id", "1", "--force", "--reason", "urgent")
    assert guarded.agentlock(*forced, agent=OTHER).code == 0
    (said,) = kept.renew()
    assert said == (
        f"{HOLDER} has lost src/** (reservation 1): somebody ended it; see: agentlock show 1"
    )
    assert len(left()) == 1


def test_a_table_that_cannot_be_read_is_told_once(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo.path)
    kept = keeper(repo, "src/**")
    repo.database.rename(repo.path / "away")
    (said,) = kept.renew()
    assert said.startswith(f"the leases of {HOLDER} cannot be renewed: ")
    assert kept.renew() == []
    (said,) = kept.give_back()
    assert said.startswith(f"what {HOLDER} held ends by itself within 2m: ")


def test_an_idle_agent_is_not_kept_while_somebody_waits(guarded: Repo) -> None:
    kept = keeper(guarded, "src/**")
    session = (
        "INSERT INTO conversations (project_id, agent_id, program, program_session, started_ts,"
        " last_active_ts) SELECT project_id, id, 'claude', 'S', 0, 0 FROM agents WHERE name = '{}'"
    )
    guarded.sql(session.format(HOLDER))
    sixteen = 16 * 60 * SECOND
    guarded.sql(f"UPDATE agents SET last_active_ts = last_active_ts - {sixteen}")  # noqa: S608
    age(guarded, 60)
    guarded.sql(f"UPDATE file_reservations SET created_ts = created_ts - {sixteen}")  # noqa: S608
    assert kept.renew() == []  # nobody waits
    assert left()[0] > 100
    age(guarded, 60)
    assert guarded.agentlock("reserve", "src/x.py", "--queue", agent=OTHER).code == 1
    (said,) = kept.renew()
    assert said.endswith(f"{HOLDER} has shown nothing for 15m (policy idle_limit)")
    assert left()[0] < 70
    guarded.sql("DELETE FROM conversations")  # nobody can tell of it whether it is idle
    assert kept.renew() == []
    assert left()[0] > 100
