"""Processes that wait are woken by what concerns them, and known to be dead once they are."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentlock.event_kinds import POLICY
from agentlock.store import connect, migrate, open_store
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.wake import LOG, PLACE, alive, following, listening, mail_of, ring
from agentlock.store.wake.channels import ChannelBell, hears
from agentlock.store.wake.pipes import PipeBell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.postgresql import Server

    from agentlock.store.base import Store

SECOND = 1_000_000
WAITER = """
import sys
from agentlock.store import open_store
from agentlock.store.wake import listening
store = open_store(*sys.argv[1:4])
with listening(store, "place") as bell:
    print(bell.name, flush=True)
    bell.sleep(store.now() + 60_000_000)
"""


class Table:
    def __init__(self, location: str) -> None:
        self.location = location
        self.identifier, _ = migrate.make(location, Modes())
        migrate.add_project(location, "p")
        self.closing = ExitStack()

    def open(self) -> Store:
        """The table, until the test ends or closes it."""
        store = open_store(self.location, self.identifier, "p")
        self.closing.callback(store.close)
        return store

    def waiter(self) -> tuple[subprocess.Popen[str], str]:
        """Another process that waits for a place, and the name of its bell."""
        arguments = [self.location, self.identifier, "p"]
        command = [sys.executable, "-c", WAITER, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.closing.enter_context(process)
        self.closing.callback(process.kill)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()


@pytest.fixture(params=["sqlite", "server"])
def table(request: pytest.FixtureRequest) -> Table:
    found: Table = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Table]:
    table = Table(str(tmp_path / "agentlock.sqlite3"))
    with table.closing:
        yield table


@pytest.fixture
def server(postgresql: Server) -> Iterator[Table]:
    table = Table(postgresql.database())
    with table.closing:
        yield table


def slept(store: Store, sleep: Callable[[int], None], seconds: float = 5) -> float:
    """How long it slept, in seconds."""
    started = time.monotonic()
    sleep(store.now() + int(seconds * SECOND))
    return time.monotonic() - started


def rests(store: Store, sleep: Callable[[int], None]) -> bool:
    """Whether it sleeps until its time is over; it may return without reason now and then."""
    return any(slept(store, sleep, 0.2) >= 0.2 for _ in range(5))


def log_something(store: Store) -> None:
    with store.writing():
        store.events.log(POLICY, store.now(), detail="something")


def test_a_bell_that_was_rung_before_its_process_slept_wakes_it_all_the_same(table: Table) -> None:
    store, other = table.open(), table.open()
    with listening(store, PLACE) as bell, listening(other, PLACE) as second:
        assert alive(other, [bell.name, second.name, "", "place/0badcafe"]) == {
            bell.name,
            second.name,
        }
        ring(other, [bell.name])
        assert slept(store, bell.sleep) < 4
        assert rests(store, bell.sleep)
        assert rests(other, second.sleep)
    assert alive(other, [bell.name]) == set()
    ring(other, [bell.name])


def test_a_ring_for_an_agents_mail_wakes_only_those_who_wait_for_that(table: Table) -> None:
    store, other = table.open(), table.open()
    with listening(store, mail_of("ann")) as hers, listening(other, mail_of("ann.b")) as his:
        ring(other, [mail_of("ann")])
        assert slept(store, hers.sleep) < 4
        assert rests(other, his.sleep)


def test_mail_wakes_its_recipient_when_it_is_committed(table: Table) -> None:
    store, other = table.open(), table.open()
    with listening(store, mail_of("ann")) as hers, listening(other, mail_of("bob")) as his:
        with suppress(KeyError), other.writing():
            send(other, "bob")
            raise KeyError
        with other.writing():
            send(other, "ann")
        assert slept(store, hers.sleep) < 4
        assert rests(other, his.sleep)


def send(store: Store, recipient: str) -> None:
    store.agents.register(recipient, store.now())
    store.messages.send("", recipient, "subject", "body", store.now())


def test_each_commit_wakes_those_who_follow_the_log(table: Table) -> None:
    writer, looks = table.open(), []
    for store in following(lambda: closing(table.open()), LOG, writer.now() + 20 * SECOND):
        looks.append(store.last_event())
        if len(looks) == 4:
            break
        log_something(writer)
    assert looks == sorted(looks)
    assert looks[-1] > looks[0]


def test_a_process_that_was_killed_is_dead_at_once_and_its_pipe_is_removed(sqlite: Table) -> None:
    store = sqlite.open()
    process, name = sqlite.waiter()
    pipe = Path(f"{sqlite.location}.bells", name)
    process.send_signal(signal.SIGSTOP)
    assert alive(store, [name]) == {name}
    process.kill()
    process.wait()
    assert pipe.exists()
    assert alive(store, [name]) == set()
    assert not pipe.exists()


def test_a_waiter_removes_the_pipes_of_the_dead_that_no_row_names(sqlite: Table) -> None:
    process, name = sqlite.waiter()
    process.kill()
    process.wait()
    folder = Path(f"{sqlite.location}.bells", PLACE)
    assert (folder.parent / name).exists()
    with listening(sqlite.open(), PLACE) as bell:
        assert [folder.parent / bell.name] == [*folder.iterdir()]
    assert not folder.exists()


def test_a_process_that_is_silent_for_thirty_seconds_is_dead_on_a_server(server: Table) -> None:
    store = server.open()
    with listening(store, PLACE) as bell:
        store.rows("UPDATE bells SET seen_ts = seen_ts - 29000000")
        assert alive(store, [bell.name]) == {bell.name}
        store.rows("UPDATE bells SET seen_ts = seen_ts - 2000000")
        assert alive(store, [bell.name]) == set()


def test_a_notification_that_does_not_arrive_is_missed(server: Table) -> None:
    store = server.open()
    with listening(store, LOG) as bell:
        assert isinstance(bell, ChannelBell)
        assert bell.is_heard
        assert not hears(bell._store, "agentlock_nobody_listens")
        bell.is_heard = False
        assert 0.9 < slept(store, bell.sleep) < 4


def test_what_a_killed_process_committed_and_did_not_ring_for_is_noticed(sqlite: Table) -> None:
    store, writer = sqlite.open(), sqlite.open()
    with listening(store, PLACE) as bell:
        assert isinstance(bell, PipeBell)
        bell.look_every = 0.1
        log_something(writer)
        assert slept(store, bell.sleep) < 4
        assert rests(store, bell.sleep)


@pytest.mark.parametrize(("file", "folder"), [(0o600, 0o700), (0o660, 0o2770), (0o664, 0o2775)])
def test_a_pipe_and_its_folder_belong_to_those_who_may_use_the_table(
    tmp_path: Path, file: int, folder: int
) -> None:
    location = str(tmp_path / "shared" / "agentlock.sqlite3")
    migrate.make(location, Modes(file, folder))
    migrate.add_project(location, "p")
    store = connect(location, None, "p", timeout=SECOND, read_only=False)
    with closing(store), listening(store, PLACE) as bell:
        pipe = Path(f"{location}.bells", bell.name)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert stat.S_IMODE(pipe.stat().st_mode) == file
        for each in (pipe.parent, pipe.parent.parent):
            assert stat.S_IMODE(each.stat().st_mode) == folder


def test_a_path_may_be_longer_than_a_sockets(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-long-name-of-a-folder" * 5] * 3)
    folder.mkdir(parents=True)
    table = Table(str(folder / "agentlock.sqlite3"))
    with table.closing, listening(table.open(), PLACE) as bell:
        assert alive(table.open(), [bell.name]) == {bell.name}


def test_names_in_the_table_lead_to_no_other_file(sqlite: Table) -> None:
    victim = Path(sqlite.location).parent / "pipe"
    os.mkfifo(victim)
    ring(sqlite.open(), ["place/../../pipe", "../pipe", "place/"])
    assert alive(sqlite.open(), ["place/../../pipe", "../pipe"]) == set()
    assert victim.exists()


def test_many_who_ring_and_one_who_sleeps_lose_nothing(sqlite: Table) -> None:
    """Each ring comes after a commit; whoever wakes sees every commit that was rung for."""
    writer_count, each = 4, 25

    def write() -> None:
        with closing(open_store(sqlite.location, sqlite.identifier, "p")) as store:
            for _ in range(each):
                log_something(store)
                ring(store, [bell.name])

    store = sqlite.open()
    with listening(store, PLACE) as bell:
        threads = [threading.Thread(target=write) for _ in range(writer_count)]
        for thread in threads:
            thread.start()
        started = time.monotonic()
        while store.last_event() < writer_count * each:
            bell.sleep(store.now() + 9 * SECOND)
        assert time.monotonic() - started < 9
        for thread in threads:
            thread.join()
