"""Copy a whole SQLite database while others use it, and put such a copy back."""

from __future__ import annotations

import contextlib
import os
import time

from agentlock.errors import DatabaseError, UsageError
from agentlock.store.base import require_schema
from agentlock.store.owner import WRITE_KEY
from agentlock.store.sqlite import uri
from agentlock.store.sqlite.files import identified, opened, remove_draft
from agentlock.store.sqlite.filesystem import Modes
from agentlock.store.sqlite.inspection import faults
from agentlock.store.sqlite.schema import migrate
from agentlock.table_errors import OlderSchemaError

_RENAME = "UPDATE database_identity SET id = ?"
_COUNTERS = (
    # No id and no fence is given twice, so each counter goes on from the higher of both databases.
    """
    UPDATE main.projects SET last_fence = max(last_fence, coalesce(
        (SELECT last_fence FROM old.projects AS o WHERE o.human_key = main.projects.human_key), 0))
    """,
    """
    UPDATE main.sqlite_sequence SET seq = max(seq, coalesce(
        (SELECT seq FROM old.sqlite_sequence AS o WHERE o.name = main.sqlite_sequence.name), 0))
    """,
    """
    INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM old.sqlite_sequence
    WHERE name NOT IN (SELECT name FROM main.sqlite_sequence)
    """,
)


def back_up(path: str, target: str, *, timeout: int) -> int:
    """Write what the database holds at this moment to a new file; its size in bytes.

    Others may write meanwhile (sqlite.org/backup.html). The copy is complete, checked and on the
    disk before it gets its name. An existing file is never replaced.
    """
    if os.path.lexists(target):
        raise UsageError(f"{target} already exists", fix="name a new file")
    draft = f"{target}.new-{os.getpid()}"
    try:
        _copy(path, draft, timeout)
        _require_whole(draft, timeout)
        os.link(draft, target)  # unlike rename, it replaces nothing
    except OSError as error:
        why = error.strerror or str(error)
        raise DatabaseError(f"{target} cannot be written: {why}", fix="check its folder") from error
    finally:
        remove_draft(draft)
    return os.path.getsize(target)


def restore(
    path: str, source: str, database_id: str, *, owner_key: str | None, force: bool, timeout: int
) -> str:
    """Put a backup in the place of the database at ``path``; where the former one is kept.

    The backup is checked first. A backup of another database (by its id) is refused unless
    ``force`` is set; then it takes over the id that every clone has recorded. The database gets
    ``owner_key``, the hash of the owner's key, or with None keeps what the backup has. Nothing at
    ``path`` changes unless everything can.
    """
    if not os.path.isfile(source):
        raise UsageError(f"{source} is not a file", fix="agentlock db restore FILE")
    if os.path.exists(path) and os.path.samefile(source, path):
        raise UsageError(f"{source} is the database itself", fix="agentlock db restore FILE")
    found = _identity(source, timeout)
    if found != database_id and not force:
        raise DatabaseError(
            f"{source} is a backup of another database (id {found}) than the one recorded for this "
            f"repository (id {database_id})",
            fix="if you want that one: agentlock db restore FILE --force",
        )
    kept = f"{path}.old-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    draft = f"{path}.new-{os.getpid()}"
    try:
        _copy(source, draft, timeout)
        _require_whole(draft, timeout)
        migrate(draft, found, timeout=timeout)
        if owner_key is not None:
            with opened(draft, timeout) as new:
                new.execute(WRITE_KEY, (owner_key,))
        if _is_readable(path, timeout):
            back_up(path, kept, timeout=timeout)
            _adopt(draft, database_id, path, timeout)
            with opened(draft, timeout) as new, opened(path, timeout) as live:
                new.backup(live)  # in one transaction: a reader sees the old one or the new one
        else:
            _adopt(draft, database_id, None, timeout)
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(path + suffix, kept + suffix)
            os.rename(draft, path)
    except OSError as error:
        why = error.strerror or str(error)
        raise DatabaseError(f"{path} cannot be written: {why}", fix="check its folder") from error
    finally:
        remove_draft(draft)
        remove_draft(f"{draft}.lock")
    return kept


def vacuum(path: str, *, timeout: int) -> tuple[int, int]:
    """Give free pages back to the disk; the file's size in bytes before and after."""
    before = os.path.getsize(path)
    with opened(path, timeout) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, os.path.getsize(path)


def _copy(source: str, target: str, timeout: int) -> None:
    Modes().make_file(target)
    with opened(source, timeout, mode="ro") as old, opened(target, timeout) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")  # so that the backup is one file
    with open(target, "rb") as file:
        os.fsync(file.fileno())


def _adopt(draft: str, database_id: str, old: str | None, timeout: int) -> None:
    """Give the copy the recorded id and the counters of the database that it replaces."""
    with opened(draft, timeout) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_RENAME, (database_id,))
        if old is not None:
            connection.execute("ATTACH ? AS old", (uri(old, "ro"),))
            for statement in _COUNTERS:
                connection.execute(statement)
            connection.execute("DETACH old")


def _is_readable(path: str, timeout: int) -> bool:
    try:
        _identity(path, timeout)
        return not faults(path, timeout=timeout)
    except DatabaseError:
        return False


def _identity(path: str, timeout: int) -> str:
    """The id of a backup; DatabaseError if it is not agentlock's, or has a newer schema."""
    with opened(path, timeout, mode="ro") as connection:
        found, schema = identified(connection, path)
        with contextlib.suppress(OlderSchemaError):  # it will be migrated
            require_schema(path, schema, "sqlite")
        return found


def _require_whole(path: str, timeout: int) -> None:
    wrong = faults(path, timeout=timeout)
    if wrong:
        raise DatabaseError(f"the copy is damaged: {wrong[0]}", see="agentlock db check")
