"""Globs, filed by the rarest thing that a path must have to match them; no plain path needs them.

Git's hooks run this module as well.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.patterns.pattern import Pattern

_SPECIAL = (b"*", b"?", b"[", b"]", b"\\")
_MOST_SOUGHT = 30  # keys in all paths together; more take longer than to look at each path
_FAR = 1 << 62  # so that -1, for "not found", comes after every place


class Entry:
    """One text, its positions in the list, and its pattern, compiled once it is needed.

    ``certain``: a path that finds the entry matches it, because the look-up was the whole test.
    """

    __slots__ = ("certain", "pattern", "positions", "text")

    def __init__(self, text: bytes, pattern: Pattern | None = None) -> None:
        self.text = text
        self.positions: list[int] = []
        self.pattern = pattern
        self.certain = False


class Globs:
    """The globs with one literal prefix, each filed by the rarest thing that its paths must have.

    That is the last name, how the last name ends or begins (tables by the length of the key), or a
    name anywhere.
    """

    __slots__ = ("by_any_name", "by_end", "by_name", "by_start", "others")

    def __init__(self) -> None:
        self.by_name: dict[bytes, list[Entry]] = {}
        self.by_end: dict[int, dict[bytes, list[Entry]]] = {}
        self.by_start: dict[int, dict[bytes, list[Entry]]] = {}
        self.by_any_name: dict[bytes, list[Entry]] = {}
        self.others: list[Entry] = []

    def add(self, entry: Entry, prefix: bytes, text: bytes) -> None:
        """File a glob by its folded text; all globs here share the names of the ``prefix``."""
        last = text[text.rfind(b"/") + 1 :]
        end = last[max(map(last.rfind, _SPECIAL)) + 1 :]
        plain = b"[" not in text and b"\\" not in text  # else a `/` may stand in a class
        start = last[: min(last.find(b"*") % _FAR, last.find(b"?") % _FAR)] if plain else b""
        if plain and last and end == last:
            table, key = self.by_name, last
            entry.certain = text == b"**/" + last
        elif end and len(end) >= len(start):
            table, key = self.by_end.setdefault(len(end), {}), end
            entry.certain = text == b"**/*" + end
        elif start:
            table, key = self.by_start.setdefault(len(start), {}), start
            entry.certain = text == b"**/" + start + b"*"
        else:
            names = text[len(prefix) + 1 :].split(b"/") if plain else []
            fixed = [name for name in names if name.translate(None, b"*?") == name]
            table, key = self.by_any_name, max(fixed, key=len, default=b"")
        if key:
            table.setdefault(key, []).append(entry)
        else:
            self.others.append(entry)

    def may_match(self, joined: bytes) -> bool:
        """Whether one of them may match one of the folded paths, each of which a NUL ends."""
        ends = [key + b"\0" for table in (self.by_name, *self.by_end.values()) for key in table]
        parts = [key for table in (self.by_any_name, *self.by_start.values()) for key in table]
        if self.others or len(ends) + len(parts) > _MOST_SOUGHT:
            return True
        return any(key in joined for key in (*ends, *parts))

    @property
    def entries(self) -> list[Entry]:
        tables = (self.by_name, self.by_any_name, *self.by_end.values(), *self.by_start.values())
        filed = [entry for table in tables for found in table.values() for entry in found]
        return self.others + filed

    def near(self, path: bytes) -> list[Entry]:
        """The entries that may match a path, each once."""
        name = path[path.rfind(b"/") + 1 :]
        found = [*self.others, *self.by_name.get(name, ())]
        for length, table in self.by_end.items():
            found += table.get(name[-length:], ())
        for length, table in self.by_start.items():
            found += table.get(name[:length], ())
        if self.by_any_name:
            for each in set(path.split(b"/")):
                found += self.by_any_name.get(each, ())
        return found


def is_simple(text: bytes) -> bool:
    """Whether a glob is canonical at first sight, so that it need not be parsed yet."""
    return (
        text.startswith((b"/", b"**"))
        and not text.startswith(b"/**")
        and text.translate(None, b"[\\{") == text
        and b"/." not in text
        and b"//" not in text
        and text.count(b"**") == (b"/" + text + b"/").count(b"/**/")
    )


def plain_prefix(text: bytes) -> bytes:
    """The literal prefix of a glob that has no brackets and no backslashes."""
    first = min(place for place in (text.find(b"*"), text.find(b"?")) if place >= 0)
    return text[1 : max(text.rfind(b"/", 0, first), 1)] if text.startswith(b"/") else b""
