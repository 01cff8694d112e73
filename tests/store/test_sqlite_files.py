"""The SQLite file itself: where, whose, how it comes to be and how it grows up."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agentlock.errors import DatabaseError
from agentlock.event_kinds import PRUNED
from agentlock.store import migrate
from agentlock.store.base import WHERE_IT_BELONGS
from agentlock.store.migrations import schema_version
from agentlock.store.sqlite import LOOK_AT_THE_DISK, SQLiteStore, schema
from agentlock.store.sqlite.driver import has_reset_bug
from agentlock.store.sqlite.filesystem import (
    Modes,
    filesystem_of,
    is_unsafe,
    modes_for,
    refuse_unsafe_device,
    refuse_unsafe_filesystem,
)
from agentlock.table_errors import (
    DatabaseUnreachableError,
    OlderSchemaError,
    OutcomeUnknownError,
    SchemaError,
    UnsafeFilesystemError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SECOND = 1_000_000


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "table" / "agentlock.sqlite3")


def opened(path: str, identifier: str | None) -> None:
    SQLiteStore(path, identifier, None, timeout=SECOND, read_only=True).close()


def query(path: str, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


def files_beside(path: str) -> set[str]:
    return {name for name in os.listdir(os.path.dirname(path)) if not name.endswith(".lock")}


def test_a_new_database_is_private_in_wal_mode_and_at_rest_one_file(path: str) -> None:
    schema.create(path, Modes())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert files_beside(path) == {"agentlock.sqlite3"}


@pytest.mark.parametrize(
    ("shared", "modes"),
    [
        (None, (0o600, 0o700)),
        ("false", (0o600, 0o700)),
        ("umask", (0o600, 0o700)),
        ("group", (0o660, 0o2770)),
        ("\0", (0o660, 0o2770)),
        ("true", (0o660, 0o2770)),
        ("all", (0o664, 0o2775)),
        ("0640", (0o640, 0o750)),
        ("0666", (0o666, 0o777)),
    ],
)
def test_the_modes_follow_what_the_repository_shares(
    shared: str | None, modes: tuple[int, int]
) -> None:
    found = modes_for(shared)
    assert (found.file, found.folder) == modes


def test_what_is_there_already_is_never_overwritten(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        file.write("precious")
    with pytest.raises(DatabaseError, match="already exists"):
        schema.create(path, Modes())
    with open(path, encoding="utf-8") as file:
        assert file.read() == "precious"


def test_many_who_make_it_at_once_make_one(path: str) -> None:
    answers: list[object] = []

    def make() -> None:
        try:
            answers.append(schema.create(path, Modes()))
        except DatabaseError as error:
            answers.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [answer for answer in answers if isinstance(answer, str)]
    assert len(made) == 1
    opened(path, made[0])


def test_an_older_schema_is_refused_and_a_migration_mends_it(path: str) -> None:
    identifier = schema.create(path, Modes())
    # a file as it was before the first migration, but for its id
    for statement in (
        *(f"DROP TABLE {name}" for name in ("events", "messages", "file_reservations")),
        *(f"DROP TABLE {name}" for name in ("agents", "projects")),
        "PRAGMA user_version = 0",
        "ALTER TABLE database_identity RENAME TO kept",
        "CREATE VIEW database_identity AS SELECT * FROM kept",
    ):
        query(path, statement)
    with pytest.raises(OlderSchemaError) as refused:
        opened(path, identifier)
    assert refused.value.hint == "agentlock db migrate"


def test_a_newer_schema_says_upgrade(path: str) -> None:
    identifier = schema.create(path, Modes())
    query(path, f"PRAGMA user_version = {schema_version() + 1}")
    with pytest.raises(SchemaError) as refused:
        opened(path, identifier)
    assert refused.value.hint == "upgrade agentlock"


def test_a_table_that_is_refused_is_closed_and_its_log_goes_with_it(path: str) -> None:
    schema.create(path, Modes())
    with pytest.raises(DatabaseError, match="another database") as refused:
        SQLiteStore(path, "not its id", None, timeout=SECOND, read_only=False)
    assert refused.tb is not None  # the store is still alive in it
    assert files_beside(path) == {"agentlock.sqlite3"}


def test_a_migration_leaves_another_database_alone(path: str) -> None:
    schema.create(path, Modes())
    query(path, "PRAGMA user_version = 0")
    with pytest.raises(DatabaseError, match="another database"):
        migrate.migrate(path, "not its id")
    assert query(path, "PRAGMA user_version") == [(0,)]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ("nothing", "is missing"),
        ("a directory", "is a directory, not a database"),
        ("a pipe", "is a special file, not a database"),
        (b"", "is empty, not a database"),
        (b"x" * 511, "is cut short"),
        (b"x" * 512, "not a database"),
    ],
    ids=["nothing", "directory", "pipe", "empty", "cut short", "no database"],
)
def test_what_is_no_database_is_called_what_it_is(
    tmp_path: Path, there: str | bytes, says: str
) -> None:
    path = tmp_path / "t.sqlite3"
    if there == "a directory":
        path.mkdir()
    elif there == "a pipe":
        os.mkfifo(path)
    elif isinstance(there, bytes):
        path.write_bytes(there)
    with pytest.raises(DatabaseError, match=says):
        opened(str(path), None)


def test_names_that_mean_something_in_a_uri_are_names(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(str(tmp_path)) + b"/a ?mode=rwc&x#y%41\xff/t.sqlite3")
    identifier = schema.create(path, Modes())
    opened(path, identifier)
    assert set(os.listdir(tmp_path)) == {"home", os.path.basename(os.path.dirname(path))}


MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:35 / /home/me/nfs\\040share rw,relatime shared:2 - nfs4 server:/x rw,vers=4.2
41 22 0:36 / /vm rw - virtiofs vm rw
42 41 0:37 / /vm/local rw - tmpfs tmpfs rw
"""


def test_the_file_system_of_the_deepest_mount_counts(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS, encoding="utf-8")

    def kind(path: str) -> str | None:
        return filesystem_of(path, str(mounts))

    assert kind("/home/me/x/t.sqlite3") == "ext4"
    assert kind("/home/me/nfs share/deep/t.sqlite3") == "nfs4"
    assert kind("/vm/t.sqlite3") == "virtiofs"
    assert kind("/vm/local/t.sqlite3") == "tmpfs"
    assert kind("/vmware/t.sqlite3") == "ext4"
    assert filesystem_of("/x/t", str(tmp_path / "none")) is None


@pytest.mark.parametrize(
    "kind",
    [
        *("9p", "virtiofs", "nfs4", "cifs", "beegfs", "gpfs", "drvfs", "pvfs2", "ceph", "fuse"),
        *("fuse.virtiofs", "fuse.vmhgfs-fuse", "fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse"),
        *("fuse.juicefs", "fuse.blobfuse2", "fuse.sshfs", "fuse.grpcfuse", "fuse.never-heard-of"),
    ],
)
def test_every_fuse_and_network_file_system_is_refused_also_in_a_hook(
    tmp_path: Path, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:41 / / rw - {kind} x rw\n", encoding="utf-8")
    assert is_unsafe(filesystem_of("/x/t.sqlite3", str(mounts)) or "")
    with pytest.raises(UnsafeFilesystemError, match=f"is on {kind}, where SQLite"):
        refuse_unsafe_device("/x/t.sqlite3", os.makedev(0, 41), str(mounts))
    refuse_unsafe_device("/x/t.sqlite3", os.makedev(0, 42), str(mounts))
    refuse_unsafe_device("/x/t.sqlite3", os.makedev(8, 41), str(mounts))


@pytest.mark.parametrize(
    "kind",
    ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "fuseblk", "fuse.fuse-overlayfs"],
)
def test_what_is_known_to_be_local_is_accepted(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:41 / / rw - {kind} x rw\n", encoding="utf-8")
    assert not is_unsafe(kind)
    refuse_unsafe_device("/x/t.sqlite3", os.makedev(0, 41), str(mounts))


@pytest.mark.parametrize(
    ("version", "bug"),
    [
        *(("3.7.0", True), ("3.40.1", True), ("3.44.5", True), ("3.45.0", True)),
        *(("3.50.6", True), ("3.51.2", True), ("3.51.0", True), ("3.49.99", True)),
        *(("3.44.6", False), ("3.50.7", False), ("3.51.3", False), ("3.52.0", False)),
        *(("3.53.4", False), ("4.0.0", False), ("3.44.10", False)),
    ],
)
def test_which_sqlite_may_lose_a_commit_that_meets_a_checkpoint(version: str, bug: bool) -> None:
    assert has_reset_bug(version) is bug


def test_this_machine_s_own_file_system_is_good_enough(path: str) -> None:
    refuse_unsafe_filesystem(path)


def writer(path: str, timeout: int = SECOND) -> closing[SQLiteStore]:
    return closing(SQLiteStore(path, None, "p", timeout=timeout, read_only=False))


@pytest.fixture
def store(path: str) -> Iterator[SQLiteStore]:
    schema.create(path, Modes())
    migrate.add_project(path, "p")
    with writer(path) as opened:
        yield opened


def test_a_commit_that_fails_takes_everything_back_and_the_next_one_works(
    store: SQLiteStore,
) -> None:
    def break_a_reference_and_commit() -> None:
        with store.writing():
            store.agents.register("A", 1)
            store.rows("PRAGMA defer_foreign_keys = ON")
            store.rows("UPDATE agents SET project_id = 99")

    with pytest.raises(DatabaseError, match="FOREIGN KEY"):
        break_a_reference_and_commit()
    with store.writing():
        store.agents.register("B", 2)
    assert [agent.name for agent in store.agents.all()] == ["B"]


def test_the_log_is_written_back_though_nobody_ever_pauses(store: SQLiteStore) -> None:
    with closing(sqlite3.connect(store.location)) as other:  # or the last to close would do it
        other.execute("SELECT count(*) FROM events").fetchall()
        for _ in range(1500):
            with store.writing(durable=False):
                store.events.log(PRUNED, store.now(), detail="x" * 1000)
        assert os.stat(f"{store.location}-wal").st_size < 8 << 20
        assert other.execute("SELECT count(*) FROM events").fetchall() == [(1500,)]


def test_few_of_the_turns_write_the_log_back(store: SQLiteStore) -> None:
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)
    for _ in range(300):
        with store.writing(durable=False):
            store.events.log(PRUNED, store.now())
    assert 1 < sum("wal_checkpoint" in one for one in asked) < 10


def test_a_reader_that_stays_keeps_the_log_and_stops_nobody(store: SQLiteStore) -> None:
    with closing(sqlite3.connect(store.location, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchall() == [(0,)]
        for _ in range(600):
            with store.writing(durable=False):
                store.events.log(PRUNED, store.now())
        assert reader.execute("SELECT count(*) FROM events").fetchall() == [(0,)]


def _waits(store: SQLiteStore, *, durable: bool | None) -> tuple[int, list[str]]:
    """PRAGMA synchronous in a transaction, and what its end did in which order; None: it reads."""
    ended: list[str] = []

    def profile(frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in ("fdatasync", "fsync"):
            assert os.path.samestat(os.fstat(frame.f_locals["descriptor"]), os.stat(log))
            ended.append("disk")
        elif event == "call" and frame.f_code.co_name == "give_up":
            ended.append("turn")

    log = f"{os.path.realpath(store.location)}-wal"
    said: list[str] = []
    store._connection.set_trace_callback(said.append)
    with store.reading() if durable is None else store.writing(durable=durable):
        if durable is not None:
            store.events.log(PRUNED, store.now())
        ((level,),) = store.rows("PRAGMA synchronous")
        sys.setprofile(profile)
    sys.setprofile(None)
    store._connection.set_trace_callback(None)
    assert said[-1] == "COMMIT"
    return level, ended


def test_what_is_durable_waits_for_the_disk_after_its_turn_and_the_rest_does_not(
    store: SQLiteStore,
) -> None:
    normal, full = 1, 2
    assert _waits(store, durable=True) == (normal, ["turn", "disk"])
    assert _waits(store, durable=None) == (normal, ["turn"])  # there is none to give up
    assert _waits(store, durable=False) == (normal, ["turn"])
    assert _waits(store, durable=True) == (normal, ["turn", "disk"])
    link = Path(f"{store.location}.link")
    link.symlink_to(store.location)
    with closing(SQLiteStore(str(link), None, "p", timeout=SECOND, read_only=False)) as by_link:
        assert _waits(by_link, durable=True) == (normal, ["turn", "disk"])
    store._connection.execute("PRAGMA journal_mode = DELETE")
    with closing(SQLiteStore(store.location, None, "p", timeout=SECOND, read_only=False)) as other:
        assert _waits(other, durable=True) == (full, ["turn"])


def test_a_disk_that_does_not_confirm_leaves_the_outcome_unknown(store: SQLiteStore) -> None:
    def write_and_lose_the_log() -> None:
        with store.writing():
            store.agents.register("A", 1)
            os.rename(f"{store.location}-wal", f"{store.location}-gone")

    with pytest.raises(OutcomeUnknownError, match="the disk does not confirm it"):
        write_and_lose_the_log()
    os.rename(f"{store.location}-gone", f"{store.location}-wal")
    assert [agent.name for agent in store.agents.all()] == ["A"]


def test_past_the_time_out_nothing_is_tried_again(store: SQLiteStore) -> None:
    tried: list[str] = []
    with writer(store.location, SECOND // 10) as late:
        late._connection.set_trace_callback(tried.append)
        with store.writing(), pytest.raises(DatabaseUnreachableError), late.writing():
            pass
    assert tried.count("BEGIN IMMEDIATE") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits to set")
def test_of_a_disk_that_fails_one_is_told_to_look_at_it(store: SQLiteStore) -> None:
    import resource

    store.close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(DatabaseError, match="disk I/O error") as refused:
            writer(store.location)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.hint == LOOK_AT_THE_DISK


def test_of_a_damaged_table_one_is_told_where_it_belongs(store: SQLiteStore) -> None:
    store.close()
    with open(store.location, "r+b") as file:
        file.seek(100)  # past the header
        file.write(b"\xff" * (os.stat(store.location).st_size - 100))
    with pytest.raises(DatabaseError, match="malformed") as refused:
        writer(store.location)
    assert refused.value.hint == WHERE_IT_BELONGS
