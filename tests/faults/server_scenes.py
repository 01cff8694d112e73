"""Everything that keeps a server from answering, each made for real.

On a PostgreSQL server of its own, or on the wire to it. The tests and the table of faults in the
documentation both read ``FAULTS``.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from support import HOLDER, OTHER, Repo, Result
from support.wire import Wire, wire_to

from agentlock.store.base import APPLICATION_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.postgresql import OwnServer

SECRET = "correct-horse-battery"
TIMEOUT = {"AGENTLOCK_TIMEOUT": "1"}
OPERATIONS = ("commit", "push", "reserve", "release")
# What the writers of the first project of a database wait for.
WRITERS_LOCK = f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, 1)"


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


@contextlib.contextmanager
def guarded(server: OwnServer, folder: Path) -> Iterator[Scene]:
    """A scene in which everything works, until a fault is arranged."""
    server.revive()
    repo, remote = Repo(folder / "repo"), Repo(folder / "remote.git")
    for made, how in ((repo, ()), (remote, ("--bare",))):
        made.path.mkdir()
        made.must("init", "-q", *how)
    repo.write("free.md", "start\n")
    repo.commit_unguarded("files")
    repo.must("remote", "add", "origin", str(remote.path))
    repo.must("push", "-q", "origin", "HEAD:refs/heads/main")
    url = server.database()
    with wire_to(server.port) as wire:
        result = repo.agentlock("init", "--project", "p", "--database", wire.url(url))
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
    only: tuple[str, ...] = OPERATIONS


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
    scene.cleanup.enter_context(scene.server.holding(WRITERS_LOCK, scene.url))


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
        "was lost, and nothing was changed",
        only=("reserve", "release"),
    ),
    Fault("another server answers", _another, "is another database"),
    Fault("a read-only standby", _standby, "is a standby and may lag behind the primary server"),
    Fault("newer schema", lambda scene: _older(scene, 999), "has the newer schema 999"),
    Fault(
        "older schema",
        lambda scene: _older(scene, 0),
        "has the older schema 0",
        only=("commit", "push"),  # every other command migrates
    ),
    Fault("the tables are gone", _tables_gone, "does not have agentlock's tables"),
]
