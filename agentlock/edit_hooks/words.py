"""The words of a shell command, as far as the line says plainly what they stand for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from tree_sitter import Node

    Word: TypeAlias = tuple[str, bool]  # its text, and whether that is a pattern for names of files

_ENDS_LIKE_ITS_LAST = ("pipeline", "list", "negated_command")
_ESCAPES = dict(zip("abeEfnrtv\\'\"?", "\a\b\x1b\x1b\f\n\r\t\v\\'\"?", strict=True))
_NUMBERS = {"x": ("0123456789abcdefABCDEF", 2), "u": ("0123456789abcdefABCDEF", 4)}
_OCTAL = ("01234567", 3)
_MOST_WORDS = 1_000  # that braces make of one
_LEFT_OUT = ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect")


def words_of(node: Node) -> list[Word | None]:
    """The words of a command, None for one that nobody can tell.

    Assignments before it, redirections and here-documents are none. To the grammar all words after
    a redirection belong to that.
    """
    named = [one for one in node.named_children if one.type not in _LEFT_OUT]
    words = [one.children[0] if one.type == "command_name" else one for one in named]
    while (parent := node.parent) is not None and parent.type in _ENDS_LIKE_ITS_LAST:
        if parent.named_children[-1] != node:
            break
        node = parent
    if parent is not None and parent.type == "redirected_statement":
        words += [one for redirect in _redirects(parent) for one in _destinations(redirect)[1:]]
    return [*map(word_of, words[:1]), *(word for one in words[1:] for word in _words_of(one))]


def target_of(redirect: Node) -> Word | None:
    """The file that a redirection names."""
    named = _destinations(redirect)
    return word_of(named[0]) if named else None


def word_of(node: Node) -> Word | None:
    text = _literal(node)
    if text is None:
        return None
    return text, node.type == "word" and any(sign in text for sign in "*?[")


def _words_of(node: Node) -> list[Word | None]:
    """What an argument stands for: braces, as in ``a.{py,txt}``, make several words of it."""
    if node.type != "concatenation" or not any(_text(one) == "{" for one in node.named_children):
        return [word_of(node)]
    made = _made_by_braces(node.named_children)
    return [None] if made is None else [(one, False) for one in made if one]


def _made_by_braces(parts: list[Node]) -> list[str] | None:
    """The words of a concatenation; None if nobody can tell, or if they are too many.

    The grammar gives each brace that is not quoted as a word of its own.
    """
    frames: list[tuple[list[str], list[str]]] = [([], [""])]  # alternatives, and the last one
    for part in parts:
        text = _text(part)
        if text == "{":
            frames.append(([], [""]))
            continue
        if text == "}" and len(frames) > 1:
            ended, last = frames.pop()
            pieces = [*ended, *last] if ended else [f"{{{one}}}" for one in last]
            alternatives = [pieces]
        else:
            literal = _literal(part)
            if literal is None:
                return None
            is_divided = part.type == "word" and len(frames) > 1 and "\\" not in text
            alternatives = [[one] for one in literal.split(",")] if is_divided else [[literal]]
        done, last = frames[-1]
        for number, pieces in enumerate(alternatives):
            if number:
                done += last
                last = [""]
            last = [before + piece for before in last for piece in pieces]
        frames[-1] = (done, last)
        if len(last) + len(done) > _MOST_WORDS:
            return None
    return frames[0][1] if len(frames) == 1 else None


def heredoc(node: Node) -> str:
    """The here-document of a command, which the grammar hangs next to it."""
    parent = node.parent
    while parent is not None and parent.type in ("pipeline", "list"):
        parent = parent.parent
    for child in parent.children if parent is not None else ():
        if child.type == "heredoc_redirect":
            return "".join(_text(one) for one in child.children if one.type == "heredoc_body")
    return ""


def standard_input(node: Node) -> Word | None:
    """The file that a command reads as its standard input; None if the line names none."""
    near = [*node.children, *(node.parent.children if node.parent is not None else ())]
    for child in near:
        if child.type == "file_redirect" and any(one.type == "<" for one in child.children):
            return target_of(child)
    return None


def _redirects(node: Node) -> list[Node]:
    """The redirections of a statement, also behind the start of a here-document."""
    found = []
    for child in node.children:
        if child.type == "file_redirect":
            found.append(child)
        elif child.type == "heredoc_redirect":
            found += _redirects(child)
    return found


def _destinations(redirect: Node) -> list[Node]:
    return [one for one in redirect.named_children if one.type != "file_descriptor"]


def _literal(node: Node) -> str | None:
    text = _text(node)
    if node.type == "raw_string":
        return text[1:-1]
    if node.type == "ansi_c_string":
        return _decoded(text[2:-1])
    if node.type in ("word", "number"):
        return _unescaped(text)
    if node.type in ("string", "concatenation"):
        parts = [_literal(one) for one in node.named_children]
        return None if None in parts else "".join(one for one in parts if one is not None)
    return text if node.type == "string_content" else None


def _decoded(text: str) -> str | None:
    """What stands in ``$'…'``; None if it has more than plain letters and their escapes."""
    first, *pieces = text.replace("\\\\", "\\x5c").split("\\")
    out = [first]
    for piece in pieces:
        sign = piece[:1]
        if sign in _ESCAPES:
            out.append(_ESCAPES[sign] + piece[1:])
            continue
        allowed, most = _NUMBERS.get(sign, _OCTAL)
        rest = piece[1:] if sign in _NUMBERS else piece
        digits = rest[:most]
        digits = digits[: len(digits) - len(digits.lstrip(allowed))]
        code = int(digits, 8 if allowed == _OCTAL[0] else 16) if digits else 0
        if not code or (code > 127 and sign != "u"):  # a byte that is part of a letter
            return None
        out.append(chr(code) + rest[len(digits) :])
    return "".join(out)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    out, escaped = [], False
    for letter in text:
        if letter == "\\" and not escaped:
            escaped = True
            continue
        out.append(letter)
        escaped = False
    return "".join(out)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
