"""A team on one project: worktrees, clones, a server, agents' leases; and what git answers.

Every git command is a real process with agentlock's real hooks. Each of their answers is compared
with the oracle's, and what differs is kept.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from histories.team_objects import Objects
from histories.team_oracle import Lease, Oracle, Update
from histories.team_place import (
    AGENTS,
    FILES,
    INTEGRATOR,
    head_log,
    questions_in,
    refs_of,
    working_in,
)
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
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from histories.team_oracle import Reason

PATTERNS = (*FILES, *FILES, "src/", "docs/", "lib/", "vendor/")
_HOUR = 3600 * 1_000_000
_REFUSED = re.compile(r"agentlock: (\w+ )?refused: |agentlock: .* refused: ")


class Settings(NamedTuple):
    """How a team works: its policy, and which gates there are."""

    landing: str = "made"
    gate: bool = True  # on the server
    hooks: bool = True  # in clones, when something is pushed
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


class Team:
    """Who works on the project that ``build`` has made, and what came of it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
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
        if settings.landing != "made":
            policy = ("policy", "set", "landing", settings.landing, "--reason", "a trial")
            done = self.desks[INTEGRATOR].repo.agentlock(*policy, agent=INTEGRATOR)
            assert done.code == 0, done
        if not settings.gate:
            (self.server / "hooks" / "pre-receive").unlink()
        borrowed = [folder / name / ".git" for name in ("hub", AGENTS[-1], "library")]
        borrowed.append(self.server)
        self.objects = Objects(folder / "oracle.git", [path / "objects" for path in borrowed])
        start = self.branches()["refs/heads/main"]
        before = self.objects.ancestors(start)
        self.known = set(before)
        self.oracle = Oracle(self.objects, before, landing_now=settings.landing == "now")

    def close(self) -> None:
        self.objects.close()

    # Leases

    def reserve(self, desk: Desk, pattern: str) -> Lease | None:
        """Let an agent reserve, as the command does, unless somebody else holds any of it."""
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
        return self.oracle.grant(desk.agent, pattern)

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

    def branches(self, where: Path | None = None) -> dict[str, str]:
        return refs_of(where or self.server, "refs/heads/")

    def commit(
        self,
        desk: Desk,
        *arguments: str,
        hooks: bool = True,
        replaying: Sequence[str] = (),
        merging: str = "",
        is_new: bool = False,
        gated: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """A command that makes commits: of each, whether the gate answered as the oracle does.

        Of what is not ``gated`` git asks no hook, although they are on.

        ``replaying`` are the commits that it may replay, ``merging`` the one that it merges. What
        ``is_new`` may be judged as a new change although it is the same as an entered one.
        """
        log = head_log(desk.path)
        seen = len(log.read_bytes().splitlines()) if log.exists() else 0
        result = self.git(desk, *arguments, hooks=hooks, env=env)
        what = self.told[-1]
        if desk not in self.desks.values():
            self.objects.take(desk.path / ".git" / "objects")
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[seen:]
        for line in lines:
            old, new, *_ = line.split(" ")
            if new in self.known or not new.strip("0"):
                continue
            self.known.add(new)
            commit = self.objects.commit(new)
            bases = commit.parents
            if old.strip("0") and len(bases) == 1 and old not in bases:
                bases = (old,)  # amended
            if hooks and gated:
                self._passed(desk, bases, commit.tree, replaying, what)
            self.oracle.made(new, replaying)
        if hooks and result.code != 0 and is_refused(result):
            self.figures["commits refused"] += 1
            head = desk.repo.head
            tree = desk.repo.must("write-tree")
            bases = (head, merging) if merging else (head,)
            if not self.oracle.judge(desk.agent, bases, tree, replaying, is_new=is_new):
                self._differs("refused without a reason", what, [], result.err)
        return result

    def commit_with_editor(self, desk: Desk, while_open: Callable[[], object]) -> None:
        """Commit what is staged, and do something else while the editor is open."""
        opened, closed = self.folder / "opened", self.folder / "closed"
        for path in (opened, closed):
            path.unlink(missing_ok=True)
        editor = f"sh -c 'echo x >$1; : >{opened}; while ! [ -e {closed} ]; do sleep 0.02; done' -"
        head, tree = desk.repo.head, desk.repo.must("write-tree")
        self.tell(desk, "git commit (its editor is open)")
        what = self.told[-1]
        with subprocess.Popen(
            ("git", "commit", "-q"),
            cwd=desk.path,
            env={**os.environ, "AGENTLOCK_AGENT": desk.agent, "GIT_EDITOR": editor},
            stderr=subprocess.PIPE,
        ) as process:
            while process.poll() is None and not opened.exists():
                time.sleep(0.01)
            if opened.exists():
                self._passed(desk, (head,), tree, (), what)
                while_open()
                closed.touch()
            _, said = process.communicate()
        if process.returncode == 0:
            self.known.add(desk.repo.head)
            self.oracle.made(desk.repo.head)
        elif b"refused" in said and not self.oracle.judge(desk.agent, (head,), tree):
            self._differs("refused without a reason", what, [], said.decode())

    def _passed(
        self, desk: Desk, bases: tuple[str, ...], tree: str, replaying: Sequence[str], what: str
    ) -> None:
        self.figures["commits"] += 1
        why = self.oracle.judge(desk.agent, bases or ("",), tree, replaying)
        if why:
            self._differs("let through", what, why, "")
        self.oracle.note(desk.agent, bases, tree)

    def push(self, desk: Desk, refs: Mapping[str, str], *options: str, hooks: bool = True) -> None:
        """Push commits to refs of the server ("" deletes one)."""
        branches, have = self.branches(), refs_of(self.server, "refs/")
        updates = [
            Update(ref, have.get(ref, ""), new)
            for ref, new in refs.items()
            if have.get(ref, "") != new
        ]
        asked = (hooks and self.settings.hooks) or self.settings.gate
        unknown = {one.old for one in updates if hooks and asked and not _has(desk, one.old)}
        specs = [f"{new}:{ref}" for ref, new in refs.items()]
        quiet = ("-q",) if hooks else ("-q", "--no-verify")
        result = self._push(desk, refs, ("push", *quiet, *options, "origin", *specs))
        refused = is_refused(result)
        if not refused and result.code != 0:
            # What git itself refuses, such as what is no fast-forward, is nobody's mistake. The
            # hooks are told of the other refs, and of those that are at what the clone lacks.
            self.figures["refused by git itself"] += 1
            self.told[-1] += "   # refused by git itself"
            now = refs_of(self.server, "refs/")
            updates = [
                one for one in updates if now.get(one.ref, "") == one.new or one.old in unknown
            ]
        if asked and updates:
            self._judged(desk, updates, branches, result, refused=refused)

    def _push(self, desk: Desk, refs: Mapping[str, str], command: Sequence[str]) -> Result:
        if not self.settings.asks:
            return self.git(desk, *command)
        trace = self.folder / "trace"
        result = self.git(desk, *command, env={"GIT_TRACE2_EVENT": str(trace)})
        kind = "deleting" if "" in refs.values() else "forced" if "--force" in command else "other"
        kind += " pushes, refused" if is_refused(result) else " pushes"
        self.figures[f"{kind}: asked"] += questions_in(trace)
        self.figures[f"{kind}: all"] += 1
        return result

    def _judged(
        self,
        desk: Desk,
        updates: Sequence[Update],
        branches: Mapping[str, str],
        result: Result,
        *,
        refused: bool,
    ) -> None:
        """Compare what came of a push with what the oracle says."""
        self.figures["pushes"] += 1
        why = self.oracle.push(desk.agent, updates, branches)
        said = self.told[-1]
        self.told[-1] += "   # refused" if refused else ""
        if refused:
            self.figures["pushes refused"] += 1
            if not why:
                self._differs("refused without a reason", said, [], result.err)
        elif why:
            self._differs("let through", said, why, result.err)
        for one in why[:1]:
            self.figures[f"because: {one.rule}"] += 1

    def _differs(self, kind: str, what: str, why: Iterable[Reason], said: str) -> None:
        self.wrong.append(Wrong(kind, what, tuple(why), said))


def _has(desk: Desk, oid: str) -> bool:
    return not oid or desk.repo.git("cat-file", "-e", oid).code == 0


def is_refused(result: Result) -> bool:
    return result.code != 0 and _REFUSED.search(result.err) is not None
