"""Lists of paths on stdin: as `git … -z` prints them, or one on each line, quoted as git does."""

from __future__ import annotations

import re

from agentlock.errors import UsageError

_QUOTED = re.compile(rb'"(?:[^"\\]|\\(?:[abfnrtv"\\]|[0-3][0-7]{2}))*"')
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)")
_LETTERS = {
    letter: bytes((code,))
    for letter, code in zip((b"a", b"b", b"t", b"n", b"v", b"f", b"r"), range(7, 14), strict=True)
}
_FIX = "git diff -z --name-only | agentlock check --stdin"


def separated(given: bytes) -> list[bytes]:
    """The NUL-separated paths; UsageError for what looks like lines, or like git's quotes."""
    if b"\0" not in given and b"\n" in given:
        raise UsageError(
            "stdin has one path on each line: say so with --lines, or separate them by NUL",
            fix=_FIX,
        )
    paths = [path for path in given.split(b"\0") if path]
    for path in paths:
        if _is_quoted(path):
            shown = path.decode("utf-8", "backslashreplace")
            raise UsageError(
                f"stdin has a path in git's quotes, {shown}: give --lines, or take git's -z",
                fix=_FIX,
            )
    return paths


def lines(given: bytes) -> list[bytes]:
    """The path on each line, without git's quotes."""
    paths = [line.removesuffix(b"\r") for line in given.split(b"\n")]
    return [_unquoted(path) if _QUOTED.fullmatch(path) else path for path in paths if path]


def _is_quoted(path: bytes) -> bool:
    """Whether git has quoted it, which it does only to names that need a backslash."""
    return b"\\" in path and _QUOTED.fullmatch(path) is not None


def _unquoted(path: bytes) -> bytes:
    def meant(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes((int(code, 8),)) if len(code) == 3 else _LETTERS.get(code, code)

    return _ESCAPE.sub(meant, path[1:-1])
