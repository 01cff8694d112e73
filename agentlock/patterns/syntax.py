"""Read a typed text, as a literal path first, then as a glob, into canonical text.

The typed text is relative to the current directory, the canonical text to the repository's root;
pattern.py describes its forms. A text that could match nothing is a PatternError.
"""

from __future__ import annotations

import os.path
from typing import TYPE_CHECKING, Protocol

from agentlock.model import Value
from agentlock.patterns.keys import EXACT
from agentlock.patterns.matching import PatternIndex
from agentlock.patterns.nested import repository_at, worktree_of
from agentlock.patterns.pattern import (
    compile_pattern,
    compiled_segments,
    covers_below,
    displayed,
    tool,
)
from agentlock.patterns.wildmatch import (
    GLOBSTAR,
    SPECIAL,
    escape,
    literal_of,
    parse,
    refuse,
    render,
    shown,
)
from agentlock.text import and_more, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from agentlock.patterns.pattern import Kind
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


class Tree(Protocol):
    """What exists in a worktree, on disk or in the index. Paths are relative to ``root``."""

    root: bytes
    """The absolute real path of the worktree."""

    cwd: bytes
    """The absolute real path of the current directory, which is ``root`` or below it."""

    def lookup(self, path: bytes) -> Literal["file", "directory", "submodule"] | None:
        """What exists at a path; a symbolic link counts as a file."""

    def directories(self) -> Iterable[bytes]:
        """The directories with tracked files, for the notes."""


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
    return _with_directory_notes(list(readings.values()), tree)


def read_pattern(
    text: bytes, tree: Tree, *, force: Force = None, whole_repository: bool = False
) -> Reading:
    """Read one text without expanding its braces."""
    reading = _Reader(tree, force, whole_repository=whole_repository).read(text, text)
    return _with_directory_notes([reading], tree)[0]


class _Reader:
    """Reads texts in one worktree, and asks it about each path once."""

    def __init__(self, tree: Tree, force: Force, *, whole_repository: bool) -> None:
        self._tree = tree
        self._force = force
        self._whole_repository = whole_repository
        self._known: dict[bytes, Literal["file", "directory", "submodule"] | None] = {}

    def with_literal_folders(self, typed: bytes) -> tuple[list[bytes], list[str]]:
        """The text with the names of folders escaped that exist as they are typed, and a note.

        Frameworks call folders `[slug]`. What is to be made below such a folder, with brackets and
        no other wildcard in its name, may be meant either way: then both readings count.
        """
        _check_length(typed)
        if self._force is not None or not _has_wildcard(typed, b"?*[{") or self._existing(typed):
            return [typed], []
        names = typed.split(b"/")
        for end in range(len(names) - 1, 0, -1):
            folder, rest = b"/".join(names[:end]), b"/".join(names[end:])
            if not _has_wildcard(folder, b"?*[{"):
                break
            if self._existing(folder) not in ("directory", "submodule"):
                continue
            note = (
                f"{shown(folder)} is read as the existing directory; --glob reads it as a pattern"
            )
            text = escape(folder) + b"/" + rest
            if not _has_wildcard(rest, b"["):
                return [text], [note]
            if _has_wildcard(rest, b"?*{\\"):
                return [text], [note]
            both = f"{shown(rest)} is read both as a name and as a pattern"
            return [escape(folder) + b"/" + escape(rest), text], [note, both]
        return [typed], []

    def expand(self, typed: bytes) -> list[bytes]:
        """The texts that the braces of one text expand to."""
        _check_length(typed)
        if b"{" not in typed or self._force == "literal":
            return [typed]
        if self._force is None and self._existing(typed):
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
        existing = self._existing(text)
        if self._force is None and existing:
            return self._literal(text, typed, _note_of_two_readings(text, existing))
        self._refuse_backslashes(text, typed)
        if text.startswith(b"!"):
            refuse(
                typed, "begins with `!`: negation is not supported", "write `\\!` for the character"
            )
        if self._force is None and not _has_wildcard(text):
            return self._literal(text, typed, [])
        notes = []
        if existing and _has_wildcard(text):
            notes = [
                f"{shown(text)} is read as a pattern; --literal reads it as the existing {existing}"
            ]
        elif self._force is None and text == typed and not _has_wildcard(text, b"?*{\\"):
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
                or (text[:1] != b"/" and after and self._existing(before) == "directory")
            ):
                slashes = text.replace(b"\\\\", b"\\").replace(b"\\", b"/")
                refuse(
                    typed,
                    "has backslashes between its names, as on Windows; git separates names by `/`",
                    f"write {shown(slashes)}",
                )
            at = text.find(b"\\", at + 2)

    def _lookup(self, path: bytes) -> Literal["file", "directory", "submodule"] | None:
        if not path:
            return "directory"
        if path not in self._known:
            self._known[path] = self._tree.lookup(path)
        return self._known[path]

    def _existing(self, text: bytes) -> Literal["file", "directory", "submodule"] | None:
        if not text or b"\0" in text or b"//" in text or self._leaves_a_wildcard(text):
            return None
        path = self._located(text)
        return None if path is None else self._lookup(path)

    def _leaves_a_wildcard(self, text: bytes) -> bool:
        """Whether ``..`` leaves a directory that only a wildcard matches: `*/../a` is not `a`."""
        names = text.split(b"/")
        parents = (b"/".join(names[:at]) for at, name in enumerate(names) if name == b"..")
        return any(
            _has_wildcard(parent) and not os.path.isdir(os.path.join(self._tree.cwd, parent))
            for parent in parents
        )

    def _located(self, text: bytes) -> bytes | None:
        """The path that a text names, relative to the root; None if it is outside.

        Symbolic links among its parents are resolved; the last name is resolved only if a slash
        follows. A leading slash means the root of the file system, or else the repository's root,
        because canonical texts have one.
        """
        found = self._inside(os.path.join(self._tree.cwd, text))
        if found is None and text.startswith(b"/"):
            first = text[1:].partition(b"/")[0]
            if first[:1] in SPECIAL or self._lookup(first) is not None:
                found = self._inside(self._tree.root + text)
        return found

    def _inside(self, absolute: bytes) -> bytes | None:
        parent, name = os.path.split(absolute)
        if name in (b"", b".", b".."):
            absolute = os.path.realpath(absolute)
        else:
            absolute = os.path.join(os.path.realpath(parent), name)
        root = self._tree.root
        if absolute == root:
            return b""
        root = root.rstrip(b"/") + b"/"
        return absolute[len(root) :] if absolute.startswith(root) else None

    def _place(self, text: bytes, typed: bytes, tail: bytes = b"") -> bytes:
        """As ``_located``, but PatternError for a path that cannot be reserved.

        ``tail`` is what follows the path in a glob.
        """
        path = self._located(text)
        if path is None:
            self._refuse_sibling(os.path.join(self._tree.cwd, text), typed, tail)
            from_root = "a leading `/` is the root of the file system: leave it out"
            fix = from_root if text.startswith(b"/") else ""
            refuse(typed, f"is outside the repository {shown(self._tree.root)}", fix)
        names = path.split(b"/")
        if any(name.lower() == b".git" for name in names):
            refuse(typed, "is inside .git, which git does not track")
        for depth in range(1, len(names)):
            self._refuse_submodule(b"/".join(names[:depth]), typed)
        self._refuse_nested(path, typed, tail)
        return path

    def _refuse_nested(self, path: bytes, typed: bytes, tail: bytes) -> None:
        """Refuse what lies in a repository or worktree inside this worktree: git tracks none."""
        root = self._tree.root
        nested = worktree_of(os.path.join(root, path)) if path else None
        if nested is None or nested == root or self._inside(nested) is None:
            return
        inside = self._inside(nested) or b""
        if self._lookup(inside) == "submodule":
            return
        self._refuse_sibling(os.path.join(root, path), typed, tail)
        tracked = (one + b"/" for one in self._tree.directories())
        if path != inside and not any(one.startswith(inside + b"/") for one in tracked):
            refuse(
                typed,
                f"is inside {shown(inside)}, a repository of its own",
                f"reserve it there: cd {inside.decode('utf-8', 'replace')}",
            )

    def _refuse_sibling(self, absolute: bytes, typed: bytes, tail: bytes) -> None:
        """Refuse a path in another worktree of this repository, and name the path to reserve."""
        parent, name = os.path.split(absolute)
        absolute = os.path.join(os.path.realpath(parent), name).rstrip(b"/")
        other = worktree_of(absolute)
        if other is None or repository_at(other) != repository_at(self._tree.root):
            return
        inner = absolute[len(other) :].lstrip(b"/")
        same = b"/".join(one for one in (inner, tail) if one)
        refuse(
            typed,
            f"is in another worktree of this repository, {shown(other)}; a reservation covers a "
            "path in all of them",
            f"reserve {shown(same)}" if same else "name a path in it",
        )

    def _refuse_submodule(self, path: bytes, typed: bytes) -> None:
        if self._lookup(path) == "submodule":
            refuse(
                typed,
                f"is inside the submodule {shown(path)}, a repository of its own",
                f"reserve it there, or the whole submodule: {path.decode('utf-8', 'replace')}/",
            )

    def _literal(self, text: bytes, typed: bytes, notes: list[str]) -> Reading:
        if b"//" in text:
            refuse(typed, "has an empty name between two slashes", "write one slash")
        path = self._place(text, typed)
        there = self._lookup(path)
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
        place = self._place(_joined(slash, head, below=True), typed, rest)
        _check_size(tail, typed)
        names: list[WrittenSegment] = [tuple(name) for name in place.split(b"/") if name]
        written = [*names, *tail]
        segments = compiled_segments(written, below=below, folding=EXACT, typed=typed)
        if self._lookup(place) == "submodule":
            if not covers_below(segments) or len(segments) > len(names) + 2:
                self._refuse_submodule(place, typed)
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


def _has_wildcard(text: bytes, characters: bytes = SPECIAL) -> bool:
    return any(byte in characters for byte in text)


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
    if not _has_wildcard(text) and not may_expand:
        return []
    return [f"{shown(text)} is read as the existing {existing}; --glob reads it as a pattern"]


def _with_directory_notes(readings: list[Reading], tree: Tree) -> list[Reading]:
    """Add a note to each glob that matches directories: it does not cover what is below them."""
    globs: dict[bytes, list[bytes]] = {
        reading.pattern: []
        for reading in readings
        if reading.kind == "glob" and compile_pattern(reading.pattern).segments[-1] is not GLOBSTAR
    }
    if not globs:
        return readings
    patterns = list(globs)
    index = PatternIndex(patterns)
    for directory in tree.directories():
        for position in index.matching(directory):
            globs[patterns[position]].append(directory)
    at_root = tree.cwd == tree.root
    return [
        reading.replace(
            notes=(*reading.notes, _directory_note(reading.pattern, sorted(named), at_root=at_root))
        )
        if (named := globs.get(reading.pattern))
        else reading
        for reading in readings
    ]


def _directory_note(pattern: bytes, directories: list[bytes], *, at_root: bool) -> str:
    def spelled(text: bytes) -> str:
        """As one would type it in the current directory."""
        return shown(displayed(text).encode("utf-8", "surrogateescape") if at_root else text)

    names = ", ".join(map(shown, directories[:3])) + and_more(len(directories) - 3)
    covering = spelled(pattern + b"/")
    if pattern.endswith(b"/*"):
        covering += f" or {spelled(pattern + b'*')}"
    noun = plural(len(directories), "directory", "directories")
    return (
        f"{spelled(pattern)} matches the {noun} {names} but nothing below; {covering} covers that"
    )
