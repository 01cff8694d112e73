"""Reserve, renew, release: who may hold what, and for how long."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support import Repo, Result

ME = "GreenHill"
THEM = "BlueLake"
THIRD = "RedStone"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def lease(held: dict[str, Any]) -> timedelta:
    return moment(held["expires_ts"]) - moment(held["created_ts"])


def names_of(result: Result, key: str) -> list[str]:
    assert result.code == 0, result
    return [held["pattern"] for held in result.json[key]]


def row_of(held: dict[str, Any]) -> dict[str, Any]:
    """What stands in the table: where the holder was last seen changes meanwhile."""
    return {name: value for name, value in held.items() if name != "holder"}


def kinds(repo: Repo) -> list[str]:
    return [event["kind"] for event in repo.agentlock("log", "--json").json]


# Who may do what


@pytest.mark.parametrize("mine", ["exclusive", "shared"])
@pytest.mark.parametrize("theirs", ["exclusive", "shared", "expired", "released"])
def test_a_live_reservation_refuses_another_if_one_of_the_two_is_exclusive(
    table: Repo, mine: str, theirs: str
) -> None:
    table.reserve(THEM, "src/**", *(["--shared"] if theirs == "shared" else []))
    if theirs == "expired":
        table.expire()
    if theirs == "released":
        assert table.agentlock("release", "--all", agent=THEM).code == 0
    flags = ["--shared"] if mine == "shared" else []
    asked = table.agentlock("reserve", "--json", "src/a.py", *flags, agent=ME)
    refused = theirs == "exclusive" or (theirs == "shared" and mine == "exclusive")
    assert asked.code == (1 if refused else 0), asked
    assert bool(asked.json["conflicts"]) == refused
    assert bool(asked.json["granted"]) == (not refused)


@pytest.mark.parametrize("theirs", ["exclusive", "shared"])
@pytest.mark.parametrize("who", [ME, None])
def test_a_commit_is_refused_if_the_reservation_is_exclusive(
    table: Repo, theirs: str, who: str | None
) -> None:
    table.reserve(THEM, "src/**", *(["--shared"] if theirs == "shared" else []))
    table.write("src/a.py", "changed\n")
    table.must("add", "-A")
    assert table.git("commit", "-q", "--dry-run", "-m", "x").code == 0
    checked = table.agentlock("check", "--json", agent=who)
    assert checked.code == (1 if theirs == "exclusive" else 0)
    committed = table.git("commit", "-qm", "change", agent=who)
    assert committed.code == (1 if theirs == "exclusive" else 0), committed
    if theirs == "shared":
        table.must("reset", "-q", "--hard", "HEAD~1")


def test_several_agents_can_share_a_pattern(table: Repo) -> None:
    for agent in (ME, THEM, THIRD):
        table.reserve(agent, "src/**", "--shared")
    assert len(table.live()) == 3
    assert table.agentlock("reserve", "src/a.py", agent="Fourth").code == 1


def test_the_reservations_of_one_agent_do_not_conflict(table: Repo) -> None:
    table.reserve(ME, "src/**")
    table.reserve(ME, "src/a.py", "--shared")
    table.reserve(ME, "**/*.py")
    table.write("src/a.py", "changed\n")
    assert table.agentlock("check", "src/a.py", agent=ME).code == 0


def test_a_refusal_names_both_patterns_the_holder_and_a_witness(table: Repo) -> None:
    (held,) = table.reserve(THEM, "src/**", "--reason", "bd-42")
    asked = table.agentlock("reserve", "--json", "src/*.py", agent=ME)
    (conflict,) = asked.json["conflicts"]
    assert conflict["pattern"] == "/src/*.py"
    assert row_of(conflict["reservation"]) == held
    assert conflict["witness"].startswith("src/")
    assert conflict["witness"].endswith(".py")
    refused = table.agentlock("reserve", "src/*.py", agent=ME)
    for word in ("src/*.py", "src/**", THEM, '"bd-42"', "agentlock show", conflict["witness"]):
        assert word in refused.err


def test_a_refusal_is_one_line_in_the_log(table: Repo) -> None:
    (held,) = table.reserve(THEM, "src/**")
    assert table.agentlock("reserve", "a.py", "src/a.py", agent=ME).code == 1
    event = table.agentlock("log", "--json").json[-1]
    assert (event["kind"], event["agent"], event["pattern"]) == ("refused", ME, "/src/a.py")
    assert event["detail"] == f"meets reservation {held['id']} of {THEM}"
    first, *_ = table.reserve(THEM, *(f"docs/{number}.md" for number in range(21)))
    assert table.agentlock("reserve", "docs/", agent=ME).code == 1
    assert kinds(table).count("refused") == 2
    event = table.agentlock("log", "--json").json[-1]
    assert event["detail"] == f"meets reservation {first['id']} of {THEM} and 20 more"


# All or nothing


def test_one_conflict_among_many_patterns_grants_nothing(table: Repo) -> None:
    table.reserve(THEM, "docs/y.md")
    patterns = ["a.py", "src/**", "docs/*.md", "new/"]
    asked = table.agentlock("reserve", "--json", *patterns, agent=ME)
    assert asked.code == 1
    assert asked.json["granted"] == []
    assert table.live() == [(THEM, "/docs/y.md", True)]


def test_the_patterns_of_a_brace_are_granted_and_named_together(table: Repo) -> None:
    table.reserve(THEM, "src/b.py")
    assert table.agentlock("reserve", "src/{a,b}.py", agent=ME).code == 1
    assert table.agentlock("release", "--all", agent=THEM).code == 0
    granted = table.reserve(ME, "src/{a,b}.py")
    assert [held["pattern"] for held in granted] == ["/src/a.py", "/src/b.py"]
    released = table.agentlock("release", "--json", "src/{a,b}.py", agent=ME)
    assert names_of(released, "released") == ["/src/a.py", "/src/b.py"]


def test_a_thousand_patterns_are_granted_in_one_call(table: Repo) -> None:
    granted = table.reserve(ME, *(f"many/{number}.py" for number in range(1000)))
    assert len({held["id"] for held in granted}) == 1000
    released = names_of(table.agentlock("release", "--all", "--json", agent=ME), "released")
    assert len(set(released)) == 1000


# Time


def test_a_lease_is_an_hour_by_default(table: Repo) -> None:
    (plain,) = table.reserve(ME, "a.py")
    (short,) = table.reserve(ME, "src/a.py", "--ttl", "60s")
    assert lease(plain) == timedelta(hours=1)
    assert lease(short) == timedelta(seconds=60)


@pytest.mark.parametrize("command", ["reserve", "renew"])
def test_a_lease_is_extended_and_never_shortened(table: Repo, command: str) -> None:
    (first,) = table.reserve(ME, "a.py", "--ttl", "2h", "--reason", "one")
    key = "granted" if command == "reserve" else "renewed"
    shorter = table.agentlock(command, "--json", "a.py", "--ttl", "5m", agent=ME).json[key][0]
    assert shorter == first
    longer = table.agentlock(command, "--json", "a.py", "--ttl", "5h", agent=ME).json[key][0]
    assert moment(longer["expires_ts"]) > moment(first["expires_ts"]) + timedelta(hours=2)
    assert {**longer, "expires_ts": first["expires_ts"]} == first
    assert len(table.live()) == 1


def test_a_reason_given_again_is_the_new_reason(table: Repo) -> None:
    (first,) = table.reserve(ME, "a.py", "--reason", "one")
    (again,) = table.reserve(ME, "a.py", "--reason", "two")
    assert (first["id"], again["reason"]) == (again["id"], "two")


@pytest.mark.parametrize(
    ("naming", "message"),
    [
        (("a.py",), r"reservation {id} \(a\.py\) expired \d+s ago"),
        (("--id", "{id}"), r"reservation {id} \(a\.py\) expired \d+s ago"),
        (("--all",), "GreenHill holds nothing"),
    ],
)
def test_an_expired_lease_cannot_be_renewed(
    table: Repo, naming: tuple[str, ...], message: str
) -> None:
    (held,) = table.reserve(ME, "a.py")
    table.expire()
    arguments = [word.format(id=held["id"]) for word in naming]
    renewed = table.agentlock("renew", "--json", *arguments, agent=ME)
    assert renewed.code == 1
    assert renewed.json["error"]["kind"] == "refused"
    assert re.fullmatch(message.format(id=held["id"]), renewed.json["error"]["message"])
    assert "reserve" in renewed.json["error"]["hint"]
    assert table.live() == []
    (again,) = table.reserve(ME, "a.py")
    assert again["id"] > held["id"]
    assert again["fence"] > held["fence"]


def test_a_released_reservation_cannot_be_renewed(table: Repo) -> None:
    (held,) = table.reserve(ME, "a.py")
    assert table.agentlock("release", "--all", agent=ME).code == 0
    renewed = table.agentlock("renew", "--id", str(held["id"]), agent=ME)
    assert renewed.code == 1
    assert re.search(r"reservation \d+ \(a\.py\) was released \d+s ago\n", renewed.err)


def test_what_another_agent_took_after_expiry_cannot_be_taken_back(table: Repo) -> None:
    table.reserve(ME, "a.py")
    table.expire()
    table.reserve(THEM, "a.py")
    for command in ("renew", "reserve"):
        assert table.agentlock(command, "a.py", agent=ME).code == 1
    assert table.live() == [(THEM, "/a.py", True)]


def test_renew_changes_nothing_if_one_of_the_leases_has_expired(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    (held,) = table.reserve(ME, "a.py", "--ttl", "5m")
    assert table.agentlock("renew", "a.py", "src/a.py", "--ttl", "3h", agent=ME).code == 1
    assert [row_of(one) for one in table.agentlock("list", "--json").json] == [held]


# Shared and exclusive


def test_shared_becomes_exclusive_when_nobody_else_holds_it(table: Repo) -> None:
    (shared,) = table.reserve(ME, "src/**", "--shared")
    table.reserve(THEM, "src/a.py", "--shared")
    refused = table.agentlock("reserve", "src/**", agent=ME)
    assert refused.code == 1
    assert (ME, "/src/**", False) in table.live()
    assert table.agentlock("release", "--all", agent=THEM).code == 0
    (exclusive,) = table.reserve(ME, "src/**")
    assert exclusive["id"] == shared["id"]
    assert exclusive["fence"] > shared["fence"]
    assert table.live() == [(ME, "/src/**", True)]
    assert "made-exclusive" in kinds(table)


def test_reserving_shared_what_one_holds_exclusively_makes_it_shared(table: Repo) -> None:
    (held,) = table.reserve(ME, "src/**", "--ttl", "2h")
    (again,) = table.reserve(ME, "src/**", "--shared")
    assert (again["id"], again["exclusive"]) == (held["id"], False)
    assert again["fence"] > held["fence"]
    assert again["expires_ts"] == held["expires_ts"]
    assert "made-shared" in kinds(table)
    table.reserve(THEM, "src/**", "--shared")


# Release


def test_what_is_released_is_free_and_stays_in_the_history(table: Repo) -> None:
    (held,) = table.reserve(ME, "a.py")
    released = table.agentlock("release", "--json", "a.py", agent=ME).json["released"]
    assert {**released[0], "released_ts": None} == held
    assert moment(released[0]["released_ts"]) >= moment(held["created_ts"])
    assert table.live() == []
    history = table.agentlock("list", "--all", "--json").json
    assert [row_of(one) for one in history] == released
    table.reserve(THEM, "a.py")


def test_release_all_ends_only_the_reservations_of_the_agent(table: Repo) -> None:
    table.reserve(ME, "a.py", "src/**")
    table.reserve(THEM, "docs/")
    released = table.agentlock("release", "--all", "--json", agent=ME)
    assert names_of(released, "released") == ["/a.py", "/src/**"]
    assert table.live() == [(THEM, "/docs/", True)]


def test_releasing_again_changes_nothing_and_says_so(table: Repo) -> None:
    held, other = table.reserve(ME, "a.py", "b.py")
    assert table.agentlock("release", "--id", str(held["id"]), agent=ME).code == 0
    again = table.agentlock("release", "--id", str(other["id"]), "--id", str(held["id"]), agent=ME)
    assert again.code == 1
    assert re.search(r"reservation \d+ \(a\.py\) was released \d+s ago\n", again.err)
    assert kinds(table).count("released") == 1
    assert table.live() == [(ME, "/b.py", True)]


def test_releasing_everything_with_nothing_held_says_so(table: Repo) -> None:
    nothing = table.agentlock("release", "--all", agent=ME)
    assert (nothing.code, nothing.out) == (1, "")
    assert nothing.err.startswith(f"agentlock: {ME} holds nothing\n")
    forced = table.agentlock("release", "--all", "--force", "--reason", "x", agent=ME)
    assert forced.code == 1
    assert "agentlock: nobody holds anything\n" in forced.err


def test_a_release_names_the_files_that_are_not_committed(table: Repo) -> None:
    table.reserve(ME, "src/**", "docs/")
    table.write("src/new.py")
    table.write("elsewhere.txt")
    released = table.agentlock("release", "src/**", agent=ME)
    assert released.code == 0
    assert "not committed yet, and anybody can reserve it now: src/new.py\n" in released.err
    assert table.agentlock("release", "docs/", agent=ME).err == ""
    table.reserve(ME, "src/**")
    assert table.agentlock("release", "--all", "--json", agent=ME).json["uncommitted"] == [
        "src/new.py"
    ]
    table.reserve(THEM, "src/**")
    forced = ("release", "src/**", "--force", "--reason", "gone")
    assert "src/new.py" not in table.agentlock(*forced, agent=ME).err


def test_who_ends_by_force_what_had_expired_has_taken_nothing(table: Repo) -> None:
    (held,) = table.reserve(THEM, "a.py")
    table.expire()
    forced = ("release", "--id", str(held["id"]), "--force", "--reason", "gone")
    assert table.agentlock(*forced, agent=ME).code == 0
    assert "force-released" not in kinds(table)
    told = table.agentlock("list", agent=THEM).err
    assert "ended" not in told
    assert ME not in told


@pytest.mark.parametrize("ttl", ["1h30m", "23h60m", "90m", "1m30s"])
def test_a_duration_may_have_several_units(table: Repo, ttl: str) -> None:
    (held,) = table.reserve(ME, "a.py", "--ttl", ttl)
    seconds = {"1h30m": 5400, "23h60m": 86400, "90m": 5400, "1m30s": 90}[ttl]
    lasts = moment(held["expires_ts"]) - moment(held["created_ts"])
    assert lasts.total_seconds() == seconds


@pytest.mark.parametrize("naming", [("src/**",), ("--id", "{id}")])
def test_a_forced_release_is_logged_and_the_holder_is_told_once(
    table: Repo, naming: tuple[str, ...]
) -> None:
    (held,) = table.reserve(THEM, "src/**")
    arguments = [word.format(id=held["id"]) for word in naming]
    assert table.agentlock("release", *arguments, agent=ME).code == 1
    forced = ("--force", "--reason", "it has crashed")
    assert table.agentlock("release", *arguments, *forced, agent=ME).code == 0
    assert table.live() == []
    event = table.agentlock("log", "--json").json[-1]
    assert (event["kind"], event["agent"]) == ("force-released", ME)
    assert (event["detail"], event["reservation"]) == ("it has crashed", held["id"])
    (message,) = table.agentlock("status", "--json", agent=THEM).json["messages"]
    assert message["from"] == ""
    assert message["reservation"] == held["id"]
    assert f"{ME} ended your reservation {held['id']}" in message["subject"]
    assert message["body"] == "it has crashed"
    assert '"it has crashed"' in table.agentlock("status", agent=THEM).err
    assert table.agentlock("status", "--json", agent=THEM).json["messages"] == []
    assert table.agentlock("status", "--json", agent=THIRD).json["messages"] == []


def test_a_forced_release_of_ones_own_sends_no_message(table: Repo) -> None:
    table.reserve(ME, "a.py")
    assert table.agentlock("release", "a.py", "--force", "--reason", "x", agent=ME).code == 0
    assert table.agentlock("status", "--json", agent=ME).json["messages"] == []
    assert kinds(table)[-1] == "released"


# Who and where


def test_the_first_reserve_registers_the_agent_with_its_program_and_model(table: Repo) -> None:
    table.reserve(ME, "a.py", "--program", "shell", "--model", "m1")
    table.reserve(ME, "src/a.py")
    (known,) = table.agentlock("agent", "list", "--json").json
    assert (known["name"], known["program"], known["model"]) == (ME, "shell", "m1")
    assert known["holds"] == 2


def test_reserve_warns_if_the_hooks_are_not_in_place(table: Repo) -> None:
    assert "warning" not in table.agentlock("reserve", "a.py", agent=ME).err
    shim = table.path / ".git" / "hooks" / "pre-push"
    shim.chmod(0o644)
    warned = table.agentlock("reserve", "a.py", agent=ME)
    assert warned.code == 0
    assert "pre-push does not run agentlock here" in warned.err
    assert "agentlock hooks install" in warned.err


# Numbers


def test_fences_rise_with_every_grant_and_ids_are_never_used_again(table: Repo) -> None:
    seen: list[tuple[int, int]] = []
    for round_number in range(4):
        granted = table.reserve((ME, THEM)[round_number % 2], "a.py", "src/**")
        seen += [(held["id"], held["fence"]) for held in granted]
        if round_number % 2:
            table.sql("DELETE FROM events")
            table.sql("DELETE FROM file_reservations")
        else:
            assert table.agentlock("release", "--all", agent=ME).code == 0
    assert seen == sorted(set(seen))
    assert len({fence for _, fence in seen}) == len({number for number, _ in seen}) == 8
