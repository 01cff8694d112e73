"""The modules that a door always needs, in one file: Python looks for each of them otherwise.

An edit hook has one for what it always needs, and one for what it needs in a guarded repository.

A git hook loads thirty modules of ours. To find them and to load them one by one costs a tenth of
the whole hook, more than its git command. A bundle has their code, in the order in which they were
loaded, and is believed as Python believes a ``.pyc``: while each source has the time and the size
that it had. It lies where those lie, and whoever may write them may write it.
"""

# Without `from __future__ import annotations`: that is a module too, and comes from the bundle.
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    _Source = tuple[str, str, int, int]
    """A module's name, its source, and the time and the size of that."""

_FOLDER = os.path.dirname(__file__)
_INIT = "/__init__.py"
_LENGTH = 4  # bytes
_OURS = "agentlock."
_HERE = tuple(_OURS + name for name in ("__main__", "doors", "bundle"))  # loaded before any bundle
_ALMOST_OURS = "__future__"  # with which nearly every module of ours begins


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

    def keep(self) -> None:
        """Write the bundle, if it was not loaded, and if this user may write it."""
        if not self._noted or not os.access(os.path.dirname(self._path), os.W_OK):
            return
        from agentlock.files import replace_file

        try:
            names = [name for name in sys.modules if name in self._noted and _belongs(name)]
            sources, codes = [_source(name) for name in names], [_code(name) for name in names]
            if sources == [_source(name) for name in names]:  # else they are being changed
                replace_file(self._path, _packed(sources, codes))
        except (OSError, AttributeError, TypeError, ValueError):  # not loaded from files
            pass

    def _entries(self) -> "list[tuple[str, str, CodeType]] | None":
        """What the file has; None if it was made of other sources, or for another Python."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = memoryview(os.read(file, os.fstat(file).st_size))
            finally:
                os.close(file)
            begin = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
            made_for, sources = marshal.loads(data[_LENGTH:begin])  # noqa: S302 -- as in a .pyc
            if made_for != _made_for():
                return None
            for _, path, time, size in sources:
                found = os.stat(path)
                if (found.st_mtime_ns, found.st_size) != (time, size):
                    return None
            codes = marshal.loads(data[begin:])  # noqa: S302
            return [(*source[:2], code) for source, code in zip(sources, codes, strict=True)]
        except (OSError, EOFError, TypeError, ValueError):  # torn, or none at all
            return None


def _execute(entries: "list[tuple[str, str, CodeType]]") -> None:
    """Do what importing each module would have done, in its order.

    A package comes after those of its modules that it imports itself, and is there before them.
    """
    modules = sys.modules
    paths = {name: path for name, path, _ in entries}
    begun = set()
    for name, path, code in entries:
        if name in modules and name not in begun:  # another bundle of this process had it
            continue
        package = name.rpartition(".")[0]
        if package in paths and package not in modules:
            modules[package] = _module(package, paths[package])
            begun.add(package)
        elif package and package not in modules:  # it was there already when the bundle was made
            __import__(package)
        module = modules.setdefault(name, _module(name, path))
        exec(code, module.__dict__)  # noqa: S102 -- as the import system does it
    for name in paths:
        package, _, last = name.rpartition(".")
        if package:  # a name of its own comes later
            modules[package].__dict__.setdefault(last, modules[name])


def _module(name: str, path: str) -> "Any":
    """An empty module of that name, as the import system makes it."""
    module: Any = type(sys)(name)
    module.__file__ = path
    module.__spec__ = type(sys.__spec__)(name, None, origin=path)
    if path.endswith(_INIT):
        module.__package__ = name
        module.__path__ = [path[: -len(_INIT)]]
    else:
        module.__package__ = name.rpartition(".")[0]
    return module


def _belongs(name: str) -> bool:
    return name == _ALMOST_OURS or (name.startswith(_OURS) and name not in _HERE)


def _source(name: str) -> "_Source":
    spec: Any = sys.modules[name].__spec__
    found = os.stat(spec.origin)
    return name, spec.origin, found.st_mtime_ns, found.st_size


def _code(name: str) -> "CodeType":
    spec: Any = sys.modules[name].__spec__
    code: CodeType = spec.loader.get_code(name)
    return code


def _packed(sources: "list[_Source]", codes: "list[CodeType]") -> bytes:
    """The length of the first part, what tells whether the second one counts, and the codes.

    Those are in one piece, in which a name that many of them use stands once.
    """
    first = marshal.dumps((_made_for(), sources))
    return len(first).to_bytes(_LENGTH, "big") + first + marshal.dumps(codes)


def _made_for() -> "tuple[bytes | None, str]":
    """The version of the code of this Python, which every .pyc begins with, and our folder."""
    importing = sys.modules.get("_frozen_importlib_external")
    return getattr(importing, "MAGIC_NUMBER", None), _FOLDER
