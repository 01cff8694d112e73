"""Whether a shell command may write anything, told without the grammar, which costs a third more.

Most of what agents type does not: tests, searches, ``git status``, ``git commit``.
"""

from __future__ import annotations

_QUOTES = b"'\"\\"  # `r''m` is `rm`
_MADE_UP = ("$'", "{")  # what words may come from that do not stand in the line
_WORDS = bytes(
    byte if (chr(byte).isalpha() and byte < 128) or byte == ord("_") else ord(" ")
    for byte in range(256)
)
_COMMANDS = frozenset(
    (
        *(b"tee", b"sed", b"gsed", b"perl", b"cp", b"mv", b"rm", b"rmdir", b"ln", b"install"),
        *(b"truncate", b"touch", b"dd", b"unlink", b"patch", b"apply_patch", b"applypatch"),
    )
)
_OF_GIT = frozenset(
    (
        *(b"apply", b"am", b"stash", b"worktree", b"reset", b"clean", b"checkout", b"switch"),
        b"restore",
    )
)
_ENDS = ("", *" \t\n;|&)")
_NOWHERE = "/dev/null"


def may_write(line: str) -> bool:
    """False if the grammar would find nothing that the line writes, moves, removes or discards."""
    if any(sign in line for sign in _MADE_UP) or not all(map(_leads_nowhere, line.split(">")[1:])):
        return True
    words = set(line.encode("ascii", "replace").translate(_WORDS, _QUOTES).split())
    return not words.isdisjoint(_COMMANDS) or (b"git" in words and not words.isdisjoint(_OF_GIT))


def _leads_nowhere(after: str) -> bool:
    """Whether what stands after a ``>`` is another descriptor, as in ``2>&1``, or /dev/null."""
    if after[:2] in ("&1", "&2"):
        return after[2:3] in _ENDS
    target = after.lstrip(" \t")
    return target.startswith(_NOWHERE) and target[len(_NOWHERE) :][:1] in _ENDS
