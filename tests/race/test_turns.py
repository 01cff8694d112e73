"""Writers queue for their turn; nothing that happens to the queue makes one of them fail."""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.racing import Call, start_together

from agentlock.event_kinds import PRUNED
from agentlock.store import migrate
from agentlock.store.sqlite import SQLiteStore, schema
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.sqlite.turns import SUFFIX, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support import Repo

fcntl = pytest.importorskip("fcntl")

SECOND = 1_000_000
TAKE_A_TURN = """
import sys
from agentlock.store.sqlite.turns import Turn
turn = Turn(sys.argv[1])
print("queued", flush=True)
turn.wait(60)
print("come", flush=True)
sys.stdin.readline()
turn.give_up()
sys.stdin.readline()
"""

TAKE_MANY_TURNS = """
import os, sys
from agentlock.store.sqlite.turns import Turn
database, alone = sys.argv[1:]
sys.stdin.readline()
met = 0
for _ in range(300):
    turn = Turn(database)
    turn.wait(60)
    try:
        os.close(os.open(alone, os.O_CREAT | os.O_EXCL))
        os.unlink(alone)
    except FileExistsError:
        met += 1
    turn.give_up()
print(met)
"""


class Queued:
    """A process that queues for a turn, and gives it up when it is told to."""

    def __init__(self, database: Path) -> None:
        self.process = subprocess.Popen(
            (sys.executable, "-c", TAKE_A_TURN, str(database)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.says() == "queued"

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def give_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def queued(database: Path, count: int = 1) -> Iterator[list[Queued]]:
    found: list[Queued] = []
    try:
        for _ in range(count):
            found.append(Queued(database))  # noqa: PERF401 -- each one that was started must be ended
        yield found
    finally:
        for one in found:
            one.end()


def turn_file(repo: Repo) -> Path:
    return repo.database.with_name(repo.database.name + SUFFIX)


def reserve_all(repo: Repo, *options: str, count: int = 6) -> None:
    """Reserve different files in several processes at once; all are granted."""
    calls = [Call(f"Racer{at}", ("reserve", f"{at}.py", *options)) for at in range(count)]
    results = start_together(calls, repo.path)
    assert [result.code for result in results] == [0] * count, results


def test_turns_come_in_the_order_of_the_queue(repo: Repo) -> None:
    with queued(repo.database, 4) as waiting:
        for one in waiting:
            assert one.says() == "come"
            others = waiting[waiting.index(one) + 1 :]
            assert all(not ready(other) for other in others)
            one.give_up()


def test_of_many_writers_at_once_no_two_have_the_turn_together(repo: Repo, tmp_path: Path) -> None:
    """A writer keeps its place even if it is interrupted before others can see its number."""
    command = (sys.executable, "-c", TAKE_MANY_TURNS, str(repo.database), str(tmp_path / "alone"))
    pipe = subprocess.PIPE
    crowd = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(30)]
    for one in crowd:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    assert [one.communicate()[0].strip() for one in crowd] == ["0"] * len(crowd)


def ready(one: Queued) -> bool:
    """Whether it says something within a moment."""
    assert one.process.stdout is not None
    return bool(select.select([one.process.stdout.fileno()], [], [], 0.05)[0])


def test_the_turn_of_a_killed_process_passes_on(repo: Repo) -> None:
    with queued(repo.database, 2) as (first, second):
        assert first.says() == "come"
        first.end()
        assert second.says() == "come"


def test_no_writer_fails_because_the_holder_of_the_turn_is_stopped(repo: Repo) -> None:
    with queued(repo.database) as (holder,):
        assert holder.says() == "come"
        holder.process.send_signal(signal.SIGSTOP)
        reserve_all(repo, "--timeout", "4s")


def test_no_writer_fails_because_another_in_the_queue_is_stopped(repo: Repo) -> None:
    with queued(repo.database, 2) as (first, second):
        assert first.says() == "come"
        second.process.send_signal(signal.SIGSTOP)
        first.give_up()
        reserve_all(repo, "--timeout", "4s")


def test_a_writer_that_timed_out_leaves_the_order_of_the_others_as_it_was(repo: Repo) -> None:
    with queued(repo.database) as (holder,):
        assert holder.says() == "come"
        late = Turn(str(repo.database))
        late.wait(0.01)
        late.give_up()
        with queued(repo.database) as (successor,):
            assert not ready(successor)
            holder.give_up()
            assert successor.says() == "come"


@pytest.mark.parametrize("what", ["unlinked", "a directory", "unwritable", "dangling"])
def test_no_writer_fails_because_the_file_of_turns_cannot_be_used(repo: Repo, what: str) -> None:
    repo.reserve("First", "first.py")
    path = turn_file(repo)
    path.unlink()
    if what == "a directory":
        path.mkdir()
    elif what == "unwritable":
        path.touch(0o000)
    elif what == "dangling":
        path.symlink_to("nowhere/at/all")
    reserve_all(repo)


def test_no_writer_fails_because_the_file_of_turns_is_deleted_meanwhile(repo: Repo) -> None:
    with queued(repo.database, 2) as (first, second):
        assert first.says() == "come"
        turn_file(repo).unlink()
        reserve_all(repo)
        first.give_up()
        assert second.says() == "come"


def test_no_writer_fails_because_the_whole_file_of_turns_is_locked(repo: Repo) -> None:
    with turn_file(repo).open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        reserve_all(repo)


def test_the_file_of_turns_has_the_permissions_of_the_database(tmp_path: Path) -> None:
    path = str(tmp_path / "table" / "agentlock.sqlite3")
    identifier = schema.create(path, Modes(0o660, 0o2770))
    migrate.add_project(path, "p")
    before = os.umask(0o077)
    try:
        store = SQLiteStore(path, identifier, "p", timeout=SECOND, read_only=False)
        with store.writing():
            store.events.log(PRUNED, store.now())
        store.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path + SUFFIX).st_mode) == 0o660


def test_a_reader_takes_no_turn(repo: Repo) -> None:
    # An agent's command records where the agent works, once a minute: that writes.
    assert repo.agentlock("status", agent="A").code == 0
    turn_file(repo).unlink(missing_ok=True)
    assert repo.agentlock("list").code == 0
    assert repo.agentlock("status", agent="A").code == 0
    for agent in ("A", None):
        repo.write(f"free for {agent}.py")
        assert repo.commit_all(agent=agent).code == 0
    assert not turn_file(repo).exists()


def test_the_file_of_turns_starts_again_when_it_is_large(repo: Repo) -> None:
    repo.reserve("First", "first.py")
    os.truncate(turn_file(repo), 1 << 20)
    reserve_all(repo, count=6)
    assert turn_file(repo).stat().st_size <= 2 * 6  # each is granted, and records where it works


def test_many_threads_of_one_process_can_all_write(repo: Repo) -> None:
    ((identifier,),) = repo.sql("SELECT id FROM database_identity")
    ((project,),) = repo.sql("SELECT human_key FROM projects")
    failures: list[BaseException] = []

    def write() -> None:
        try:
            store = SQLiteStore(
                str(repo.database), identifier, project, timeout=20 * SECOND, read_only=False
            )
            for _ in range(5):
                with store.writing():
                    store.events.log(PRUNED, store.now())
            store.close()
        except BaseException as error:  # noqa: BLE001 -- the test shows it
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert repo.sql("SELECT count(*) FROM events WHERE kind = 'pruned'") == [(40,)]
