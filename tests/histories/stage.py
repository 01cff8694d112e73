"""A repository in which several agents work at once, each in a worktree of its own."""

from __future__ import annotations

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from histories.checker import Event, order_of
from histories.model import FILES, PATTERNS, Answer, Call, Kind, Row, Table, apply
from histories.workers import Worker
from support import Repo
from support.glob_oracle import seeded

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from histories.workers import Run
    from support import Result
    from typing_extensions import Self

AGENTS = ("BlueLake", "GreenHill", "RedStone", "Sandbar")
# How often each is tried; reservations have to be made and to meet before the rest can matter.
_WEIGHTS: Mapping[Kind, int] = {
    "reserve": 8,
    "renew": 2,
    "release": 4,
    "force": 1,
    "expire": 1,
    "list": 1,
    "check": 2,
    "commit": 2,
}


def build(folder: Path) -> Repo:
    """A repository with the files of the model, where `init` has run."""
    repo = Repo(folder)
    repo.path.mkdir(parents=True)
    repo.must("init", "-q")
    for name in FILES:
        repo.write(name)
    repo.commit_unguarded("start")
    result = repo.agentlock("init")
    assert result.code == 0, result
    return repo


def command_of(call: Call) -> tuple[str, ...]:
    """What the agent types for a call. A commit has been staged before."""
    if call.kind == "commit":
        return ("git", "commit", "-q", "-m", "change", "--", *call.names)
    verb = "release" if call.kind == "force" else call.kind
    words = ["agentlock", verb, "--json"]
    if call.kind == "force":
        words += ["--force", "--reason", "it is stuck"]
    if call.shared:
        words.append("--shared")
    if call.number is not None:
        words += ["--id", str(call.number)]
    elif call.kind in ("renew", "release"):
        words.append("--all")
    return (*words, *call.names)


def answer_of(call: Call, result: Result) -> Answer:
    """What the program said, in the model's words."""
    code = result.code
    if call.kind == "commit" or code not in (0, 1):
        assert "Traceback" not in result.err, result
        return Answer(code)
    said = result.json
    if "error" in said:
        return Answer(code)
    if call.kind == "check" or (call.kind, code) == ("reserve", 1):
        met = {conflict["reservation"]["id"] for conflict in said["conflicts"]}
        return Answer(code, tuple(sorted(met)))
    if call.kind == "reserve":
        granted = said["granted"]
        return Answer(code, tuple((one["id"], one["exclusive"], one["fence"]) for one in granted))
    held = said if call.kind == "list" else said["renewed" if call.kind == "renew" else "released"]
    lost = said.get("lost", []) if call.kind == "renew" else []
    assert code == (1 if lost else 0), result
    return Answer(
        code,
        tuple(sorted(one["id"] for one in held)),
        tuple(sorted(one["reservation"] for one in lost)),
    )


def look(repo: Repo) -> Table:
    """The table as an SQLite client finds it."""
    rows = repo.sql(
        "SELECT r.id, a.name, typed_pattern, exclusive, fence, CASE"
        " WHEN released_ts IS NOT NULL THEN 'released'"
        " WHEN expires_ts < r.created_ts THEN 'expired' ELSE '' END,"
        " EXISTS (SELECT 1 FROM messages AS m JOIN message_recipients AS o ON o.message_id = m.id"
        " WHERE m.reservation_id = r.id AND o.read_ts IS NULL)"
        " OR expires_ts < r.created_ts AND released_ts IS NULL AND NOT expiry_logged"
        " FROM file_reservations AS r JOIN agents AS a ON a.id = r.agent_id ORDER BY r.id"
    )
    ((fence,),) = repo.sql("SELECT last_fence FROM projects")
    return Table(
        tuple(
            Row(number, agent, pattern, bool(exclusive), fence, ended, bool(untold))
            for number, agent, pattern, exclusive, fence, ended, untold in rows
        ),
        fence,
    )


def expire(repo: Repo, number: int) -> int:
    """Let a lease run out; how many did."""
    with closing(sqlite3.connect(repo.database, timeout=30, isolation_level=None)) as connection:
        return connection.execute(
            "UPDATE file_reservations SET expires_ts = created_ts - 1"
            " WHERE released_ts IS NULL AND id = ?",
            (number,),
        ).rowcount


def faults(repo: Repo) -> list[str]:
    """What is wrong with the table at rest."""
    found = [str(row) for row in repo.sql("PRAGMA integrity_check") if row != ("ok",)]
    found += [f"orphan: {row}" for row in repo.sql("PRAGMA foreign_key_check")]
    found += [f"two hold: {pair}" for pair in look(repo).overlaps()]
    return found


class Stage:
    """Agents who do what chance tells them, all at once; leaves no process behind.

    ``env`` is for the agents alone: PYTHONPATH lets them run another copy of the program.
    """

    def __init__(self, repo: Repo, env: Mapping[str, str] | None = None) -> None:
        self.repo = repo
        self.workers: list[Worker] = []
        self.killed = 0
        self._newest = 0
        self._seconds: dict[Kind, float] = {}
        with ExitStack() as cleanup:
            for agent in AGENTS:
                path = repo.path.with_name(f"worktree of {agent}")
                repo.must("worktree", "add", "-q", "-b", agent, str(path))
                worker = Worker(agent, path, env)
                cleanup.callback(worker.close)
                self.workers.append(worker)
            self._cleanup = cleanup.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _where: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def history(
        self, seed: int, calls: int, kills: float = 0
    ) -> tuple[Table, list[Event[Call, Answer]]]:
        """The table before, and what came of so many calls of each agent; the last event looks.

        ``kills`` is the chance that a call is killed while it is at work.
        """
        before = look(self.repo)
        self._newest = len(before.rows)
        with ThreadPoolExecutor(len(self.workers)) as pool:
            parts = [
                pool.submit(self._play, worker, seeded(1000 * seed + at), calls, kills)
                for at, worker in enumerate(self.workers)
            ]
            events = [event for part in parts for event in part.result()]
        began = time.monotonic_ns()
        table = look(self.repo)
        last = Event(Call("", "look"), began, time.monotonic_ns(), Answer(0, table))
        return before, [*events, last]

    def _play(
        self, worker: Worker, chance: random.Random, calls: int, kills: float
    ) -> list[Event[Call, Answer]]:
        events = []
        for _ in range(calls):
            call = self._choose(worker.agent, chance)
            # At any moment of it: as long as the last of its kind took, and somewhat longer
            usual = self._seconds.get(call.kind, 0.05)
            kill_after = chance.uniform(0, 1.1 * usual) if chance.random() < kills else None
            event = self._made(worker, call, kill_after)
            if event is not None:
                events.append(event)
        return events

    def _choose(self, agent: str, chance: random.Random) -> Call:
        (kind,) = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        if kind == "reserve":
            names = tuple(chance.sample(sorted(PATTERNS), chance.choice((1, 1, 2))))
            return Call(agent, kind, names, shared=chance.random() < 0.3)
        if kind in ("check", "commit"):
            return Call(agent, kind, (chance.choice(FILES),))
        if kind == "list" or (kind in ("renew", "release") and chance.random() < 0.5):
            return Call(agent, kind)
        oldest = max(self._newest - 6, 1)
        return Call(agent, kind, number=chance.randint(oldest, self._newest + 1))

    def _made(
        self, worker: Worker, call: Call, kill_after: float | None
    ) -> Event[Call, Answer] | None:
        """The event of a call; None where it was killed and is known to have done nothing."""
        if call.kind == "expire":
            began = time.monotonic_ns()
            ended = expire(self.repo, call.number or 0)
            return Event(call, began, time.monotonic_ns(), Answer(0, (ended,)))
        if call.kind == "commit":
            return self._commit(worker, call, kill_after)
        run = self._run(worker, call, kill_after)
        answer = _told_before_death(call, run) if run.killed else answer_of(call, run.result)
        if answer is not None and call.kind == "reserve" and answer.code == 0:
            self._newest = max(self._newest, *(number for number, _, _ in answer.told))
        return Event(call, run.began, run.ended, answer)

    def _run(self, worker: Worker, call: Call, kill_after: float | None) -> Run:
        run = worker.run(*command_of(call), kill_after=kill_after)
        if run.killed:
            self.killed += 1
        else:
            self._seconds[call.kind] = (run.ended - run.began) / 1e9
        return run

    def _commit(
        self, worker: Worker, call: Call, kill_after: float | None
    ) -> Event[Call, Answer] | None:
        worktree = Repo(worker.cwd)
        before = worktree.head
        worktree.write(call.names[0], f"{time.monotonic_ns()}\n")
        worktree.must("add", "--all")
        run = self._run(worker, call, kill_after)
        if run.killed:
            for lock in (self.repo.path / ".git").rglob("*.lock"):
                if worker.agent in str(lock):
                    lock.unlink()
        landed = worktree.head != before
        if not landed:
            worktree.must("reset", "-q", "--hard")
        if run.killed:
            return Event(call, run.began, run.ended, Answer(0)) if landed else None
        assert landed == (run.result.code == 0), run
        return Event(call, run.began, run.ended, answer_of(call, run.result))


def _told_before_death(call: Call, run: Run) -> Answer | None:
    """What a killed command had printed counts: whoever reads it relies on it."""
    try:
        said = json.loads(run.result.out)
    except ValueError:
        return None
    refused = call.kind != "list" and ("error" in said or said.get("conflicts"))
    if refused:
        return None
    code = 1 if call.kind == "renew" and "lost" in said else 0
    return answer_of(call, run.result._replace(code=code))


def explained(before: Table, events: list[Event[Call, Answer]]) -> bool:
    """Whether the calls can have happened one after the other."""
    return order_of(events, before, apply).whole
