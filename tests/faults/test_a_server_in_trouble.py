"""A server that cannot be asked: commit, push, reserve and release are refused, and change nothing.

Each fault is made for real, on a PostgreSQL server of its own or on the wire to it.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from postgresql import OwnServer, running
from support import Repo, Result, run
from wire import Wire, wire_to

from agentlock.errors import DatabaseUnreachableError
from agentlock.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOLDER, OTHER = "BlueLake", "GreenHill"
REFUSAL = r"agentlock: (?:\w+ refused: )?(?P<sentence>[^\n]+)\n  mend it: [^\n]+\n"
SECRET = "correct-horse-battery"
TIMEOUT = {"AGENTLOCK_TIMEOUT": "1"}


class Scene:
    """A guarded repository with a remote; its table is on the server, reached by the wire."""

    def __init__(self, repo: Repo, remote: Repo, server: OwnServer, url: str, wire: Wire) -> None:
        self.repo = repo
        self.remote = remote
        self.server = server
        self.url = url
        self.wire = wire
        self.environment = dict(TIMEOUT)
        self.cleanup = contextlib.ExitStack()

    def try_everything(self) -> dict[str, Result]:
        """A free path, which would pass, by commit and push; and what changes the table."""
        commit = ("git", "commit", "-q", "-m", "change", "--", "free.md")
        push = ("git", "push", "-q", "origin", "HEAD:refs/heads/other")
        return {
            "commit": self._run(*commit, agent=OTHER),
            "push": self._run(*push, agent=OTHER),
            "reserve": self._run("agentlock", "reserve", "other.md", agent=OTHER),
            "release": self._run("agentlock", "release", "--all", agent=HOLDER),
        }

    def reserve(self, *patterns: str) -> Result:
        return self._run("agentlock", "reserve", *patterns, agent=OTHER)

    def held(self) -> list[tuple[str, str]]:
        """Who holds what, read on the server itself."""
        rows = self.server.run(
            "SELECT a.name, encode(r.path_pattern, 'escape') FROM file_reservations AS r"
            " JOIN agents AS a ON a.id = r.agent_id WHERE r.released_ts IS NULL ORDER BY r.id",
            url=self.url,
        )
        return [(name, pattern) for name, pattern in rows]

    def use(self, url: str) -> None:
        self.repo.must("config", "agentlock.database", url)

    def _run(self, program: str, *arguments: str, agent: str) -> Result:
        if program == "git":
            return self.repo.git(*arguments, agent=agent, env=self.environment)
        return self.repo.agentlock(*arguments, agent=agent, env=self.environment)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="agentlock-server-") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / "data") as server:
            yield server


@pytest.fixture
def scene(new_repo: Callable[..., Repo], tmp_path: Path, server: OwnServer) -> Iterator[Scene]:
    server.revive()
    repo = new_repo("repo")
    repo.write("free.md", "start\n")
    repo.commit_unguarded("files")
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    remote = Repo(tmp_path / "remote.git")
    repo.must("remote", "add", "origin", str(remote.path))
    repo.must("push", "-q", "origin", "HEAD:refs/heads/main")
    url = server.database()
    with wire_to(server.port) as wire:
        through = url.replace(f":{server.port}/", f":{wire.port}/")
        result = repo.agentlock("init", "--project", "p", "--database", through)
        assert result.code == 0, result
        repo.reserve(HOLDER, "src/**")
        repo.write("ahead.md")
        repo.commit_unguarded("ahead")
        repo.write("free.md", "changed\n")
        scene = Scene(repo, remote, server, url, wire)
        with scene.cleanup:
            yield scene


class Fault(NamedTuple):
    """What is wrong with the server, and what every refusal says about it."""

    name: str
    arrange: Callable[[Scene], object]
    says: str
    only: tuple[str, ...] = ("commit", "push", "reserve", "release")


def _stopped(scene: Scene) -> None:
    scene.use(scene.url)
    scene.server.stop()


def _unknown_host(scene: Scene) -> None:
    scene.use("postgresql://postgres@no-such-host.invalid/x")


def _wrong_password(scene: Scene) -> None:
    user = _role(scene, f"LOGIN SUPERUSER PASSWORD '{SECRET}'")
    scene.server.require_password(user)
    scene.cleanup.callback(scene.server.require_password, None)
    scene.use(scene.server.url_of(scene.url.rpartition("/")[2], user))
    passwords = scene.repo.path.parent / "passwords"
    passwords.write_text(f"*:*:*:{user}:{SECRET}-not\n", encoding="utf-8")
    passwords.chmod(0o600)
    scene.environment["PGPASSFILE"] = str(passwords)


def _no_rights(scene: Scene) -> None:
    user = _role(scene, "LOGIN")
    scene.use(scene.server.url_of(scene.url.rpartition("/")[2], user))


def _too_many(scene: Scene) -> None:
    user = _role(scene, "LOGIN CONNECTION LIMIT 0")
    scene.use(scene.server.url_of(scene.url.rpartition("/")[2], user))


def _role(scene: Scene, rights: str) -> str:
    name = scene.url.rpartition("/")[2] + "_role"
    scene.server.run(f"CREATE ROLE {name} {rights}")
    return name


def _table_locked(scene: Scene) -> None:
    scene.cleanup.enter_context(
        scene.server.holding("LOCK TABLE projects IN ACCESS EXCLUSIVE MODE", scene.url)
    )


def _statement_timeout(scene: Scene) -> None:
    _table_locked(scene)
    name = scene.url.rpartition("/")[2]
    scene.server.run(f"ALTER DATABASE {name} SET statement_timeout = '100ms'")


def _writers_lock_held(scene: Scene) -> None:
    scene.cleanup.enter_context(
        scene.server.holding(
            "SELECT pg_advisory_xact_lock(1095191627, id::int) FROM projects", scene.url
        )
    )


def _silent(scene: Scene) -> None:
    scene.wire.silent = True


def _dropped(scene: Scene, word: bytes) -> None:
    scene.wire.cut_at = word


def _another(scene: Scene) -> None:
    """The address leads to another server, which has agentlock's tables too."""
    scene.server.run("UPDATE database_identity SET id = 'another'", url=scene.url)


def _standby(scene: Scene) -> None:
    standby = scene.cleanup.enter_context(
        scene.server.standby(scene.server.folder.parent / "standby")
    )
    scene.use(standby.url_of(scene.url.rpartition("/")[2]))


def _older(scene: Scene, version: int) -> None:
    change = f"UPDATE database_identity SET schema_version = {version}"  # noqa: S608 -- a number
    scene.server.run(change, url=scene.url)


def _tables_gone(scene: Scene) -> None:
    scene.server.run("DROP SCHEMA public CASCADE", url=scene.url)


FAULTS = [
    Fault("the server is down", _stopped, "cannot be reached: .*Connection refused"),
    Fault("unknown host", _unknown_host, r"cannot be reached: .*no-such-host|did not answer"),
    Fault("wrong password", _wrong_password, "cannot be reached: .*password authentication failed"),
    Fault("no rights", _no_rights, "permission denied"),
    Fault("too many connections", _too_many, "cannot be reached: .*too many connections"),
    Fault("packets dropped", _silent, "did not answer for 1 s"),
    Fault("a table locked", _table_locked, "did not answer for 1 s|stayed locked"),
    Fault("statement time-out", _statement_timeout, "gave up: .*statement timeout"),
    Fault(
        "another writer does not end",
        _writers_lock_held,
        "stayed locked by another process for 1 s",
        only=("reserve", "release"),
    ),
    Fault("dropped at the first question", lambda scene: _dropped(scene, b"SELECT"), "was lost"),
    Fault(
        "dropped in mid-transaction",
        lambda scene: _dropped(scene, b"INSERT"),
        "was lost in the middle, and nothing was changed",
        only=("reserve", "release"),
    ),
    Fault("another server answers", _another, "is another database"),
    Fault("a read-only standby", _standby, "is a standby, which follows another server"),
    Fault("newer schema", lambda scene: _older(scene, 999), "has the newer schema 999"),
    Fault(
        "older schema",
        lambda scene: _older(scene, 0),
        "has the older schema 0",
        only=("commit", "push"),  # every other command migrates
    ),
    Fault("the tables are gone", _tables_gone, "does not hold agentlock's tables"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_cannot_be_asked_is_refused_and_changes_nothing(fault: Fault, scene: Scene) -> None:
    head, pushed = scene.repo.head, scene.remote.must("for-each-ref")
    held = scene.held()
    fault.arrange(scene)
    for operation, result in scene.try_everything().items():
        if operation not in fault.only:
            continue
        assert result.code == (1 if operation in ("commit", "push") else 3), (operation, result)
        told = re.search(REFUSAL, result.err)
        assert told is not None, (operation, result)
        assert re.search(fault.says, told["sentence"]), (operation, result)
        assert "Traceback" not in result.err
        assert SECRET not in result.out + result.err
    if "commit" in fault.only:
        assert scene.repo.head == head
        assert scene.remote.must("for-each-ref") == pushed
    scene.cleanup.close()
    scene.server.revive()
    if fault.name != "the tables are gone":
        assert scene.held() == held


def test_a_grant_whose_answer_is_lost_is_reported_granted(scene: Scene) -> None:
    scene.wire.deaf_after, scene.wire.once = b"COMMIT\0", True
    scene.environment["AGENTLOCK_TIMEOUT"] = "10"
    granted = scene.reserve("docs/**")
    assert granted.code == 0, granted
    assert scene.wire.deaf_after == b"", "nothing was lost"
    assert (OTHER, "/docs/**") in scene.held()


def test_a_grant_whose_commit_never_arrived_is_reported_refused_and_is_not_there(
    scene: Scene,
) -> None:
    scene.wire.cut_at, scene.wire.once = b"COMMIT\0", True
    scene.environment["AGENTLOCK_TIMEOUT"] = "10"
    refused = scene.reserve("docs/**")
    assert scene.wire.cut_at == b"", "nothing was cut"
    assert refused.code == 3, refused
    assert "was lost in the middle, and nothing was changed" in refused.err
    assert [name for name, _ in scene.held()] == [HOLDER]


@pytest.mark.parametrize("arranged", ["cut_at", "deaf_after"])
def test_where_nobody_can_be_asked_whether_it_was_committed_nobody_is_told_that_it_was_not(
    scene: Scene, arranged: str
) -> None:
    setattr(scene.wire, arranged, b"COMMIT\0")
    scene.wire.then_refusing = True
    unknown = scene.reserve("docs/**", "--json")
    assert unknown.code == 3
    assert unknown.json["error"]["kind"] == "outcome-unknown"
    assert "whether this was done is not known" in unknown.json["error"]["message"]
    assert "agentlock list --mine" in unknown.json["error"]["hint"]
    assert (len(scene.held()) == 2) == (arranged == "deaf_after")


def test_a_server_that_is_restarted_is_used_again(scene: Scene) -> None:
    scene.server.stop()
    assert scene.reserve("docs/**").code == 3
    scene.server.start()
    scene.environment["AGENTLOCK_TIMEOUT"] = "20"
    assert scene.reserve("docs/**").code == 0


def test_a_server_killed_while_one_waits_for_its_lock_has_granted_nothing(scene: Scene) -> None:
    with scene.server.holding(
        "SELECT pg_advisory_xact_lock(1095191627, id::int) FROM projects", scene.url
    ):
        scene.environment["AGENTLOCK_TIMEOUT"] = "20"
        waiting = scene.repo.agentlock_in_background(
            "reserve", "docs/**", agent=OTHER, env=scene.environment
        )
        scene.server.wait_for_waiter()
        scene.server.kill()
        out, err = waiting.communicate()
    assert waiting.returncode == 3, (out, err)
    assert b"was lost in the middle, and nothing was changed" in err
    scene.server.start()
    assert [name for name, _ in scene.held()] == [HOLDER]


def test_a_hook_has_one_connection_and_asks_two_questions(scene: Scene) -> None:
    scene.use(f"{scene.wire.url(scene.url)}?sslmode=disable")
    scene.wire.connections = scene.wire.questions = 0
    scene.repo.must("add", "free.md")
    hook = run(str(scene.repo.path / ".git/hooks/pre-commit"), cwd=scene.repo.path, agent=OTHER)
    assert hook.code == 0, hook
    assert scene.wire.connections == 1
    start_and_farewell = 2
    assert scene.wire.questions == start_and_farewell + 2


def test_a_client_that_hangs_in_its_transaction_does_not_stop_the_others(scene: Scene) -> None:
    """Its end of the wire is there, and says nothing: the server ends the transaction."""
    scene.environment["AGENTLOCK_TIMEOUT"] = "30"
    identifier = scene.repo.must("config", "agentlock.databaseId")
    store = open_store(scene.wire.url(scene.url), identifier, "p")
    writing = store.writing()
    writing.__enter__()
    assert scene.reserve("docs/**").code == 0
    with pytest.raises(DatabaseUnreachableError, match="was lost"):
        store.register("TooLate", 1)
    store.close()
