"""The files of the repository, and which of them each reservation covers."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from typing import TYPE_CHECKING

from agentlock.errors import GitError, PatternError
from agentlock.git.process import output
from agentlock.patterns.matching import PatternIndex, compile_pattern

if TYPE_CHECKING:
    from agentlock.git.repository import Repository
    from agentlock.patterns.keys import Folding
    from agentlock.patterns.pattern import Pattern

_BUDGET = 0.3  # seconds for patterns that are new, at a time
_MOST_SPANS = 5_000


class Files:
    """The tracked files of a worktree, sorted. A reservation covers some spans of that list.

    ``version`` changes with the list.
    """

    def __init__(self, repository: Repository, folding: Folding) -> None:
        self._repository = repository
        self._folding = folding
        self._state: tuple[int, int] | None = None
        self._known: dict[bytes, list[tuple[int, int]]] = {}
        self._spent = 0.0
        self.version = 0
        self.paths: list[bytes] = []

    def refresh(self) -> bool:
        """Read the list again if git's index has changed; whether it has."""
        self._spent = 0.0
        state = _index_state(self._repository)
        if state == self._state:
            return False
        self._state = state
        try:
            listed = output("ls-files", "-z", "--cached", cwd=self._repository.root)
        except GitError:  # a merge or a rebase has the index just now
            return False
        paths = sorted({path for path in listed.split(b"\0") if path})
        if paths == self.paths:
            return False
        self.paths, self._known = paths, {}
        self.version += 1
        return True

    def spans(self, text: bytes) -> list[tuple[int, int]] | None:
        """Which files a pattern covers, as spans of the list.

        None if there was no time for it since the last ``refresh``: ask again after the next.
        """
        found = self._known.get(text)
        if found is None and self._spent < _BUDGET:
            started = time.monotonic()
            found = self._known[text] = self._find(text)
            self._spent += time.monotonic() - started
        return found

    def _find(self, text: bytes) -> list[tuple[int, int]]:
        try:
            pattern = compile_pattern(text, self._folding)
        except PatternError:  # the row is damaged
            return []
        start, end = self._range(pattern)
        if pattern.kind != "glob" and pattern.prefix and self._is_exact():
            return [(start, end)] if end > start else []
        index = PatternIndex([text], self._folding)
        spans: list[tuple[int, int]] = []
        for at in range(start, end):
            if not index.matching(self.paths[at]):
                continue
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], at + 1)
            elif len(spans) < _MOST_SPANS:
                spans.append((at, at + 1))
        return spans

    def _range(self, pattern: Pattern) -> tuple[int, int]:
        """Where in the list its matches can be."""
        prefix = pattern.prefix
        if not prefix or not self._is_exact():
            return 0, len(self.paths)
        start = bisect_left(self.paths, prefix)
        # What lies below a folder need not follow the folder's own name: `a-b` sorts before `a/b`.
        below = bisect_left(self.paths, prefix + b"/")
        end = bisect_left(self.paths, prefix + b"0")  # the letter after the slash
        if start < len(self.paths) and self.paths[start] == prefix:  # a file, or a submodule
            return start, end if pattern.kind == "glob" else start + 1
        return below, end

    def _is_exact(self) -> bool:
        """Whether the paths that a pattern matches begin with its prefix, byte for byte."""
        return not (self._folding.ignore_case or self._folding.compose_unicode)


def _index_state(repository: Repository) -> tuple[int, int]:
    try:
        found = os.stat(os.path.join(repository.git_dir, b"index"))
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
