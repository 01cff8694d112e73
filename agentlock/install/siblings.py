"""Other repositories on this machine that are the same project, and what is wrong between them."""

from __future__ import annotations

import os
from contextlib import suppress

from agentlock.errors import AgentlockError, GitError
from agentlock.git.repository import at
from agentlock.git.settings import Settings
from agentlock.install import registry
from agentlock.install.project import absolute_key, address_of, has_relative_key, origin_of
from agentlock.model import Value
from agentlock.store import is_url
from agentlock.text import shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.git.repository import Repository

_AT_ONCE = 8  # git commands


class Trouble(Value):
    """What is wrong, in a sentence, and the command that repairs it."""

    message: str
    fix: str


def siblings(repository: Repository) -> list[Repository]:
    """The other repositories on the list of this user that have a table and are this project.

    They are if they have the same origin, or if one is the origin of the other.
    """
    return [other for other in _others(repository) if _same_project(repository, other)]


def troubles(repository: Repository) -> list[Trouble]:
    """Why reservations of this project may not be seen where they should be."""
    found = []
    key = repository.project or ""
    if has_relative_key(repository):
        found.append(
            Trouble(
                f"the project is called {key}, a relative path, as other projects may be",
                f"agentlock init --project {shell_word(absolute_key(repository))}",
            )
        )
    elsewhere: set[str] = set()
    # Of several that use one table, the one that has it in its folder is named.
    others = sorted(_others(repository), key=lambda one: not _has_inside(one))
    for other in others:
        if _place(other) in elsewhere:
            continue
        name = os.fsdecode(other.common_dir)
        joining = f"agentlock db use {shell_word(other.database or '')}"
        joining += f" --project {shell_word(other.project or '')}" if other.project != key else ""
        if _place(other) != _place(repository):
            if other.database_id == repository.database_id:
                what = f"this repository is a copy of {name}, and its table is a copy too"
                found.append(Trouble(f"{what}: what is reserved there is not seen here", joining))
                elsewhere.add(_place(other))
            elif _same_project(repository, other):
                what = f"{name} is the same project with another table"
                found.append(Trouble(f"{what}: what is reserved there is not seen here", joining))
                elsewhere.add(_place(other))
        elif other.project != key and _same_project(repository, other):
            what = f"{name} is the same project, but is called {other.project} in this table"
            found.append(Trouble(f"{what}: what is reserved there is not seen here", joining))
    return found


def _others(repository: Repository) -> Iterator[Repository]:
    """The repositories on the list that are still there and have a table, but for this one."""
    mine = os.path.realpath(repository.common_dir)
    listed: list[bytes] = []
    with suppress(AgentlockError):  # the list serves an uninstall; nothing else depends on it
        listed = [one for one in registry.repositories() if os.path.isdir(one)]
    listed = [one for one in listed if os.path.realpath(one) != mine]
    for start in range(0, len(listed), _AT_ONCE):
        asked = [(one, Settings(one)) for one in listed[start : start + _AT_ONCE]]
        for common_dir, running in asked:
            with suppress(GitError):
                other = at(common_dir, running)
                if _has_table(other):
                    yield other


def _has_table(repository: Repository) -> bool:
    path = repository.database
    if path is None or not repository.project:
        return False
    return is_url(path) or os.path.isfile(path)


def _place(repository: Repository) -> str:
    path = repository.database or ""
    return path if is_url(path) else os.path.realpath(path)


def _has_inside(repository: Repository) -> bool:
    folder = os.path.realpath(os.fsdecode(repository.common_dir))
    return _place(repository).startswith(f"{folder}/")


def _same_project(one: Repository, other: Repository) -> bool:
    mine, theirs = origin_of(one), origin_of(other)
    if mine is not None and mine in (theirs, address_of(other)):
        return True
    return theirs is not None and theirs == address_of(one)
