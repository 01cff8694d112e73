"""The `git commit` that a hook runs in, as it was typed, and what of it can be typed again.

Only Linux tells the words of a command as they are (/proc); elsewhere nothing is known of it.
"""

from __future__ import annotations

import os

from agentlock.environment import PRE_COMMIT_HOME, XDG_CACHE_HOME
from agentlock.model import Value
from agentlock.processes import ancestors, words_of
from agentlock.text import shell_message, shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_ANCESTORS = 16  # a hook manager, its shells and interpreters stand between git and our hook
_LONGEST_MESSAGE = 2000

# Options of git itself: where the command works, what changes nothing, and settings of its -c.
_PLACES = (b"-C", b"--git-dir", b"--work-tree")
_HARMLESS = (b"--no-pager", b"-P", b"--paginate", b"-p", b"--no-optional-locks")
_SECTIONS = (b"user.", b"author.", b"committer.", b"commit.")

# Options of `git commit`. With one that is not listed the command cannot be typed again for some of
# the paths: it opens an editor, chooses hunks, changes HEAD's commit, or is newer than this list.
_MESSAGE = (b"-m", b"--message")
_FILE = (b"-F", b"--file")
_WITH_VALUE = (b"--author", b"--date", b"--trailer", b"--cleanup")
_REPEATED = (b"-s", b"--signoff", b"--no-signoff", b"--no-gpg-sign", b"--allow-empty-message")
_SIGNING = (b"-S", b"--gpg-sign")
_LEFT_OUT = (
    *(b"-a", b"--all", b"-i", b"--include", b"-o", b"--only", b"-q", b"--quiet", b"--allow-empty"),
    *(b"-v", b"--verbose", b"--no-verbose", b"--no-edit", b"--status", b"--no-status"),
    *(b"-u", b"--untracked-files", b"--pathspec-from-file", b"--pathspec-file-nul"),
)


class Typed(Value):
    """A `git commit` as words for a shell, each part with a space before it or empty.

    ``place`` are options of git that say where it works, ``settings`` others of them. ``commit`` is
    the message and what belongs to it; None if there is no message on the command line, or
    something that cannot be asked of only some of the paths.
    """

    place: str
    settings: str
    commit: str | None


def typed() -> Typed | None:
    """The `git commit` that made git run this hook; None if it is not known, or another command."""
    for _, words in _ancestors():
        if os.path.basename(words[0]) == b"git":
            return parse(words)
    return None


def put_aside_by_framework() -> bool:
    """Whether the pre-commit framework hides now what is not staged, or may do so.

    It keeps that in a file whose name ends with its process id (pre_commit/staged_files_only.py).
    """
    framework = [
        process
        for process, words in _ancestors()
        if b"hook-impl" in words and words[1].endswith((b"pre_commit", b"pre-commit"))
    ]
    cache = os.environ.get(XDG_CACHE_HOME) or os.path.expanduser("~/.cache")
    home = os.environ.get(PRE_COMMIT_HOME) or os.path.join(cache, "pre-commit")
    try:
        patches = [name for name in os.listdir(home) if name.startswith("patch")]
    except OSError:
        return True
    return not framework or any(name.rpartition("-")[2] in framework for name in patches)


def _ancestors() -> Iterator[tuple[str, list[bytes]]]:
    """The process id and the words of this process's parent, of its parent, and so on."""
    for number, _, _ in ancestors(_MOST_ANCESTORS):
        try:
            words = words_of(number)
        except OSError:
            return
        if words:
            yield str(number), words


def parse(words: Sequence[bytes]) -> Typed | None:
    """``git OPTION… commit OPTION… PATH…``; None for any other command."""
    place = settings = ""
    known = True
    rest = iter(words[1:])
    for word in rest:
        option, equals, value = word.partition(b"=")
        if option in (*_PLACES, b"-c") and not equals:
            value = next(rest, b"")
        if word == b"commit":
            commit = _commit(rest) if known else None
            return Typed(place, settings, commit)
        if word[:1] != b"-":
            return None
        if option in _PLACES:
            join = "=" if equals else " "
            place += f" {option.decode()}{join}{shell_word(value)}"
        elif option == b"-c" and value.lower().startswith(_SECTIONS):
            settings += f" -c {shell_word(value)}"
        elif option not in _HARMLESS:
            known = False
    return None


def _commit(words: Iterator[bytes]) -> str | None:
    options = list(_options(words))
    if not any(option in (*_MESSAGE, *_FILE) for option, _ in options):
        return None
    again: list[str] = []
    for option, value in options:
        word = _again(option, value)
        if word is None:
            return None
        again.append(word)
    again.sort(key=lambda word: not word.startswith(("-m ", "-F ")))  # the message first
    return "".join(f" {word}" for word in again if word)


def _options(words: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each option of `git commit` with its value, and none of the paths."""
    for word in words:
        if word == b"--":
            return
        if word[:2] == b"--":
            option, equals, value = word.partition(b"=")
            if option in (b"--message", b"--file", b"--pathspec-from-file", *_WITH_VALUE):
                value = value if equals else next(words, b"")
            yield option, value
            continue
        letters = word[1:] if word[:1] == b"-" else b""
        while letters:
            option, letters = b"-" + letters[:1], letters[1:]
            value = b""
            if option in (b"-m", b"-F"):
                value, letters = letters or next(words, b""), b""
            elif option in (b"-S", b"-u"):  # their value, if there is one, is attached
                value, letters = letters, b""
            yield option, value


def _again(option: bytes, value: bytes) -> str | None:
    """An option as it can be typed again: "" if it is left out, None if it cannot be."""
    name, text = os.fsdecode(option), os.fsdecode(value)
    again = None
    if option in _LEFT_OUT:
        again = ""
    elif option in _MESSAGE:
        again = f"-m {shell_message(text)}" if 0 < len(text) <= _LONGEST_MESSAGE else None
    elif not text.isprintable():
        again = None
    elif option in _FILE:
        is_pipe = text.startswith(("-", "/dev/", "/proc/"))  # which has been read
        again = None if is_pipe else f"-F {shell_word(text)}"
    elif option in _REPEATED:
        again = name
    elif option in _SIGNING:
        again = shell_word(f"{name}={text}" if text and name != "-S" else name + text)
    elif option in _WITH_VALUE:
        again = f"{name}={shell_word(text)}"
    return again
