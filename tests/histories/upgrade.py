"""A table of the first schema, and upgrades of it that do not come to their end."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

from histories.stage import faults, look
from support import AGENTLOCK

from agentlock.store.base import APPLICATION_ID
from agentlock.store.migrations import schema_version, steps

if TYPE_CHECKING:
    import random

    from histories.table import Table
    from support import Repo


def age(repo: Repo) -> Table:
    """Put in place of the table one of the first schema with the same rows; what it holds."""
    held = look(repo)
    path = repo.database
    old = path.with_name("old")
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executescript(steps("sqlite")[0][1])
        connection.execute("PRAGMA user_version = 1")
        connection.execute("ATTACH ? AS new", (str(path),))
        tables = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if table.startswith("sqlite_"):
                continue
            first, newest = (
                [row[1] for row in connection.execute(f"PRAGMA {place}.table_info({table})")]
                for place in ("main", "new")
            )
            known = ", ".join(name for name in first if name in newest)
            connection.execute(f"INSERT INTO {table} ({known}) SELECT {known} FROM new.{table}")  # noqa: S608
    old.replace(path)
    return held


def kill_while_upgrading(repo: Repo, held: Table, chance: random.Random) -> bool:
    """Kill -9 a command that upgrades, at some moment; whether it died of that.

    Another command must find or make the newest schema, with every row, whatever was left.
    """
    with subprocess.Popen(
        (*AGENTLOCK, "list"), cwd=repo.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as victim:
        with contextlib.suppress(subprocess.TimeoutExpired):
            victim.wait(chance.uniform(0.03, 0.25))
        victim.kill()
        victim.communicate()
    result = repo.agentlock("list", "--json")
    assert result.code == 0, result
    assert repo.sql("PRAGMA user_version") == [(schema_version(),)]
    assert look(repo) == held
    assert faults(repo) == []
    return victim.returncode == -signal.SIGKILL
