"""One file of git's configuration, read as git reads it (config.c), or not at all.

What is rare is left to git, and so is everything that git refuses.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WITHOUT_VALUE = b"\0"
"""The value of a key that has none, which a file cannot hold."""

_BLANK = b" \t"
_COMMENT = b"#;"
_SPECIAL = b'"\\#;\t'
_KEY = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
_INCLUDES = (b"include", b"includeif")
_QUOTE, _ESCAPE, _TAB = b'"\\\t'
_ESCAPED = {ord("n"): 10, ord("t"): 9, ord("b"): 8, _QUOTE: _QUOTE, _ESCAPE: _ESCAPE}


class UnclearError(Exception):
    """Only git can tell what this file says."""


def parse(text: bytes, wanted: Callable[[bytes], bool]) -> list[tuple[bytes, bytes]]:
    """The names that are ``wanted``, as git prints them, with their values, in their order.

    UnclearError if the file includes another one, or is not as plain as most are.
    """
    if b"\r" in text or b"\0" in text:
        raise UnclearError
    found = []
    section = b""
    for line in text.split(b"\n"):
        line = line.strip(_BLANK)  # noqa: PLW2901
        if not line or line[0] in _COMMENT:
            continue
        if line[0] == ord("["):
            section = _section(line)
            continue
        key, separator, value = line.partition(b"=")
        key = key.rstrip(_BLANK)
        if not section or not key[:1].isalpha() or key.strip(_KEY):
            raise UnclearError
        name = section + key.lower()
        if wanted(name):
            found.append((name, _value(value) if separator else WITHOUT_VALUE))
        elif not _is_plainly_valid(value):
            _value(value)
    return found


def _section(line: bytes) -> bytes:
    """``[remote "Origin"]`` as ``remote.Origin.``, with which the names of its keys begin."""
    word, quote, rest = line[1:-1].partition(b' "')
    subsection, end = rest[:-1], rest[-1:]
    word = word.lower()
    plain = line.endswith(b"]") and word and not word.strip(_KEY + b".")
    if not plain or word.partition(b".")[0] in _INCLUDES:
        raise UnclearError
    if not quote:
        return word + b"."
    if end != b'"' or b'"' in subsection or b"\\" in subsection:
        raise UnclearError
    return b"%b.%b." % (word, subsection)


def _is_plainly_valid(text: bytes) -> bool:
    """Whether its quotes are in pairs, and its escapes are of quotes and backslashes only.

    Enough for a value that is not wanted: our own commands in hook.* are long, and read sign by
    sign they would cost a hook as much as git does.
    """
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return plain.count(b'"') % 2 == 0 and b"\\" not in plain


def _value(text: bytes) -> bytes:
    """What stands after the ``=``, without quotes, escapes and a comment."""
    text = text.strip(_BLANK)
    if text.translate(None, _SPECIAL) == text:
        return text
    found = bytearray()
    kept = 0  # without the blanks at the end
    quoted = False
    signs = iter(text)
    for sign in signs:
        if sign in _COMMENT and not quoted:
            break
        if sign in _BLANK and not quoted:
            if sign == _TAB:  # git before 2.45 reads a space
                raise UnclearError
            if found:
                found.append(sign)
            continue
        if sign == _QUOTE:
            quoted = not quoted
        elif sign == _ESCAPE:
            escaped = _ESCAPED.get(next(signs, 0))  # at its end: the value goes on on the next line
            if escaped is None:
                raise UnclearError
            found.append(escaped)
        else:
            found.append(sign)
        kept = len(found)
    if quoted:
        raise UnclearError
    return bytes(found[:kept])
