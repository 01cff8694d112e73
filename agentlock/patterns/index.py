"""Which of many patterns match which of many paths.

Git's hooks run this module: it imports nothing but light modules of this package.
"""

from __future__ import annotations

from agentlock.patterns.keys import EXACT, MANY, Folding
from agentlock.patterns.plain import BELOW, LITERAL, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from agentlock.patterns.globs import Entry, Globs
    from agentlock.patterns.pattern import Pattern

_MANY_TIMES = 4  # as many paths as prefixes: then it pays to look for the prefixes among them


class PatternIndex:
    """Many patterns, compiled to be matched against many paths.

    A path costs a few look-ups for each of its ancestors, and a test for each glob whose literal
    prefix is one of them and that agrees with the path in one more name or part of a name. Raises
    PatternError for a text that is not canonical, for some globs only when a path comes near them.
    """

    def __init__(self, patterns: Sequence[bytes], folding: Folding = EXACT) -> None:
        self._folding = folding
        self._literals: dict[bytes, list[int]] = {}
        self._directories: dict[bytes, list[int]] = {}
        self._below: dict[bytes, list[int]] = {}
        self._globs: dict[bytes, Globs] = {}
        self._needed: dict[bytes, set[int]] | None = None
        entries: dict[bytes, Entry] = {}
        for position, text in enumerate(patterns):
            entry = entries.get(text)
            if entry is None and not self._add_plain(text, position):
                entry = entries[text] = self._add_glob(text)
            if entry is not None:
                entry.positions.append(position)

    def _add_plain(self, text: bytes, position: int) -> bool:
        """File a literal, a directory or ``/dir/**`` by its path, without parsing it."""
        found = plain(text)
        if found is None:
            return False
        kind, path = found
        if kind == LITERAL:
            table = self._literals
        else:
            table = self._below if kind == BELOW else self._directories
        table.setdefault(self._folding.apply(path), []).append(position)
        return True

    def _add_glob(self, text: bytes) -> Entry:
        from agentlock.patterns.globs import Entry, Globs, is_simple, plain_prefix

        entry = Entry(text)
        if not is_simple(text):
            entry.pattern = _compiled(text, self._folding)
            prefix = entry.pattern.path
            if entry.pattern.kind == "literal":
                entry.positions = self._literals.setdefault(prefix, [])
                return entry
            if entry.pattern.kind == "directory":
                entry.positions = self._directories.setdefault(prefix, [])
                return entry
        else:
            prefix = self._folding.apply(plain_prefix(text))
        self._globs.setdefault(prefix, Globs()).add(entry, prefix, self._folding.apply(text))
        return entry

    def matching(self, path: bytes, submodule: bool = False, added: bool = False) -> list[int]:
        """The positions of all patterns that hold a changed path, in ascending order.

        These are the patterns that match it, and those that cannot stand beside it, because no name
        is a file and a folder: a plain path holds all that would come below it, and what is
        ``added`` as a file, a link or a submodule is also held by every pattern that needs a folder
        of its name (``/lib/**``, ``/lib/x.py``). A ``submodule`` is also held by a pattern that
        covers everything below it.
        """
        path = self._folding.apply(path)
        found = [*self._literals.get(path, ()), *self._directories.get(path, ())]
        ancestor = path
        if submodule:
            found += self._below.get(path, ())
            if path in self._globs:
                self._test(self._globs[path], path, found, submodule=True)
        while ancestor:
            ancestor = ancestor.rpartition(b"/")[0]
            if ancestor in self._literals:
                found += self._literals[ancestor]
            if ancestor in self._directories:
                found += self._directories[ancestor]
            if ancestor in self._below:
                found += self._below[ancestor]
            if ancestor in self._globs:
                self._test(self._globs[ancestor], path, found, submodule=submodule)
        if added and (needed := self._folders().get(path)):
            found = list(needed.union(found))
        found.sort()
        return found

    def among(
        self, paths: Sequence[bytes], submodules: Collection[bytes], added: Collection[bytes]
    ) -> Iterator[tuple[bytes, list[int]]]:
        """Each of the sorted ``paths`` that a pattern holds, with what ``matching`` says of it.

        Of many paths only those are looked at that lie at or below the prefix of a pattern: what is
        held is looked for among them, and not the other way round.
        """
        if added and not self._folders():  # then it makes no difference what is added
            added = ()
        few = len(paths) <= max(MANY, _MANY_TIMES * len(self._prefixes()))
        for at in range(len(paths)) if few else self._near(paths, added):
            path = paths[at]
            if found := self.matching(path, path in submodules, path in added):
                yield path, found

    def _prefixes(self) -> set[bytes]:
        return {*self._literals, *self._directories, *self._below, *self._globs}

    def _near(self, paths: Sequence[bytes], added: Collection[bytes]) -> Iterable[int]:
        """The places of those of the sorted paths that a pattern may hold, in ascending order."""
        from _bisect import bisect_left  # few commits change so much

        joined = b"\0".join([*paths, b""])
        places: Sequence[int] = range(len(paths))
        if self._folding.ignore_case or not joined.isascii():
            folded = list(map(self._folding.apply, paths))
            places = sorted(places, key=folded.__getitem__)
            paths = [folded[at] for at in places]
            joined = b"\0".join([*paths, b""])
        prefixes = self._prefixes()
        if b"" in prefixes:
            plain = b"" in self._directories or b"" in self._below
            if plain or self._globs[b""].may_match(joined):
                return range(len(paths))
        near: set[int] = set()
        for name in prefixes.union(self._folders() if added else ()):
            at = bisect_left(paths, name)
            near.update(
                places[at : bisect_left(paths, name + b"\0", at)]
            )  # folded, they may be equal
        for prefix in prefixes - {b""}:
            start = bisect_left(paths, prefix + b"/")
            stop = bisect_left(paths, prefix + b"0", start)  # "0" follows "/"
            near.update(places[start:stop])
        return sorted(near)

    def _folders(self) -> dict[bytes, set[int]]:
        """The folders that have to be there for some pattern to match, each with its patterns."""
        if self._needed is None:
            self._needed = {}
            globs = (
                (prefix, [at for entry in found.entries for at in entry.positions])
                for prefix, found in self._globs.items()
            )
            for path, positions in (*self._below.items(), *globs):
                self._need(path, positions)
            for path, positions in (*self._literals.items(), *self._directories.items()):
                self._need(path[: max(path.rfind(b"/"), 0)], positions)
        return self._needed

    def _need(self, folder: bytes, positions: list[int]) -> None:
        assert self._needed is not None  # noqa: S101 -- for the type checker
        while folder:
            self._needed.setdefault(folder, set()).update(positions)
            folder = folder[: max(folder.rfind(b"/"), 0)]

    def _test(self, globs: Globs, path: bytes, found: list[int], *, submodule: bool) -> None:
        for entry in globs.near(path):
            if entry.pattern is None:
                entry.pattern = _compiled(entry.text, self._folding)
            if entry.certain or entry.pattern.matches_folded(path, submodule=submodule):
                found += entry.positions


def _compiled(text: bytes, folding: Folding) -> Pattern:
    from agentlock.patterns.pattern import compile_pattern  # see plain.py

    return compile_pattern(text, folding)
