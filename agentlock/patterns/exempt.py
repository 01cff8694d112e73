"""Lists of patterns with an order and negation: pathspec's lists, with our own patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pathspec

from agentlock.errors import PatternError
from agentlock.patterns.matching import Folding, compile_pattern
from agentlock.patterns.syntax import read_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal


class _NoTree:
    """A worktree with no files: a list is valid in every worktree, so none has a say."""

    root = b"/agentlock-reads-lists-without-a-worktree"
    cwd = root

    def lookup(self, _path: bytes) -> Literal["file", "directory", "submodule"] | None:
        return None

    def directories(self) -> Iterable[bytes]:
        return ()


class _ListPattern(pathspec.Pattern):
    """One line of a list: pathspec's interface, our engine."""

    def __init__(self, line: str, folding: Folding) -> None:
        negated = line.startswith("!")
        super().__init__(include=not negated)
        text = line[1:] if negated else line
        reading = read_pattern(
            text.encode("utf-8", "surrogateescape"), _NoTree(), whole_repository=True
        )
        self._pattern = compile_pattern(reading.pattern, folding)

    def match_file(self, file: str) -> bool | None:
        matches = self._pattern.matches(file.encode("utf-8", "surrogateescape"))
        return True if matches else None


class ExemptList:
    """Paths that need no reservation. The last line that matches decides; ``!`` takes it back."""

    def __init__(self, lines: Sequence[str], folding: Folding | None = None) -> None:
        for line in lines:
            if not line or "\n" in line:
                raise PatternError(f"{line!r} is not a valid pattern")
        exactly = (folding or Folding()).replace(beyond_ascii=False)  # in doubt not exempt
        patterns = [_ListPattern(line, exactly) for line in lines]
        # By default pathspec uses re2 or hyperscan if they are installed, but our patterns are not
        # regular expressions.
        self._spec = pathspec.PathSpec(patterns, backend="simple")

    def covers(self, path: bytes) -> bool:
        return bool(self._spec.match_file(path.decode("utf-8", "surrogateescape")))
