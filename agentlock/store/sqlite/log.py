"""SQLite's log of what was committed: brought to the disk, and copied back into the database file.

Both cost a writer milliseconds, so both happen outside its turn, while the next one writes.
"""

from __future__ import annotations

import os

from agentlock.store.sqlite.driver import driver
from agentlock.table_errors import OutcomeUnknownError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sync(log: str, location: str) -> None:
    """Wait until the disk has what was committed, as COMMIT does with synchronous=FULL.

    There all other writers would wait as well. Here one wait for the disk serves all those whose
    changes it has. SQLite reads the log up to the first gap, so a power cut can take only what came
    last, and what came before this commit is on the disk with it. OutcomeUnknownError if the disk
    does not confirm it: others see the change already.
    """
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        try:
            getattr(os, "fdatasync", os.fsync)(descriptor)  # macOS has no fdatasync
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutcomeUnknownError(
            f"{location} was written, but the disk does not confirm it ({error.strerror}): "
            "nobody knows whether that survives a power cut",
            fix="check whether that disk is full, read-only or failing (df, mount, dmesg), and "
            "that the -wal file is still there",
        ) from error


def copy_back(connection: Any) -> None:
    """Copy the log back into the database file, as far as no reader needs the old pages.

    SQLite would do it in COMMIT, while the next writer waits. Here one turn in many does it after
    it has ended, so nobody waits. But the log starts again only if it is copied while nobody
    writes. If writers come without a pause, a later turn does that inside its own COMMIT, for the
    little that was added meanwhile. An SQLite with the WAL-reset bug does both inside its turn, so
    that no other writer's commit meets a checkpoint.
    """
    try:  # noqa: SIM105 -- contextlib would cost a hook an import
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except driver.Error:  # what was committed is safe in the log
        pass
