"""The files that a pattern of a shell command finds, as a shell finds them, but within a time."""

from __future__ import annotations

import os
import time
from fnmatch import filter as matching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIGNS = "*?["


class EndlessError(Exception):
    """The moment came before all folders were seen that the pattern leads to."""


def expand(pattern: str, cwd: str, until: float) -> list[str]:
    """The paths that the pattern finds in this folder, sorted, as the shell would name them.

    ``until`` is when to give up, by ``time.monotonic``: EndlessError.
    """
    *folders, last = pattern.lstrip("/").split("/")
    found: Iterable[str] = ["/" if pattern.startswith("/") else ""]
    for name in folders:
        found = [f"{one}/" for one in _below(found, name, cwd, until, only_folders=True)]
    return sorted(_below(found, last, cwd, until, only_folders=not last))


def fixed_folder(pattern: str, cwd: str) -> str:
    """The folder in which the first sign of the pattern stands."""
    before = pattern[: min(at for sign in SIGNS if (at := pattern.find(sign)) >= 0)]
    return os.path.join(cwd, before[: before.rfind("/") + 1])


def _below(
    found: Iterable[str], name: str, cwd: str, until: float, *, only_folders: bool
) -> Iterator[str]:
    """What has this name, which may be a pattern, in one of the folders that were found."""
    exists = os.path.isdir if only_folders else os.path.lexists
    for folder in found:
        if any(sign in name for sign in SIGNS):
            names = _listed(os.path.join(cwd, folder), until, only_folders=only_folders)
            shown = [one for one in names if name.startswith(".") or not one.startswith(".")]
            yield from (folder + one for one in matching(shown, name))
        elif exists(os.path.join(cwd, folder + name)):
            yield folder + name


def _listed(folder: str, until: float, *, only_folders: bool) -> list[str]:
    """The names in a folder; none if it cannot be read."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() > until:
                    raise EndlessError
                if not only_folders or entry.is_dir():
                    names.append(entry.name)
    except (OSError, ValueError):  # no such folder, or a name that none can have
        return []
    return names
