"""The rights that docs/how-to/postgresql.md grants are enough for each role, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentlock.store.migrations import steps
from agentlock.store.postgres.values import PostgresError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support import Repo, Result
    from support.postgresql import Server

pytestmark = pytest.mark.xdist_group("roles")  # they are those of a whole server
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "postgresql.md"
ROLES = ("agentlock_owner", "agentlock_writer", "agentlock_reader")


@pytest.fixture
def roles(postgresql: Server) -> Iterator[Server]:
    """The three roles, made anew."""
    server = postgresql.direct
    made = []
    try:
        for role in ROLES:
            server.run(f"CREATE ROLE {role} LOGIN")
            made.append(role)
        yield server
    finally:
        for role in made:
            server.run(f"DROP OWNED BY {role} CASCADE")
            server.run(f"DROP ROLE {role}")


class Project:
    """A repository whose table belongs to the owner; what each role may do in it."""

    def __init__(self, repo: Repo, server: Server) -> None:
        self.repo = repo
        self._server = server
        self._url = server.database()
        self._name = self._url.rpartition("/")[2]
        server.run(f"ALTER DATABASE {self._name} OWNER TO agentlock_owner")

    def be(self, role: str) -> None:
        self.repo.must("config", "agentlock.database", self._url_of(role))

    def init(self, role: str) -> Result:
        return self.repo.agentlock("init", "--database", self._url_of(role), "--project", "p")

    def grant_as_documented(self) -> None:
        (block,) = (part.partition("```")[0] for part in GUIDE.read_text().split("```sql\n")[1:])
        self._server.run(block, url=self._url)

    def run(self, *statements: str, role: str) -> None:
        self._server.run(*statements, url=self._url_of(role))

    def _url_of(self, role: str) -> str:
        return self._server.url_of(self._name, role)


@pytest.fixture
def project(roles: Server, new_repo: Callable[..., Repo]) -> Iterator[Project]:
    project = Project(new_repo(), roles)
    made = project.init("agentlock_owner")
    assert made.code == 0, made
    project.grant_as_documented()
    yield project
    project._server.run(f"DROP DATABASE {project._name} WITH (FORCE)")


def test_a_writer_can_do_all_that_an_agent_does(project: Project) -> None:
    repo = project.repo
    project.be("agentlock_writer")
    assert project.init("agentlock_writer").code == 0
    for command in (
        ("reserve", "src/**", "--ttl", "1h"),
        ("reserve", "docs/**", "--shared"),
        ("renew", "--all"),
        ("release", "docs/**"),
        ("policy", "set", "max_ttl", "8h", "--reason", "short shifts"),
        ("db", "prune", "--older-than", "1d"),
        ("db", "check", "--repair"),
        ("log",),
        ("status",),
        ("send", "BlueLake", "--subject", "a note to myself", "--body", "words"),
        ("ask", "BlueLake", "What now?"),
        ("answer", "2", "Nothing."),
        ("ack", "1"),
        ("search", "words"),
    ):
        result = repo.agentlock(*command, agent="BlueLake")
        assert result.code == 0, (command, result)
    repo.agentlock("release", "--id", "1", "--force", "--reason", "x", agent="GreenHill")
    repo.write("src/a.py")
    assert repo.commit_all(agent="GreenHill").code == 0


def test_a_writer_can_change_neither_the_tables_nor_the_past(project: Project) -> None:
    for statement in (
        "ALTER TABLE projects ADD COLUMN x INTEGER",
        "UPDATE database_identity SET id = 'x'",
        "UPDATE database_identity SET owner_key = NULL",
        "UPDATE events SET kind = 'x'",
        "DELETE FROM projects",
        "CREATE TABLE mine (x INTEGER)",
        "DROP TRIGGER events_are_not_rewritten ON events",
    ):
        with pytest.raises(PostgresError, match=r"permission denied|must be owner"):
            project.run(statement, role="agentlock_writer")


def test_a_reader_can_commit_and_look_but_not_reserve(project: Project) -> None:
    repo = project.repo
    project.be("agentlock_writer")
    repo.reserve("BlueLake", "src/**")
    project.be("agentlock_reader")
    repo.write("free.md")
    assert repo.commit_all(agent="GreenHill").code == 0
    repo.write("src/a.py")
    assert repo.commit_all(agent="GreenHill").code == 1
    for command in (
        ("list",),
        ("log",),
        ("check", "src/a.py"),
        ("db", "check"),
        ("status",),
        ("inbox",),
    ):
        assert repo.agentlock(*command, agent="GreenHill").code in (0, 1), command
    refused = repo.agentlock("reserve", "x.md", agent="GreenHill")
    assert refused.code == 3
    assert "permission denied" in refused.err
    assert "docs/how-to/postgresql.md" in refused.err


def test_only_the_owner_migrates(project: Project) -> None:
    *former, _ = steps("postgres")
    identifier = project.repo.must("config", "agentlock.databaseId")
    project.run(
        "DROP OWNED BY agentlock_owner CASCADE",
        *(script for _, script in former),
        f"INSERT INTO database_identity VALUES ('{identifier}', 1, {len(former)})",  # noqa: S608
        "INSERT INTO projects (human_key, slug, created_ts) VALUES ('p', 'p', 1)",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO agentlock_writer",
        role="agentlock_owner",
    )
    project.be("agentlock_writer")
    refused = project.repo.agentlock("list")
    assert refused.code == 3
    assert "must be owner" in refused.err or "permission denied" in refused.err
    project.be("agentlock_owner")
    assert project.repo.agentlock("db", "migrate").code == 0
    project.grant_as_documented()
    project.be("agentlock_writer")
    assert project.repo.agentlock("list").code == 0
