"""`init --database postgresql://…`, and what it records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import Repo, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.postgresql import Server

SECRET = "correct-horse-battery"


@pytest.fixture
def url(postgresql: Server) -> str:
    return postgresql.database()


def clone_of(repo: Repo, path: Path) -> Repo:
    run("git", "clone", "-q", str(repo.path), str(path), cwd=repo.path)
    return Repo(path)


def test_two_clones_that_name_one_server_share_what_is_reserved(
    new_repo: Callable[..., Repo], tmp_path: Path, url: str
) -> None:
    origin = new_repo()
    first, second = clone_of(origin, tmp_path / "first"), clone_of(origin, tmp_path / "second")
    made = first.agentlock("init", "--json", "--database", url).json
    joined = second.agentlock("init", "--json", "--database", url).json
    assert (made["created"], joined["created"]) == (True, False)
    assert made["project"] == joined["project"]
    first.reserve("BlueLake", "README.md")
    second.write("README.md", "theirs\n")
    refused = second.commit_all(agent="GreenHill")
    assert refused.code == 1
    assert "README.md  BlueLake  exclusive" in refused.err
    assert second.agentlock("doctor", agent="GreenHill").code == 0


def test_init_can_be_repeated_and_says_where_the_table_is(
    new_repo: Callable[..., Repo], url: str
) -> None:
    repo = new_repo()
    for _ in range(2):
        assert repo.agentlock("init", "--database", url).code == 0
    assert repo.agentlock("init").code == 0
    assert repo.agentlock("db", "path").out.strip() == url
    assert repo.agentlock("db", "migrate").code == 0
    assert [row[0] for row in repo.sql("SELECT kind FROM events")] == ["initialised"]


@pytest.mark.parametrize(
    "written",
    [
        f"postgresql://me:{SECRET}@127.0.0.1/nothing",
        f"postgresql://me:se/{SECRET}@127.0.0.1/nothing",
        f"postgres://me@127.0.0.1/nothing?password={SECRET}",
        f"postgresql://127.0.0.1/nothing?sslmode=require&SSLpassword={SECRET}",
        f"postgresql://127.0.0.1/nothing?%70assword={SECRET}",
    ],
)
def test_a_password_in_the_url_is_refused_and_never_repeated(repo: Repo, written: str) -> None:
    before = repo.must("config", "--list", "--local")
    refused = repo.agentlock("init", "--database", written)
    assert refused.code != 0
    assert "must not contain a password" in refused.err
    assert "PGPASSFILE" in refused.err
    assert SECRET not in refused.out + refused.err
    assert repo.must("config", "--list", "--local") == before


def test_a_password_that_somebody_wrote_into_the_settings_is_refused_too(
    new_repo: Callable[..., Repo], url: str
) -> None:
    repo = new_repo()
    repo.agentlock("init", "--database", url)
    repo.must("config", "agentlock.database", url.replace("@", f":{SECRET}@"))
    repo.write("README.md", "changed\n")
    for refused in (repo.commit_all(agent="A"), repo.agentlock("reserve", "x", agent="A")):
        assert refused.code != 0
        assert "must not contain a password" in refused.err
        assert SECRET not in refused.out + refused.err


def test_another_kind_of_server_is_an_error(new_repo: Callable[..., Repo]) -> None:
    repo = new_repo()
    refused = repo.agentlock("init", "--database", "mysql://127.0.0.1/x")
    assert refused.code == 2
    assert "mysql:// are not supported" in refused.err


def test_a_server_without_that_database_is_refused(
    new_repo: Callable[..., Repo], postgresql: Server
) -> None:
    repo = new_repo()
    refused = repo.agentlock("init", "--database", postgresql.url_of("nowhere"))
    assert refused.code == 3
    assert 'database "nowhere" does not exist' in refused.err
    assert repo.git("config", "agentlock.database").code == 1


def test_a_server_whose_tables_are_gone_or_others_is_refused_until_one_starts_afresh(
    new_repo: Callable[..., Repo], url: str
) -> None:
    repo = new_repo()
    repo.agentlock("init", "--database", url)
    repo.write("README.md", "changed\n")
    repo.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    for refused in (repo.agentlock("init"), repo.commit_all(agent="A")):
        assert refused.code != 0
        assert "does not have agentlock's tables" in refused.err
    other = new_repo("other")
    other.agentlock("init", "--database", url)
    for refused in (repo.agentlock("init"), repo.commit_all(agent="A")):
        assert refused.code != 0
        assert "is another database" in refused.err
    afresh = repo.agentlock("init", "--new-database", "--reason", "it was dropped")
    assert afresh.code == 0, afresh
    assert "live reservations are lost" in afresh.err
    assert repo.commit_all(agent="A").code == 0


def test_the_table_of_a_repository_is_not_left_for_a_server_by_init_alone(
    repo: Repo, url: str
) -> None:
    refused = repo.agentlock("init", "--database", url)
    assert refused.code == 2
    assert "already" in refused.err


def test_tables_that_are_somebody_elses_are_left_alone(
    new_repo: Callable[..., Repo], postgresql: Server, url: str
) -> None:
    postgresql.run("CREATE TABLE projects (name TEXT)", url=url)
    refused = new_repo().agentlock("init", "--database", url)
    assert refused.code == 3
    assert '"projects" already exists' in refused.err
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert postgresql.run(tables, url=url) == [(1,)]
