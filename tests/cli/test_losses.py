"""An agent is told once what it lost: leases that ran out, and those that were ended by force."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support import Repo

ME = "GreenHill"
THEM = "BlueLake"
THIRD = "RedStone"
EXPIRED = r"agentlock: \d+s ago, your reservation 1 \(src/a\.py\) expired"
FORCED = ("release", "src/a.py", "--force", "--reason", 'gone "home"')


@pytest.mark.parametrize(
    "command",
    ["status", "list", "check docs/y.md", "reserve --shared x.py", "explain x.py", "log", "show 1",
     "agent list", "policy show", "whoami"],
)  # fmt: skip
def test_a_command_ends_with_what_its_agent_has_not_been_told_and_says_it_once(
    table: Repo, command: str
) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    other = table.agentlock(*command.split(), agent=THEM)
    assert "your reservation" not in other.err
    told = table.agentlock(*command.split(), agent=ME)
    assert told.code == 0, told
    assert re.fullmatch(EXPIRED, told.err.splitlines()[-1]), told
    assert "your reservation" not in table.agentlock(*command.split(), agent=ME).err


def test_the_news_come_after_a_refusal_too(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    table.reserve(THEM, "docs/")
    for command in ("reserve docs/", "release docs/"):
        refused = table.agentlock(*command.split(), agent=ME)
        assert refused.code == 1
        assert bool(re.search(rf"{EXPIRED}\n$", refused.err)) == (command == "reserve docs/")


def test_who_holds_the_path_now_is_told_with_the_loss(table: Repo) -> None:
    table.reserve(ME, "src/**", "--shared")
    table.expire()
    table.reserve(THEM, "src/b.py")
    table.reserve(THEM, "docs/")
    table.reserve(THIRD, "src/a.py")
    told = table.agentlock("list", agent=ME).err
    assert re.search(r"expired; now BlueLake holds src/b\.py \(id 2\) and 1 more\n", told)


def test_who_ended_a_lease_by_force_and_why_is_told_once(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    assert table.agentlock(*FORCED, agent=THEM).code == 0
    told = table.agentlock("check", agent=ME).err
    start = r"agentlock: \d+s ago, BlueLake ended your reservation 1 \(src/a\.py\) by force"
    assert re.fullmatch(rf'{start}: "gone \\"home\\""\n', told)
    assert table.agentlock("check", agent=ME).err == ""


def test_another_agents_reason_is_quoted_and_cut(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    words = "agentlock: all is well\n" * 9
    forced = ("release", "src/a.py", "--force", "--reason", words)
    assert table.agentlock(*forced, agent=THEM).code == 0
    told = table.agentlock("check", agent=ME).err
    assert re.search(r': "agentlock: all is well\\n[^\n]{1,60}…"\n$', told)
    assert told.count("\n") == 1


def test_json_is_printed_alone_and_the_news_wait(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    for command in ("status", "list", "check"):
        assert table.agentlock(command, "--json", agent=ME).err == ""
    (waiting,) = table.agentlock("status", "--json", agent=ME).json["messages"]
    assert (waiting["from"], waiting["reservation"]) == ("", 1)
    assert re.search(EXPIRED, table.agentlock("status", agent=ME).err)
    assert table.agentlock("status", "--json", agent=ME).json["messages"] == []


def test_a_loss_that_another_agents_command_found_first_is_told_all_the_same(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    table.reserve(THEM, "docs/")
    assert [one["kind"] for one in table.agentlock("log", "--json").json].count("expired") == 1
    assert re.search(EXPIRED, table.agentlock("list", agent=ME).err)


def test_a_loss_is_told_although_somebody_releases_by_force_what_had_expired(table: Repo) -> None:
    table.reserve(ME, *(f"many/{number}.py" for number in range(22)))  # two more than one look logs
    table.expire()
    forced = ("release", "many/21.py", "--force", "--reason", "gone home")
    assert table.agentlock(*forced, agent=THEM).code == 0
    told = table.agentlock("inbox", "--json", agent=ME).json
    subjects = [one["subject"] for one in told]
    assert sum("(many/21.py) expired" in subject for subject in subjects) == 1, subjects
    assert not any("force" in subject for subject in subjects)


def test_many_losses_are_told_in_a_few_lines(table: Repo) -> None:
    table.reserve(ME, *(f"many/{number}.py" for number in range(30)))
    table.expire()
    lines = table.agentlock("list", agent=ME).err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "agentlock: 10 more unread messages: agentlock inbox --unread"
    assert table.agentlock("list", agent=ME).err == "", "twenty a minute at most"
    table.sql("UPDATE message_recipients SET read_ts = 1 WHERE read_ts IS NOT NULL")
    lines += table.agentlock("list", agent=ME).err.splitlines()
    assert len({line.partition("ago, ")[2] for line in lines if "expired" in line}) == 30


@pytest.mark.parametrize("how", ["expired", "forced"])
def test_renew_all_renews_the_rest_names_what_was_lost_and_fails_once(
    table: Repo, how: str
) -> None:
    table.reserve(ME, "src/a.py")
    if how == "expired":
        table.expire()
    else:
        assert table.agentlock(*FORCED, agent=THEM).code == 0
    table.reserve(ME, "a.py", "docs/", "--ttl", "5m")
    table.reserve(THIRD, "other.py")
    renewed = table.agentlock("renew", "--all", "--ttl", "3h", agent=ME)
    assert renewed.code == 1, renewed
    assert "renewed a.py exclusive (id 2) for 3h\nrenewed docs/ exclusive (id 3)" in renewed.out
    assert renewed.err.count("your reservation 1 (src/a.py)") == 1
    assert len(table.live()) == 3
    again = table.agentlock("renew", "--all", agent=ME)
    assert (again.code, again.err) == (0, "")


def test_renew_all_has_the_lost_leases_in_its_json_once(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    table.reserve(ME, "a.py", "--ttl", "5m")
    renewed = table.agentlock("renew", "--all", "--json", agent=ME)
    assert (renewed.code, renewed.err) == (1, "")
    assert [held["pattern"] for held in renewed.json["renewed"]] == ["/a.py"]
    assert [one["reservation"] for one in renewed.json["lost"]] == [1]
    again = table.agentlock("renew", "--all", "--json", agent=ME)
    assert (again.code, list(again.json)) == (0, ["renewed"])


def test_releasing_what_had_expired_says_so_and_takes_nothing_from_anybody(table: Repo) -> None:
    table.reserve(ME, "src/a.py", "docs/")
    table.expire()
    mine = table.agentlock("release", "src/a.py", agent=ME)
    wanted = r"released src/a\.py exclusive \(id 1\), which had expired \d+s ago\n"
    assert re.fullmatch(wanted, mine.out)
    assert "your reservation 1" not in mine.err
    assert "your reservation 2 (docs/) expired" in mine.err
    forced = ("release", "--id", "2", "--force", "--reason", "gone")
    assert "which had expired" in table.agentlock(*forced, agent=THEM).out
    assert table.agentlock("list", agent=ME).err == ""
    ended = [one for one in table.agentlock("log", "--json").json if one["kind"] == "released"]
    assert [one["detail"] for one in ended] == ["after it had expired", "gone"]


def test_the_list_and_the_log_tell_released_expired_and_forced_apart(table: Repo) -> None:
    table.reserve(ME, "a.py", "docs/")
    table.expire()
    assert table.agentlock("release", "docs/", agent=ME).code == 0
    table.reserve(ME, "src/a.py", "src/b.py")
    assert table.agentlock("release", "src/b.py", agent=ME).code == 0
    assert table.agentlock(*FORCED, agent=THEM).code == 0
    rows = [line.split("\t") for line in table.agentlock("list", "--all").out.splitlines()]
    assert {row[3]: row[4].partition(" 20")[0] for row in rows} == {
        "a.py": "expired",
        "docs/": "expired",
        "src/a.py": "ended by BlueLake",
        "src/b.py": "released",
    }
    listed = {one["pattern"]: one for one in table.agentlock("list", "--all", "--json").json}
    assert listed["/src/a.py"]["forced"] == {"by": THEM, "reason": 'gone "home"'}
    assert "forced" not in listed["/src/b.py"]
    assert "lease    ended by BlueLake" in table.agentlock("show", "3").out
    log = [(one["kind"], one["pattern"]) for one in table.agentlock("log", "--json").json]
    assert ("expired", "/a.py") in log
    assert ("released", "/src/b.py") in log
    assert ("force-released", "/src/a.py") in log


def test_the_news_of_a_table_that_cannot_be_written_are_told_each_time(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    table.expire()
    table.sql(
        "CREATE TRIGGER full BEFORE UPDATE ON message_recipients"
        " BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    for _ in range(2):
        told = table.agentlock("list", agent=ME)
        assert told.code == 0
        assert re.search(EXPIRED, told.err)


def test_pruning_removes_old_messages_too(table: Repo) -> None:
    table.reserve(ME, "src/a.py")
    assert table.agentlock(*FORCED, agent=THEM).code == 0
    table.sql("UPDATE messages SET created_ts = 1")
    assert table.agentlock("db", "prune", "--older-than", "2h").code == 0
    assert table.sql("SELECT count(*) FROM messages") == [(1,)]
    table.sql("UPDATE file_reservations SET released_ts = 2, created_ts = 1, expires_ts = 3")
    table.sql("DROP TRIGGER events_are_not_rewritten")
    table.sql("UPDATE events SET created_ts = 1")
    assert table.agentlock("db", "prune", "--older-than", "2h").code == 0
    assert table.sql("SELECT count(*) FROM messages") == [(0,)]


def test_a_lease_that_ends_soon_is_named_once_unless_somebody_has_just_extended_it(
    table: Repo,
) -> None:
    table.reserve(ME, "src/a.py")
    now = int(time.time() * 1_000_000)
    table.sql("UPDATE file_reservations SET expires_ts = ?", now + 200_000_000)
    assert table.agentlock("list", agent=ME).err == "", "it was reserved a moment ago"
    table.sql("DROP TRIGGER events_are_not_rewritten")
    table.sql("UPDATE events SET created_ts = 1")
    told = table.agentlock("list", agent=ME).err
    assert re.search(
        r"your reservation 1 \(src/a\.py\) ends in \d+[ms]: agentlock renew --id 1", told
    )
    assert table.agentlock("list", agent=ME).err == ""
    again = table.agentlock("renew", "--all", agent=ME)
    assert (again.code, again.err) == (0, "")
    assert table.agentlock("list", agent=THEM).err == ""
