"""`db copy` there and back: every row of every table, with its ids, its fences and its bytes."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from agentlock.store import open_store
from agentlock.store.copy import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Repo
    from support.postgresql import Server

# More than are copied at a time.
MANY_COMMITS = """
WITH RECURSIVE counted(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM counted WHERE at < 599)
INSERT INTO commits (project_id, oid, patch_id, agent, created_ts)
SELECT 1, printf('%040d', at), printf('%040d', at % 7), 'BlueLake', at / 10 FROM counted
"""


@pytest.fixture
def lived_in(repo: Repo) -> Repo:
    """A project that has everything: history, messages, commits, and names that are not UTF-8."""
    repo.reserve("BlueLake", "src/**", "docs/\u00e4 b.md", "--reason", "bd-42")
    repo.reserve("BlueLake", b"odd-\xff\n.txt", "/".join(["deep" * 50] * 15) + "/file.py")
    repo.agentlock("reserve", "src/x.py", agent="GreenHill")
    repo.reserve("GreenHill", "lib/*.py", "--shared", "--ttl", "2h")
    repo.agentlock("renew", "--all", agent="BlueLake")
    repo.agentlock("release", "lib/*.py", agent="GreenHill")
    repo.agentlock(*("release", "--id", "2", "--force", "--reason", "stale"), agent="GreenHill")
    repo.agentlock("policy", "set", "exempt", "docs/**", "--reason", "docs")
    repo.sql(MANY_COMMITS)
    return repo


def rows_of(path: str) -> dict[str, list[Any]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return {
            table: connection.execute(f"SELECT *, {key} FROM {table} ORDER BY {key}").fetchall()  # noqa: S608
            for table, key in TABLES.items()
        }


def test_a_project_that_went_to_a_server_and_back_is_what_it_was(
    lived_in: Repo, postgresql: Server, tmp_path: Path
) -> None:
    url, back = postgresql.database(), str(tmp_path / "back.sqlite3")
    before = rows_of(str(lived_in.database))
    shown = lived_in.agentlock("list", "--all", "--json").json
    there = lived_in.agentlock("db", "copy", str(lived_in.database), url, "--json")
    assert there.code == 0, there
    assert there.json["rows"] == {table: len(rows) for table, rows in before.items()}
    assert there.json["rows"]["commits"] > 600
    assert lived_in.agentlock("db", "copy", url, back).code == 0
    found = rows_of(back)
    shortened = [row for row in before["file_reservations"] if b"deep" in row[3]]
    assert len(shortened) == 1
    for table, rows in before.items():
        for was, is_now in zip(rows, found[table], strict=True):
            if was not in shortened:  # a server's index cannot hold so long a key
                assert is_now == was, table

    assert lived_in.agentlock("db", "use", url).code == 0
    assert lived_in.agentlock("list", "--all", "--json").json == shown
    assert lived_in.agentlock("db", "check").out.startswith("undamaged: 3 live")


def test_after_the_copy_ids_and_fences_go_on_where_they_were(
    lived_in: Repo, postgresql: Server, tmp_path: Path
) -> None:
    last = max(lived_in.agentlock("list", "--all", "--json").json, key=lambda held: held["id"])
    fence = max(held["fence"] for held in lived_in.agentlock("list", "--all", "--json").json)
    here = str(lived_in.database)
    for target in (postgresql.database(), str(tmp_path / "elsewhere.sqlite3")):
        assert lived_in.agentlock("db", "copy", here, target).code == 0
        assert lived_in.agentlock("db", "use", target).code == 0
        (granted,) = lived_in.reserve("Newcomer", "new.py")
        assert granted["id"] > last["id"]
        assert granted["fence"] == fence + 1
        lived_in.write("src/x.py", "theirs\n")
        assert lived_in.commit_all(agent="Newcomer").code == 1


def test_makers_of_commits_are_found_in_the_same_order_on_both(
    lived_in: Repo, postgresql: Server
) -> None:
    url = postgresql.database()
    lived_in.sql("UPDATE commits SET agent = 'Later', created_ts = 0 WHERE oid LIKE '%010'")
    lived_in.sql("UPDATE commits SET origin = 'one' WHERE oid LIKE '%010' OR oid LIKE '%003'")
    lived_in.agentlock("db", "copy", str(lived_in.database), url)
    key = lived_in.must("config", "agentlock.project")
    lived_in.agentlock("db", "use", url)
    identifier = lived_in.must("config", "agentlock.databaseId")
    store = open_store(url, identifier, key)
    assert len(store.ledger.entries(f"{at:040}" for at in range(600))) == 600
    found = store.ledger.of_origins(["one"])
    assert [entry.agent for entry in found] == ["BlueLake", "Later"]
    store.close()


def test_what_cannot_be_copied_is_refused_and_leaves_the_target_as_it_was(
    lived_in: Repo, new_repo: Callable[..., Repo], postgresql: Server, tmp_path: Path
) -> None:
    here, url = str(lived_in.database), postgresql.database()
    other = new_repo("other")
    other.agentlock("init", "--database", url, "--project", "theirs")
    other.reserve("BlueLake", "README.md")
    count = "SELECT count(*) FROM file_reservations"
    for source, target, said in (
        (here, here, "is the database itself"),
        (str(tmp_path / "nothing.sqlite3"), url, "is missing"),
        (here, "mysql://127.0.0.1/x", "not supported"),
        (here, url, "cannot be read or written"),  # its ids are taken
    ):
        refused = lived_in.agentlock("db", "copy", source, target)
        assert refused.code in (2, 3), refused
        assert said in refused.err
        assert other.sql(count) == [(1,)]
    assert lived_in.agentlock("db", "use", url).code == 3
    assert lived_in.agentlock("db", "path").out.strip() == here
    empty = postgresql.database()
    assert lived_in.agentlock("db", "copy", here, empty).code == 0
    again = lived_in.agentlock("db", "copy", here, empty)
    assert again.code == 2
    assert "already" in again.err
