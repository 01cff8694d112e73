"""Codex's own word about our entries: which it finds in a folder, and which of them it runs.

Codex runs an entry only if its exact text is trusted, and is silent otherwise. Its app-server, a
part of the program that needs no network, tells that and sets it, as its screen /hooks does.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agentlock.children import talking
from agentlock.errors import UndecidedError
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentlock.children import Talk
    from agentlock.git.repository import Repository

_LIMIT = 15.0  # seconds for one answer; it takes less than one to start
_ROOTS = "sandbox_workspace_write.writable_roots"
_STATE = "hooks.state"


class Entry(Value):
    """An entry of ours as Codex finds it. ``state`` is its word: trusted, untrusted, modified."""

    key: str
    file: str
    event: str
    state: str
    digest: str
    is_enabled: bool

    @property
    def runs(self) -> bool:
        return self.state in ("trusted", "managed") and self.is_enabled


def is_here() -> bool:
    return shutil.which("codex") is not None


def trust(file: str) -> list[Entry]:
    """Have Codex trust our entries in this file, and no others; how they stand then.

    UndecidedError if Codex does not answer.
    """
    here = os.getcwd()
    with _codex() as codex:
        state = {
            one.key: {"enabled": True, "trusted_hash": one.digest}
            for one in _entries(codex, [here])[here]
            if _same(one.file, file) and not one.runs
        }
        if state:
            _change(codex, _STATE, state, "upsert")
        return [one for one in _entries(codex, [here])[here] if _same(one.file, file)]


def forget(file: str) -> None:
    """Take back the trust in entries of this file that Codex no longer finds."""
    with _codex() as codex:
        here = os.getcwd()
        found = {one.key for one in _entries(codex, [here])[here]}
        state = codex.ask("config/read", {})["config"].get("hooks", {}).get("state") or {}
        left = {
            key: value
            for key, value in state.items()
            if key in found or not _same(key.rsplit(":", 3)[0], file)
        }
        if left != state:
            _change(codex, _STATE, left, "replace")


def entries_in(folders: Sequence[str]) -> dict[str, list[Entry]]:
    """Our entries that Codex finds if it is started in each of these folders."""
    with _codex() as codex:
        return _entries(codex, folders)


def folder_of_the_table(repository: Repository) -> str:
    """The folder of git's in which the reservations are; "" if they are elsewhere."""
    folder = os.path.join(os.fsdecode(repository.common_dir), "agentlock")
    database = repository.database
    return folder if database and os.path.dirname(database) == folder else ""


def can_write(folder: str) -> bool:
    """Whether commands in Codex's sandbox may write below a folder inside ``.git``."""
    with _codex() as codex:
        settings = codex.ask("config/read", {})["config"]
    return settings.get("sandbox_mode") == "danger-full-access" or folder in _roots(settings)


def let_write(folder: str) -> bool:
    """Let commands in Codex's sandbox write below a folder; whether that is new."""
    with _codex() as codex:
        roots = _roots(codex.ask("config/read", {})["config"])
        if folder in roots:
            return False
        _change(codex, _ROOTS, [*roots, folder], "replace")
        return True


@contextmanager
def _codex() -> Iterator[Talk]:
    """Codex's app-server; what goes wrong in a conversation with it is an UndecidedError."""
    try:
        with talking([shutil.which("codex") or "codex", "app-server"], limit=_LIMIT) as codex:
            about = {"name": "agentlock", "title": "agentlock", "version": "1"}
            codex.ask("initialize", {"clientInfo": about})
            codex.say("initialized", {})
            yield codex
    except OSError as error:
        raise UndecidedError(
            f"Codex does not say which hooks it runs: {error.strerror or error}",
            fix="start codex, and type /hooks: each entry of agentlock must be trusted",
        ) from error


def _entries(codex: Talk, folders: Sequence[str]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {folder: [] for folder in folders}
    for listed in codex.ask("hooks/list", {"cwds": list(folders)})["data"]:
        found[listed["cwd"]] = [
            Entry(
                *(one["key"], one["sourcePath"], one["eventName"]),
                *(one["trustStatus"], one["currentHash"], one["enabled"]),
            )
            for one in listed["hooks"]
            if " hook edit codex " in (one.get("command") or "")
        ]
    return found


def _change(codex: Talk, path: str, value: Any, strategy: str) -> None:
    edit = {"keyPath": path, "value": value, "mergeStrategy": strategy}
    codex.ask("config/batchWrite", {"edits": [edit]})


def _roots(settings: dict[str, Any]) -> list[str]:
    return list((settings.get("sandbox_workspace_write") or {}).get("writable_roots") or [])


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
