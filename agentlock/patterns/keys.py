"""What a path or a pattern is found by, however a repository compares names.

Apart from the patterns themselves, because most commits come near no reservation: then the guard
needs this and no pattern at all.
"""

from __future__ import annotations

from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal


class Folding(Value):
    """How this repository compares names: ``core.ignorecase`` and ``core.precomposeunicode``."""

    ignore_case: bool = False
    compose_unicode: bool = False

    def compose(self, path: bytes) -> bytes:
        """Each name in its composed form (NFC); a name that is not UTF-8 stays as it is."""
        if not self.compose_unicode or path.isascii():
            return path
        return _normalized("NFC", path)

    def apply(self, path: bytes) -> bytes:
        """The form in which two names of the same file are equal. Case is ASCII's, as in git."""
        path = self.compose(path)
        return path.lower() if self.ignore_case else path


EXACT = Folding()
MANY = 1_000  # paths


def _normalized(form: Literal["NFC", "NFD"], path: bytes) -> bytes:
    import unicodedata  # seldom needed

    def normalized(name: bytes) -> bytes:
        try:
            return unicodedata.normalize(form, name.decode()).encode()
        except UnicodeDecodeError:
            return name

    return b"/".join(map(normalized, path.split(b"/")))


def fold_key(path: bytes) -> bytes:
    """A form that is equal for all names that any folding holds equal: an index over it serves all.

    Lower case of the *decomposed* form: ``E`` + accent and ``e`` + accent differ by ASCII case,
    while their composed forms differ in a way that no ASCII folding sees.
    """
    return (path if path.isascii() else _normalized("NFD", path)).lower()


def path_keys(path: bytes) -> tuple[list[bytes], tuple[bytes, bytes, bytes]]:
    """The ``Keys.prefix``es and the ``Keys.name``s of all patterns that can match a path."""
    key = fold_key(path)
    name = key[key.rfind(b"/") + 1 :]
    extension = extension_key(path[path.rfind(b"/") + 1 :])
    prefixes = [key]
    while key:
        key = key[: max(key.rfind(b"/"), 0)]
        prefixes.append(key)
    return prefixes, (name, b"*" + extension, b"*")


def keys_of(paths: Sequence[bytes]) -> tuple[set[bytes], set[bytes]]:
    """``path_keys`` of all these paths together: what they share is made once.

    Of more than MANY paths there are no names, which means any: it would take as long to find out
    that they are too many to ask for as everything else.
    """
    prefixes = {b""}
    names = {b"*"}
    joined = b"\0".join(paths)  # no path holds a NUL
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
    last = {key[key.rfind(b"/") + 1 :] for key in keys}
    names.update(last)
    names.update([b"*" + name[name.rfind(b".") :] for name in last if b"." in name])
    return prefixes, names


def extension_key(name: bytes) -> bytes:
    """The key of what follows the last dot, made from those bytes alone.

    A glob knows no more of a name: bytes before the dot that are not UTF-8 must not matter.
    """
    dot = name.rfind(b".")
    return fold_key(name[dot:]) if dot >= 0 else b""
