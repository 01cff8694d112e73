"""What ended long ago is removed: all at once, or a little with each change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agentlock.reservations.retention import BITE, LARGE_BITE

if TYPE_CHECKING:
    from support import Repo

HOUR = 3600 * 1_000_000
WHY = ("--reason", "the disk is small")


def age(repo: Repo) -> None:
    """Date everything back to 1970."""
    repo.sql("DROP TRIGGER events_are_not_rewritten")
    repo.sql("UPDATE events SET created_ts = id")
    repo.sql("UPDATE file_reservations SET created_ts = id, released_ts = id, expires_ts = id")


def log_old_events(repo: Repo, count: int, moment: int = 1) -> None:
    rows = ", ".join([f"(1, {moment}, 'old')"] * count)
    repo.sql(f"INSERT INTO events (project_id, created_ts, kind) VALUES {rows}")  # noqa: S608


def old_events(repo: Repo) -> int:
    ((count,),) = repo.sql("SELECT count(*) FROM events WHERE kind = 'old'")
    return int(count)


def test_prune_removes_what_ended_and_says_so_in_the_log(repo: Repo) -> None:
    ended = [row["id"] for row in repo.reserve("A", "a.py", "b.py")]
    age(repo)
    (live,) = repo.reserve("B", "c.py")
    result = repo.agentlock("db", "prune", "--older-than", "90d", "--json", agent="Keeper")
    assert result.code == 0, result
    assert result.json == {"events": 3, "reservations": 2}
    assert [row["id"] for row in repo.agentlock("list", "--all", "--json").json] == [live["id"]]
    events = repo.agentlock("log", "--json").json
    assert [event["kind"] for event in events] == ["granted", "pruned"]
    assert events[-1]["agent"] == "Keeper"
    assert events[-1]["detail"] == "everything older than 90d"
    shown = repo.agentlock("show", str(ended[0]))
    assert shown.code == 2
    assert "there is no reservation" in shown.err
    assert repo.agentlock("show", str(live["id"])).code == 0
    assert repo.sql("PRAGMA foreign_key_check") == []


def test_ids_and_fences_of_removed_rows_are_never_used_again(repo: Repo) -> None:
    (first,) = repo.reserve("A", "a.py")
    age(repo)
    assert repo.agentlock("db", "prune", "--older-than", "1h").code == 0
    (second,) = repo.reserve("A", "a.py")
    assert second["id"] > first["id"]
    assert second["fence"] > first["fence"]


def test_a_live_reservation_is_kept_however_old_it_is(repo: Repo) -> None:
    repo.reserve("A", "a.py")
    repo.sql("UPDATE file_reservations SET created_ts = 1")
    assert repo.agentlock("db", "prune", "--older-than", "1h").code == 0
    assert len(repo.agentlock("list", "--json").json) == 1
    assert repo.agentlock("reserve", "a.py", agent="B").code == 1


def test_prune_takes_the_age_from_the_policy_if_none_is_given(repo: Repo) -> None:
    asked = repo.agentlock("db", "prune")
    assert asked.code == 2
    assert "--older-than" in asked.err
    log_old_events(repo, LARGE_BITE + 1)
    assert repo.agentlock("policy", "set", "retention", "90d", *WHY).code == 0
    assert repo.agentlock("policy", "show", "--json").json["retention"] == "90d"
    result = repo.agentlock("db", "prune")
    assert result.out == f"removed {LARGE_BITE + 1} events and 0 reservations\n"


@pytest.mark.parametrize(
    "arguments",
    [("db", "prune", "--older-than", "59m"), ("policy", "set", "retention", "1s")],
)
def test_a_retention_under_an_hour_is_refused(repo: Repo, arguments: tuple[str, ...]) -> None:
    log_old_events(repo, 1)
    result = repo.agentlock(*arguments)
    assert result.code == 2
    assert "use 1h or longer" in result.err
    assert old_events(repo) == 1


def test_without_a_retention_nothing_is_removed(repo: Repo) -> None:
    log_old_events(repo, 2 * BITE)
    repo.reserve("A", "a.py")
    assert old_events(repo) == 2 * BITE


def test_with_a_retention_each_change_removes_a_few_old_rows(repo: Repo) -> None:
    assert repo.agentlock("policy", "set", "retention", "90d", *WHY).code == 0
    log_old_events(repo, 3 * BITE + 1)
    repo.reserve("A", "a.py")
    assert old_events(repo) == 2 * BITE + 1
    assert repo.agentlock("renew", "--all", agent="A").code == 0
    assert old_events(repo) == BITE + 1
    assert repo.agentlock("release", "--all", agent="A").code == 0
    assert old_events(repo) == 1
    repo.reserve("A", "b.py")
    assert old_events(repo) == 1, "fewer rows than that are not worth an event of their own"
    told = repo.sql("SELECT detail FROM events WHERE kind = 'pruned'")
    assert told == [(f"{BITE} events and 0 reservations older than 90d",)] * 3


def test_with_a_retention_younger_rows_stay(repo: Repo) -> None:
    assert repo.agentlock("policy", "set", "retention", "90d", *WHY).code == 0
    log_old_events(repo, 2 * BITE, time.time_ns() // 1000 - 89 * 24 * HOUR)
    repo.reserve("A", "a.py")
    assert old_events(repo) == 2 * BITE


def test_a_retention_can_be_switched_off_again(repo: Repo) -> None:
    for value in ("90d", "off"):
        assert repo.agentlock("policy", "set", "retention", value, *WHY).code == 0
    assert repo.agentlock("policy", "show", "--json").json["retention"] is None
    log_old_events(repo, 2 * BITE)
    repo.reserve("A", "a.py")
    assert old_events(repo) == 2 * BITE
