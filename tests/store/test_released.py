"""One database of every schema that there ever was is opened, brought up to date and used."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import OTHER, copy_repository, make_guarded

from agentlock.store.migrations import schema_version, steps

if TYPE_CHECKING:
    from support import Repo
    from support.repositories import MadeOnce

RELEASED = Path(__file__).parent / "released"
FIRST_WITH_READING = 5
SCHEMA = "SELECT name, sql FROM sqlite_schema ORDER BY name"


def released(schema: int) -> Path:
    return RELEASED / f"schema-{schema}.sqlite3"


def guarded_project(folder: Path) -> None:
    make_guarded(folder, "README.md", options=("--project", "example.com/project"))


@pytest.fixture(params=range(1, schema_version() + 1))
def old(request: pytest.FixtureRequest, tmp_path: Path, made_once: MadeOnce) -> Repo:
    """A repository that an agentlock of that schema has left, with the hooks of today."""
    repo = copy_repository(made_once(guarded_project), tmp_path / "plain")
    for left in repo.database.parent.glob(f"{repo.database.name}-*"):
        left.unlink()
    shutil.copy(released(request.param), repo.database)
    repo.must("config", "agentlock.databaseId", "released")
    return repo


def test_every_schema_has_its_file() -> None:
    files = {path.name for path in RELEASED.glob("*.sqlite3")}
    wanted = {released(number).name for number, _ in steps("sqlite")}
    assert files == wanted, "run: python tests/store/released/make.py, and commit what it makes"


@pytest.mark.parametrize("schema", range(1, schema_version() + 1))
def test_no_migration_is_changed_that_somebody_may_have_run(schema: int) -> None:
    def described(connection: sqlite3.Connection) -> list[Any]:
        return connection.execute(SCHEMA).fetchall()

    with (
        closing(sqlite3.connect(f"file:{released(schema)}?immutable=1", uri=True)) as theirs,
        closing(sqlite3.connect(":memory:")) as ours,
    ):
        for _, script in steps("sqlite")[:schema]:
            ours.executescript(script)
        assert described(theirs) == described(ours)
        assert theirs.execute("PRAGMA user_version").fetchone() == (schema,)


def test_it_is_brought_up_to_date_with_all_that_stood_in_it(old: Repo) -> None:
    (live,) = old.agentlock("list", "--json").json
    assert (live["agent"], live["pattern"], live["reason"]) == ("BlueLake", "/src/", "bd-42")
    assert old.sql("PRAGMA user_version") == [(schema_version(),)]
    kinds = [event["kind"] for event in old.agentlock("log", "--json").json]
    assert kinds == ["granted", "granted", "released", "refused"]
    assert old.agentlock("policy", "show", "--json").json["max_ttl"] == "8h"
    assert old.agentlock("db", "check").code == 0
    refused = old.agentlock("reserve", "src/x.py", agent="GreenHill")
    assert refused.code == 1
    (granted,) = old.reserve("GreenHill", "lib/")
    assert (granted["id"], granted["fence"]) == (3, 3)


def test_what_an_agent_was_not_told_before_the_upgrade_it_is_told_after_it(old: Repo) -> None:
    ((schema,),) = old.sql("PRAGMA user_version")
    ((before,),) = old.sql("SELECT count(*) FROM messages")
    told = old.agentlock("list", agent="BlueLake").err
    assert ('wrote "hello"' in told or 'asked "hello"' in told) == (schema >= FIRST_WITH_READING)
    (message,) = old.agentlock("inbox", "--json", agent="BlueLake").json
    assert (message["id"], message["from"], message["body"]) == (before, OTHER, "are you done?")
    assert message["read_ts"] is not None
    assert old.agentlock("list", agent="BlueLake").err == ""
    sent = old.agentlock("send", OTHER, "--subject", "x", "--json", agent="BlueLake").json
    assert sent["id"] == before + 1


def test_its_hooks_refuse_until_a_command_has_brought_it_up_to_date(old: Repo) -> None:
    ((schema,),) = old.sql("PRAGMA user_version")
    old.write("free.txt")
    first = old.commit_all(agent="GreenHill")
    if schema < schema_version():
        assert first.code == 1
        assert "agentlock db migrate" in first.err
        assert old.agentlock("db", "migrate").code == 0
        first = old.commit_all(agent="GreenHill")
    assert first.code == 0, first
    old.write("src/x.py")
    second = old.commit_all(agent="GreenHill")
    assert second.code == 1
    assert "BlueLake" in second.err
