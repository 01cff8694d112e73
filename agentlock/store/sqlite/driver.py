"""The SQLite driver, loaded so that a git hook can afford it.

The module ``_sqlite3`` is enough; the package ``sqlite3`` loads datetime and more on top of it.
``_sqlite3`` (CPython 3.11 to 3.13) imports functools for one thing: ``lru_cache``, to keep compiled
statements. functools and the collections that come with it cost a hook as much as a git command
(2.4 of 22 ms, measured as in benchmarks/run.py). A hook runs each statement once, so unless
functools is loaded already, the driver gets a cache that keeps nothing.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def _load() -> ModuleType:
    try:
        import _sqlite3
    except ImportError:  # another Python implementation
        import sqlite3

        return sqlite3
    return _sqlite3


def _load_without_cache() -> ModuleType:
    stand_in: Any = type(sys)("functools")
    stand_in.lru_cache = lambda _size: lambda function: function
    sys.modules["functools"] = stand_in
    try:
        return _load()
    except (AttributeError, ImportError):  # a CPython that needs more of functools
        del sys.modules["functools"]
        sys.modules.pop("_sqlite3", None)
        return _load()
    finally:
        if sys.modules.get("functools") is stand_in:
            del sys.modules["functools"]


driver: Any = _load() if "functools" in sys.modules else _load_without_cache()

_FIXED: dict[tuple[int, ...], int] = {(3, 50): 7, (3, 44): 6}  # older branches with the fix
_FIRST_FIXED = (3, 51, 3)


def has_reset_bug(version: str = driver.sqlite_version) -> bool:
    """Whether this SQLite may lose a commit that meets a checkpoint (sqlite.org/wal.html)."""
    numbers = tuple(map(int, version.split(".")))
    patch = _FIXED.get(numbers[:2])
    return numbers < _FIRST_FIXED and (patch is None or numbers[2] < patch)
