"""Whether two patterns overlap, and at which path.

A breadth-first walk over pairs of positions, one in each pattern: over their segments and, if two
globs meet in one segment, over the bytes of that. Each pair is visited once, so the time is bounded
by the product of the two lengths, whatever the patterns.
"""

from __future__ import annotations

from agentlock.patterns.pattern import TOOL
from agentlock.patterns.wildmatch import GLOBSTAR, NAME_BYTES, STAR, NameGlob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias, TypeVar

    from agentlock.patterns.pattern import Pattern
    from agentlock.patterns.wildmatch import Segment

    Tokens: TypeAlias = tuple[frozenset[int] | None, ...]
    Place: TypeAlias = tuple[int, int]
    State: TypeAlias = tuple[int, int, int]
    Node = TypeVar("Node", Place, State)

_ANY = NameGlob((STAR,))
_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REST = bytes(byte for byte in [*range(33, 127), *range(255, 0, -1)] if byte not in _LETTERS)
_RANK = {byte: rank for rank, byte in reversed([*enumerate(_LETTERS + _REST)])}

# An automaton for the names that git never tracks: the state says how much of one was read.
_BEGIN, _DOT, _DOT_DOT, _DOT_G, _DOT_GI, _DOT_GIT, _FREE = range(7)
_NO_NAME = (_BEGIN, _DOT, _DOT_DOT, _DOT_GIT)
_TOWARDS: tuple[tuple[tuple[frozenset[int], int], ...], ...] = (
    ((frozenset(b"."), _DOT),),
    ((frozenset(b"."), _DOT_DOT), (frozenset(b"gG"), _DOT_G)),
    (),
    ((frozenset(b"iI"), _DOT_GI),),
    ((frozenset(b"tT"), _DOT_GIT),),
    (),
    (),
)


def overlap(a: Pattern, b: Pattern) -> bytes | None:
    """A path that both patterns hold, or None if there is none.

    That is a path that both match, or, because no name is a file and a folder, a path below a plain
    path that the other pattern names as a folder (``/docs`` and ``/docs/x.md``). Git could track
    the path, and it is the same whichever pattern comes first. Both patterns must
    be compiled with the same folding. The answer is exact but for one case: with
    ``compose_unicode`` the bytes of two globs may compose to a character that one of them lists
    separately. That counts as an overlap.
    """
    if a.folding != b.folding:
        raise ValueError("patterns that fold differently cannot be compared")
    if a.text.startswith(TOOL) or b.text.startswith(TOOL):
        return a.prefix if a.text == b.text else None
    if (b.kind, b.text) < (a.kind, a.text):
        a, b = b, a
    if b.kind == "literal":  # the last of all kinds
        return _meet_literal(b, a) or (_meet_literal(a, b) if a.kind == "literal" else None)
    if not _within(a.path, b.path) and not _within(b.path, a.path):
        return None
    if a.kind == b.kind == "directory" and (a.path or b.path):
        return max(a.prefix, b.prefix, key=len)
    witness = _meet_paths(a.segments, b.segments, b"a")
    if witness and a.folding.compose_unicode and not (a.matches(witness) and b.matches(witness)):
        # `a` and an accent after it compose, `q` does not.
        witness = _meet_paths(a.segments, b.segments, b"q")
    return witness


def _meet_literal(literal: Pattern, other: Pattern) -> bytes | None:
    if other.matches(literal.prefix):
        return literal.prefix
    if not _within(other.path, literal.path):
        return None
    if other.kind != "glob":
        return other.prefix
    return _meet_paths((*literal.segments, GLOBSTAR), other.segments, b"a")


def _within(path: bytes, directory: bytes) -> bool:
    return not directory or path == directory or path.startswith(directory + b"/")


def _meet_paths(a: tuple[Segment, ...], b: tuple[Segment, ...], filler: bytes) -> bytes | None:
    """The path with the fewest names that both match."""
    end = (len(a), len(b))
    came_from: dict[Place, tuple[Place, bytes] | None] = {(0, 0): None}
    layer = [(0, 0)]
    while layer:
        for i, j in layer:  # the layer grows, because leaving a `**` takes no name
            if i < len(a) and a[i] is GLOBSTAR and (i + 1, j) not in came_from:
                came_from[i + 1, j] = ((i, j), b"")
                layer.append((i + 1, j))
            if j < len(b) and b[j] is GLOBSTAR and (i, j + 1) not in came_from:
                came_from[i, j + 1] = ((i, j), b"")
                layer.append((i, j + 1))
        if end in came_from:
            return b"/".join(_steps_to(end, came_from))
        following = []
        for i, j in layer:
            if i == len(a) or j == len(b):
                continue
            after = (i + (a[i] is not GLOBSTAR), j + (b[j] is not GLOBSTAR))
            if after not in came_from:
                name = _meet_names(a[i] or _ANY, b[j] or _ANY, filler)
                if name is not None:
                    came_from[after] = ((i, j), name)
                    following.append(after)
        layer = following
    return None


def _meet_names(a: bytes | NameGlob, b: bytes | NameGlob, filler: bytes) -> bytes | None:
    """A name that both segments match."""
    if isinstance(a, bytes):
        return a if a == b or (isinstance(b, NameGlob) and b.matches(a)) else None
    if isinstance(b, bytes):
        return b if a.matches(b) else None
    if not a.may_meet(b):
        return None
    # `src/a.py` reads better than `src/.py`, so try first to let each `*` stand for something.
    return _meet_tokens(_filled(a.tokens), _filled(b.tokens), filler) or _meet_tokens(
        a.tokens, b.tokens, filler
    )


def _filled(tokens: Tokens) -> Tokens:
    return tuple(
        part for token in tokens for part in ((NAME_BYTES, STAR) if token is STAR else (token,))
    )


def _meet_tokens(a: Tokens, b: Tokens, filler: bytes) -> bytes | None:
    """The shortest name that both match and that git could track."""
    start = (0, 0, _BEGIN)
    came_from: dict[State, tuple[State, bytes] | None] = {start: None}
    layer = [start]
    while layer:
        for i, j, progress in layer:  # the layer grows, because leaving a `*` takes no byte
            if i < len(a) and a[i] is STAR and (i + 1, j, progress) not in came_from:
                came_from[i + 1, j, progress] = ((i, j, progress), b"")
                layer.append((i + 1, j, progress))
            if j < len(b) and b[j] is STAR and (i, j + 1, progress) not in came_from:
                came_from[i, j + 1, progress] = ((i, j, progress), b"")
                layer.append((i, j + 1, progress))
            if i == len(a) and j == len(b) and progress not in _NO_NAME:
                return b"".join(_steps_to((i, j, progress), came_from))
        following = []
        for i, j, progress in layer:
            if i == len(a) or j == len(b):
                continue
            mine, yours = a[i], b[j]
            common = (NAME_BYTES if mine is STAR else mine) & (
                NAME_BYTES if yours is STAR else yours
            )
            next_i, next_j = i + (mine is not STAR), j + (yours is not STAR)
            for byte, next_progress in _choices(common, progress, filler):
                after = (next_i, next_j, next_progress)
                if after not in came_from:
                    came_from[after] = ((i, j, progress), byte)
                    following.append(after)
        layer = following
    return None


def _choices(common: frozenset[int], progress: int, filler: bytes) -> Iterator[tuple[bytes, int]]:
    """One byte of ``common`` for each state that such a byte leads to, the most readable first."""
    free = common
    for letters, _ in _TOWARDS[progress]:
        free -= letters
    if free:
        byte = filler[0] if filler[0] in free else min(free, key=_RANK.__getitem__)
        yield bytes((byte,)), _FREE
    for letters, following in _TOWARDS[progress]:
        if common & letters:
            yield bytes((max(common & letters),)), following


def _steps_to(end: Node, came_from: dict[Node, tuple[Node, bytes] | None]) -> list[bytes]:
    """The names or bytes on the way to a position."""
    steps = []
    step = came_from[end]
    while step is not None:
        position, written = step
        if written:
            steps.append(written)
        step = came_from[position]
    return steps[::-1]
