"""What text needs on its way to a shell, a terminal, the database or a sentence."""

from __future__ import annotations

import os

from agentlock.errors import UsageError

_LONGEST_REASON = 1000
_LONGEST_QUOTE = 60
_LONGEST_WORD = 240
_LONGEST_CLASS = 12
# Letters that str.isprintable() lets through although nobody sees them: words can hide in them.
# Those that only choose an emoji's colour (U+FE0E, U+FE0F) stay.
_UNSEEN = frozenset(
    map(
        chr,
        (
            *(0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164),
            *(*range(0xFE00, 0xFE0E), 0xFFA0, *range(0xE0100, 0xE01F0)),
        ),
    )
)
_SAFE_IN_SHELL = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-+@%=,:"
)


def shell_word(text: str | bytes) -> str:
    """``text`` as one word of a command to paste into a shell.

    A path with control characters becomes ``$'...'``, which bash, zsh and ksh read, so that
    nothing but printable letters reaches the terminal.
    """
    text = os.fsdecode(text)
    if text and _SAFE_IN_SHELL.issuperset(text):
        return text
    if not _is_seen(text):
        return "$'" + "".join(_ansi_c(byte) for byte in os.fsencode(text)) + "'"
    return single_quoted(text)


def single_quoted(text: str) -> str:
    """``text`` as one word of a script in plain sh, always within single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def shell_message(text: str) -> str:
    """``text``, of one line or more, as one word on one line that any POSIX shell reads."""
    text = text.rstrip("\n")
    if text.isprintable():
        return single_quoted(text)
    return f"\"$(printf %b '{''.join(map(_for_printf, text))}')\""


def _for_printf(letter: str) -> str:
    if letter == "\n":
        return r"\n"
    # An interactive shell would replace ! within double quotes.
    if letter.isprintable() and letter not in "\\'!":
        return letter
    return "".join(f"\\0{byte:03o}" for byte in os.fsencode(letter))


def _ansi_c(byte: int) -> str:
    if 32 <= byte < 127 and byte not in b"'\\":
        return chr(byte)
    return f"\\x{byte:02x}"


def printable(text: str | bytes) -> str:
    """``text`` for a terminal: control characters, lone surrogates and the like are escaped."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if _is_seen(text):
        return text
    return "".join(one if _is_seen(one) else _escaped(one) for one in text)


def _is_seen(text: str) -> bool:
    """Whether a reader sees all of it."""
    return text.isprintable() and (text.isascii() or _UNSEEN.isdisjoint(text))


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def quoted(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Another agent's words, in quotation marks and cut short; "" if there are none.

    A quotation mark in them is escaped, so that they end where the marks say.
    """
    shown = printable(text)
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    shown = shown.replace('"', '\\"')
    return f'"{shown}"' if shown else ""


def foreign(text: str, longest: int = _LONGEST_WORD) -> str:
    """A word of another agent, such as a pattern or a reason: as it is if it can be no sentence.

    What has a space or a quotation mark, or is long, is quoted. Of a long `[...]` the beginning is
    shown.
    """
    head, bracket, rest = text.partition("[")
    while bracket:
        inside, close, after = rest.partition("]")
        if len(inside) > _LONGEST_CLASS:
            inside = inside[:_LONGEST_CLASS] + "…"
        head += bracket + inside + close
        before, bracket, rest = after.partition("[")
        head += before
    is_long = len(head) > longest or any(len(one) > _LONGEST_QUOTE for one in head.split("/"))
    if is_long or any(one.isspace() or one in "\"'`" for one in head):
        return quoted(head)
    return printable(head)


def path_name(path: str | bytes) -> str:
    """A path that another agent may have named: as it is if it can be no sentence, else quoted."""
    text = printable(path)
    return quoted(text, _LONGEST_WORD) if any(one in " \"'`" for one in text) else text


def plural(number: int, one: str, many: str = "") -> str:
    """The word ``one``, or for another number ``many``, which is ``one`` with an s by default."""
    return one if number == 1 else many or f"{one}s"


def count(number: int, one: str, many: str = "") -> str:
    """``1 path``, ``3 paths``."""
    return f"{number} {plural(number, one, many)}"


def and_more(number: int) -> str:
    """``" and 3 more"`` for the end of a list that was cut short; "" if all of it is shown."""
    return f" and {number} more" if number > 0 else ""


def check_reason(reason: str) -> str:
    """The reason as the database takes it; UsageError if it is too long."""
    if len(reason) > _LONGEST_REASON:
        raise UsageError(
            f"a reason of {len(reason)} characters is too long",
            fix=f"{_LONGEST_REASON} characters at most; an issue's number says it best",
        )
    return storable(reason)


def storable(text: str | bytes) -> str:
    r"""``text`` as the database takes it: what is not UTF-8 becomes ``\udcff`` or ``\xff``."""
    if isinstance(text, bytes):
        return text.decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "backslashreplace").decode()
