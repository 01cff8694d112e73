"""Who is who: where each agent works, and when it was last seen."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, assert_refused, run

from agentlock.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

AT_WORK = {"AGENTLOCK_PROGRAM": "claude"}
HOST = os.uname().nodename


pytestmark = pytest.mark.usefixtures("fresh")  # they look at the process that started a command


@pytest.fixture
def linked(table: Repo, tmp_path: Path) -> Repo:
    """A worktree next to the first, on a branch of its own."""
    table.must("worktree", "add", "-q", "-b", "feat/blue", str(tmp_path / "w1"))
    return Repo(tmp_path / "w1")


def known(repo: Repo, name: str) -> dict[str, object]:
    (found,) = [
        one for one in repo.agentlock("agent", "list", "--json").json if one["name"] == name
    ]
    return dict(found)


def age(repo: Repo, seconds: int) -> None:
    """Let what is known of every agent be this old."""
    for column in ("located_ts", "last_active_ts"):
        repo.sql(f"UPDATE agents SET {column} = {column} - ?", seconds * 1_000_000)  # noqa: S608


@pytest.mark.parametrize("command", ["status", "list", "check --json", "reserve docs/", "log"])
def test_a_command_records_where_its_agent_works(table: Repo, linked: Repo, command: str) -> None:
    assert linked.agentlock(*command.split(), agent=HOLDER, env=AT_WORK).code == 0
    found = known(table, HOLDER)
    assert (found["worktree"], found["branch"]) == (str(linked.path), "feat/blue")
    assert (found["host"], found["program"]) == (HOST, "claude")
    assert found["process"] == os.getpid()


def test_a_detached_worktree_has_no_branch(table: Repo, linked: Repo) -> None:
    linked.must("checkout", "-q", "--detach")
    assert linked.agentlock("status", agent=HOLDER).code == 0
    assert known(table, HOLDER)["branch"] is None


def test_it_is_recorded_once_a_minute_at_most(table: Repo, linked: Repo) -> None:
    assert table.agentlock("status", agent=HOLDER).code == 0
    first = known(table, HOLDER)
    assert linked.agentlock("status", agent=HOLDER).code == 0
    assert known(table, HOLDER) == first
    age(table, 61)
    assert linked.agentlock("status", agent=HOLDER).code == 0
    again = known(table, HOLDER)
    assert again["worktree"] == str(linked.path)
    assert str(again["last_active_ts"]) > str(first["last_active_ts"])


def test_a_clock_that_was_set_back_stops_no_record(table: Repo, linked: Repo) -> None:
    assert table.agentlock("status", agent=HOLDER).code == 0
    age(table, -3600)
    assert linked.agentlock("status", agent=HOLDER).code == 0
    assert known(table, HOLDER)["worktree"] == str(linked.path)


def test_git_hooks_record_nothing(table: Repo) -> None:
    table.write("free.txt")
    assert table.commit_all(agent=HOLDER).code == 0
    assert table.sql("SELECT count(*) FROM agents WHERE located_ts IS NOT NULL") == [(0,)]


def test_a_command_that_cannot_write_at_once_answers_all_the_same(table: Repo) -> None:
    recorded = [table.must("config", f"agentlock.{name}") for name in ("databaseId", "project")]
    store = open_store(str(table.database), *recorded)
    with store.writing():
        assert table.agentlock("status", agent=HOLDER).code == 0
    store.close()
    assert table.agentlock("agent", "list", "--json").json == []


def test_a_refusal_says_when_and_where_the_holder_was_last_seen(table: Repo, linked: Repo) -> None:
    assert linked.agentlock("reserve", "src/**", agent=HOLDER, env=AT_WORK).code == 0
    age(table, 300)
    table.reserve("RedStone", "docs/")
    seen = rf"holder: *{HOLDER}, silent, last seen 5m ago in w1 \(feat/blue\), claude"
    reserved = table.agentlock("reserve", "src/a.py", agent=OTHER)
    assert re.search(rf"\n  {seen}\n", reserved.err)
    checked = table.agentlock("check", "src/a.py", "docs/y.md", agent=OTHER)
    assert re.search(rf"\n  {seen.replace(HOLDER, 'RedStone')[:12]}", checked.err)
    table.write("src/a.py", "theirs\n")
    table.write("docs/y.md", "theirs\n")
    refused = table.commit_all(agent=OTHER)
    assert_refused(refused, "docs/y.md  RedStone")
    assert re.search(
        r"\n  holder: +RedStone, working, last seen \d+s ago in repo \(main\)", refused.err
    )


def test_json_has_when_and_where_each_holder_was_last_seen(table: Repo, linked: Repo) -> None:
    assert linked.agentlock("reserve", "src/**", agent=HOLDER, env=AT_WORK).code == 0
    (listed,) = table.agentlock("list", "--json").json
    holder = listed["holder"]
    assert list(holder)[:3] == ["status", "why", "since_ts"]
    assert list(holder)[3:] == [
        "last_active_ts",
        "worktree",
        "branch",
        "host",
        "process",
        "program",
    ]
    assert (holder["worktree"], holder["branch"]) == (str(linked.path), "feat/blue")
    assert listed["worktree"] == str(linked.path)
    assert table.agentlock("show", "1", "--json").json["holder"] == holder
    asked = table.agentlock("reserve", "src/a.py", "--json", agent=OTHER).json
    assert asked["conflicts"][0]["reservation"]["holder"] == holder
    checked = table.agentlock("check", "src/a.py", "--json", agent=OTHER).json
    assert checked["conflicts"][0]["reservation"]["holder"] == holder


def test_show_and_list_say_it_in_words(table: Repo, linked: Repo) -> None:
    assert linked.agentlock("reserve", "src/**", agent=HOLDER, env=AT_WORK).code == 0
    shown = table.agentlock("show", "1").out
    place = rf"in {linked.path} \(feat/blue\), claude, at {HOST}, process {os.getpid()}"
    assert re.search(rf"\n           working, last seen \d+s ago {place}\n", shown)
    assert re.search(
        r"\tworking, last seen \d+s ago in w1 \(feat/blue\), claude\n", table.agentlock("list").out
    )


def test_what_an_agent_holds_whose_worktree_was_removed_is_named(table: Repo, linked: Repo) -> None:
    assert linked.agentlock("reserve", "src/**", "docs/", agent=HOLDER).code == 0
    table.reserve(OTHER, "a.py")
    assert "removed" not in table.agentlock("list").out + table.agentlock("status").out
    table.must("worktree", "remove", "--force", str(linked.path))
    rows = table.agentlock("list").out.splitlines()
    assert ["its worktree was removed" in row for row in rows] == [True, True, False]
    listed = table.agentlock("list", "--json").json
    assert [one.get("worktree_removed") for one in listed] == [True, True, None]
    line = f"removed   1  src/**  {HOLDER}: its worktree w1 is no longer there"
    assert line in table.agentlock("status", agent=OTHER).out
    examined = table.agentlock("doctor", agent=OTHER).out
    assert f"of {HOLDER} was removed, and {HOLDER} still holds 2 reservations" in examined
    table.sql("UPDATE agents SET host = 'elsewhere'")
    assert "removed" not in table.agentlock("list").out + table.agentlock("status").out


@pytest.mark.parametrize("main", [True, False])
def test_the_name_that_the_guide_sets_for_a_worktree_holds_in_fresh_shells_and_hooks(
    table: Repo, linked: Repo, main: bool
) -> None:
    mine, other = (table, linked) if main else (linked, table)
    (command,) = re.findall(r"`(git config ext[^`]+)`", table.agentlock("guide").out)
    assert run("sh", "-c", command, cwd=mine.path).code == 0
    assert mine.agentlock("whoami").out == "blue (git config agentlock.agent)\n"
    assert other.agentlock("whoami").code == 2
    assert mine.agentlock("reserve", "src/").code == 0
    for repo, code in ((mine, 0), (other, 1)):
        repo.write("src/a.py", f"{code}\n")
        assert repo.commit_all().code == code


def last_seen(repo: Repo, *arguments: str) -> str:
    """How long ago the holder was last seen, as a refused reserve says it."""
    refused = repo.agentlock("reserve", *arguments, agent=OTHER)
    assert refused.code == 1, refused
    return str(re.findall(r"last seen (\w+) ago", refused.err)[0])


@pytest.mark.parametrize(
    ("pattern", "edited", "counts"),
    [
        ("src/a.py", "src/a.py", True),
        ("src/**", "src/new/deep.py", True),
        ("**/*.py", "src/a.py", True),
        ("src/a.py", "src/b.py", False),
        ("**/*.py", "docs/y.md", False),
    ],
)
def test_an_edit_of_what_an_agent_holds_is_a_sign_of_life(
    table: Repo, linked: Repo, pattern: str, edited: str, counts: bool
) -> None:
    assert linked.agentlock("reserve", pattern, agent=HOLDER).code == 0
    age(table, 3600)
    assert last_seen(table, "src/a.py") == "60m"
    linked.write(edited, "edited\n")
    assert last_seen(table, "src/a.py").endswith("s") == counts
    table.write(edited, "somebody else's copy\n")
    assert last_seen(table, "src/a.py").endswith("s") == counts
    table.write("src/a.py", "mine\n")
    refused = table.commit_all(agent=OTHER)
    assert bool(re.search(r"last seen \d+s ago", refused.err)) == counts


def test_a_commit_is_a_sign_of_life(table: Repo, linked: Repo) -> None:
    assert linked.agentlock("reserve", "src/", agent=HOLDER).code == 0
    age(table, 3600)
    linked.write("free.txt")
    assert linked.commit_all(agent=HOLDER).code == 0
    assert last_seen(table, "src/a.py").endswith("s")
