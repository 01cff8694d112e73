"""Everything that can stand between the guard and its answer, each made for real.

The tests and the table of faults in the documentation both read ``FAULTS``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from faults.world import FREE, OPERATIONS, RESERVED, Operation, World, copied
from support import Repo, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMEOUT = 1
ZERO = "0" * 40


class Fault(NamedTuple):
    """Something that keeps the guard from deciding.

    ``says`` is a regular expression that the refusal's sentence must match. ``git_stops`` names
    the operations that git itself refuses before it comes to the hook; ``only`` those that the
    fault can concern at all; ``hook_alone`` that git arranges it differently, so that only the hook
    can meet it. ``silent``: nobody can be told. ``path`` is what git is asked to let through.
    """

    name: str
    arrange: Callable[[World], object]
    says: str
    only: tuple[Operation, ...] = OPERATIONS
    git_stops: tuple[Operation, ...] = ()
    other_user: bool = False
    linux_only: bool = False
    silent: bool = False
    hook_alone: bool = False
    path: str = FREE


class Cell(NamedTuple):
    """What came of one fault and one operation."""

    git: Result | None
    hook: Result
    seconds: float
    landed: bool
    table_changed: bool


@contextlib.contextmanager
def arranged(fault: Fault, template: Path) -> Iterator[World]:
    """A copy of the healthy world with the fault in it."""
    with copied(template, other_user=fault.other_user) as world:
        fault.arrange(world)
        yield world


def observe(world: World, fault: Fault, operation: Operation) -> Cell:
    """Try the operation by git, then run its hook by itself."""
    refs, table = world.landed(), world.table()
    started = time.monotonic()
    git = None if fault.hook_alone else world.git(operation, fault.path)
    seconds = time.monotonic() - started
    hook = world.hook(operation)
    return Cell(git, hook, seconds, world.landed() != refs, world.table() != table)


def _noise(length: int) -> bytes:
    return hashlib.shake_128(b"the same noise each time").digest(length)


# The faults, each a function that arranges one


def _missing(world: World) -> None:
    world.database.unlink()


def _folder_missing(world: World) -> None:
    shutil.rmtree(world.database.parent)


def _directory(world: World) -> None:
    world.database.unlink()
    world.database.mkdir()


def _pipe(world: World) -> None:
    world.database.unlink()
    os.mkfifo(world.database)


def _loop(world: World) -> None:
    world.database.unlink()
    world.database.symlink_to(world.database.name)


def _zero_bytes(world: World) -> None:
    world.database.write_bytes(b"")


def _random_bytes(world: World) -> None:
    size = world.database.stat().st_size
    world.database.write_bytes(_noise(size))


def _random_after_header(world: World) -> None:
    held = world.database.read_bytes()
    noise = _noise(len(held))
    world.database.write_bytes(held[:100] + noise[100:])


def _truncated(world: World, length: int) -> None:
    size = world.database.stat().st_size
    os.truncate(world.database, length if length > 0 else size + length)


def _truncated_under_log(world: World) -> None:
    """The last grants are still in the log beside the file when the file is cut."""
    connection = sqlite3.connect(world.database, isolation_level=None)
    world.cleanup.callback(connection.close)
    connection.execute("UPDATE projects SET last_fence = last_fence + 1")
    os.truncate(world.database, world.database.stat().st_size // 2)


def _another_table(world: World) -> None:
    shutil.copyfile(world.other_table(), world.database)


def _somebody_elses(world: World) -> None:
    world.database.unlink()
    with contextlib.closing(sqlite3.connect(world.database)) as connection:
        connection.execute("CREATE TABLE file_reservations (id INTEGER PRIMARY KEY)")
        connection.execute("PRAGMA journal_mode = WAL")


def _schema(world: World, version: int) -> None:
    world.repo.sql(f"PRAGMA user_version = {version}")


def _without(world: World, table: str) -> None:
    world.repo.sql("PRAGMA foreign_keys = OFF")
    world.repo.sql(f"ALTER TABLE {table} RENAME TO lost")


def _no_project(world: World) -> None:
    world.repo.sql("UPDATE projects SET human_key = 'another'")


def _no_identity_row(world: World) -> None:
    world.repo.sql("DELETE FROM database_identity")


def _garbled_pattern(world: World) -> None:
    world.repo.sql("UPDATE file_reservations SET path_pattern = '/src/[', prefix_key = ''")


def _garbled_time(world: World) -> None:
    world.repo.sql("UPDATE file_reservations SET expires_ts = 'soon', prefix_key = ''")


def _garbled_name(world: World) -> None:
    world.repo.sql("UPDATE file_reservations SET prefix_key = ''")
    world.repo.sql("UPDATE agents SET name = CAST(X'FFFE' AS TEXT) WHERE id = 1")


def _garbled_pattern_type(world: World) -> None:
    world.repo.sql("UPDATE file_reservations SET path_pattern = X'', prefix_key = ''")


def held_by_another(world: World) -> None:
    """A second process has the table for itself and does not let go."""
    world.environment["AGENTLOCK_TIMEOUT"] = str(TIMEOUT)
    holder = hold(world, "EXCLUSIVE")
    world.lifting.push(holder)
    world.lifting.callback(holder.kill)


def hold(world: World, mode: Literal["EXCLUSIVE", "NORMAL"]) -> subprocess.Popen[bytes]:
    """A process that has the table, from readers too or from writers alone, until it ends."""
    script = (
        "import sqlite3, sys\n"
        "table = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "table.execute('PRAGMA locking_mode = ' + sys.argv[2])\n"
        "table.execute('BEGIN IMMEDIATE')\n"
        "table.execute('UPDATE projects SET last_fence = last_fence')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        (sys.executable, "-c", script, world.database, mode),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def _unreadable(world: World) -> None:
    world.database.chmod(0)


def _folder_unreadable(world: World) -> None:
    world.database.parent.chmod(0)
    world.cleanup.callback(world.database.parent.chmod, 0o700)


def _of_another_user(world: World) -> None:
    """As after a first `init` by somebody else who shares the repository, and not the table."""
    folder = world.database.parent
    if os.geteuid() == 0:
        os.chown(folder, 0, 0)
    folder.chmod(0o700 if os.geteuid() == 0 else 0)
    world.cleanup.callback(folder.chmod, 0o700)


def _interpreter_gone(world: World) -> None:
    world.own_interpreter().unlink()


def _interpreter_dangling(world: World) -> None:
    python = world.own_interpreter()
    python.unlink()
    python.symlink_to("python3.old")


def _interpreter_is(world: World, content: bytes) -> None:
    python = world.own_interpreter()
    python.unlink()
    python.write_bytes(content)
    python.chmod(0o755)


def _package_gone(world: World) -> None:
    shutil.rmtree(world.own_package())


def _package_lacks(world: World, name: str) -> None:
    path = world.own_package() / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _package_has_empty(world: World, name: str) -> None:
    (world.own_package() / name).write_bytes(b"")


def _package_cut(world: World, name: str) -> None:
    path = world.own_package() / name
    os.truncate(path, path.stat().st_size // 2)


def _tree_of_head_gone(world: World) -> None:
    for branch in ("main", "both"):
        tree = world.repo.must("rev-parse", f"{branch}^{{tree}}", env=world.variables())
        (world.repo.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()


def _tree_of_head_garbled(world: World) -> None:
    for branch in ("main", "both"):
        tree = world.repo.must("rev-parse", f"{branch}^{{tree}}", env=world.variables())
        path = world.repo.path / ".git" / "objects" / tree[:2] / tree[2:]
        path.chmod(0o600)
        path.write_bytes(_noise(80))


def _index_garbled(world: World) -> None:
    index = world.folder / "index"
    index.write_bytes(_noise(400))
    world.environment["GIT_INDEX_FILE"] = str(index)


def _branch_garbled(world: World) -> None:
    (world.repo.path / ".git" / "refs" / "heads" / "main").write_text("garbage\n")


def _git_killed(world: World) -> None:
    os.mkfifo(world.repo.path / ".git" / "objects" / "info" / "alternates")
    world.killed_git = True


def _git_gone(world: World) -> None:
    world.environment["PATH"] = str(world.folder / "tmp")


def _settings_gone(world: World) -> None:
    world.repo.must("config", "--remove-section", "agentlock", env=world.variables())


def _setting_gone(world: World, name: str) -> None:
    world.repo.must("config", "--unset", f"agentlock.{name}", env=world.variables())


def _settings_from_outside(world: World) -> None:
    """The repository's own settings are gone; git -c and the personal file offer others."""
    table = world.other_table()
    other = Repo(world.folder / "other")
    identifier = other.must("config", "agentlock.databaseId", env=world.variables())
    _settings_gone(world)
    values = {"database": str(table), "databaseId": identifier, "project": "same"}
    for name, value in values.items():
        other.must("config", "--global", f"agentlock.{name}", value, env=world.variables())
        world.before_git += ("-c", f"agentlock.{name}={value}")


def _engine(world: World) -> None:
    world.configure("agentlock.database", "mysql://table.invalid/agentlock")


def _variable(world: World, name: str, value: str) -> None:
    world.environment[name] = value


def _bad_boolean(world: World) -> None:
    path = world.repo.path / ".git" / "config"
    path.write_text(path.read_text() + "[core]\n\tignorecase = perhaps\n")


def _push_line(world: World, line: bytes) -> None:
    world.push_lines = line


def _closed(world: World, redirection: str) -> None:
    world.redirections = redirection


def _missing_and_closed(world: World, redirection: str) -> None:
    _missing(world)
    _closed(world, redirection)


def bound(arrange: Callable[..., object], *arguments: Any) -> Callable[[World], object]:
    """The function that arranges something, with what it needs to know."""
    return lambda world: arrange(world, *arguments)


_NOT_OURS = "is not an agentlock database"
_UNREADABLE = "cannot be read or written"
_DAMAGED = "installation is damaged"
_SILENT_PYTHON = "gave no answer"
_NO_TABLE = "has no reservation table yet"

TABLE_FAULTS: tuple[Fault, ...] = (
    Fault("database missing", _missing, "is missing"),
    Fault("its folder missing", _folder_missing, "is missing"),
    Fault("a directory in its place", _directory, "is a directory, not a database"),
    Fault("a pipe in its place", _pipe, "is a special file, not a database"),
    Fault("a symbolic link to itself in its place", _loop, "cannot be reached"),
    Fault("zero bytes", _zero_bytes, "is empty, not a database"),
    Fault("random bytes", _random_bytes, "file is not a database"),
    Fault("random bytes after the header", _random_after_header, "malformed"),
    *(
        Fault(f"truncated to {words}", bound(_truncated, length), says)
        for words, length, says in (
            ("1 byte", 1, "is cut short"),
            ("its header of 100 bytes", 100, "is cut short"),
            ("512 bytes", 512, "malformed|not a database"),
            ("its first page", 4096, "malformed"),
            ("a page less", -4096, "malformed"),
            ("a byte less", -1, "is cut short"),
        )
    ),
    Fault("truncated, its log beside it", _truncated_under_log, "malformed"),
    Fault("the table of another repository", _another_table, "is another database"),
    Fault("a SQLite database that is not ours", _somebody_elses, _NOT_OURS),
    Fault("newer schema", bound(_schema, 999), "has the newer schema 999"),
    Fault("older schema", bound(_schema, 0), "has the older schema 0"),
    Fault("reservations lost from it", bound(_without, "file_reservations"), _UNREADABLE),
    Fault("projects lost from it", bound(_without, "projects"), _UNREADABLE),
    Fault("its id lost", _no_identity_row, "lacks a row of its own"),
    Fault("it knows no such project", _no_project, "has no project 'same'"),
    Fault("a reservation's pattern garbled", _garbled_pattern, "a pattern that cannot be read"),
    Fault("a reservation's pattern emptied", _garbled_pattern_type, "a pattern that cannot be"),
    Fault("a reservation's time garbled", _garbled_time, "garbled", path=RESERVED),
    Fault("a holder's name garbled", _garbled_name, "garbled|decode"),
    Fault(
        "held by another process beyond the time-out", held_by_another, "stayed locked .* for 1 s"
    ),
    Fault("unreadable", _unreadable, "cannot be opened", other_user=True),
    Fault("its folder unreadable", _folder_unreadable, "permission denied", other_user=True),
    Fault("its folder another user's", _of_another_user, "permission denied", other_user=True),
)
PROGRAM_FAULTS: tuple[Fault, ...] = (
    Fault("interpreter gone", _interpreter_gone, "is missing"),
    Fault("interpreter a dangling link", _interpreter_dangling, "is missing"),
    Fault("interpreter of zero bytes", bound(_interpreter_is, b""), _SILENT_PYTHON),
    Fault("interpreter garbled", bound(_interpreter_is, b"\x7fELF\0\0\0\0"), _SILENT_PYTHON),
    Fault(
        "interpreter that ends with 0 at once",
        bound(_interpreter_is, b"#!/bin/sh\nexit 0\n"),
        _SILENT_PYTHON,
    ),
    Fault(
        "interpreter that kills itself",
        bound(_interpreter_is, b"#!/bin/sh\nkill -9 $$\n"),
        _SILENT_PYTHON,
    ),
    Fault("package gone", _package_gone, "is missing"),
    Fault("package without its guard", bound(_package_lacks, "guard"), _DAMAGED),
    Fault("package without its store", bound(_package_lacks, "store/sqlite"), _DAMAGED),
    Fault("package without its matcher", bound(_package_lacks, "patterns"), _DAMAGED),
    Fault("package without its exceptions", bound(_package_lacks, "errors.py"), _DAMAGED),
    *(
        Fault(f"package with {name} {state}", bound(arrange, name), _DAMAGED)
        for name in ("__main__.py", "guard/run.py")
        for state, arrange in (("of zero bytes", _package_has_empty), ("cut in half", _package_cut))
    ),
)
GIT_FAULTS: tuple[Fault, ...] = (
    Fault("the tree of HEAD gone", _tree_of_head_gone, "`git .*` failed", git_stops=("commit",)),
    Fault(
        "the tree of HEAD garbled", _tree_of_head_garbled, "`git .*` failed", git_stops=("commit",)
    ),
    Fault("index garbled", _index_garbled, "`git diff-index` failed", ("commit",), ("commit",)),
    Fault("the branch garbled", _branch_garbled, "git", ("commit",), ("commit",)),
    Fault(
        "git killed",
        _git_killed,
        r"`git .*` failed \(signal 9\)",
        linux_only=True,
        hook_alone=True,
    ),
    Fault("git gone", _git_gone, "git cannot be started", hook_alone=True),
)
SETTING_FAULTS: tuple[Fault, ...] = (
    Fault("settings gone", _settings_gone, _NO_TABLE),
    Fault("the setting databaseId gone", bound(_setting_gone, "databaseId"), _NO_TABLE),
    Fault("settings only in git -c and ~/.gitconfig", _settings_from_outside, _NO_TABLE),
    Fault("settings that name another engine", _engine, "are not supported"),
    Fault(
        "AGENTLOCK_TIMEOUT=soon", bound(_variable, "AGENTLOCK_TIMEOUT", "soon"), "TIMEOUT: .*'soon'"
    ),
    Fault(
        "AGENTLOCK_TIMEOUT=nan", bound(_variable, "AGENTLOCK_TIMEOUT", "nan"), "TIMEOUT: .*'nan'"
    ),
    Fault("AGENTLOCK_TIMEOUT=-1", bound(_variable, "AGENTLOCK_TIMEOUT", "-1"), "TIMEOUT: .*'-1'"),
    Fault("AGENTLOCK_AGENT='a b'", bound(_variable, "AGENTLOCK_AGENT", "a b"), "'a b'"),
    Fault("core.ignorecase=perhaps", _bad_boolean, "ignorecase", git_stops=OPERATIONS),
    Fault("database missing, stdout closed", bound(_missing_and_closed, ">&-"), "is missing"),
    Fault("database missing, stderr closed", bound(_missing_and_closed, "2>&-"), "", silent=True),
    Fault(
        "database missing, all three closed",
        bound(_missing_and_closed, "<&- >&- 2>&-"),
        "",
        silent=True,
    ),
)
PUSH_FAULTS: tuple[Fault, ...] = (
    *(
        Fault(f"pre-push given {words}", bound(_push_line, line), says, ("push",), hook_alone=True)
        for words, line, says in (
            ("half a line", b"refs/heads/main 0123", "no ref update"),
            ("no oid", b"refs/heads/a nothing refs/heads/b " + ZERO.encode(), "no ref update"),
            ("a short oid", b"refs/heads/a abcd refs/heads/b " + ZERO.encode(), "no ref update"),
            ("an unknown oid", b"x " + b"1" * 40 + b" y " + ZERO.encode(), "`git .*` failed"),
            ("an empty line", b"\n", "no ref update"),
            ("random bytes", _noise(99), "no ref update"),
        )
    ),
    Fault("stdin closed", bound(_closed, "<&-"), "stdin", ("push",), hook_alone=True),
)
# Those that concern commands as well as hooks
COMMAND_FAULTS = (*TABLE_FAULTS, *SETTING_FAULTS)
FAULTS = (*TABLE_FAULTS, *PROGRAM_FAULTS, *GIT_FAULTS, *SETTING_FAULTS, *PUSH_FAULTS)
