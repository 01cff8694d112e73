"""Is the reservation table the recorded one, whole, current, private and within reach?"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from agentlock.doctor.findings import Finding
from agentlock.duration import format_remaining
from agentlock.errors import (
    AgentlockError,
    DatabaseError,
    DatabaseUnreachableError,
    OlderSchemaError,
    PatternError,
    SchemaError,
)
from agentlock.event_kinds import SKIPPED
from agentlock.patterns.matching import Folding, compile_pattern
from agentlock.rules.interventions import interventions
from agentlock.store import NOT_INITIALISED, is_url, open_table
from agentlock.store.sqlite.filesystem import modes_for, refuse_unsafe_filesystem
from agentlock.store.sqlite.inspection import faults, newest
from agentlock.text import count, plural, shell_word

if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.store.base import Store

AFRESH = "agentlock init --new-database"
_CLOCK_SLACK = 5 * 1_000_000  # of two machines that share a file
_ASK = "restore it from a backup, or ask whoever runs this project"


def examine_table(repository: Repository, timeout: int) -> list[Finding]:
    """Findings about the settings and the table; without a problem the guard can read it."""
    path = repository.database
    if not path or not repository.database_id or not repository.project:
        return [Finding("problem", "settings", NOT_INITIALISED, mend="agentlock init")]
    if not is_url(path):
        unreachable = _file_problem(path)
        if unreachable is not None:
            return [unreachable]
    try:
        store = open_table(repository, timeout, read_only=True)
    except AgentlockError as error:
        return [_refused(error)]
    try:
        return _findings(repository, path, store, timeout)
    except DatabaseError as error:
        return [_refused(error)]
    finally:
        store.close()


def _findings(repository: Repository, path: str, store: Store, timeout: int) -> list[Finding]:
    found = _rows(store)
    if not is_url(path):
        found += [
            *_whole(path, timeout),
            *_file_system(path),
            *_modes(repository, path),
            *_clock(path, store.now(), timeout),
        ]
    if not any(finding.level == "problem" for finding in found):
        found.insert(0, Finding("ok", "table", f"{path} answers, and is the recorded one"))
    if store.policy.read().enforcement == "warn":
        message = "the policy is enforcement = warn: every hook only warns, and nothing is refused"
        mend = "agentlock policy set enforcement block --reason 'agents ignore warnings'"
        found.append(Finding("problem", "policy", message, mend=mend, lets_through=True))
    found += [*_owner(repository, store), *_skips(store)]
    if repository.is_bare and not store.agents.all():
        message = f"no agent has used the project {repository.project} yet: nothing is held in it"
        key = shell_word(repository.project or "")
        advice = f"in each clone: agentlock init --database {shell_word(path)} --project {key}"
        found.append(Finding("warning", "project", message, advice=advice))
    return found


def _owner(repository: Repository, store: Store) -> list[Finding]:
    """Nothing of ours takes an owner's key away; a new one is recorded here by `init`."""
    recorded, kept = repository.owner_key, store.owner.key()
    if recorded == kept:
        return []
    if kept is None:
        message = "the table has lost the owner's key; the one recorded here is asked for"
        advice = "the owner makes a new one: agentlock init --owner-key"
        return [Finding("warning", "owner's key", message, advice=advice)]
    message = "the table's owner's key is not the one recorded here"
    return [Finding("warning", "owner's key", message, mend="agentlock init")]


def _skips(store: Store) -> list[Finding]:
    """Commands that people let pass: the guard is in place, and yet it was gone round."""
    skips = [one for one in interventions(store, store.now()) if one.kind == SKIPPED]
    if not skips:
        return []
    many = f"{count(len(skips), 'command')} {plural(len(skips), 'was', 'were')}"
    message = f"{many} let pass in the last 24 h, the last one a {skips[-1].detail}"
    return [Finding("warning", "skips", message, advice="agentlock log --since 24h")]


def _file_problem(path: str) -> Finding | None:
    """What keeps the file from being opened at all, told apart by looking."""
    folder = os.path.dirname(path)
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
        return Finding(
            "problem",
            "table",
            f"{folder} cannot be entered",
            mend=f"chmod u+rwx {shell_word(folder)}",
        )
    try:
        found = os.stat(path)
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is {error.strerror}"
        lost = "without a backup every reservation in it is lost"
        return Finding("problem", "table", f"{path} {what}; {lost}", mend=AFRESH)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        what = "empty" if stat.S_ISREG(found.st_mode) else "no regular file"
        return Finding("problem", "table", f"{path} is {what}, not a database", mend=AFRESH)
    if not os.access(path, os.R_OK | os.W_OK) or found.st_mode & 0o600 != 0o600:
        message = f"{path} cannot be read and written ({stat.filemode(found.st_mode)})"
        return Finding("problem", "table", message, mend=f"chmod u+rw {shell_word(path)}")
    return None


def _refused(error: AgentlockError) -> Finding:
    message = error.message
    if isinstance(error, OlderSchemaError):
        return Finding("problem", "table", message, mend="agentlock db migrate")
    if isinstance(error, (SchemaError, DatabaseUnreachableError)):
        return Finding("problem", "table", message, advice=error.hint)
    if error.hint.startswith("agentlock init"):
        return Finding("problem", "table", message, mend=error.hint)
    if isinstance(error, DatabaseError):
        message += "; without a backup every reservation in it is lost"
        return Finding("problem", "table", message, mend=AFRESH)
    return Finding("problem", "table", message, advice=error.hint)


def _whole(path: str, timeout: int) -> list[Finding]:
    wrong = faults(path, timeout=timeout)
    if not wrong:
        return []
    message = f"{path} is damaged: {wrong[0]}; without a backup every reservation in it is lost"
    return [Finding("problem", "table", message, mend=AFRESH)]


def _file_system(path: str) -> list[Finding]:
    try:
        refuse_unsafe_filesystem(path)
    except DatabaseError as error:
        return [Finding("problem", "table", error.message, advice=error.hint)]
    return []


def _modes(repository: Repository, path: str) -> list[Finding]:
    """More than core.sharedRepository asks for; who can write the table decides what is held."""
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
            mend = f"chmod {mode:o} {shell_word(name)}"
            level = "problem" if writable else "warning"
            found.append(
                Finding(level, "modes", message, mend=mend, lets_through=writable)  # type: ignore[arg-type]
            )
    return found


def _rows(store: Store) -> list[Finding]:
    """A row that cannot be read makes the guard refuse whoever comes near it."""
    live = store.reservations.all(live_at=store.now())
    unreadable = [held.id for held in live if not _is_readable(held.pattern)]
    if not unreadable:
        return []
    message = f"the pattern of reservation {unreadable[0]} cannot be read"
    mend = f"agentlock release --id {unreadable[0]} --force --reason 'unreadable pattern'"
    return [Finding("problem", "table", message, mend=mend)]


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
        f"the newest row is from the future, by {format_remaining(ahead)}: the clock ran "
        "backwards, and leases last that much longer"
    )
    return [Finding("warning", "clock", message, advice="set the clock right, see: date -u")]
