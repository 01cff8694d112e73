"""A repository in which several agents work at once, each in a worktree of its own."""

from __future__ import annotations

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from histories.checker import Event, order_of
from histories.model import DEADLOCK, NOTHING, PLACED, outcomes
from histories.table import FILES, PATTERNS, Answer, Call, Kind, Place, Row, Table
from histories.workers import Worker
from support import Repo
from support.glob_oracle import seeded

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from histories.checker import Order
    from histories.workers import Run
    from support import Result
    from typing_extensions import Self

AGENTS = ("BlueLake", "GreenHill", "RedStone", "Sandbar")
_OFFERS = """
SELECT id FROM file_reservations WHERE offer = 1 AND released_ts IS NULL AND expires_ts > created_ts
"""
# How often each is tried; reservations have to be made and to meet before the rest can matter.
WEIGHTS: Mapping[Kind, int] = {
    "reserve": 8,
    "queue": 6,
    "leave": 1,
    "run out": 1,
    "renew": 2,
    "release": 4,
    "force": 1,
    "expire": 2,
    "list": 1,
    "check": 2,
    "commit": 2,
}
# The same where many wait, and where more runs out.
CROWDED: Mapping[Kind, int] = {
    **WEIGHTS,
    "reserve": 4,
    "queue": 12,
    "release": 5,
    "expire": 6,
    "commit": 0,
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
    verbs: Mapping[Kind, tuple[str, ...]] = {
        "force": ("release", "--force", "--reason", "it is stuck"),
        "queue": ("reserve", "--queue"),
        "leave": ("queue", "leave"),
    }
    words = ["agentlock", *verbs.get(call.kind, (call.kind,)), "--json"]
    if call.shared:
        words.append("--shared")
    if call.number is not None:
        words += [str(call.number)] if call.kind == "leave" else ["--id", str(call.number)]
    elif call.kind in ("renew", "release", "leave"):
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
        return DEADLOCK if said["error"]["kind"] == "deadlock" else Answer(code)
    assert code == 0 or "conflicts" in said or "lost" in said, result
    return Answer(code, _told(call, code, said), _numbers(said, "lost", "reservation"))


def _told(call: Call, code: int, said: Any) -> tuple[Any, ...]:
    if (call.kind, code) == ("queue", 1):
        return (-said["wait"]["id"],) if said["wait"] else ()
    if call.kind == "check" or (call.kind, code) == ("reserve", 1):
        met = [(one.get("reservation"), one.get("wait")) for one in said["conflicts"]]
        held = {reservation["id"] for reservation, _ in met if reservation}
        return (*sorted(held), *sorted({-wait["id"] for _, wait in met if wait}))
    if call.kind in ("reserve", "queue"):
        return tuple((one["id"], one["exclusive"], one["fence"]) for one in said["granted"])
    if call.kind == "leave":
        return tuple(sorted(said["left"]))
    if call.kind == "list":
        return tuple(one["id"] for one in said)
    return _numbers(said, "renewed" if call.kind == "renew" else "released", "id")


def _numbers(said: Any, key: str, column: str) -> tuple[int, ...]:
    rows = said.get(key, ()) if isinstance(said, dict) else ()
    return tuple(sorted(row[column] for row in rows))


def look(repo: Repo) -> Table:
    """The table as an SQLite client finds it."""
    rows = repo.sql(
        "SELECT r.id, a.name, typed_pattern, exclusive, fence, CASE"
        " WHEN released_ts IS NOT NULL THEN 'released'"
        " WHEN expires_ts < r.created_ts THEN 'expired' ELSE '' END,"
        " EXISTS (SELECT 1 FROM messages AS m JOIN message_recipients AS o ON o.message_id = m.id"
        " WHERE m.reservation_id = r.id AND o.read_ts IS NULL AND m.while_live = 0)"
        " OR expires_ts < r.created_ts AND released_ts IS NULL AND NOT expiry_logged,"
        " offer, wait_id, r.created_ts"
        " FROM file_reservations AS r JOIN agents AS a ON a.id = r.agent_id ORDER BY r.id"
    )
    ((last,),) = repo.sql("SELECT last_fence FROM projects")
    reservations = tuple(
        Row(number, agent, name, bool(mode), fence, ended, bool(untold), bool(offer), place, since)
        for number, agent, name, mode, fence, ended, untold, offer, place, since in rows
    )
    return Table(reservations, last, _places(repo))


def _places(repo: Repo) -> tuple[Place, ...]:
    rows = repo.sql(
        "SELECT w.id, a.name, exclusive, fence, CASE WHEN outcome <> '' THEN outcome"
        " WHEN expires_ts < created_ts THEN 'over' ELSE '' END, created_ts"
        " FROM waits AS w JOIN agents AS a ON a.id = w.agent_id ORDER BY w.id"
    )
    names: dict[int, tuple[str, ...]] = {}
    for number, typed in repo.sql("SELECT wait_id, typed_pattern FROM wait_patterns ORDER BY id"):
        names[number] = (*names.get(number, ()), typed)
    return tuple(
        Place(number, agent, names[number], bool(exclusive), fence, outcome, since)
        for number, agent, exclusive, fence, outcome, since in rows
    )


def expire(repo: Repo, number: int) -> int:
    """Let a lease run out; how many did. The agent's places are looked at then, as in real time."""
    with closing(sqlite3.connect(repo.database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        ended = connection.execute(
            "UPDATE file_reservations SET expires_ts = created_ts - 1"
            " WHERE released_ts IS NULL AND id = ?",
            (number,),
        ).rowcount
        if ended:
            connection.execute(
                "UPDATE waits SET due_ts = 1 WHERE ended_ts IS NULL AND abs(due_ts) > 1"
                " AND agent_id = (SELECT agent_id FROM file_reservations WHERE id = ?)",
                (number,),
            )
        connection.execute("COMMIT")
        return ended


def run_out(repo: Repo, number: int) -> int:
    """Let the time of a place be over; how many that concerned."""
    with closing(sqlite3.connect(repo.database, timeout=30, isolation_level=None)) as connection:
        return connection.execute(
            "UPDATE waits SET expires_ts = created_ts - 1 WHERE ended_ts IS NULL AND id = ?",
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
    ``weights``: how often each call is made.
    """

    def __init__(self, repo: Repo, env: Mapping[str, str] | None = None) -> None:
        self.repo = repo
        self.weights = WEIGHTS
        self.workers: list[Worker] = []
        self.killed = 0
        self._newest = self._newest_place = 0
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
        self._newest, self._newest_place = len(before.rows), len(before.places)
        with ThreadPoolExecutor(len(self.workers)) as pool:
            parts = [
                pool.submit(self._play, worker, seeded(1000 * seed + at), calls, kills)
                for at, worker in enumerate(self.workers)
            ]
            events = [event for part in parts for event in part.result()]
        # Whoever comes next hands over what is due.
        self.workers[0].run("agentlock", "list", env={"AGENTLOCK_AGENT": "Visitor"})
        began = time.monotonic_ns()
        table = look(self.repo).without_ages()
        last = Event(Call("", "look"), began, time.monotonic_ns(), Answer(0, (table,)))
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
            events += self._made(worker, call, kill_after)
        return events

    def _choose(self, agent: str, chance: random.Random) -> Call:
        (kind,) = chance.choices(list(self.weights), list(self.weights.values()))
        if kind in ("reserve", "queue"):
            names = tuple(chance.sample(sorted(PATTERNS), chance.choice((1, 1, 2))))
            return Call(agent, kind, names, shared=chance.random() < 0.3)
        if kind in ("check", "commit"):
            return Call(agent, kind, (chance.choice(FILES),))
        if kind == "list" or (kind in ("renew", "release", "leave") and chance.random() < 0.5):
            return Call(agent, kind)
        if kind in ("leave", "run out"):
            oldest = max(self._newest_place - 3, 1)
            return Call(agent, kind, number=chance.randint(oldest, self._newest_place + 1))
        if kind == "expire" and (offers := self.repo.sql(_OFFERS)):
            return Call(agent, kind, number=offers[0][0])
        oldest = max(self._newest - 6, 1)
        return Call(agent, kind, number=chance.randint(oldest, self._newest + 1))

    def _made(
        self, worker: Worker, call: Call, kill_after: float | None
    ) -> list[Event[Call, Answer]]:
        """What became of a command; nothing if it was killed and is known to have done nothing."""
        if call.kind in ("expire", "run out"):
            began = time.monotonic_ns()
            ended = (expire if call.kind == "expire" else run_out)(self.repo, call.number or 0)
            return [Event(call, began, time.monotonic_ns(), Answer(0, (ended,)))]
        if call.kind == "commit":
            event = self._commit(worker, call, kill_after)
            return [event] if event is not None else []
        run = self._run(worker, call, kill_after)
        answer = _told_before_death(call, run) if run.killed else answer_of(call, run.result)
        if answer is not None and call.kind in ("reserve", "queue"):
            if answer.code == 0:
                self._newest = max(self._newest, *(one[0] for one in answer.told))
            elif call.kind == "queue" and answer != DEADLOCK:
                self._newest_place = max(self._newest_place, *(-one for one in answer.told), 0)
        return _events(call, run, answer)

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
    if call.kind == "queue" and said.get("wait"):
        return answer_of(call, run.result._replace(code=1))
    refused = call.kind != "list" and ("error" in said or said.get("conflicts"))
    if refused:
        return None
    code = 1 if call.kind == "renew" and "lost" in said else 0
    return answer_of(call, run.result._replace(code=code))


def _events(call: Call, run: Run, answer: Answer | None) -> list[Event[Call, Answer]]:
    """A command in its steps: it arrives, acts, and may take what its place became meanwhile."""
    times = (run.began, run.ended)
    arrival = Event(call._replace(kind="arrive"), *times, None if answer is None else NOTHING)
    act = Event(call, *times, answer, follows=True)
    if call.kind != "queue":
        return [arrival, act]
    placed, end = answer, answer
    if answer == DEADLOCK:
        end = NOTHING
    elif answer is not None:
        placed = PLACED
    at_once = (answer, NOTHING) if answer is not None and answer.code == 0 else (None, None)
    act = Event(call, *times, placed, also=at_once[0], follows=True)
    last = Event(call._replace(kind="queued"), *times, end, also=at_once[1], follows=True)
    return [arrival, act, last]


def order(before: Table, events: list[Event[Call, Answer]]) -> Order:
    """An order in which the calls can have happened, the last of which looks at the table.

    What cannot become the table that was seen is not followed: killed calls, each of which may
    have had an effect, would lead to millions of others.
    """
    answer = events[-1].answer
    assert answer is not None
    (seen,) = answer.told

    def fitting(table: Table, call: Call) -> Iterator[tuple[Table, Answer]]:
        return (one for one in outcomes(table, call) if _may_become(one[0], seen))

    return order_of(events, before, fitting)


def _may_become(table: Table, seen: Table) -> bool:
    """Whether nothing in the table is otherwise than in a later one that cannot change."""
    return (
        len(table.rows) <= len(seen.rows)
        and len(table.places) <= len(seen.places)
        and all(
            (row.agent, row.pattern) == (later.agent, later.pattern)
            and (row.fence == later.fence or (row.ended != "released" and row.fence < later.fence))
            for row, later in zip(table.rows, seen.rows, strict=False)
        )
        and all(
            (one.agent, {*one.patterns}, one.exclusive, one.fence)
            == (later.agent, {*later.patterns}, later.exclusive, later.fence)
            and one.outcome in ("", "over", later.outcome)
            for one, later in zip(table.places, seen.places, strict=False)
        )
    )


def explained(before: Table, events: list[Event[Call, Answer]]) -> bool:
    """Whether the calls can have happened one after the other."""
    return order(before, events).whole


def story(seed: int, before: Table, events: list[Event[Call, Answer]]) -> str:
    """A history that no order explains, a line for each call, with what could be placed of it."""
    positions = order(before, events).positions
    place = {at: f"{number:3}" for number, at in enumerate(positions)}
    lines = [f"seed {seed}", *map(str, before.rows), *map(str, before.places)]
    for at, event in sorted(enumerate(events), key=lambda one: one[1].began):
        times = f"{event.began // 1000}-{event.ended // 1000}"
        lines.append(
            f"{place.get(at, '???')} {times} {event.call} {event.answer} {event.also or ''}"
        )
    return "\n".join(lines)
