"""A note for each glob that matches directories: it does not cover what is below them."""

from __future__ import annotations

from agentlock.patterns.matching import PatternIndex, compile_pattern, displayed
from agentlock.patterns.wildmatch import GLOBSTAR, shown
from agentlock.text import and_more, plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.patterns.places import Tree
    from agentlock.patterns.syntax import Reading


def with_directory_notes(readings: list[Reading], tree: Tree) -> list[Reading]:
    """The readings, with a note added to each glob that matches directories of the tree."""
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
