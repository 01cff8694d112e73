"""The SQLite driver, as cheaply as it can be had.

The package ``sqlite3`` adds datetime and more to the module ``_sqlite3``, which is all that is
needed. That in turn (CPython 3.11 to 3.13) imports functools for one thing, ``lru_cache``, to keep
compiled statements; functools and the collections that come with it cost a hook as much as a git
command (2.4 of 22 ms, measured as in benchmarks/run.py). A hook runs each statement once, so where
nothing has loaded functools yet, the driver gets a cache that keeps nothing.
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
    except (AttributeError, ImportError):  # a CPython that wants more of it
        del sys.modules["functools"]
        sys.modules.pop("_sqlite3", None)
        return _load()
    finally:
        if sys.modules.get("functools") is stand_in:
            del sys.modules["functools"]


driver: Any = _load() if "functools" in sys.modules else _load_without_cache()
