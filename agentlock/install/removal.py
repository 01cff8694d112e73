"""What an uninstall finds in a repository, and how it undoes `init` there."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from agentlock.errors import AgentlockError
from agentlock.git.config import forget
from agentlock.git.process import git
from agentlock.git.repository import at
from agentlock.install import hooks
from agentlock.install.lock import remove_files
from agentlock.model import Value
from agentlock.store import is_url
from agentlock.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = b"agentlock"  # in the common directory; `init` makes the table there by default
_TABLE = b"agentlock.sqlite3"


class Removal(Value):
    """What there is of agentlock in a repository.

    ``table`` is where its reservations are ("": nowhere), ``guides`` are the files that have the
    guide for agents, relative to a worktree.
    """

    common_dir: bytes
    is_there: bool
    hooks: tuple[str, ...] = ()
    table: str = ""
    guides: tuple[str, ...] = ()

    @property
    def takes_table(self) -> bool:
        """Whether the table lies where `init` makes it, so that it goes with the repository's."""
        own = os.path.realpath(os.path.join(self.common_dir, _FOLDER, _TABLE))
        return not is_url(self.table) and os.path.realpath(os.fsencode(self.table)) == own


def found_in(common_dir: bytes, marker: str) -> Removal:
    """What an uninstall would find there; ``marker`` is the first line of the guide for agents."""
    if not os.path.isdir(common_dir):
        return Removal(common_dir, is_there=False)
    table = ""
    with suppress(AgentlockError):
        table = at(common_dir).database or ""
    return Removal(
        common_dir,
        is_there=True,
        hooks=tuple(hooks.present(common_dir)),
        table=table,
        guides=tuple(guides(common_dir, marker)),
    )


def plan(found: Removal) -> list[str]:
    """What an uninstall would do there, in sentences."""
    if not found.is_there:
        return ["it is no longer there"]
    names = ", ".join(found.hooks)
    said = [f"would remove the hooks {names}" if names else "there is no agentlock hook"]
    if _tables_in(found.common_dir):
        said.append(f"would remove its {_which(found)}reservation table")
    return [*said, *_left(found)]


def take_out(found: Removal) -> list[str]:
    """Undo `init`: hooks, settings, and the table if it lies inside; what was done, in sentences.

    A table elsewhere stays: others may share it.
    """
    if not found.is_there:
        return ["it is no longer there"]
    removed = hooks.uninstall(found.common_dir)
    done = [f"hooks removed: {', '.join(removed)}" if removed else "there was no agentlock hook"]
    left = hooks.left_behind(found.common_dir)
    done += [f"{path} stays: agentlock did not write it, and git does not run it" for path in left]
    forget(found.common_dir)
    remove_files(found.common_dir)
    if _remove_tables(found.common_dir):
        done.append(f"its {_which(found)}reservation table removed")
    return [*done, *_left(found)]


def kept_tables(found: Sequence[Removal]) -> list[str]:
    """The tables of these repositories that are still there, each once."""
    tables = dict.fromkeys(one.table for one in found if one.table)
    return [table for table in tables if is_url(table) or os.path.lexists(table)]


def _left(found: Removal) -> list[str]:
    return [guides_stay(found.guides)] if found.guides else []


def guides_stay(guides: Sequence[str]) -> str:
    return f"the guide for agents stays in {', '.join(guides)}: remove it there yourself"


def _which(found: Removal) -> str:
    """Whether the table inside is the one in use, or one from before another was used."""
    return "" if found.takes_table or not found.table else "former "


def _tables_in(common_dir: bytes) -> list[bytes]:
    """The files of the table that lies inside, and of its copies."""
    folder = os.path.join(common_dir, _FOLDER)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if name.startswith(_TABLE)]


def _remove_tables(common_dir: bytes) -> bool:
    """Remove these files, and the folder if that empties it; whether there were any."""
    files = _tables_in(common_dir)
    for file in files:
        if os.path.isdir(file):  # the bells of processes that wait
            shutil.rmtree(file, ignore_errors=True)
        else:
            os.unlink(file)
    folder = os.path.join(common_dir, _FOLDER)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
    return bool(files)


def guides(common_dir: bytes, marker: str) -> list[str]:
    """The files with the guide in any worktree, each relative path once."""
    listed = git("worktree", "list", "--porcelain", cwd=common_dir).stdout.split(b"\n")
    roots = [line[9:] for line in listed if line.startswith(b"worktree ")]
    found: dict[str, None] = {}
    for root in roots:
        if os.path.lexists(os.path.join(root, b".git")):
            named = git("grep", "-l", "-z", "--untracked", "-F", "-e", marker, cwd=root)
            names = named.stdout.split(b"\0")[:-1]
            found.update(dict.fromkeys(os.fsdecode(name) for name in names))
    return sorted(found)


def headline(found: Sequence[Removal]) -> str:
    """What a person is asked about, in a word."""
    repositories = count(sum(one.is_there for one in found), "repository", "repositories")
    tables = sum(one.takes_table for one in found)
    lost = f", and {count(tables, 'table')} with all reservations" if tables else ""
    return f"the hooks from {repositories}{lost}"
