"""How Agent Mail's patterns are read: as its own agents mean them, and never less.

Its Python version reads a pattern as a line of a .gitignore: one without a slash counts in every
folder, and what matches a folder holds all that is below it. Its Rust version reads it from the
root, and expands braces. Neither finds a folder that is called ``[slug]``, or an absolute path,
though the agent that typed it meant just that; here they count.

One pattern may mean several of ours, of which a path need match only one.
"""

from __future__ import annotations

from agentlock.errors import PatternError
from agentlock.patterns.pattern import TOOL, compile_pattern, tool
from agentlock.patterns.plain import has_wildcard
from agentlock.patterns.wildmatch import escape, has_special, parse, render

_VIRTUAL = (b"resource://", b"service://")  # things that are no files, and have no name with us
_MOST = 100  # patterns that the braces of one text may mean
_UNTRACKED = b".git"


def readings(raw: bytes, workspace: bytes, *, as_gitignore: bool) -> list[bytes]:
    """The canonical patterns that a pattern of Agent Mail means; [] if it can match no file.

    ``workspace`` is the root of the worktree, ``as_gitignore`` is for its Python version.
    """
    text = raw.strip()
    if text.startswith(_VIRTUAL):
        return []
    if text.startswith(TOOL):
        return _tool(text)
    text = text.replace(b"\\", b"/")
    if not text:
        return []
    inside = _relative(text, workspace)
    floats = as_gitignore and inside is None and b"/" not in text.rstrip(b"/")
    is_folder = text.endswith(b"/")
    names = _names(text if inside is None else inside)
    if any(name.lower() == _UNTRACKED for name in names):
        return []
    plain = b"/".join(names)
    if not has_special(plain, b"*?[{"):
        return _plain(escape(plain), floats=floats)
    found: dict[bytes, None] = {}
    for glob in _variants(plain):
        if not has_wildcard(glob):
            forms = _plain(glob, floats=floats)
        else:
            forms = _glob(glob, floats=floats, below=as_gitignore, is_folder=is_folder)
        for form in forms:
            found |= dict.fromkeys(_canonical(form))
    return list(found)


def _variants(text: bytes) -> list[bytes]:
    """The globs that a text may mean.

    Its braces are alternatives, or part of a name. So are its brackets: frameworks call folders
    ``[slug]``.
    """
    found = [_with_brackets_closed(one) for one in _expanded(text)]
    if has_special(text, b"[{"):
        found.append(text.replace(b"[", b"\\["))
    return [each for one in found for each in _without_inner_globstars(one)]


def _tool(text: bytes) -> list[bytes]:
    try:
        return [tool(text) or text]
    except PatternError:  # no agent of ours can reserve a tool of that name
        return []


def _relative(text: bytes, workspace: bytes) -> bytes | None:
    """The rest of an absolute path in the worktree; None for any other text."""
    root = workspace.rstrip(b"/")
    if text.rstrip(b"/") == root:
        return b"/"
    return text[len(root) :] if text.startswith(root + b"/") else None


def _names(text: bytes) -> list[bytes]:
    """The names between the slashes, without ``.``, and with ``..`` resolved."""
    names: list[bytes] = []
    for name in text.split(b"/"):
        if name == b"..":
            del names[-1:]
        elif name not in (b"", b"."):
            names.append(name)
    return names


def _plain(literal: bytes, *, floats: bool) -> list[bytes]:
    """An escaped path: the entry, and all that is below it if it is a folder."""
    if not literal:
        return [b"/"]
    if floats:
        return [b"**/" + literal, b"**/" + literal + b"/**"]
    return [b"/" + literal + b"/"]


def _glob(text: bytes, *, floats: bool, below: bool, is_folder: bool) -> list[bytes]:
    """A glob, and with ``below`` all that lies in the folders that match it."""
    if _is_everything(text.split(b"/"), below=below) and not is_folder:
        return [b"/"]
    whole = b"**/" + text if floats else text
    canonical = whole if whole.startswith(b"**/") else b"/" + whole
    if canonical.endswith(b"/**"):
        return [canonical]
    forms = [] if is_folder else [canonical]
    return [*forms, canonical + b"/**"] if below or is_folder else forms


def _is_everything(names: list[bytes], *, below: bool) -> bool:
    """Whether a glob of these names covers every file; ``*`` does, with what is below."""
    is_wild = all(name in (b"*", b"**") for name in names)
    return is_wild and names.count(b"*") <= 1 and (below or b"**" in names)


def _canonical(text: bytes) -> list[bytes]:
    """The text, if it is one of our patterns, else all of the folder that it is certainly in."""
    try:
        segments, below = parse(text.removeprefix(b"/"), text)
        canonical = render(segments, below=below) if segments else text
        compile_pattern(canonical)
    except PatternError:
        certain: list[bytes] = []
        for name in _names(text):
            if has_special(name):
                break
            certain.append(name)
        return _plain(escape(b"/".join(certain)), floats=False)
    return [canonical]


def _with_brackets_closed(text: bytes) -> bytes:
    """The text with each ``[`` escaped that no ``]`` follows in its name."""
    names = []
    for name in text.split(b"/"):
        opened = name.find(b"[")
        while opened >= 0 and name.find(b"]", opened + 2) >= 0:
            opened = name.find(b"[", name.find(b"]", opened + 2))
        names.append(name if opened < 0 else name[:opened] + b"\\[" + escape(name[opened + 1 :]))
    return b"/".join(names)


def _without_inner_globstars(text: bytes) -> list[bytes]:
    """``src/**.py`` means all below ``src`` that ends so, and git would read it as ``src/*.py``."""
    names = text.split(b"/")
    found = [names]
    for at, name in enumerate(names):
        if b"**" in name and name.strip(b"*"):
            first, last = name.partition(b"**")[0], name.rpartition(b"**")[2]
            joined = first + b"*" + last
            across = [first + b"*", b"**", b"*" + last]
            found = [
                [*one[: len(one) - len(names) + at], *new, *names[at + 1 :]]
                for one in found
                for new in ([joined], across)
            ]
    return [b"/".join(one) for one in found]


def _expanded(text: bytes) -> list[bytes]:
    """The texts that ``{a,b}`` stands for, and the text itself where there is no such thing."""
    found, open_ones = [], [text]
    while open_ones:
        one = open_ones.pop()
        span = _inner_braces(one)
        if span is None:
            found.append(one)
            continue
        start, end = span
        choices = one[start + 1 : end].split(b",")
        open_ones += [one[:start] + choice + one[end + 1 :] for choice in choices]
        if len(found) + len(open_ones) > _MOST:
            return [text.partition(b"{")[0] + b"**"]
    return [one for one in found if one]


def _inner_braces(text: bytes) -> tuple[int, int] | None:
    """Where the first pair of braces stands that holds a comma and no other brace."""
    start = -1
    for at, byte in enumerate(text):
        if byte == ord("{"):
            start = at
        elif byte == ord("}") and start >= 0:
            if b"," in text[start:at]:
                return start, at
            start = -1
    return None
