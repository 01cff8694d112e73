"""Reserve, renew, release: who may hold what, for how long, and how it is named again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support import Repo, Result

if TYPE_CHECKING:
    from pathlib import Path

ME = "GreenHill"
THEM = "BlueLake"
THIRD = "RedStone"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leases")


@pytest.fixture
def table(place: Path, home: Path) -> Repo:
    """One repository for the whole file, emptied of its reservations and agents for each test."""
    assert home.exists()
    repo = Repo(place / "repo")
    if not repo.path.exists():
        repo.path.mkdir()
        repo.must("init", "-q")
        for name in ("a.py", "src/a.py", "src/b.py", "docs/y.md"):
            repo.write(name)
        repo.commit_unguarded("start")
        assert repo.agentlock("init").code == 0
    for statement in (
        "DELETE FROM events",
        "DELETE FROM messages",
        "DELETE FROM file_reservations",
        "DELETE FROM agents",
    ):
        repo.sql(statement)
    repo.must("reset", "-q", "--hard")
    return repo


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def lease(held: dict[str, Any]) -> timedelta:
    return moment(held["expires_ts"]) - moment(held["created_ts"])


def live(repo: Repo) -> list[tuple[str, str, bool]]:
    listed = repo.agentlock("list", "--json").json
    return [(held["agent"], held["pattern"], held["exclusive"]) for held in listed]


def names_of(result: Result, key: str) -> list[str]:
    assert result.code == 0, result
    return [held["pattern"] for held in result.json[key]]


def kinds(repo: Repo) -> list[str]:
    return [event["kind"] for event in repo.agentlock("log", "--json").json]


# Who may do what


@pytest.mark.parametrize("mine", ["exclusive", "shared"])
@pytest.mark.parametrize("theirs", ["exclusive", "shared", "expired", "released"])
def test_a_reservation_is_granted_or_refused_as_the_table_says(
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
def test_a_commit_is_refused_where_theirs_is_exclusive(
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


def test_many_agents_share(table: Repo) -> None:
    for agent in (ME, THEM, THIRD):
        table.reserve(agent, "src/**", "--shared")
    assert len(live(table)) == 3
    assert table.agentlock("reserve", "src/a.py", agent="Fourth").code == 1


def test_my_own_reservations_never_conflict_with_me(table: Repo) -> None:
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
    assert conflict["reservation"] == held
    assert conflict["witness"].startswith("src/")
    assert conflict["witness"].endswith(".py")
    for word in ("src/*.py", "src/**", THEM, '"bd-42"', "agentlock show", conflict["witness"]):
        assert word in asked.err


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
    assert live(table) == [(THEM, "/docs/y.md", True)]


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
    assert names_of(table.agentlock("release", "--all", "--json", agent=ME), "released")[999:]


# Time


def test_the_lease_is_an_hour_unless_said_otherwise(table: Repo) -> None:
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
    assert len(live(table)) == 1


def test_a_reason_given_again_is_the_new_reason(table: Repo) -> None:
    (first,) = table.reserve(ME, "a.py", "--reason", "one")
    (again,) = table.reserve(ME, "a.py", "--reason", "two")
    assert (first["id"], again["reason"]) == (again["id"], "two")


@pytest.mark.parametrize("naming", [("a.py",), ("--id", "{id}"), ("--all",)])
def test_an_expired_lease_cannot_be_renewed(table: Repo, naming: tuple[str, ...]) -> None:
    (held,) = table.reserve(ME, "a.py")
    table.expire()
    arguments = [word.format(id=held["id"]) for word in naming]
    renewed = table.agentlock("renew", "--json", *arguments, agent=ME)
    assert renewed.code == 1
    assert renewed.json["error"]["kind"] == "refused"
    assert "reserve" in renewed.json["error"]["hint"]
    assert live(table) == []
    (again,) = table.reserve(ME, "a.py")
    assert again["id"] > held["id"]
    assert again["fence"] > held["fence"]


def test_a_lease_that_was_taken_by_another_after_expiry_stays_theirs(table: Repo) -> None:
    table.reserve(ME, "a.py")
    table.expire()
    table.reserve(THEM, "a.py")
    for command in ("renew", "reserve"):
        assert table.agentlock(command, "a.py", agent=ME).code == 1
    assert live(table) == [(THEM, "/a.py", True)]


def test_renewing_all_renews_what_lives_and_leaves_what_has_ended(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    table.reserve(ME, "a.py", "docs/", "--ttl", "5m")
    table.reserve(THEM, "other.py")
    renewed = table.agentlock("renew", "--json", "--all", "--ttl", "3h", agent=ME)
    assert names_of(renewed, "renewed") == ["/a.py", "/docs/"]
    assert len(live(table)) == 3


def test_a_set_with_one_expired_lease_is_not_renewed_at_all(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    (held,) = table.reserve(ME, "a.py", "--ttl", "5m")
    assert table.agentlock("renew", "a.py", "src/a.py", "--ttl", "3h", agent=ME).code == 1
    assert table.agentlock("list", "--json").json == [held]


# Shared and exclusive


def test_shared_becomes_exclusive_when_nobody_else_holds_it(table: Repo) -> None:
    (shared,) = table.reserve(ME, "src/**", "--shared")
    table.reserve(THEM, "src/a.py", "--shared")
    refused = table.agentlock("reserve", "src/**", agent=ME)
    assert refused.code == 1
    assert (ME, "/src/**", False) in live(table)
    assert table.agentlock("release", "--all", agent=THEM).code == 0
    (exclusive,) = table.reserve(ME, "src/**")
    assert exclusive["id"] == shared["id"]
    assert exclusive["fence"] > shared["fence"]
    assert live(table) == [(ME, "/src/**", True)]
    assert "made-exclusive" in kinds(table)


def test_asking_to_share_what_one_holds_exclusively_gives_nothing_away(table: Repo) -> None:
    table.reserve(ME, "src/**")
    (again,) = table.reserve(ME, "src/**", "--shared")
    assert again["exclusive"] is True
    assert table.agentlock("reserve", "--shared", "src/**", agent=THEM).code == 1


# Release


def test_what_is_released_is_free_and_stays_on_record(table: Repo) -> None:
    (held,) = table.reserve(ME, "a.py")
    released = table.agentlock("release", "--json", "a.py", agent=ME).json["released"]
    assert {**released[0], "released_ts": None} == held
    assert moment(released[0]["released_ts"]) >= moment(held["created_ts"])
    assert live(table) == []
    history = table.agentlock("list", "--all", "--json").json
    assert history == released
    table.reserve(THEM, "a.py")


def test_releasing_all_ends_ones_own_and_nobody_elses(table: Repo) -> None:
    table.reserve(ME, "a.py", "src/**")
    table.reserve(THEM, "docs/")
    released = table.agentlock("release", "--all", "--json", agent=ME)
    assert names_of(released, "released") == ["/a.py", "/src/**"]
    assert live(table) == [(THEM, "/docs/", True)]


def test_releasing_again_is_harmless(table: Repo) -> None:
    (held,) = table.reserve(ME, "a.py")
    for expected in (1, 0, 0):
        done = table.agentlock("release", "--json", "--id", str(held["id"]), agent=ME)
        assert done.code == 0
        assert len(done.json["released"]) == expected
    assert kinds(table).count("released") == 1


@pytest.mark.parametrize("naming", [("src/**",), ("--id", "{id}")])
def test_a_forced_release_is_logged_and_the_holder_is_told(
    table: Repo, naming: tuple[str, ...]
) -> None:
    (held,) = table.reserve(THEM, "src/**")
    arguments = [word.format(id=held["id"]) for word in naming]
    assert table.agentlock("release", *arguments, agent=ME).code == 1
    forced = ("--force", "--reason", "it has crashed")
    assert table.agentlock("release", *arguments, *forced, agent=ME).code == 0
    assert live(table) == []
    event = table.agentlock("log", "--json").json[-1]
    assert (event["kind"], event["agent"]) == ("force-released", ME)
    assert (event["detail"], event["reservation"]) == ("it has crashed", held["id"])
    (message,) = table.agentlock("status", "--json", agent=THEM).json["messages"]
    assert message["from"] == ME
    assert f"{ME} ended your reservation {held['id']}" in message["subject"]
    assert message["body"] == "it has crashed"
    assert "it has crashed" in table.agentlock("status", agent=THEM).out
    assert table.agentlock("status", "--json", agent=THIRD).json["messages"] == []


def test_forcing_ones_own_release_tells_nobody(table: Repo) -> None:
    table.reserve(ME, "a.py")
    assert table.agentlock("release", "a.py", "--force", "--reason", "x", agent=ME).code == 0
    assert table.agentlock("status", "--json", agent=ME).json["messages"] == []
    assert kinds(table)[-1] == "released"


# Numbers


def test_fences_rise_with_every_grant_and_numbers_are_never_used_again(table: Repo) -> None:
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


# How a reservation is named again


@pytest.mark.parametrize("command", ["renew", "release"])
@pytest.mark.parametrize(
    ("folder", "typed", "stored", "elsewhere"),
    [
        ("", "src/**", "/src/**", "src/**"),
        ("src", "a.py", "/src/a.py", "src/a.py"),
        ("src", "../docs", "/docs/", "docs"),
        ("src", "*.py", "/src/**/*.py", "src/**/*.py"),
        ("", "*.md", "**/*.md", "*.md"),
        ("docs", "[xy].tsx", "/docs/**/[xy].tsx", "docs/**/[xy].tsx"),
    ],
)
def test_the_stored_and_the_typed_text_both_name_a_reservation_from_anywhere(
    table: Repo, command: str, folder: str, typed: str, stored: str, elsewhere: str
) -> None:
    key = f"{command}d" if command == "release" else "renewed"
    for text, where in (
        (typed, folder),
        (stored, ""),
        (stored, "docs"),
        (elsewhere, ""),
        (typed, ""),
    ):
        (held,) = table.reserve(ME, typed, cwd=table.path / folder)
        named = table.agentlock(command, "--json", text, agent=ME, cwd=table.path / where)
        assert named.code == 0, (text, where, named)
        assert [one["id"] for one in named.json[key]] == [held["id"]], (text, where)
        if command == "renew":
            break
    if command == "renew":
        for text, where in ((stored, "docs"), (elsewhere, "")):
            named = table.agentlock(command, "--json", text, agent=ME, cwd=table.path / where)
            assert [one["id"] for one in named.json[key]] == [held["id"]], (text, where)
    assert held["pattern"] == stored


def test_of_those_that_have_run_out_a_text_means_the_newest(table: Repo) -> None:
    for _ in range(2):
        (newest,) = table.reserve(ME, "a.py")
        table.expire()
    released = table.agentlock("release", "--json", "a.py", agent=ME).json["released"]
    assert [one["id"] for one in released] == [newest["id"]]


def test_a_literal_with_glob_characters_is_named_by_both_texts(table: Repo) -> None:
    table.write("src/[id].tsx")
    (held,) = table.reserve(ME, "src/[id].tsx")
    assert held["pattern"] == r"/src/\[id].tsx"
    for text in ("src/[id].tsx", held["pattern"]):
        assert table.agentlock("renew", text, agent=ME).code == 0
    assert table.agentlock("release", held["pattern"], agent=ME).code == 0


def test_a_text_means_what_it_means_here_before_what_was_typed_elsewhere(table: Repo) -> None:
    table.reserve(ME, "a.py", cwd=table.path / "src")
    table.reserve(ME, "a.py")
    assert table.agentlock("release", "a.py", agent=ME).code == 0
    assert live(table) == [(ME, "/src/a.py", True)]


def test_the_holder_of_what_a_text_means_here_is_named_before_ones_own_elsewhere(
    table: Repo,
) -> None:
    table.reserve(ME, "a.py", cwd=table.path / "src")
    table.reserve(THEM, "a.py")
    refused = table.agentlock("release", "a.py", agent=ME)
    assert refused.code == 1
    assert THEM in refused.err
    assert len(live(table)) == 2


def test_the_holder_of_what_was_typed_so_elsewhere_is_named(table: Repo) -> None:
    (held,) = table.reserve(THEM, "a.py", cwd=table.path / "src")
    refused = table.agentlock("release", "a.py", agent=ME)
    assert refused.code == 1
    assert f"'a.py' is held by {THEM} (reservation {held['id']}), not by {ME}" in refused.err


def test_one_of_several_who_share_releases_only_ones_own(table: Repo) -> None:
    table.reserve(ME, "src/**", "--shared")
    table.reserve(THEM, "src/**", "--shared")
    assert table.agentlock("release", "src/**", agent=ME).code == 0
    assert live(table) == [(THEM, "/src/**", False)]


def test_a_first_reserve_registers_the_agent_with_what_it_runs_on(table: Repo) -> None:
    table.reserve(ME, "a.py", "--program", "shell", "--model", "m1")
    table.reserve(ME, "src/a.py")
    (known,) = table.agentlock("agent", "list", "--json").json
    assert (known["name"], known["program"], known["model"]) == (ME, "shell", "m1")
    assert known["holds"] == 2


def test_reserve_warns_where_the_hooks_are_not_in_place(table: Repo) -> None:
    assert "warning" not in table.agentlock("reserve", "a.py", agent=ME).err
    shim = table.path / ".git" / "hooks" / "pre-push"
    shim.chmod(0o644)
    warned = table.agentlock("reserve", "a.py", agent=ME)
    shim.chmod(0o755)
    assert warned.code == 0
    assert "does not ask agentlock in pre-push" in warned.err
    assert "agentlock hooks install" in warned.err
