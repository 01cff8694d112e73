"""What agentlock must live through: it need not refuse everything, but what it says must be true.

A command that ends with 0 has done what it says, any other has changed no reservation, and what
another holds gets through no hook.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Literal, NamedTuple

from faults.scenarios import bound, held_by_another, hold
from support import OTHER, Result, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faults.world import Command, World


class Hardship(NamedTuple):
    """Something that goes wrong around the program.

    ``says``: what every command and hook that fails says of it, a regular expression. ``kept``:
    whether another's reservation is kept, or this is one of the published limits. ``starved``:
    Python itself may fail to start, and says so in its own way. ``silent``: nobody can be told.
    ``printed``: what was done can be told; where not, a command may do it and not end with 0.
    """

    name: str
    arrange: Callable[[World], object]
    says: str = ""
    root_only: bool = False
    kept: bool = True
    starved: bool = False
    silent: bool = False
    printed: bool = True


class Outcome(NamedTuple):
    """How a command ended, and whether the table says the same."""

    result: Result
    honest: bool


def rows(world: World) -> list[tuple[object, ...]] | None:
    """Who holds what, as SQLite itself reads a copy of the table; None where it cannot."""
    folder = world.folder / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        for path in world.database.parent.glob(f"{world.database.name}*"):
            shutil.copyfile(path, folder / path.name)
        path = folder / world.database.name
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as connection:
            connection.text_factory = bytes
            return connection.execute(
                "SELECT r.id, a.name, path_pattern FROM file_reservations AS r"
                " JOIN agents AS a ON a.id = r.agent_id WHERE released_ts IS NULL ORDER BY r.id"
            ).fetchall()
    except (OSError, sqlite3.Error):
        return None


def attempt(world: World, command: Command) -> Outcome:
    """Run a command and look whether the table agrees with what it says."""
    before = rows(world)
    result = world.command(command)
    after = rows(world)
    if result.code != 0 or command == "list":
        return Outcome(result, before == after)
    mine = [pattern for _, name, pattern in after or [] if name == OTHER.encode()]
    return Outcome(result, after is not None and ((b"/docs/" in mine) == (command == "reserve")))


def lifted(world: World) -> None:
    """End every hardship: afterwards the table must be whole."""
    world.lifting.close()
    world.beforehand, world.redirections, world.meanwhile = "", "", None


# The hardships, each a function that arranges one


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a file system of a certain size, to fill it."""
    folder.mkdir(exist_ok=True)
    tried = run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder), cwd=folder.parent)
    return tried.code == 0 and run("umount", str(folder), cwd=folder.parent).code == 0


def _on_own_disk(world: World, size: str) -> Path:
    """Move the table to a file system of its own; the folder that it is mounted on."""
    folder = world.database.parent
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.mkdir(mode=0o700)
    options = f"size={size},mode=0700"
    assert run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder), cwd=moved).code == 0
    world.cleanup.callback(run, "umount", "-l", str(folder), cwd=moved)
    shutil.copytree(moved, folder, dirs_exist_ok=True)
    return folder


def _fill(world: World, folder: Path) -> None:
    filling = folder / "filling"
    world.lifting.callback(filling.unlink)
    with contextlib.suppress(OSError), open(filling, "wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass


def _disk_full(world: World) -> None:
    _fill(world, _on_own_disk(world, "1m"))


def _disk_full_in_use(world: World) -> None:
    """Somebody has the table open: log and shared memory are there already."""
    folder = _on_own_disk(world, "1m")
    reader = sqlite3.connect(world.database, isolation_level=None)
    world.cleanup.callback(reader.close)
    reader.execute("SELECT count(*) FROM projects").fetchone()
    _fill(world, folder)


def _disk_read_only(world: World) -> None:
    folder = _on_own_disk(world, "1m")
    assert run("mount", "-o", "remount,ro", str(folder), cwd=world.folder).code == 0
    world.lifting.callback(run, "mount", "-o", "remount,rw", str(folder), cwd=world.folder)


def _temporary_disk_full(world: World) -> None:
    folder = world.folder / "tmp"
    mount = ("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder))
    assert run(*mount, cwd=world.folder).code == 0
    world.cleanup.callback(run, "umount", "-l", str(folder), cwd=world.folder)
    _fill(world, folder)


def _limited(world: World, limit: str) -> None:
    world.beforehand = f"ulimit {limit};"


def _without_rights(world: World, mode: int) -> None:
    """Root, without what lets root pass by permissions."""
    _inside(world, "setpriv", "--bounding-set=-dac_override,-dac_read_search")
    world.database.chmod(mode)
    world.lifting.callback(world.database.chmod, 0o600)


def _contained(world: World) -> None:
    """Each command in a container of its own, with processes and mounts of its own."""
    flags = ("--pid", "--fork", "--mount-proc", "--uts", "--ipc")
    _inside(world, "unshare", *flags)


def _sandboxed(world: World) -> None:
    """Git's folder is mounted read-only, as agents' sandboxes do it."""
    mount = 'mount --bind .git .git && mount -o remount,bind,ro .git && exec "$@"'
    _inside(world, "unshare", "--mount", "sh", "-c", mount, "sh")


def _inside(world: World, *command: str) -> None:
    world.as_user = command
    world.lifting.callback(setattr, world, "as_user", ())


def _clock(world: World, hours: int) -> None:
    """To set the clock by so much is, for the table, to have been written that much earlier."""
    shift = -hours * 3600 * 10**6
    for table, columns in (
        ("file_reservations", ("created_ts", "expires_ts")),
        ("agents", ("registered_ts", "last_active_ts")),
    ):
        changes = ", ".join(f"{column} = {column} + {shift}" for column in columns)
        world.repo.sql(f"UPDATE {table} SET {changes}")  # noqa: S608


def _unset(world: World, *names: str) -> None:
    world.beforehand = f"unset {' '.join(names)};"


def _git_setting(world: World, text: str) -> None:
    path = world.folder / "home" / ".gitconfig"
    before = path.read_text(encoding="utf-8")
    path.write_text(before + text, encoding="utf-8")
    world.lifting.callback(path.write_text, before, encoding="utf-8")


def _signalled(world: World, number: signal.Signals) -> None:
    held_by_another(world)
    world.environment["AGENTLOCK_TIMEOUT"] = "60"
    world.meanwhile = lambda group: os.killpg(group, number)


def _taken(world: World, mode: Literal["EXCLUSIVE", "NORMAL"]) -> None:
    """The table's folder is removed under whoever waits for the table, and put back later."""
    _while_it_waits(world, mode, lambda: shutil.rmtree(world.database.parent))


def _replaced(world: World, mode: Literal["EXCLUSIVE", "NORMAL"]) -> None:
    """Another table is moved over the one that somebody waits for; the first comes back later."""
    draft = world.database.with_name("draft")
    other = world.other_table()

    def replace() -> None:
        shutil.copyfile(other, draft)
        draft.replace(world.database)

    _while_it_waits(world, mode, replace)


def _while_it_waits(
    world: World, mode: Literal["EXCLUSIVE", "NORMAL"], change: Callable[[], object]
) -> None:
    holders: list[subprocess.Popen[bytes]] = []
    folder, kept = world.database.parent, world.folder / "kept"

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        with hold(world, mode) as holder:
            holders.append(holder)
            shutil.copytree(folder, kept)
            try:
                yield
            finally:
                holder.kill()
        shutil.rmtree(folder, ignore_errors=True)
        kept.rename(folder)

    def meanwhile(_group: int) -> None:
        change()
        holders[-1].kill()

    world.around, world.meanwhile = around, meanwhile


def _closed(world: World, redirections: str) -> None:
    world.redirections = redirections
    world.beforehand = f"exec {redirections};"


def _log_deleted(world: World, *suffixes: str) -> None:
    """Of a table in use; what is in the log alone goes with it."""
    _grant_into_log(world)
    for suffix in suffixes:
        os.unlink(f"{world.database}{suffix}")


def _log_of_another(world: World) -> None:
    _grant_into_log(world)
    other = world.other_table()
    connection = sqlite3.connect(other, isolation_level=None)
    world.cleanup.callback(connection.close)
    connection.execute("UPDATE projects SET last_fence = last_fence + 1")
    shutil.copyfile(f"{other}-wal", f"{world.database}-wal")


def _grant_into_log(world: World) -> None:
    """Let the reserved path be held by a row that only the log has, as after a kill -9."""
    world.repo.sql("UPDATE file_reservations SET expires_ts = 1 WHERE path_pattern LIKE '/src%'")
    script = (
        "import os, sqlite3, sys\n"
        "table = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        'table.execute("UPDATE file_reservations SET expires_ts = 1 << 60'
        " WHERE path_pattern LIKE '/src%'\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run((sys.executable, "-c", script, world.database), check=False)
    assert os.path.getsize(f"{world.database}-wal")


# What was taken away meanwhile is missing, or SQLite fails to open what belongs to it.
_LOST = "is missing|was replaced|is another|cannot be opened|disk I/O"
LIMIT_FILES = (4, 8, 12)
HARDSHIPS: tuple[Hardship, ...] = (
    Hardship("disk full", _disk_full, "full|disk I/O", root_only=True),
    Hardship("disk full, table in use", _disk_full_in_use, "full|disk I/O", root_only=True),
    Hardship("file system read-only", _disk_read_only, "open", root_only=True),
    Hardship("the disk of TMPDIR full", _temporary_disk_full, root_only=True),
    Hardship("no file may grow (ulimit -f 0)", bound(_limited, "-f 0"), "disk I/O"),
    *(
        Hardship(f"{number} open files at most", bound(_limited, f"-n {number}"), starved=True)
        for number in LIMIT_FILES
    ),
    # With 10 MB some interpreters spin for ever before they read a line of ours.
    Hardship("30 MB of memory at most", bound(_limited, f"-v {30 * 1024}"), starved=True),
    Hardship("table unreadable", bound(_without_rights, 0), "cannot be opened", root_only=True),
    Hardship("table read-only", bound(_without_rights, 0o400), "cannot be opened", root_only=True),
    Hardship("in a sandbox: .git read-only", _sandboxed, "read-only", root_only=True),
    Hardship("each command in a container of its own", _contained, root_only=True),
    Hardship("clock set back by a day", bound(_clock, -24)),
    Hardship("clock set forward by an hour", bound(_clock, 1)),
    Hardship("clock set forward by a day", bound(_clock, 24), kept=False),
    Hardship("HOME, USER, TMPDIR unset", bound(_unset, "HOME", "USER", "LOGNAME", "TMPDIR")),
    Hardship("PATH empty", bound(_unset, "PATH")),
    Hardship("~/.gitconfig garbled", bound(_git_setting, "[core\n"), "git"),
    Hardship(
        "~/.gitconfig includes itself",
        bound(_git_setting, "[include]\n\tpath = .gitconfig\n"),
        "git",
    ),
    Hardship(
        "hostile ~/.gitconfig: external diff, attributes, fsmonitor, pager",
        bound(
            _git_setting,
            "[core]\n\tfsmonitor = false\n\tpager = false\n\tattributesFile = /dev/null\n"
            "[diff]\n\texternal = false\n\tnoprefix = true\n\trelative = true\n"
            "\tignoreSubmodules = all\n\torderFile = /nonexistent\n[color]\n\tui = always\n",
        ),
    ),
    *(
        Hardship(f"{number.name} while the table is held", bound(_signalled, number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    ),
    Hardship("its folder removed under who waits to write", bound(_taken, "NORMAL"), _LOST),
    Hardship("its folder removed under who waits to read", bound(_taken, "EXCLUSIVE"), _LOST),
    Hardship("replaced under who waits to write", bound(_replaced, "NORMAL"), _LOST),
    Hardship("replaced under who waits to read", bound(_replaced, "EXCLUSIVE"), _LOST),
    Hardship("stdin closed", bound(_closed, "<&-")),
    Hardship("stdout closed", bound(_closed, ">&-")),
    Hardship("stderr closed", bound(_closed, "2>&-"), silent=True),
    Hardship("all three closed", bound(_closed, "<&- >&- 2>&-"), silent=True),
    Hardship("stdout full", bound(_closed, ">/dev/full"), "cannot be printed", printed=False),
    Hardship("stderr full", bound(_closed, "2>/dev/full"), silent=True),
    Hardship("shared memory deleted", bound(_log_deleted, "-shm")),
    Hardship("log deleted", bound(_log_deleted, "-wal", "-shm"), kept=False),
    Hardship("log of another table", _log_of_another, kept=False),
)
