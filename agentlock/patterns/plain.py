"""What is known of a pattern at sight: most are plain paths, folders, or all that is in a folder.

To parse and to compile a pattern needs much more code. An edit that is denied for one of these does
not load that, and costs 3 to 5 % less (ADR 24).
"""

from __future__ import annotations

from agentlock.patterns.keys import fold_key

LITERAL, DIRECTORY, BELOW = "literal", "directory", "below"
_BACKSLASH = 0x5C


def plain(text: bytes) -> tuple[str, bytes] | None:
    """One of the words above and the path, if the canonical text is ``/a``, ``/a/`` or ``/a/**``.

    PatternError if such a text is not canonical.
    """
    kind, path = LITERAL, text
    if text.endswith(b"/**"):
        kind, path = BELOW, text[:-3]
    elif text.endswith(b"/"):
        kind, path = DIRECTORY, text[:-1]
    if not path.startswith(b"/") or path.translate(None, b"*?[\\{") != path:
        return (DIRECTORY, b"") if text == b"/" else None
    if b"//" in path or path.endswith(b"/") or b"/." in path:
        from agentlock.patterns.pattern import compile_pattern

        compile_pattern(text)  # for its errors: a name that starts with a dot may be `.git`
    return kind, path[1:]


def prefix_key(text: bytes) -> bytes:
    """``Keys.prefix`` of a canonical text."""
    found = plain(text)
    if found is not None:
        return fold_key(found[1])
    from agentlock.patterns.pattern import compile_pattern

    return compile_pattern(text).keys.prefix


def displayed(text: bytes) -> str:
    """A canonical text for people: without its first slash, if it means the same without.

    ``/src/**`` → ``src/**``, ``/README.md`` → ``README.md``. ``/*.py`` keeps its slash, because
    ``*.py`` would match in every folder. Bytes that are not UTF-8 are surrogate-escaped.
    """
    rest = text[1:]
    floats = b"/" not in rest and has_wildcard(rest)
    if text.startswith(b"/") and rest and not floats and rest[:1] not in (b"!", b"-"):
        text = rest
    return text.decode("utf-8", "surrogateescape")


def has_wildcard(text: bytes) -> bool:
    """Whether it has a ``*``, ``?`` or ``[`` that no backslash escapes."""
    at = 0
    while at < len(text):
        if text[at] in b"*?[":
            return True
        at += 1 + (text[at] == _BACKSLASH)
    return False
