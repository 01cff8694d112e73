"""The modules that a door always needs, in one file: Python looks for each of them otherwise.

An edit hook has one for what it always needs, and one for what it needs in a guarded repository.

A git hook loads thirty modules of ours. To find them and to load them one by one costs a tenth of
the whole hook, more than its git command. A bundle has their code, in the order in which they were
loaded, and is believed as Python believes a ``.pyc``: while each source has the time and the size
that it had. It lies where those lie, and whoever may write them may write it.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType
    from typing import Any

    _Entry = tuple[str, str, int, int, bytes]
    """A module's name, its source below our folder, the time and the size of that, its code."""

_FOLDER = os.path.dirname(__file__)
_INIT = "/__init__.py"
_OURS = "agentlock."
_HERE = tuple(_OURS + name for name in ("__main__", "doors", "bundle"))  # loaded before any bundle
# What every verdict loads when it comes to the table, whichever that is.
TO_THE_TABLE = tuple(_OURS + "store." + name for name in ("base", "policy", "reservations"))


class Bundle:
    """The bundle of one door: loaded at once, or to be kept for the next time."""

    def __init__(self, door: str) -> None:
        """Load its modules, unless there is no bundle of the sources as they are."""
        tag = sys.implementation.cache_tag
        self._path = f"{_FOLDER}/__pycache__/{door}.{tag}.bundle"
        # Python's own list of what it imports must show the imports (tests/unit/test_hot_path.py).
        is_watched = "importtime" in sys._xoptions  # noqa: SLF001 -- there is no other way to tell
        entries = None if is_watched else self._entries()
        self._before = frozenset(sys.modules)
        self._noted: set[str] = set()
        self.is_loaded = entries is not None
        if entries is not None:
            _execute(entries)

    def note(self) -> None:
        """What is loaded now belongs to the bundle. What is loaded later may depend on the case."""
        if not self.is_loaded:
            self._noted = set(sys.modules) - self._before

    def keep(self, later: Sequence[str] = ()) -> None:
        """Write the bundle, if it was not loaded, and if this user may write it.

        ``later`` are modules that belong to it although they are loaded after the rest.
        """
        if not self._noted or not os.access(os.path.dirname(self._path), os.W_OK):
            return
        from agentlock.files import replace_file

        try:
            names = [name for name in sys.modules if name in self._noted or name in later]
            entries = [_entry(name) for name in names if _is_ours(name)]
            replace_file(self._path, marshal.dumps((_magic(), _FOLDER, entries)))
        except (OSError, AttributeError, TypeError, ValueError):  # not loaded from files
            pass

    def _entries(self) -> list[tuple[str, str, CodeType]] | None:
        """What the file has; None if it was made of other sources, or for another Python."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                magic, folder, entries = marshal.loads(os.read(file, os.fstat(file).st_size))  # noqa: S302
            finally:
                os.close(file)
            if (magic, folder) != (_magic(), _FOLDER):
                return None
            for _, source, time, size, _ in entries:
                found = os.stat(f"{_FOLDER}/{source}")
                if (found.st_mtime_ns, found.st_size) != (time, size):
                    return None
            return [
                (name, source, marshal.loads(code))  # noqa: S302 -- as Python does with a .pyc
                for name, source, _, _, code in entries
            ]
        except (OSError, EOFError, TypeError, ValueError):  # torn, or none at all
            return None


def _execute(entries: list[tuple[str, str, CodeType]]) -> None:
    """Do what importing each module would have done, in its order."""
    module_type, spec_type = type(sys), type(sys.__spec__)
    modules = sys.modules
    for name, source, code in entries:
        if name in modules:  # another bundle of this process had it
            continue
        package = name.rpartition(".")[0]
        if package not in modules:  # it was there already when the bundle was made
            __import__(package)
        path = f"{_FOLDER}/{source}"
        module: Any = module_type(name)
        module.__file__ = path
        module.__spec__ = spec_type(name, None, origin=path)
        if source.endswith(_INIT):
            module.__package__ = name
            module.__path__ = [path[: -len(_INIT)]]
        else:
            module.__package__ = package
        modules[name] = module
        exec(code, module.__dict__)  # noqa: S102 -- as the import system does it
    for name, *_ in entries:
        package, _, last = name.rpartition(".")
        modules[package].__dict__.setdefault(last, modules[name])  # a name of its own comes later


def _is_ours(name: str) -> bool:
    return name.startswith(_OURS) and name not in _HERE


def _entry(name: str) -> _Entry:
    spec: Any = sys.modules[name].__spec__
    before = os.stat(spec.origin)
    code = marshal.dumps(spec.loader.get_code(name))
    after = os.stat(spec.origin)
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise ValueError("it is being changed")
    source = spec.origin.removeprefix(f"{_FOLDER}/")
    return name, source, after.st_mtime_ns, after.st_size, code


def _magic() -> bytes | None:
    """The version of the code of this Python, which every .pyc begins with."""
    return getattr(sys.modules.get("_frozen_importlib_external"), "MAGIC_NUMBER", None)
