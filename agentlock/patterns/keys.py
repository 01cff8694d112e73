"""The keys that paths and patterns are found by, whatever way a repository compares names.

They have a module of their own, without the patterns, because most commits come near no
reservation, and then the guard needs no pattern at all.
"""

from __future__ import annotations

from agentlock.model import Keys, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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

    def have_own_keys(self, texts: Sequence[bytes]) -> bool:
        """Whether that holds for all of these."""
        return not (self.ignore_case and self.beyond_ascii) or b"".join(texts).isascii()


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


class Prefixes:
    """Every ``Keys.prefix`` of patterns that hold one of many paths.

    As good as the set of them, and much sooner made: nothing is computed path by path. A prefix is
    looked for among the sorted keys of the paths.
    """

    def __init__(self, paths: Sequence[bytes]) -> None:
        """``paths`` are sorted."""
        from _bisect import bisect_left  # most commits change few paths

        self._place = bisect_left
        joined = b"\0".join(paths)  # no path contains a NUL
        if not joined.isascii():
            self._keys: Sequence[bytes] = sorted(map(fold_key, paths))
        elif (folded := joined.lower()) != joined:
            self._keys = sorted(folded.split(b"\0"))
        else:
            self._keys = paths

    def __len__(self) -> int:
        """How many paths there are."""
        return len(self._keys)

    def __contains__(self, prefix: object) -> bool:
        """Whether it is the key of a path, or of a folder above one."""
        if not prefix or not isinstance(prefix, bytes):
            return prefix == b""
        return self._has(prefix) or self._starts(prefix + b"/")

    def __iter__(self) -> Iterator[bytes]:
        prefixes: set[bytes] = {b""}
        above: Sequence[bytes] = self._keys
        while above := list({key[: max(key.rfind(b"/"), 0)] for key in above} - prefixes):
            prefixes.update(above)
        return iter(prefixes.union(self._keys))

    def reach(self, prefixes: Sequence[bytes]) -> list[bytes]:
        """Those of other prefixes, which are sorted, that are of these or lie below a path's key.

        Where no path lies in a folder, or in its place, all prefixes below it are passed over.
        """
        found = []
        at = 0
        while at < len(prefixes):
            prefix = prefixes[at]
            at += 1
            folders = list(above(prefix))
            if prefix in self or any(map(self._has, folders)):
                found.append(prefix)
            elif empty := [folder for folder in folders if folder not in self]:
                at = self._place(prefixes, empty[-1] + b"0", at)  # "0" follows "/"
        return found

    def _has(self, key: bytes) -> bool:
        at = self._place(self._keys, key)
        return at < len(self._keys) and self._keys[at] == key

    def _starts(self, start: bytes) -> bool:
        at = self._place(self._keys, start)
        return at < len(self._keys) and self._keys[at].startswith(start)


def above(key: bytes) -> Iterator[bytes]:
    """The keys of the folders above a key; b"" is the root's."""
    while key:
        key = key[: max(key.rfind(b"/"), 0)]
        yield key


def keys_of(paths: Sequence[bytes]) -> tuple[set[bytes] | Prefixes, set[bytes]]:
    """``path_keys`` of all these paths, which are sorted; what they share is computed once.

    For more than MANY paths there are no names, which means any name: they are too many to ask
    for, and to find that out would take as long as everything else.
    """
    if len(paths) > MANY:
        return Prefixes(paths), set()
    prefixes = {b""}
    names = {b"*"}
    joined = b"\0".join(paths)  # no path contains a NUL
    if not joined.isascii():
        for path in paths:
            its_prefixes, its_names = path_keys(path)
            prefixes.update(its_prefixes)
            names.update(its_names)
        return prefixes, names
    keys = joined.lower().split(b"\0") if paths else []
    folders = keys
    while folders := list({key[: max(key.rfind(b"/"), 0)] for key in folders} - prefixes):
        prefixes.update(folders)
    prefixes.update(keys)
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
