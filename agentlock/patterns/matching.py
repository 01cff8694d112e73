"""Which patterns match which paths: many by many, and who matched what.

The hot path of git's hooks: nothing is imported but this package's own light modules.
"""

from __future__ import annotations

from agentlock.patterns.pattern import (
    EXACT,
    Folding,
    Pattern,
    compile_pattern,
    displayed,
    fold_key,
    path_keys,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "EXACT",
    "Folding",
    "Pattern",
    "PatternIndex",
    "compile_pattern",
    "displayed",
    "fold_key",
    "path_keys",
]


class _Entry:
    """One text, the positions it stands at, and its compilation once something needs it.

    ``certain`` says that whoever finds the entry has a match: the way to it was the whole test.
    """

    __slots__ = ("certain", "pattern", "positions", "text")

    def __init__(self, text: bytes, pattern: Pattern | None = None) -> None:
        self.text = text
        self.positions: list[int] = []
        self.pattern = pattern
        self.certain = False


class _Globs:
    """The globs below one literal prefix, by what is known of the last name they match."""

    __slots__ = ("by_extension", "by_name", "others")

    def __init__(self) -> None:
        self.by_name: dict[bytes, list[_Entry]] = {}
        self.by_extension: dict[bytes, list[_Entry]] = {}
        self.others: list[_Entry] = []


class PatternIndex:
    """Many patterns, asked for many paths.

    A path costs a few look-ups for each of its ancestors, and a test for each glob whose literal
    prefix is one of them and whose last name (or extension) agrees. Raises PatternError for a text
    that is not canonical; for some globs only when a path comes near them.
    """

    def __init__(self, patterns: Sequence[bytes], folding: Folding = EXACT) -> None:
        self._folding = folding
        self._literals: dict[bytes, list[int]] = {}
        self._directories: dict[bytes, list[int]] = {}
        self._below: dict[bytes, list[int]] = {}
        self._globs: dict[bytes, _Globs] = {}
        entries: dict[bytes, _Entry] = {}
        for position, text in enumerate(patterns):
            entry = entries.get(text)
            if entry is None and not self._add_plain(text, position):
                entry = entries[text] = self._add_glob(text)
            if entry is not None:
                entry.positions.append(position)

    def _add_plain(self, text: bytes, position: int) -> bool:
        """File a literal, a directory or ``/dir/**`` by its path, without parsing it."""
        path, table = text, self._literals
        if text.endswith(b"/**"):
            path, table = text[:-3], self._below
        elif text.endswith(b"/"):
            path, table = text[:-1], self._directories
        if not path.startswith(b"/") or path.translate(None, b"*?[\\{") != path:
            return text == b"/" and self._add(self._directories, b"", position)
        if b"//" in path or path.endswith(b"/") or b"/." in path:
            compile_pattern(text)  # for its errors: `.git` is among the names that start with a dot
        return self._add(table, self._folding.apply(path[1:]), position)

    @staticmethod
    def _add(table: dict[bytes, list[int]], path: bytes, position: int) -> bool:
        table.setdefault(path, []).append(position)
        return True

    def _add_glob(self, text: bytes) -> _Entry:
        entry = _Entry(text)
        if not _is_simple(text):
            entry.pattern = compile_pattern(text, self._folding)
            prefix = entry.pattern.path
            if entry.pattern.kind == "literal":
                entry.positions = self._literals.setdefault(prefix, [])
                return entry
            if entry.pattern.kind == "directory":
                entry.positions = self._directories.setdefault(prefix, [])
                return entry
        else:
            prefix = self._folding.apply(_plain_prefix(text))
        self._file(entry, self._globs.setdefault(prefix, _Globs()))
        return entry

    def _file(self, entry: _Entry, globs: _Globs) -> None:
        text = self._folding.apply(entry.text)
        last = text[text.rfind(b"/") + 1 :]
        ending = last[max(last.rfind(b"*"), last.rfind(b"?")) + 1 :]
        dot = ending.rfind(b".")
        if not ending or b"[" in text or b"\\" in text:
            globs.others.append(entry)
        elif ending == last:
            globs.by_name.setdefault(last, []).append(entry)
            entry.certain = text == b"**/" + last
        elif dot >= 0:
            globs.by_extension.setdefault(ending[dot:], []).append(entry)
            entry.certain = text == b"**/*" + ending and dot == 0
        else:
            globs.others.append(entry)

    def matching(self, path: bytes, submodule: bool = False) -> list[int]:
        """The positions of all patterns that match a changed path, ascending.

        For a ``submodule`` a pattern also counts that covers all below it (``/lib/**``).
        """
        path = self._folding.apply(path)
        found = [*self._literals.get(path, ()), *self._directories.get(path, ())]
        ancestor = path
        if submodule:
            found += self._below.get(path, ())
            if path in self._globs:
                self._test(self._globs[path], path, found, submodule=True)
        while ancestor:
            ancestor = ancestor[: max(ancestor.rfind(b"/"), 0)]
            if ancestor in self._directories:
                found += self._directories[ancestor]
            if ancestor in self._below:
                found += self._below[ancestor]
            if ancestor in self._globs:
                self._test(self._globs[ancestor], path, found, submodule=submodule)
        found.sort()
        return found

    def _test(self, globs: _Globs, path: bytes, found: list[int], *, submodule: bool) -> None:
        name = path[path.rfind(b"/") + 1 :]
        dot = name.rfind(b".")
        extension = name[dot:] if dot >= 0 else b""
        for entries in (
            globs.by_name.get(name, ()),
            globs.by_extension.get(extension, ()),
            globs.others,
        ):
            for entry in entries:
                if entry.pattern is None:
                    entry.pattern = compile_pattern(entry.text, self._folding)
                if entry.certain or entry.pattern.matches_folded(path, submodule=submodule):
                    found += entry.positions


def _is_simple(text: bytes) -> bool:
    """Whether a glob is canonical at a glance, so that its parsing can wait until it is needed."""
    return (
        text.startswith((b"/", b"**"))
        and not text.startswith(b"/**")
        and text.translate(None, b"[\\{") == text
        and b"/." not in text
        and b"//" not in text
        and text.count(b"**") == (b"/" + text + b"/").count(b"/**/")
    )


def _plain_prefix(text: bytes) -> bytes:
    """The literal prefix of a glob that has no brackets and no backslashes."""
    first = min(place for place in (text.find(b"*"), text.find(b"?")) if place >= 0)
    return text[1 : max(text.rfind(b"/", 0, first), 1)] if text.startswith(b"/") else b""
