"""The keys that paths and patterns are found by, whatever way a repository compares names.

They have a module of their own, without the patterns, because most commits come near no
reservation, and then the guard needs no pattern at all.
"""

from __future__ import annotations

from agentlock.model import Keys, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal


class Folding(Value):
    """How this repository compares names: ``core.ignorecase`` and ``core.precomposeunicode``.

    git folds the case of ASCII letters only, but the file systems for which it sets
    core.ignorecase fold all letters. ``beyond_ascii`` does so too, to be on the safe side.
    """

    ignore_case: bool = False
    compose_unicode: bool = False
    beyond_ascii: bool = False

    def compose(self, path: bytes) -> bytes:
        """Each name in its composed form (NFC); a name that is not UTF-8 stays as it is."""
        if not self.compose_unicode or path.isascii():
            return path
        return _normalized("NFC", path)

    def apply(self, path: bytes) -> bytes:
        """The form in which all names of one file are equal."""
        path = self.written(path)
        return path.lower() if self.ignore_case else path

    def written(self, text: bytes) -> bytes:
        """The same but for the case of ASCII letters, which a `[A-Z]` of a glob may list."""
        text = self.compose(text)
        if self.has_own_keys(text):
            return text
        return self.compose(_each_name(_fold, text))

    def has_own_keys(self, text: bytes) -> bool:
        """Whether all that ``apply`` holds equal to ``text`` has the same ``fold_key``."""
        return not (self.ignore_case and self.beyond_ascii) or text.isascii()


EXACT = Folding()
MANY = 1_000  # paths


def _fold(name: str) -> str:
    return "".join([letter if letter.isascii() else letter.casefold() for letter in name])


def _normalized(form: Literal["NFC", "NFD"], path: bytes) -> bytes:
    import unicodedata  # rarely needed

    return _each_name(lambda name: unicodedata.normalize(form, name), path)


def _each_name(change: Callable[[str], str], path: bytes) -> bytes:
    """The path with each name changed that is UTF-8."""

    def changed(name: bytes) -> bytes:
        try:
            return change(name.decode()).encode()
        except UnicodeDecodeError:
            return name

    return b"/".join(map(changed, path.split(b"/")))


def fold_key(path: bytes) -> bytes:
    """A form in which all names are equal that any folding holds equal, so one index serves all.

    It is the lower case of the *decomposed* form: ``E`` + accent and ``e`` + accent differ in ASCII
    case only, while their composed forms differ in a way that ASCII folding does not see.
    """
    return (path if path.isascii() else _normalized("NFD", path)).lower()


def path_keys(path: bytes) -> tuple[list[bytes], tuple[bytes, ...]]:
    """Every ``Keys.prefix`` and every ``Keys.name`` of patterns that hold a path.

    Those are the patterns that match it, and the plain paths that name a folder above it.
    """
    key = fold_key(path)
    extension = extension_key(path[path.rfind(b"/") + 1 :])
    prefixes = [key]
    while key:
        key = key[: max(key.rfind(b"/"), 0)]
        prefixes.append(key)
    last = [prefix[prefix.rfind(b"/") + 1 :] for prefix in prefixes[:-1]]
    return prefixes, (*last, b"*" + extension, b"*")


def literal(path: bytes) -> tuple[bytes, Keys]:
    """The canonical text of the pattern that matches this path alone, and its keys."""
    text = path
    if any(byte in b"\\*?[{" for byte in path):
        from agentlock.patterns.wildmatch import escape  # few paths need it

        text = escape(path)
    name = path[path.rfind(b"/") + 1 :]
    return b"/" + text, Keys(fold_key(path), fold_key(name), extension_key(name))


def keys_of(paths: Sequence[bytes]) -> tuple[set[bytes], set[bytes]]:
    """``path_keys`` of all these paths together; what they share is computed once.

    For more than MANY paths there are no names, which means any name: they are too many to ask
    for, and to find that out would take as long as everything else.
    """
    prefixes = {b""}
    names = {b"*"}
    joined = b"\0".join(paths)  # no path contains a NUL
    if not joined.isascii():
        for path in paths:
            its_prefixes, its_names = path_keys(path)
            prefixes.update(its_prefixes)
            names.update(its_names)
        return prefixes, (names if len(paths) <= MANY else set())
    keys = joined.lower().split(b"\0") if paths else []
    above = keys
    while above := list({key[: max(key.rfind(b"/"), 0)] for key in above} - prefixes):
        prefixes.update(above)
    prefixes.update(keys)
    if len(paths) > MANY:
        return prefixes, set()
    names.update([key[key.rfind(b"/") + 1 :] for key in prefixes if key])
    last = {key[key.rfind(b"/") + 1 :] for key in keys}
    names.update([b"*" + name[name.rfind(b".") :] for name in last if b"." in name])
    return prefixes, names


def extension_key(name: bytes) -> bytes:
    """The key of the last dot and what follows it, made from those bytes alone.

    A glob may fix no more of a name, so bytes before the dot that are not UTF-8 must not matter.
    """
    dot = name.rfind(b".")
    return fold_key(name[dot:]) if dot >= 0 else b""
