"""The list of repositories that agentlock guards, so that an uninstall finds them all.

It lies in the XDG data folder, beside the private environment that install.sh makes.
"""

from __future__ import annotations

import os

from agentlock.environment import XDG_DATA_HOME
from agentlock.errors import UndecidedError
from agentlock.files import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LOCK_SECONDS = 10


def path() -> str:
    data = os.environ.get(XDG_DATA_HOME) or os.path.expanduser("~/.local/share")
    return os.path.join(data, "agentlock", "repositories")


def repositories() -> list[bytes]:
    """The common directories on the list, in the order that they were added."""
    try:
        with open(path(), encoding="utf-8") as file:
            text = file.read()
        if text.count('"') == 2 and "\\" not in text:  # one entry, as for most users
            return [os.fsencode(text.split('"')[1])]
        import json  # costs as much as all other modules of `status`

        return [os.fsencode(entry) for entry in json.loads(text)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise UndecidedError(f"{path()} cannot be read: {error}") from error


def add(common_dir: bytes) -> str:
    """Put a repository on the list; why it is not on it, or "".

    A sandbox may have no home that can be written. The list serves nothing but an uninstall.
    """
    try:
        _change(lambda known: known if common_dir in known else [*known, common_dir])
    except UndecidedError as error:
        return f"{error.message}; `agentlock hooks uninstall --everywhere` leaves this one out"
    return ""


def remove(common_dir: bytes) -> None:
    if os.path.exists(path()):
        _change(lambda known: [entry for entry in known if entry != common_dir])


def _change(edit: Callable[[list[bytes]], list[bytes]]) -> None:
    import json

    from filelock import FileLock

    target = path()
    if not os.path.isabs(target):  # neither HOME nor the system's list of users has a home
        raise UndecidedError("no home folder is known for the list of repositories")
    try:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        with FileLock(target + ".lock", timeout=_LOCK_SECONDS):
            before = repositories()
            after = edit(before)
            if after == before:
                return
            text = json.dumps([os.fsdecode(entry) for entry in after], indent=1)
            replace_file(target, text.encode())
    except (OSError, TimeoutError) as error:
        raise UndecidedError(f"{target} cannot be written: {error}") from error
