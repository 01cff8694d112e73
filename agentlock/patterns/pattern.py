"""One pattern: compiled from its canonical text, and matched against paths.

A canonical text is bytes, relative to the repository's root: ``/src/a.py`` (a literal),
``/src/auth/`` (a directory: the entry and everything below it), ``/src/*.py`` or ``**/*.py``
(globs). It matches whole paths, from end to end. Git's hooks run this module, so it imports
nothing heavy.
"""

from __future__ import annotations

from agentlock.errors import DatabaseError, PatternError
from agentlock.model import Keys
from agentlock.patterns.keys import EXACT, Folding, extension_key, fold_key
from agentlock.patterns.wildmatch import (
    GLOBSTAR,
    NameGlob,
    compile_segment,
    literal_of,
    parse,
    refuse,
    render,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from agentlock.model import Reservation
    from agentlock.patterns.wildmatch import Segment, WrittenSegment

    Kind = Literal["literal", "directory", "glob"]

_MATCHES_ALL = NameGlob((None,))
TOOL = b"tool://"  # no path has an empty name, so no change that git knows can match it
_TOOL_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789._-")


class Pattern:
    """A compiled canonical text. Made by ``compile_pattern``.

    ``segments`` are names (bytes, folded), ``NameGlob``s and ``GLOBSTAR``; ``prefix`` is the
    longest literal path that every match starts with (the whole path of a literal).
    """

    __slots__ = ("_runs", "_runs_around", "folding", "kind", "path", "prefix", "segments", "text")

    def __init__(
        self,
        text: bytes,
        kind: Kind,
        prefix: bytes,
        segments: tuple[Segment, ...],
        folding: Folding,
    ) -> None:
        self.text = text
        self.kind: Kind = kind
        self.prefix = prefix
        self.segments = segments
        self.folding = folding
        self.path = folding.apply(prefix)
        self._runs = _runs(segments)
        self._runs_around = self._runs
        if covers_below(segments):
            self._runs_around = _runs((*segments[:-2], GLOBSTAR))

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    @property
    def keys(self) -> Keys:
        """The keys that the table finds it by; see ``path_keys``."""
        prefix = fold_key(self.prefix)
        if self.kind == "directory":
            return Keys(prefix)
        if self.kind == "glob":
            return Keys(prefix, *_last_name(self.text))
        name = self.prefix[self.prefix.rfind(b"/") + 1 :]
        return Keys(prefix, fold_key(name), extension_key(name))

    @property
    def is_whole_repository(self) -> bool:
        return len(self.segments) == 2 and covers_below(self.segments)

    def matches(self, path: bytes) -> bool:
        """Whether it covers a changed file at this path, which is relative to the root."""
        return self.matches_folded(self.folding.apply(path))

    def matches_submodule(self, path: bytes) -> bool:
        """Whether it covers a submodule at this path, by itself or by everything in it."""
        return self.matches_folded(self.folding.apply(path), submodule=True)

    def matches_folded(self, path: bytes, *, submodule: bool = False) -> bool:
        """The same for a path that ``folding.apply`` has already folded."""
        if self.kind == "literal":
            return path == self.path
        if self.kind == "directory":
            return not self.path or path == self.path or path.startswith(self.path + b"/")
        return _runs_match(self._runs_around if submodule else self._runs, path.split(b"/"))


def _last_name(glob: bytes) -> tuple[bytes, bytes]:
    """``Keys.name`` and ``Keys.extension`` of a glob."""
    written, below = parse(glob.removeprefix(b"/"), glob)
    last = written[-1]
    if below or last is GLOBSTAR:
        return b"*", b"*"
    name = literal_of(last)
    if name is not None:
        return fold_key(name), extension_key(name)
    ending = bytearray()
    for token in reversed(last):
        if not isinstance(token, int):
            break
        ending.insert(0, token)
    extension = extension_key(bytes(ending))
    return b"*" + extension, extension or b"*"


def covers_below(segments: Sequence[Segment]) -> bool:
    """Whether they end in ``/**``, and so cover everything below what comes before."""
    ending = segments[-2:]
    return len(ending) == 2 and _is_any(ending[0]) and ending[1] is GLOBSTAR


def _is_any(segment: Segment) -> bool:
    return isinstance(segment, NameGlob) and segment.matches_all


def compile_pattern(text: bytes, folding: Folding = EXACT) -> Pattern:
    """The pattern of a canonical text.

    Raises PatternError for any other text, because a damaged row must not silently match nothing.
    """
    if text.startswith(TOOL):
        return Pattern(tool(text) or b"", "literal", text, (text,), folding)
    if text == b"/":
        return Pattern(text, "directory", b"", (_MATCHES_ALL, GLOBSTAR), folding)
    anchored = text.startswith(b"/")
    glob = text[anchored:]
    written, below = parse(glob, text)
    if render(written, below=below) != text:
        refuse(text, "is not in canonical form: agentlock did not write it, or it is damaged")
    prefix = _literal_prefix(written)
    if not glob.isascii() and (folding.compose_unicode or folding.ignore_case):
        written, below = parse(folding.written(glob), text)
    segments = compiled_segments(written, below=below, folding=folding, typed=text)
    kind: Kind = "glob"
    if all(isinstance(segment, bytes) for segment in segments[: len(written)]):
        kind = "directory" if below else "literal"
    return Pattern(text, kind, prefix, segments, folding)


def tool(typed: bytes) -> bytes | None:
    """The canonical text of ``tool:NAME`` or ``tool://NAME``; None for any other text.

    It stands for a thing that is not a file. PatternError for a name that it cannot have.
    """
    if typed[:5].lower() != b"tool:":
        return None
    name = typed[5:].removeprefix(b"//").lower()
    if not name or len(name) > 64 or not _TOOL_NAME.issuperset(name):
        refuse(
            typed,
            "is not the name of a tool",
            "write tool:NAME, with letters, digits, `.`, `_` or `-`; for a file: ./tool:…",
        )
    return TOOL + name


def compile_stored(held: Reservation, folding: Folding) -> Pattern:
    """A reservation's pattern; DatabaseError if its row is damaged."""
    try:
        return compile_pattern(held.pattern, folding)
    except PatternError as error:
        raise DatabaseError(
            f"the pattern of reservation {held.id} cannot be read: {held.pattern!r}",
            see="agentlock db check",
        ) from error


def _literal_prefix(written: Sequence[WrittenSegment]) -> bytes:
    names = []
    for segment in written:
        name = literal_of(segment)
        if name is None:
            break
        names.append(name)
    return b"/".join(names)


def compiled_segments(
    written: Sequence[WrittenSegment], *, below: bool, folding: Folding, typed: bytes
) -> tuple[Segment, ...]:
    """The matchers of the written segments; a final slash or ``**`` becomes explicit segments."""
    segments: list[Segment] = [
        GLOBSTAR
        if segment is GLOBSTAR
        else compile_segment(segment, ignore_case=folding.ignore_case, typed=typed)
        for segment in written
    ]
    if not below and segments[-1] is GLOBSTAR:
        segments.append(_MATCHES_ALL)  # as in git, `a/**` does not match `a`
    elif below and all(isinstance(segment, bytes) for segment in segments):
        segments.append(GLOBSTAR)  # what is in the directory, and the entry itself
    elif below:
        segments += [_MATCHES_ALL] * (1 + (segments[-1] is GLOBSTAR)) + [GLOBSTAR]
    return tuple(_ordered(segments))


def _ordered(segments: list[Segment]) -> list[Segment]:
    """Segments for the same paths, with one ``**``, after the ``*``, in each stretch of the two."""
    ordered: list[Segment] = []
    globstar = False
    for segment in segments:
        if segment is GLOBSTAR:
            globstar = True
            continue
        if globstar and not _is_any(segment):
            ordered.append(GLOBSTAR)
            globstar = False
        ordered.append(segment)
    return [*ordered, GLOBSTAR] if globstar else ordered


def _runs(segments: Sequence[Segment]) -> tuple[tuple[bytes | NameGlob, ...], ...]:
    """The stretches between ``GLOBSTAR``s."""
    runs: list[list[bytes | NameGlob]] = [[]]
    for segment in segments:
        if segment is GLOBSTAR:
            runs.append([])
        else:
            runs[-1].append(segment)
    return tuple(map(tuple, runs))


def _runs_match(runs: tuple[tuple[bytes | NameGlob, ...], ...], names: list[bytes]) -> bool:
    first = runs[0]
    if len(runs) == 1:
        return len(first) == len(names) and _run_fits(first, names, 0)
    end = len(names) - len(runs[-1])
    if sum(map(len, runs)) > len(names):
        return False
    if not (_run_fits(first, names, 0) and _run_fits(runs[-1], names, end)):
        return False
    at = len(first)
    for run in runs[1:-1]:
        # The leftmost place is the best one, because it leaves most for what follows.
        while at + len(run) > end or not _run_fits(run, names, at):
            if at >= end:
                return False
            at += 1
        at += len(run)
    return True


def _run_fits(run: tuple[bytes | NameGlob, ...], names: list[bytes], at: int) -> bool:
    for segment in run:
        name = names[at]
        if segment != name if isinstance(segment, bytes) else not segment.matches(name):
            return False
        at += 1
    return True
