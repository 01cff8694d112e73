"""Examine the reservation table: is it the recorded one, undamaged, current and private?"""

from __future__ import annotations

import os
import stat
from collections import Counter
from typing import TYPE_CHECKING, Literal

from agentlock.agent_mail.live import leases
from agentlock.agents.registry import in_removed_worktrees
from agentlock.doctor.findings import Finding, problem
from agentlock.duration import format_remaining
from agentlock.errors import AgentlockError, DatabaseError, PatternError
from agentlock.event_kinds import SKIPPED
from agentlock.model import MICROSECONDS
from agentlock.patterns.matching import Folding, compile_pattern
from agentlock.rules.interventions import interventions
from agentlock.store import NOT_INITIALISED, is_url, open_table
from agentlock.store.sqlite.driver import driver, has_reset_bug
from agentlock.store.sqlite.filesystem import modes_for, refuse_unsafe_filesystem
from agentlock.store.sqlite.inspection import faults, newest
from agentlock.store.wake import LOG, listening
from agentlock.table_errors import (
    CannotWakeError,
    DatabaseUnreachableError,
    OlderSchemaError,
    SchemaError,
    UnsafeFilesystemError,
)
from agentlock.text import count, plural, shell_word

if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.store.base import Store

_CLOCK_SLACK = 5 * MICROSECONDS  # the clocks of two machines that share a file may differ
_LOST = "without a backup its reservations are lost"
RESTORE = "restore a backup: agentlock db restore FILE"


def examine_table(repository: Repository, timeout: int) -> list[Finding]:
    """Findings about the settings and the table; without a problem the guard can read it."""
    path = repository.database
    if not path or not repository.database_id or not repository.project:
        return [Finding("problem", "settings", NOT_INITIALISED, fix=_init(repository))]
    if not is_url(path):
        unreachable = _file_problem(path)
        if unreachable is not None:
            return [unreachable]
    try:
        store = open_table(repository, timeout, read_only=True)
    except AgentlockError as error:
        return [_refused(repository, error)]
    try:
        return _findings(repository, path, store, timeout)
    except DatabaseError as error:
        return [_refused(repository, error)]
    finally:
        store.close()


def _init(repository: Repository, *options: str) -> str:
    return " ".join(("agentlock init", *(["--server"] if repository.is_bare else []), *options))


def _findings(repository: Repository, path: str, store: Store, timeout: int) -> list[Finding]:
    found = _rows(store)
    if not is_url(path):
        found += [
            *_damage(path, timeout),
            *_file_system(path),
            *_modes(repository, path),
            *_clock(path, store.now(), timeout),
        ]
    if not any(finding.level == "problem" for finding in found):
        found.insert(0, Finding("ok", "table", f"{path} answers and is the recorded table"))
        found += [*_read_only(path), *_sqlite(path)]
    if store.policy.read().enforcement == "warn":
        message = "the policy is enforcement = warn, so the hooks only warn and refuse nothing"
        fix = "agentlock policy set enforcement block --reason 'agents ignore warnings'"
        found.append(Finding("problem", "policy", message, fix=fix, lets_through=True))
    found += [*_agent_mail(store), *_owner(repository, store), *_skips(store), *_removed(store)]
    found += _waking(store) if is_url(path) else []
    if repository.is_bare and not store.agents.all():
        key = shell_word(repository.project or "")
        message = f"no agent has reserved anything in the project {repository.project} yet"
        join = f"agentlock init --database {shell_word(path)} --project {key}"
        found.append(Finding("warning", "project", message, advice=f"in each clone: {join}"))
    return found


def _agent_mail(store: Store) -> list[Finding]:
    """Whether the Agent Mail that counts as well can be read, and what its agents hold."""
    if store.beside is None:
        return []
    try:
        held = {(one.worktree, one.id) for one in leases(store, None)}
    except DatabaseError as error:
        return [problem("agent mail", error)]
    message = f"the Agent Mail at {store.beside.agent_mail} answers"
    return [Finding("ok", "agent mail", f"{message}: {count(len(held), 'live reservation')}")]


def _sqlite(path: str) -> list[Finding]:
    """SQLite's WAL-reset bug: only a writer that waited for its turn in vain can still meet it."""
    if is_url(path) or not has_reset_bug():
        return []
    message = (
        f"SQLite {driver.sqlite_version} has the WAL-reset bug, which can lose a commit that meets "
        "a checkpoint; agentlock lets writers take turns to avoid it"
    )
    advice = "use a Python with SQLite 3.51.3 or newer (or 3.50.7, 3.44.6)"
    return [Finding("warning", "sqlite", message, advice=advice)]


def _read_only(path: str) -> list[Finding]:
    if is_url(path) or not os.statvfs(path).f_flag & os.ST_RDONLY:
        return []
    message = f"{path} is on a read-only file system here, so this place can ask and not reserve"
    advice = f"let this sandbox write to {os.path.dirname(path)}, if agents are to reserve in it"
    return [Finding("warning", "table", message, advice=advice)]


def _owner(repository: Repository, store: Store) -> list[Finding]:
    """No command of agentlock takes an owner's key away; `init` records a new one here."""
    recorded, kept = repository.owner_key, store.owner.key()
    if recorded == kept:
        return []
    if kept is None:
        message = "the table has lost it; commands still ask for the one that is recorded here"
        advice = "the owner can make a new one: agentlock init --owner-key"
        return [Finding("warning", "owner's key", message, advice=advice)]
    message = "the table has another one than is recorded here"
    return [Finding("warning", "owner's key", message, fix=_init(repository))]


def _waking(store: Store) -> list[Finding]:
    """Whether a process that waits is woken when the table on a server changes."""
    try:
        with listening(store, LOG) as bell:
            if bell.is_heard:
                return []
        why = "what one connection NOTIFYs does not reach another, so a pooler may be in between"
    except CannotWakeError as error:
        why = error.message
    message = f"processes that wait look at the table once a second here: {why}"
    advice = "connect to the server directly, or through a pooler in session mode"
    return [Finding("warning", "waking", message, advice=advice)]


def _removed(store: Store) -> list[Finding]:
    """What agents still hold whose worktree somebody has removed."""
    live = store.reservations.all(live_at=store.now())
    held = Counter((one.agent, one.worktree) for one in in_removed_worktrees(store, live))
    return [
        Finding(
            "warning",
            "agents",
            f"the worktree {worktree} of {agent} was removed, and {agent} still holds "
            f"{count(number, 'reservation')} from there",
            see=f"agentlock list --agent {agent}",
        )
        for (agent, worktree), number in held.items()
    ]


def _skips(store: Store) -> list[Finding]:
    """Commands that people let pass although the guard refused them."""
    skips = [one for one in interventions(store, store.now()) if one.kind == SKIPPED]
    if not skips:
        return []
    many = f"{count(len(skips), 'command')} {plural(len(skips), 'was', 'were')}"
    message = f"{many} let pass in the last 24 h, most recently a {skips[-1].detail}"
    return [Finding("warning", "skips", message, see="agentlock log --since 24h")]


def _file_problem(path: str) -> Finding | None:
    """What keeps the file from being opened; None if nothing does."""

    def found(message: str, fix: str) -> Finding:
        return Finding("problem", "table", message, fix=fix)

    folder = os.path.dirname(path)
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
        return found(f"{folder} cannot be entered", f"chmod u+rwx {shell_word(folder)}")
    try:
        present = os.stat(path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = "is missing" if missing else f"cannot be read: {error.strerror}"
        return Finding("problem", "table", f"{path} {what}; {_LOST}", advice=RESTORE)
    if not stat.S_ISREG(present.st_mode) or not present.st_size:
        what = "is empty" if stat.S_ISREG(present.st_mode) else "is not a regular file"
        return Finding("problem", "table", f"{path} {what}; {_LOST}", advice=RESTORE)
    if os.access(path, os.R_OK) and os.statvfs(path).f_flag & os.ST_RDONLY:
        return None  # a sandbox, in which reading works
    if not os.access(path, os.R_OK | os.W_OK) or present.st_mode & 0o600 != 0o600:
        message = f"{path} cannot be read and written ({stat.filemode(present.st_mode)})"
        return found(message, f"chmod u+rw {shell_word(path)}")
    return None


def _refused(repository: Repository, error: AgentlockError) -> Finding:
    """Why the table could not be opened or read."""
    message = error.message
    if isinstance(error, OlderSchemaError):
        return Finding("problem", "table", message, fix="agentlock db migrate")
    if isinstance(error, (SchemaError, DatabaseUnreachableError, UnsafeFilesystemError)):
        return problem("table", error)
    if error.fix.startswith("agentlock init"):
        fix = error.fix.removeprefix("agentlock init").split()
        return Finding("problem", "table", message, fix=_init(repository, *fix))
    if isinstance(error, DatabaseError):
        return Finding("problem", "table", f"{message}; {_LOST}", advice=RESTORE)
    return problem("table", error)


def _damage(path: str, timeout: int) -> list[Finding]:
    wrong = faults(path, timeout=timeout)
    if not wrong:
        return []
    message = f"{path} is damaged: {wrong[0]}; {_LOST}"
    return [Finding("problem", "table", message, advice=RESTORE)]


def _file_system(path: str) -> list[Finding]:
    try:
        refuse_unsafe_filesystem(path)
    except DatabaseError as error:
        return [problem("table", error)]
    return []


def _modes(repository: Repository, path: str) -> list[Finding]:
    """More rights than core.sharedRepository asks for; who can write the table can change it."""
    shared = repository.settings.get(b"core.sharedrepository")
    modes = modes_for(None if shared is None else os.fsdecode(shared))
    wanted = {path: modes.file}
    folder = os.path.dirname(path)
    if folder == os.path.join(os.fsdecode(repository.common_dir), "agentlock"):
        wanted[folder] = modes.folder
    found = []
    for name, mode in wanted.items():
        present = stat.S_IMODE(os.stat(name).st_mode)
        more = present & ~mode & 0o777
        if more:
            writable = bool(more & 0o022)
            doing = "write" if writable else "read"
            message = f"others can {doing} {name} (mode {present:o} instead of {mode:o})"
            fix = f"chmod {mode:o} {shell_word(name)}"
            level: Literal["problem", "warning"] = "problem" if writable else "warning"
            found.append(Finding(level, "modes", message, fix=fix, lets_through=writable))
    return found


def _rows(store: Store) -> list[Finding]:
    """A pattern that cannot be read: the guard refuses every path that it might match."""
    live = store.reservations.all(live_at=store.now())
    unreadable = [held.id for held in live if not _is_readable(held.pattern)]
    if not unreadable:
        return []
    message = f"the pattern of reservation {unreadable[0]} cannot be read"
    fix = f"agentlock release --id {unreadable[0]} --force --reason 'unreadable pattern'"
    return [Finding("problem", "table", message, fix=fix)]


def _is_readable(pattern: bytes) -> bool:
    try:
        compile_pattern(pattern, Folding())
    except PatternError:
        return False
    return True


def _clock(path: str, now: int, timeout: int) -> list[Finding]:
    ahead = newest(path, timeout=timeout) - now
    if ahead <= _CLOCK_SLACK:
        return []
    message = (
        f"the newest row is {format_remaining(ahead)} in the future: the clock ran backwards, so "
        "leases last that much longer"
    )
    return [Finding("warning", "clock", message, advice="set the clock (date -u shows it)")]
