"""What the programs of a shell command write, move or remove, read from their arguments."""

from __future__ import annotations

import os

from agentlock.edit_hooks.patch import paths_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_TARGET = "--target-directory="


def plain(words: Sequence[str]) -> list[str]:
    """The words that are no options; all of them after ``--``."""
    if "--" in words:
        at = list(words).index("--")
        return [*plain(words[:at]), *words[at + 1 :]]
    return [one for one in words if not one.startswith("-")]


def has(flags: Iterable[str], letter: str, name: str) -> bool:
    """Whether an option is among the flags, also as one letter of several."""
    return any(one == name or (one[1:2] != "-" and letter in one) for one in flags)


def _all(words: list[str], _cwd: str) -> list[str]:
    return plain(words)


def _without_values(words: list[str], _cwd: str) -> list[str]:
    """truncate, touch: the files, without the values of -s, -d, -r and -t."""
    valued = ("-s", "-d", "-r", "-t", "--size", "--date", "--reference")
    pairs = zip(["", *words], words, strict=False)
    return plain([word for before, word in pairs if before not in valued])


def _last(words: list[str], cwd: str) -> list[str]:
    """cp, install, ln: the target, or what comes into it if it is a folder."""
    sources, target = _sources_and_target(words)
    if target and os.path.isdir(os.path.join(cwd, target)):
        return [os.path.join(target, os.path.basename(one.rstrip("/"))) for one in sources]
    return [target] if target else []


def _moved(words: list[str], cwd: str) -> list[str]:
    return [*_sources_and_target(words)[0], *_last(words, cwd)]


def _sources_and_target(words: list[str]) -> tuple[list[str], str]:
    if "-t" in words[:-1]:
        at = words.index("-t")
        return plain([*words[:at], *words[at + 2 :]]), words[at + 1]
    named = [one for one in words if one.startswith(_TARGET)]
    if named:
        return plain(words), named[-1].removeprefix(_TARGET)
    named = plain(words)
    return named[:-1], named[-1] if len(named) > 1 else ""


def _by_sed(words: list[str], _cwd: str) -> list[str]:
    return _in_place(words, script="ef", ends="efi")


def _by_perl(words: list[str], _cwd: str) -> list[str]:
    return _in_place(words, script="eE", ends="eEiMmIF")


def _in_place(words: list[str], *, script: str, ends: str) -> list[str]:
    """In place, as ``sed -i`` and ``perl -i`` do: every file after the script.

    ``script`` are the letters of options that give one; after one of ``ends`` the rest of the word
    is its value.
    """
    files: list[str] = []
    in_place = has_script = skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("--"):
            in_place = in_place or word.startswith("--in-place")
            has_script = has_script or word.startswith(("--expression", "--file"))
            skip = word in ("--expression", "--file")
        elif word.startswith("-") and len(word) > 1:
            at = next((at for at, one in enumerate(word) if one in ends), len(word))
            last = word[at : at + 1]
            in_place = in_place or last == "i"
            has_script = has_script or (bool(last) and last in script)
            skip = bool(last) and last in script and at == len(word) - 1
        else:
            files.append(word)
    if not in_place:
        return []
    return files if has_script else files[1:]


def _made_of(words: list[str], _cwd: str) -> list[str]:
    return [word[3:] for word in words if word.startswith("of=")]


def _by_patch(words: list[str], cwd: str) -> list[str]:
    """patch: the file that it names, or what the patch file names."""
    files = [words[at + 1] for at, one in enumerate(words[:-1]) if one in ("-i", "--input")]
    named = [one for one in plain(words) if one not in files]
    return [*named[:1], *patched([*files, *named[1:2]], cwd)]


def patched(files: Sequence[str], cwd: str) -> list[str]:
    """The paths in patch files that can be read."""
    found: list[str] = []
    for name in files:
        path = os.path.join(cwd, name)
        if os.path.isfile(path) and os.access(path, os.R_OK):
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                found += paths_in(file.read())
    return found


WRITERS: dict[str, Callable[[list[str], str], list[str]]] = {
    **dict.fromkeys(("tee", "rm", "rmdir", "unlink"), _all),
    **dict.fromkeys(("truncate", "touch"), _without_values),
    **dict.fromkeys(("cp", "install", "ln"), _last),
    **dict.fromkeys(("sed", "gsed"), _by_sed),
    "perl": _by_perl,
    "mv": _moved,
    "dd": _made_of,
    "patch": _by_patch,
}
