"""Who works where in a team on one project, by which policy, and with which leases."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from histories.team_objects import Objects
from histories.team_oracle import Oracle
from histories.team_place import (
    AGENTS,
    FILES,
    FORK,
    INTEGRATOR,
    refs_of,
    working_in,
)
from histories.team_records import Rules
from support import NO_HOOKS, Repo, Result, run

from agentlock.git.repository import discover
from agentlock.git.worktree import WorkTree
from agentlock.guard.judge import folding_of
from agentlock.guard.take_in import enter_made
from agentlock.patterns.syntax import read_patterns
from agentlock.reservations.ending import release
from agentlock.reservations.granting import Request, reserve
from agentlock.reservations.naming import Selection
from agentlock.store import DEFAULT_TIMEOUT
from agentlock.workspace import migrated_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from histories.team_records import Lease, Reason

PATTERNS = (*FILES, *FILES, "src/", "docs/", "lib/", "vendor/")
_HOUR = 3600 * 1_000_000
_REFUSED = re.compile(r"agentlock: (\w+ )?refused: |agentlock: .* refused: ")


class Settings(NamedTuple):
    """How a team works: its policy, and which gates there are."""

    landing: str = "made"
    gate: bool = True  # on the server
    hooks: bool = True  # in clones, when something is pushed
    cover: bool = False  # the policy require_reservation
    protected: tuple[str, ...] = ()
    strict: bool = False  # the hook reference-transaction
    asks: bool = False  # whether it is counted how often a push asks the remote


class Desk(NamedTuple):
    """An agent's worktree."""

    agent: str
    path: Path

    @property
    def repo(self) -> Repo:
        return Repo(self.path)


class Wrong(NamedTuple):
    """An answer that the oracle would not have given; ``let_through`` or refused."""

    kind: str
    what: str
    why: tuple[Reason, ...]
    said: str


class Desks:
    """Who works on the project that ``build`` has made; what was done, and what differed."""

    def __init__(
        self, folder: Path, settings: Settings, env: Mapping[str, str] | None = None
    ) -> None:
        """``env`` leads to the program, as for ``build``."""
        self.folder = folder
        self.settings = settings
        self.server = folder / "server.git"
        self.desks = {
            agent: Desk(agent, folder / ("hub" if agent == INTEGRATOR else agent))
            for agent in AGENTS
        }
        self.table = folder / "table" / "agentlock.sqlite3"
        self.wrong: list[Wrong] = []
        self.told: list[str] = []  # what was done, to be read by people
        self.figures: Counter[str] = Counter()
        self._set_up(env)
        borrowed = [folder / name / ".git" for name in ("hub", AGENTS[-1], "library")]
        borrowed += [self.server, folder / FORK]
        self.objects = Objects(folder / "oracle.git", [path / "objects" for path in borrowed])
        start = self.branches()["refs/heads/main"]
        before = self.objects.ancestors(start)
        self.known = set(before)
        rules = Rules(settings.landing == "now", settings.cover, settings.protected or ("main",))
        self.oracle = Oracle(self.objects, before, rules)
        self._made_in: dict[str, Path] = {}  # where post hooks have told of a commit

    def _set_up(self, env: Mapping[str, str] | None) -> None:
        """Let the project be as the settings say."""
        settings, hub = self.settings, self.desks[INTEGRATOR].repo
        policy: list[tuple[str, ...]] = []
        if settings.landing != "made":
            policy.append(("landing", settings.landing))
        if settings.cover:
            policy.append(("require_reservation", "on"))
        if settings.protected:
            policy.append(("protected", *settings.protected))
        commands = [(hub, ("policy", "set", *one, "--reason", "a trial")) for one in policy]
        if settings.strict:
            last = self.desks[AGENTS[-1]].repo
            commands += [(repo, ("hooks", "install", "--strict")) for repo in (hub, last)]
        for repo, command in commands:
            done = repo.agentlock(*command, agent=INTEGRATOR, env=env)
            assert done.code == 0, done
        if not settings.gate:
            (self.server / "hooks" / "pre-receive").unlink()

    def close(self) -> None:
        self.objects.close()

    # Leases

    def reserve(self, desk: Desk, pattern: str) -> Lease | None:
        """Let an agent reserve, as the command does, unless somebody else holds any of it."""
        second = int(time.time())
        with working_in(desk.path):
            repository = discover()
            readings = read_patterns([pattern.encode()], WorkTree(repository))
            request = Request(desk.agent, readings, _HOUR)
            with migrated_table(repository, timeout=DEFAULT_TIMEOUT) as store:
                enter_made(store, repository)
                granted = reserve(store, request, folding_of(repository)).granted
        self.tell(desk, f"reserve {pattern}: {bool(granted)}")
        mine = [one for one in self.oracle.live if one.agent == desk.agent]
        if not granted or any(one.pattern == pattern for one in mine):
            return None
        return self.oracle.grant(desk.agent, pattern, second)

    def release(self, desk: Desk) -> None:
        """Let an agent release all."""
        mine = [one for one in self.oracle.live if one.agent == desk.agent]
        if not mine:
            return
        with working_in(desk.path):
            repository = discover()
            with migrated_table(repository, timeout=DEFAULT_TIMEOUT) as store:
                enter_made(store, repository)
                release(store, desk.agent, Selection(all=True))
        self.tell(desk, "release --all")
        for lease in mine:
            self.oracle.end(lease)

    def expire(self, desk: Desk) -> None:
        """Let all leases of an agent run out, which no command notices."""
        mine = [one for one in self.oracle.live if one.agent == desk.agent]
        with closing(sqlite3.connect(self.table, timeout=30, isolation_level=None)) as connection:
            connection.execute(
                "UPDATE file_reservations SET expires_ts = created_ts + 1 WHERE released_ts IS NULL"
                " AND agent_id = (SELECT id FROM agents WHERE name = ?)",
                (desk.agent,),
            )
        if mine:
            self.tell(desk, "(its leases run out)")
        for lease in mine:
            self.oracle.end(lease)

    # git

    def git(
        self,
        desk: Desk,
        *arguments: str,
        hooks: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """What git answers; ``hooks`` off is behind the guard's back."""
        options = () if hooks else NO_HOOKS
        self.tell(desk, f"{'' if hooks else '(no hooks) '}git {' '.join(arguments)}")
        return desk.repo.git(*options, *arguments, agent=desk.agent, env=env)

    def move(self, desk: Desk, *arguments: str) -> None:
        """A command that only moves a branch to commits that a branch has: no hook refuses it."""
        result = self.git(desk, *arguments)
        if is_refused(result):
            self._differs("refused without a reason", self.told[-1], [], result.err)

    def clone(self, desk: Desk, *options: str) -> Desk:
        """A new clone of the server, at the same table, in which an agent works for a while."""
        path = self.folder / "clone"
        shutil.rmtree(path, ignore_errors=True)
        self.tell(desk, f"git clone {' '.join(options)}, and works there")
        done = run(
            "git", "clone", "-q", *options, f"file://{self.server}", str(path), cwd=self.folder
        )
        assert done.code == 0, done
        there = Desk(desk.agent, path)
        done = there.repo.agentlock("init", "--database", str(self.table))
        assert done.code == 0, done
        return there

    def tell(self, desk: Desk, what: str) -> None:
        self.told.append(f"{desk.agent}: {what}")

    def place(self, remote: str) -> Path:
        return self.folder / FORK if remote == "fork" else self.server

    def branches(self, where: Path | None = None) -> dict[str, str]:
        return refs_of(where or self.server, "refs/heads/")

    def _differs(self, kind: str, what: str, why: Iterable[Reason], said: str) -> None:
        self.wrong.append(Wrong(kind, what, tuple(why), said))


def is_refused(result: Result) -> bool:
    return result.code != 0 and _REFUSED.search(result.err) is not None
