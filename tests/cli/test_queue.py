"""`reserve --wait`, `reserve --queue`, `wait` and `queue`: what people and programs see of them."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, OTHER, Repo

from agentlock.cli.optional_value import with_values

if TYPE_CHECKING:
    from pathlib import Path

PLACE = ["id", "agent", "patterns", "exclusive", "reason", "created_ts", "expires_ts", "place"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--wait 5m a", "--wait=5m a"),
        ("a --wait", "a --wait=1h"),
        ("--wait a b", "--wait=1h a b"),
        ("--queue 1h30m a", "--queue=1h30m a"),
        ("--queue a --ttl 2h", "--queue=1h a --ttl 2h"),
        ("--wait=9m a", "--wait=9m a"),
        ("-- --wait 5m", "-- --wait 5m"),
    ],
)
def test_the_word_after_wait_and_queue_counts_only_if_it_is_a_duration(
    typed: str, read: str
) -> None:
    assert with_values(typed.split()) == read.split()


def waits_for(repo: Repo, count: int) -> None:
    """Return once so many places are in the queue."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if repo.sql("SELECT count(*) FROM waits WHERE ended_ts IS NULL") == [(count,)]:
            return
        time.sleep(0.05)
    raise AssertionError(repo.sql("SELECT * FROM waits"))


def test_who_waits_in_the_foreground_gets_it_when_it_is_released(repo: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    waiting = repo.agentlock_in_background(
        *("reserve", "README.md", "--wait", "60s", "--json"), agent=OTHER
    )
    waits_for(repo, 1)
    released = repo.agentlock("release", "--all", "--json", agent=HOLDER)
    (handed,) = released.json["handed_over"]
    assert (handed["agent"], handed["pattern"], handed["offer"]) == (OTHER, "/README.md", True)
    out, _ = waiting.communicate()
    said = json.loads(out)
    assert list(said) == ["granted", "conflicts", "wait", "stale"]
    (granted,) = said["granted"]
    assert (granted["id"], granted["offer"]) == (handed["id"], False)
    assert (said["conflicts"], said["wait"], waiting.wait()) == ([], None, 0)
    assert repo.live() == [(OTHER, "/README.md", True)]


def test_a_wait_that_ends_in_vain_gives_up_its_place_and_a_queued_one_stays(repo: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    asked = repo.agentlock("reserve", "README.md", "--wait", "1s", "--json", agent=OTHER)
    assert (asked.code, asked.json["granted"], asked.json["wait"]) == (1, [], None)
    assert [one["reservation"]["agent"] for one in asked.json["conflicts"]] == [HOLDER]
    asked = repo.agentlock("reserve", "README.md", "--queue", "2h", "--json", agent=OTHER)
    assert asked.code == 1
    place: dict[str, Any] = asked.json["wait"]
    assert list(place) == [*PLACE, "behind"]
    assert (place["place"], place["patterns"]) == (1, ["/README.md"])
    assert place["behind"] == [{"agent": HOLDER, "pattern": "/README.md", "reservation": 1}]
    waited = repo.agentlock("wait", "--for", "1s", "--json", agent=OTHER)
    assert (waited.code, waited.json["granted"]) == (1, [])
    assert [one["id"] for one in waited.json["waits"]] == [place["id"]]
    assert repo.agentlock("queue", "list", "--json").json == waited.json["waits"]

    released = repo.agentlock("release", "--all", agent=HOLDER)
    assert f"handed over to {OTHER}: README.md" in released.out
    assert repo.agentlock("list", "--json").json[0]["offer"] is True
    waited = repo.agentlock("wait", str(place["id"]), "--json", agent=OTHER)
    assert waited.code == 0
    assert [one["pattern"] for one in waited.json["granted"]] == ["/README.md"]
    assert waited.json["waits"] == []


def test_any_command_of_the_agent_takes_the_offer_and_says_so(repo: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    repo.agentlock("reserve", "README.md", "--queue", agent=OTHER)
    repo.agentlock("release", "--all", agent=HOLDER)
    repo.write("README.md", "changed\n")
    assert repo.commit_all(agent=OTHER).code == 0  # allowed under the offer, which it leaves
    assert repo.agentlock("list", "--json").json[0]["offer"] is True
    status = repo.agentlock("status", agent=OTHER)
    assert "your turn came: README.md is reserved for you" in status.err
    assert repo.agentlock("list", "--json").json[0]["offer"] is False
    assert "your turn came" not in repo.agentlock("status", agent=OTHER).err


def test_status_lists_the_places_of_the_agent(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/")
    repo.agentlock("reserve", "src/", "--queue", agent=OTHER)
    said = repo.agentlock("status", agent=OTHER)
    assert f"waits     number 1 in the queue for src/ behind {HOLDER} (place 1)" in said.out
    (place,) = repo.agentlock("status", "--json", agent=OTHER).json["waits"]
    assert (place["id"], place["place"]) == (1, 1)
    assert "waits" not in repo.agentlock("status", agent=HOLDER).out


def test_interrupted_a_wait_gives_up_its_place(repo: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    waiting = repo.agentlock_in_background("reserve", "README.md", "--wait", agent=OTHER)
    waits_for(repo, 1)
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait() == 130
    assert repo.agentlock("queue", "list", "--json").json == []


def test_refusals_name_the_command_that_waits(repo: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    refused = repo.agentlock("reserve", "README.md", "--reason", "x y", agent=OTHER)
    assert "  wait:   agentlock reserve README.md --reason 'x y' --wait\n" in refused.err
    repo.write("README.md", "theirs\n")
    commit = repo.commit_all(agent=OTHER)
    assert commit.code == 1
    assert "agentlock reserve README.md --wait\n" in commit.err


def test_a_place_refuses_claims_but_no_commit_and_check_names_who_waits(repo: Repo) -> None:
    repo.write("src/a.py")
    repo.write("src/b.py")
    repo.commit_unguarded("files")
    repo.reserve(HOLDER, "src/a.py")
    repo.agentlock("reserve", "src/", "--queue", agent=OTHER)
    asked = repo.agentlock("reserve", "src/b.py", agent="Third")
    assert asked.code == 1
    assert f"src/b.py meets src/  {OTHER}  waits" in asked.err
    assert "what a place waits for stays closed to later claims" in asked.err
    asked = repo.agentlock("reserve", "src/b.py", "--json", agent="Third")
    (conflict,) = asked.json["conflicts"]
    assert list(conflict) == ["pattern", "witness", "wait"]
    assert conflict["wait"]["agent"] == OTHER
    checked = repo.agentlock("check", "src/b.py", "--json", agent="Third")
    assert checked.code == 0
    (path,) = checked.json["paths"]
    assert path["state"] == "free"
    assert path["waiting"] == [{"agent": OTHER, "pattern": "/src/", "wait": 1}]
    repo.write("src/b.py", "changed\n")
    assert repo.commit_all(agent="Third").code == 0


def test_a_circle_is_refused_with_all_who_are_in_it(repo: Repo) -> None:
    repo.reserve(HOLDER, "a")
    repo.reserve(OTHER, "b")
    assert repo.agentlock("reserve", "b", "--queue", agent=HOLDER).code == 1
    refused = repo.agentlock("reserve", "a", "--queue", "--json", agent=OTHER)
    assert refused.code == 1
    error = refused.json["error"]
    assert (error["code"], error["kind"]) == (1, "deadlock")
    assert error["circle"] == [
        {"agent": OTHER, "holds": "/b", "waits_for": "/a"},
        {"agent": HOLDER, "holds": "/a", "waits_for": "/b"},
    ]
    assert error["hint"] == "agentlock release --id 2"
    said = repo.agentlock("reserve", "a", "--wait", agent=OTHER).err
    assert f"{OTHER} holds b and would wait for a; {HOLDER} holds a and waits for b" in said


def test_a_place_is_left_and_another_ones_only_by_force(repo: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    repo.agentlock("reserve", "README.md", "--queue", agent=OTHER)
    assert repo.agentlock("queue", "leave", "1", agent="Third").code == 1
    assert repo.agentlock("queue", "leave", "9", agent=OTHER).code == 2
    assert repo.agentlock("queue", "leave", agent=OTHER).code == 2
    assert repo.agentlock("queue", "leave", "1", "--force", agent="Third").code == 2
    forced = repo.agentlock("queue", "leave", "1", "--force", "--reason", "stuck", agent="Third")
    assert forced.code == 0, forced
    assert "Third ended it by force" in repo.agentlock("status", agent=OTHER).err
    repo.agentlock("reserve", "README.md", "--queue", agent=OTHER)
    left = repo.agentlock("queue", "leave", "--all", "--json", agent=OTHER)
    assert left.json == {"left": [2]}
    assert repo.agentlock("wait", agent=OTHER).code == 1


def test_a_restored_table_has_no_places_and_sends_away_who_waits(
    repo: Repo, tmp_path: Path
) -> None:
    repo.reserve(HOLDER, "README.md")
    repo.agentlock("reserve", "README.md", "--queue", agent=OTHER)
    repo.agentlock("db", "backup", str(tmp_path / "backup.sqlite3"))
    waiting = repo.agentlock_in_background("reserve", "README.md", "--wait", agent="Third")
    waits_for(repo, 2)
    restored = repo.agentlock("db", "restore", str(tmp_path / "backup.sqlite3"))
    assert restored.code == 0, restored
    assert waiting.wait() == 3
    assert repo.agentlock("queue", "list", "--json").json == []
    assert repo.live() == [(HOLDER, "/README.md", True)]


def test_after_a_copy_who_waits_ends_with_3_and_queued_places_go_along(
    repo: Repo, tmp_path: Path
) -> None:
    repo.reserve(HOLDER, "README.md")
    repo.agentlock("reserve", "README.md", "--queue", agent=OTHER)
    waiting = repo.agentlock_in_background("reserve", "README.md", "--wait", agent="Third")
    waits_for(repo, 2)
    there = str(tmp_path / "there.sqlite3")
    assert repo.agentlock("db", "copy", str(repo.database), there).code == 0
    assert waiting.wait() == 3
    assert repo.agentlock("db", "use", there).code == 0
    assert [one["agent"] for one in repo.agentlock("queue", "list", "--json").json] == [OTHER]
    assert repo.agentlock("db", "check").code == 0
    repo.agentlock("release", "--all", agent=HOLDER)
    assert [one["agent"] for one in repo.agentlock("list", "--json").json] == [OTHER]


def test_db_check_finds_a_place_that_waits_for_nothing_and_repairs_it(repo: Repo) -> None:
    repo.reserve(HOLDER, "a")
    repo.agentlock("reserve", "a", "--queue", agent=OTHER)
    assert repo.agentlock("db", "check").code == 0
    repo.sql("UPDATE waits SET behind_reservation = NULL")
    repo.sql("DELETE FROM events")
    repo.sql("UPDATE file_reservations SET released_ts = 1 WHERE id = 1")
    found = repo.agentlock("db", "check")
    assert found.code == 1
    assert f"place 1 of {OTHER} waits for nothing" in found.err
    assert repo.agentlock("db", "check", "--repair").code == 0
    assert repo.live() == [(OTHER, "/a", True)]


def test_what_a_stale_copy_forbids_is_given_back_and_told(repo: Repo) -> None:
    repo.agentlock("policy", "set", "stale", "refuse", "--reason", "test")
    repo.reserve(HOLDER, "README.md")
    repo.agentlock("reserve", "README.md", "--queue", agent=OTHER)
    repo.agentlock("reserve", "README.md", "--queue", agent="Third")
    start = repo.must("symbolic-ref", "--short", "HEAD")
    repo.must("checkout", "-q", "-b", "other")
    repo.write("README.md", "changed elsewhere\n")
    assert repo.commit_all(agent=HOLDER).code == 0
    repo.must("checkout", "-q", start)
    repo.agentlock("release", "--all", agent=HOLDER)
    said = repo.agentlock("status", agent=OTHER).err
    assert "README.md" in said
    assert "other" in said
    assert [one["agent"] for one in repo.agentlock("list", "--json").json] == ["Third"]
