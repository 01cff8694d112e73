"""A small table at rest in which single bits are flipped, and the verdict on what it holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from faults.world import FREE, RESERVED
from support import HOLDER, OTHER, Repo

from agentlock.errors import AgentlockError
from agentlock.guard.judge import judge
from agentlock.model import Changes
from agentlock.patterns.matching import Folding
from agentlock.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

OUTCOMES = {
    "same": "change no verdict",
    "noticed": "are noticed: the guard refuses, and says what is wrong",
    "closed": "change a verdict unnoticed to a refusal",
    "open": "**let a reserved path through unnoticed**",
    "bug": "end in an exception that nobody foresaw, which the guard refuses as well",
}


class Flips:
    """A table with a few reservations of two agents, as a kill -9 or a restart leaves it."""

    rows = 8

    def __init__(self, folder: Path) -> None:
        repo = Repo(folder / "repo")
        repo.path.mkdir(parents=True)
        repo.must("init", "-q")
        repo.commit_unguarded("start")
        result = repo.agentlock("init", "--no-hooks", "--project", "same")
        assert result.code == 0, result
        repo.reserve(HOLDER, "src/**", "bin/tool", "**/*.sql", "lib/a.py", "--ttl", "20h")
        repo.reserve(OTHER, *(f"notes/{at}.md" for at in range(self.rows - 4)), "--ttl", "20h")
        self._path = str(repo.database)
        self._identifier = repo.must("config", "agentlock.databaseId")
        self.size = os.path.getsize(self._path)
        assert self._verdict() == [RESERVED.encode()]

    def outcome(self, byte: int, bit: int) -> str:
        """What flipping one bit comes to, a key of OUTCOMES; the table is as before afterwards."""
        with open(self._path, "r+b", buffering=0) as file:
            file.seek(byte)
            (was,) = file.read(1)
            file.seek(byte)
            file.write(bytes([was ^ 1 << bit]))
            try:
                refused = self._verdict()
            except AgentlockError:
                return "noticed"
            except Exception:  # noqa: BLE001 -- that is what is counted
                return "bug"
            finally:
                file.seek(byte)
                file.write(bytes([was]))
        if RESERVED.encode() not in refused:
            return "open"
        return "same" if refused == [RESERVED.encode()] else "closed"

    def _verdict(self) -> list[bytes]:
        store = open_store(self._path, self._identifier, "same", timeout=1_000_000, read_only=True)
        try:
            paths = tuple(sorted((RESERVED.encode(), FREE.encode())))
            verdict, _ = judge(store, Changes(paths, frozenset()), OTHER, Folding())
        finally:
            store.close()
        return [conflict.path for conflict in verdict.conflicts]
