"""Read a typed text, as a literal path first, then as a glob, into canonical text.

The typed text is relative to the current directory, the canonical text to the repository's root;
pattern.py describes its forms. A text that could match nothing is a PatternError.
"""

from __future__ import annotations

from agentlock.model import Value
from agentlock.patterns.directory_notes import with_directory_notes
from agentlock.patterns.keys import EXACT
from agentlock.patterns.pattern import compile_pattern, compiled_segments, covers_below, tool
from agentlock.patterns.places import Places
from agentlock.patterns.wildmatch import (
    GLOBSTAR,
    escape,
    has_special,
    literal_of,
    parse,
    refuse,
    render,
    shown,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from agentlock.patterns.pattern import Kind
    from agentlock.patterns.places import Tree
    from agentlock.patterns.wildmatch import WrittenSegment

    Force = Literal["literal", "glob"] | None

MAX_LENGTH = 8192
"""Bytes of a typed pattern: twice the longest path on Linux."""

MAX_NAMES = 256
"""Names of a glob, between its slashes."""

MAX_GLOB_TOKENS = 512
"""Characters, classes and wildcards, together, of all names of a glob that have wildcards.

To find out whether two globs overlap takes up to the product of their sizes. With these limits the
worst possible pair takes a few seconds.
"""

MAX_EXPANSION = 100
"""Patterns that the braces of one text may expand to."""


class Reading(Value):
    """How one text was read: the canonical pattern, and notes for the person who typed it.

    ``typed`` is the text before its braces were expanded.
    """

    pattern: bytes
    typed: bytes
    kind: Kind
    notes: tuple[str, ...] = ()


def read_patterns(
    texts: Sequence[bytes], tree: Tree, *, force: Force = None, whole_repository: bool = False
) -> list[Reading]:
    """Read many texts and expand their braces; of equal results the first one stays.

    Raises PatternError for the first text that can match nothing that git could track here.
    """
    reader = _Reader(tree, force, whole_repository=whole_repository)
    readings: dict[bytes, Reading] = {}
    for typed in texts:
        read_as, notes = reader.with_literal_folders(typed)
        for text in [expanded for one in read_as for expanded in reader.expand(one)]:
            reading = reader.read(text, typed)
            readings.setdefault(reading.pattern, reading.replace(notes=(*notes, *reading.notes)))
    return with_directory_notes(list(readings.values()), tree)


def read_pattern(
    text: bytes, tree: Tree, *, force: Force = None, whole_repository: bool = False
) -> Reading:
    """Read one text without expanding its braces."""
    reading = _Reader(tree, force, whole_repository=whole_repository).read(text, text)
    return with_directory_notes([reading], tree)[0]


class _Reader:
    """Reads texts in one worktree."""

    def __init__(self, tree: Tree, force: Force, *, whole_repository: bool) -> None:
        self._places = Places(tree)
        self._force = force
        self._whole_repository = whole_repository

    def with_literal_folders(self, typed: bytes) -> tuple[list[bytes], list[str]]:
        """The text with the names of folders escaped that exist as they are typed, and a note.

        Frameworks call folders `[slug]`. What is to be made below such a folder, with brackets and
        no other wildcard in its name, may be meant either way: then both readings count.
        """
        _check_length(typed)
        if (
            self._force is not None
            or not has_special(typed, b"?*[{")
            or self._places.existing(typed)
        ):
            return [typed], []
        names = typed.split(b"/")
        for end in range(len(names) - 1, 0, -1):
            folder, rest = b"/".join(names[:end]), b"/".join(names[end:])
            if not has_special(folder, b"?*[{"):
                break
            if self._places.existing(folder) not in ("directory", "submodule"):
                continue
            note = (
                f"{shown(folder)} is read as the existing directory; --glob reads it as a pattern"
            )
            text = escape(folder) + b"/" + rest
            if not has_special(rest, b"["):
                return [text], [note]
            if has_special(rest, b"?*{\\"):
                return [text], [note]
            both = f"{shown(rest)} is read both as a name and as a pattern"
            return [escape(folder) + b"/" + escape(rest), text], [note, both]
        return [typed], []

    def expand(self, typed: bytes) -> list[bytes]:
        """The texts that the braces of one text expand to."""
        _check_length(typed)
        if b"{" not in typed or self._force == "literal":
            return [typed]
        if self._force is None and self._places.existing(typed):
            return [typed]
        return _expanded(typed)

    def read(self, text: bytes, typed: bytes) -> Reading:
        _check_length(text)
        if not text:
            refuse(typed, "is empty", "write `.` for the current directory")
        if b"\0" in text:
            refuse(typed, "contains a NUL byte, which no path can")
        if self._force == "literal":
            return self._literal(text, typed, [])
        if self._force is None and (named := tool(text)):
            return Reading(named, typed, "literal")
        existing = self._places.existing(text)
        if self._force is None and existing:
            return self._literal(text, typed, _note_of_two_readings(text, existing))
        self._refuse_backslashes(text, typed)
        if text.startswith(b"!"):
            refuse(
                typed, "begins with `!`: negation is not supported", "write `\\!` for the character"
            )
        if self._force is None and not has_special(text):
            return self._literal(text, typed, [])
        notes = []
        if existing and has_special(text):
            notes = [
                f"{shown(text)} is read as a pattern; --literal reads it as the existing {existing}"
            ]
        elif self._force is None and text == typed and not has_special(text, b"?*{\\"):
            name = f"{shown(text)} is read as a pattern, which does not match that name itself"
            notes = [f"{name}; --literal reads it as the name"]
        return self._glob(text, typed, notes)

    def _refuse_backslashes(self, text: bytes, typed: bytes) -> None:
        """Refuse a text whose backslashes are meant as they are on Windows, between names.

        One is if it stands after a letter and before one, where nothing needs it as an escape,
        before two asterisks, or after a folder that exists. (Not in a canonical text.)
        """
        at = text.find(b"\\")
        while at >= 0:
            before, after = text[:at], text[at + 1 :]
            begins = before[-1:] in (b"", b"/")
            if not begins and (
                after[:1].isalnum()
                or after[:1] in (b"_", b".", b"$", b"@", b"(")
                or after[:1] > b"\x7f"
                or after.startswith(b"**")
                or (text[:1] != b"/" and after and self._places.existing(before) == "directory")
            ):
                slashes = text.replace(b"\\\\", b"\\").replace(b"\\", b"/")
                refuse(
                    typed,
                    "has backslashes between its names, as on Windows; git separates names by `/`",
                    f"write {shown(slashes)}",
                )
            at = text.find(b"\\", at + 2)

    def _literal(self, text: bytes, typed: bytes, notes: list[str]) -> Reading:
        if b"//" in text:
            refuse(typed, "has an empty name between two slashes", "write one slash")
        path = self._places.place(text, typed)
        there = self._places.lookup(path)
        directory = there in ("directory", "submodule")
        if there is None:
            directory = text.rpartition(b"/")[2] in (b"", b".", b"..")
            name = path.rpartition(b"/")[2]
            if not directory and b"." not in name:
                advice = f"write {shown(text + b'/')} for a directory"
                notes = [*notes, f"{shown(text)} does not exist and is read as a file; {advice}"]
        elif there == "file" and text.endswith(b"/"):
            notes = [*notes, f"{shown(text)} is read as the existing file {shown(path)}"]
        pattern = b"/" + escape(path) + (b"/" if directory and path else b"")
        return self._reading(pattern, typed, notes)

    def _glob(self, text: bytes, typed: bytes, notes: list[str]) -> Reading:
        slash = b"/" if text.startswith(b"/") else b""
        head, tail, below = _split(text[len(slash) :], typed)
        floats = b"/" not in text and bool(
            tail or (self._force == "glob" and head not in ([], [b".."]))
        )
        if not tail and not floats:
            return self._literal(_joined(slash, head, below=below), typed, notes)
        if floats:
            head, tail = [], [*map(tuple, head), *tail]
            tail = tail if tail[0] is GLOBSTAR else [GLOBSTAR, *tail]
        rest = render(tail, below=below).lstrip(b"/") if tail else b""
        place = self._places.place(_joined(slash, head, below=True), typed, rest)
        _check_size(tail, typed)
        names: list[WrittenSegment] = [tuple(name) for name in place.split(b"/") if name]
        written = [*names, *tail]
        segments = compiled_segments(written, below=below, folding=EXACT, typed=typed)
        if self._places.lookup(place) == "submodule":
            if not covers_below(segments) or len(segments) > len(names) + 2:
                self._places.refuse_submodule(place, typed)
            return self._reading(b"/" + escape(place) + b"/", typed, notes)
        return self._reading(render(written, below=below), typed, notes)

    def _reading(self, text: bytes, typed: bytes, notes: list[str]) -> Reading:
        pattern = compile_pattern(text)
        if pattern.is_whole_repository and not self._whole_repository:
            refuse(typed, "is the whole repository", "add --whole-repo if you mean that")
        return Reading(text, typed, pattern.kind, tuple(notes))


def _check_length(text: bytes) -> None:
    if len(text) > MAX_LENGTH:
        refuse(
            text,
            f"is {len(text)} bytes long; {MAX_LENGTH} are allowed",
            "name a folder above it instead",
        )


def _check_size(segments: Sequence[WrittenSegment], typed: bytes) -> None:
    tokens = sum(len(segment) for segment in segments if segment and literal_of(segment) is None)
    if len(segments) > MAX_NAMES:
        refuse(typed, f"has {len(segments)} names; {MAX_NAMES} are allowed in a glob")
    if tokens > MAX_GLOB_TOKENS:
        refuse(
            typed,
            f"has {tokens} characters in names with wildcards; {MAX_GLOB_TOKENS} are allowed",
        )


def _expanded(typed: bytes) -> list[bytes]:
    import bracex  # most texts have no braces

    fix = "write fewer alternatives, or name the folder that has them all"
    try:
        texts = list(bracex.iexpand(typed, keep_escapes=True, limit=MAX_EXPANSION))
    except bracex.ExpansionLimitException:
        refuse(typed, f"expands to more than {MAX_EXPANSION} patterns", fix)
    except RecursionError:
        refuse(typed, "nests its braces too deeply", fix)
    return texts or [b""]


def _split(glob: bytes, typed: bytes) -> tuple[list[bytes], list[WrittenSegment], bool]:
    """The literal names at the start of a glob, the rest, and whether it ends with a slash."""
    written, below = parse(glob, typed)
    if written and literal_of(written[-1]) == b".":
        below = True
    head: list[bytes] = []
    tail: list[WrittenSegment] = []
    for segment in written:
        name = literal_of(segment)
        if name == b"..":
            below = below or segment is written[-1]
            if tail:
                refuse(typed, "has `..` after a wildcard", "write the path without `..`")
        if name == b"." or (segment is GLOBSTAR and tail and tail[-1] is GLOBSTAR):
            continue
        if name is None or tail:
            tail.append(segment)
        else:
            head.append(name)
    return head, tail, below


def _joined(slash: bytes, names: list[bytes], *, below: bool) -> bytes:
    """Literal names as a path; with ``below`` it names a directory, even through a last link."""
    path = slash + b"/".join(names)
    if not names:
        return slash or b"."
    return path + b"/" if below else path


def _note_of_two_readings(text: bytes, existing: str) -> list[str]:
    may_expand = b"{" in text and (b"," in text or b".." in text)
    if not has_special(text) and not may_expand:
        return []
    return [f"{shown(text)} is read as the existing {existing}; --glob reads it as a pattern"]
