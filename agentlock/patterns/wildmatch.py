"""Git's wildmatch in path mode (``:(glob)``): a text becomes segments, a segment matches a name.

``parse`` reads a glob as git does and splits it at its slashes. ``render`` writes what was read, in
its one canonical spelling. ``NameGlob`` matches a single name; pattern.py matches whole paths.

Two wildcards are ``None``: ``STAR`` among the tokens of a segment (any bytes but ``/``), and
``GLOBSTAR`` among the segments of a path (zero or more whole segments).
"""

from __future__ import annotations

from agentlock.errors import PatternError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, TypeAlias

    WrittenToken: TypeAlias = "int | ByteClass | None"
    WrittenSegment: TypeAlias = tuple[WrittenToken, ...] | None
    Piece: TypeAlias = bytes | tuple[frozenset[int], ...]
    Segment: TypeAlias = "bytes | NameGlob | None"

STAR = None
GLOBSTAR = None

SPECIAL = b"*?[\\"
ESCAPED = b"\\*?[{"
"""A glob gives ``{`` no meaning; it is escaped so that brace expansion leaves it alone."""

_SLASH, _BACKSLASH, _ASTERISK, _QUESTION, _OPEN, _CLOSE = b"/\\*?[]"
_DASH, _COLON = b"-:"

NAME_BYTES = frozenset(range(1, 256)) - {_SLASH}
_DIGITS = frozenset(b"0123456789")
_LOWER = frozenset(b"abcdefghijklmnopqrstuvwxyz")
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_GRAPH = frozenset(range(33, 127))
_POSIX = {
    b"alnum": _DIGITS | _LOWER | _UPPER,
    b"alpha": _LOWER | _UPPER,
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset(range(32)) | {127},
    b"digit": _DIGITS,
    b"graph": _GRAPH,
    b"lower": _LOWER,
    b"print": _GRAPH | {32},
    b"punct": _GRAPH - _DIGITS - _LOWER - _UPPER,
    b"space": frozenset(b" \t\n\r"),  # git's own ctype, without \v and \f
    b"upper": _UPPER,
    b"xdigit": _DIGITS | frozenset(b"abcdefABCDEF"),
}
_SINGLE = tuple(frozenset((byte,)) for byte in range(256))
_NEVER_TRACKED = (b".", b"..", b".git")


def shown(text: bytes) -> str:
    """The text for a message: quoted, printable, and not too long."""
    if len(text) > 120:
        text = text[:100] + b"..." + text[-10:]
    return repr(text.decode("utf-8", "surrogateescape"))


def refuse(typed: bytes, reason: str, fix: str = "") -> NoReturn:
    raise PatternError(f"pattern {shown(typed)} {reason}", fix=fix)


class ByteClass:
    """``?`` or ``[…]``: its text, and the bytes it lists."""

    __slots__ = ("listed", "negated", "text")

    def __init__(self, text: bytes, listed: frozenset[int], *, negated: bool) -> None:
        self.text = text
        self.listed = listed
        self.negated = negated

    def members(self, *, ignore_case: bool) -> frozenset[int]:
        """The bytes it matches; never ``/``, which only a slash or ``**`` matches."""
        listed = self.listed
        if ignore_case:
            listed |= {byte ^ 32 for byte in listed & _POSIX[b"alpha"]}
        return NAME_BYTES - listed if self.negated else listed & NAME_BYTES


ANY_BYTE = ByteClass(b"?", frozenset(), negated=True)


def parse(glob: bytes, typed: bytes) -> tuple[list[WrittenSegment], bool]:
    """The segments of a glob without its leading slash, and whether it ends with a slash.

    Raises PatternError, which names ``typed``, for a glob that git's wildmatch never matches.
    """
    segments: list[WrittenSegment] = []
    tokens: list[WrittenToken] = []
    at = 0
    while at < len(glob):
        byte, escaped, at = _next_byte(glob, at, typed)
        if byte == _SLASH:
            if not tokens:
                refuse(typed, "has an empty name between two slashes", "write one slash")
            segments.append(tuple(tokens))
            tokens = []
        elif escaped or byte not in SPECIAL:
            tokens.append(byte)
        elif byte == _QUESTION:
            tokens.append(ANY_BYTE)
        elif byte == _OPEN:
            found, at = _parse_class(glob, at, typed)
            tokens.append(found)
        else:
            crossing, at = _parse_stars(glob, at, begins=not tokens)
            if crossing is None:
                tokens += [] if tokens and tokens[-1] is STAR else [STAR]
            elif not (crossing == [GLOBSTAR] and segments and segments[-1] is GLOBSTAR):
                segments += crossing
    if tokens:
        segments.append(tuple(tokens))
    return segments, not tokens and glob.endswith(b"/")


def _next_byte(glob: bytes, at: int, typed: bytes) -> tuple[int, bool, int]:
    """A byte, whether a backslash escaped it, and the place after it."""
    escaped = glob[at : at + 1] == b"\\"
    at += escaped
    if at == len(glob):
        refuse(typed, "ends with a backslash", "write `\\\\` for a backslash")
    return glob[at], escaped, at + 1


def _parse_stars(glob: bytes, at: int, *, begins: bool) -> tuple[list[WrittenSegment] | None, int]:
    """The segments that a ``**`` stands for (None: it is a plain ``*``), and the place after it.

    ``at`` is the place after the first asterisk; ``begins``: a segment begins with that.
    """
    rest = glob[at:].lstrip(b"*")
    single = len(glob) - len(rest) == at
    at = len(glob) - len(rest)
    if single or not begins:
        return None, at
    if rest[:1] in (b"", b"/"):
        return [GLOBSTAR], at + 1
    if rest == b"\\/":
        return [GLOBSTAR], at + 2
    if rest.startswith(b"\\/"):
        # In git, `**` before an escaped slash crosses slashes, but must match something.
        return [(STAR,), GLOBSTAR], at + 2
    return None, at


def _parse_class(glob: bytes, at: int, typed: bytes) -> tuple[ByteClass, int]:
    """The class whose ``[`` is just before ``at``, and the place after its ``]``."""
    start = at
    negated = glob[at : at + 1] in (b"!", b"^")
    at += negated
    listed: set[int] = set()
    previous = -1
    first = True
    while True:
        byte, escaped, after = _class_byte(glob, at, typed)
        if byte == _CLOSE and not escaped and not first:
            break
        first = False
        if (
            byte == _DASH
            and not escaped
            and previous >= 0
            and glob[after : after + 1] not in (b"", b"]")
        ):
            last, _, at = _class_byte(glob, after, typed)
            listed.update(range(previous, last + 1))
            previous = -1  # in git, the end of a range does not start another one
        elif byte == _OPEN and not escaped and glob[after : after + 1] == b":":
            close = glob.find(b"]", after + 1)
            if close > after + 1 and glob[close - 1] == _COLON:
                listed |= _posix_class(glob[after + 1 : close - 1], typed)
                previous, at = -1, close + 1
            else:  # `[[:` without `:]` is an ordinary set
                listed.add(byte)
                previous, at = byte, after
        else:
            listed.add(byte)
            previous, at = byte, after
    text = _escape_brace(glob[start:after])
    return ByteClass(b"[" + text, frozenset(listed), negated=negated), after


def _class_byte(glob: bytes, at: int, typed: bytes) -> tuple[int, bool, int]:
    """A byte inside a class, whether a backslash escaped it, and the place after it."""
    escaped = glob[at : at + 1] == b"\\"
    at += escaped
    if at >= len(glob):
        refuse(typed, "has a `[` that is never closed", "write `\\[` for a bracket")
    return glob[at], escaped, at + 1


def _posix_class(name: bytes, typed: bytes) -> frozenset[int]:
    if name not in _POSIX:
        known = b", ".join(_POSIX).decode()
        unknown = name.decode("latin-1")
        refuse(typed, f"has the unknown class [:{unknown}:]", f"git's classes are {known}")
    return _POSIX[name]


def _escape_brace(text: bytes) -> bytes:
    """The inside of a class with each ``{`` behind exactly one backslash."""
    if b"{" not in text:
        return text
    pieces = []
    at = 0
    while at < len(text):
        if text[at] == _BACKSLASH:
            pieces.append(text[at : at + 2])
            at += 2
        else:
            pieces.append(b"\\{" if text[at : at + 1] == b"{" else text[at : at + 1])
            at += 1
    return b"".join(pieces)


def literal_of(segment: WrittenSegment) -> bytes | None:
    """The only name that a segment matches, or None if it has a wildcard or a class."""
    if segment is GLOBSTAR or not all(isinstance(token, int) for token in segment):
        return None
    return bytes(segment)  # type: ignore[arg-type]


def escape(literal: bytes) -> bytes:
    """A literal path as the text of a glob that matches only it."""
    for byte in ESCAPED:  # the backslash first
        literal = literal.replace(bytes((byte,)), b"\\" + bytes((byte,)))
    return literal


def has_special(text: bytes, characters: bytes = SPECIAL) -> bool:
    """Whether one of these characters occurs, escaped or not."""
    return any(byte in characters for byte in text)


def render(segments: Sequence[WrittenSegment], *, below: bool) -> bytes:
    """The canonical text: a glob for every folder starts with ``**``, all others with a slash."""
    text = b"/".join(b"**" if segment is GLOBSTAR else _rendered(segment) for segment in segments)
    if not segments:
        return b"/"
    return (b"" if segments[0] is GLOBSTAR else b"/") + text + (b"/" if below else b"")


def _rendered(segment: tuple[WrittenToken, ...]) -> bytes:
    return b"".join(
        b"*" if token is STAR else escape(bytes((token,))) if isinstance(token, int) else token.text
        for token in segment
    )


def compile_segment(
    segment: tuple[WrittenToken, ...], *, ignore_case: bool, typed: bytes
) -> bytes | NameGlob:
    """The matcher of one name; PatternError if no tracked file can have such a name."""
    literal = literal_of(segment)
    if literal is not None:
        if literal.lower() in _NEVER_TRACKED:
            refuse(typed, f"matches nothing that git tracks: no file is named {shown(literal)}")
        return literal.lower() if ignore_case else literal
    tokens = tuple(
        STAR
        if token is STAR
        else _SINGLE[token | 32 if ignore_case and token in _UPPER else token]
        if isinstance(token, int)
        else token.members(ignore_case=ignore_case)
        for token in segment
    )
    if not all(token is STAR or token for token in tokens):
        refuse(typed, "has a `[…]` that matches no character of a name")
    if _names_only_untracked(tokens):
        refuse(typed, f"matches nothing that git tracks: {shown(_rendered(segment))}")
    return NameGlob(tokens)


def _names_only_untracked(tokens: tuple[frozenset[int] | None, ...]) -> bool:
    for name in _NEVER_TRACKED:
        if len(name) == len(tokens) and all(
            token is not STAR and all(byte | 32 == letter | 32 for byte in token)
            for token, letter in zip(tokens, name)  # noqa: B905 -- the lengths are equal
        ):
            return True
    return False


class NameGlob:
    """A segment with wildcards. ``tokens`` are byte sets and ``STAR``."""

    __slots__ = ("_pieces", "_shortest", "tokens")

    def __init__(self, tokens: tuple[frozenset[int] | None, ...]) -> None:
        wide = [token for token in tokens if token is not STAR]
        if len(wide) < len(tokens) and (not wide or wide == [NAME_BYTES]):
            tokens = (STAR,)  # no name is empty: `*?` is `*`
        self.tokens = tokens
        pieces: list[list[frozenset[int]]] = [[]]
        for token in tokens:
            if token is STAR:
                pieces.append([])
            else:
                pieces[-1].append(token)
        self._pieces = tuple(map(_piece, pieces))
        self._shortest = sum(map(len, self._pieces))

    @property
    def matches_all(self) -> bool:
        """Whether every name matches."""
        return self.tokens == (STAR,)

    def may_meet(self, other: NameGlob) -> bool:
        """False if no name can begin, or end, as both of them do."""
        for step in (1, -1):
            for mine, theirs in zip(self.tokens[::step], other.tokens[::step]):  # noqa: B905
                if mine is STAR or theirs is STAR:
                    break
                if mine.isdisjoint(theirs):
                    return False
        return True

    def matches(self, name: bytes) -> bool:
        """Whether a name matches, in time proportional to name times glob at worst."""
        pieces = self._pieces
        if len(name) < self._shortest:
            return False
        first = pieces[0]
        if len(pieces) == 1:
            return len(name) == self._shortest and _fits(first, name, 0)
        end = len(name) - len(pieces[-1])
        if not (_fits(first, name, 0) and _fits(pieces[-1], name, end)):
            return False
        at = len(first)
        for piece in pieces[1:-1]:
            # The leftmost place is the best one, because it leaves most for what follows.
            at = _find(piece, name, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True


def _piece(tokens: list[frozenset[int]]) -> bytes | tuple[frozenset[int], ...]:
    if all(len(token) == 1 for token in tokens):
        return bytes(byte for token in tokens for byte in token)
    return tuple(tokens)


def _fits(piece: Piece, name: bytes, at: int) -> bool:
    if isinstance(piece, bytes):
        return name.startswith(piece, at)
    for members in piece:
        if name[at] not in members:
            return False
        at += 1
    return True


def _find(piece: Piece, name: bytes, at: int, end: int) -> int:
    if isinstance(piece, bytes):
        return name.find(piece, at, end)
    for place in range(at, end - len(piece) + 1):
        if _fits(piece, name, place):
            return place
    return -1
