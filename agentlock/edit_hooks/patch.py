"""The paths that a patch touches: Codex's own format, and a unified diff."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADERS = ("*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: ")
_DIFF = ("--- ", "+++ ")
_NOTHING = "/dev/null"


def paths_in(text: str) -> list[str]:
    """What the patch adds, changes, deletes and moves to, in its order; [] if it names nothing."""
    found = [path for line in text.splitlines() for path in _named(line)]
    return list(dict.fromkeys(found))


def _named(line: str) -> Iterator[str]:
    for header in _HEADERS:
        if line.lstrip().startswith(header):
            yield line.lstrip()[len(header) :].strip()
    if line.startswith(_DIFF):
        path = line[4:].partition("\t")[0].strip()
        if path and path != _NOTHING:
            yield path
            if path[:2] in ("a/", "b/"):  # git's own prefixes, or a folder of that name
                yield path[2:]
