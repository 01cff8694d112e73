"""What git's configuration says of what agentlock reads: from git's files, or asked of git.

A git command costs a hook more than the whole verdict. So in the root of a worktree the files are
read, if it is certain which ones git reads there, and what it finds. All else is asked.
"""

from __future__ import annotations

import os
import stat

from agentlock.environment import (
    FINDING_THE_REPOSITORY,
    GIT_CONFIG_GLOBAL,
    GIT_CONFIG_NOSYSTEM,
    GIT_CONFIG_SYSTEM,
    GIT_DIR,
    HOME,
    XDG_CONFIG_HOME,
)
from agentlock.git.config_file import WITHOUT_VALUE, UnclearError, parse
from agentlock.git.folders import folders_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentlock.git.process import Result, Running

    Entry = tuple[bytes, bytes, bytes, bytes]
    """The scope, the file (``file:PATH``), the name and the value of a setting, as git says."""

_PATTERN = (
    r"^(agentlock\..*|core\.(bare|hookspath|ignorecase|precomposeunicode|sharedrepository|worktree)"
    r"|extensions\.worktreeconfig|remote\.(origin\.url|.*\.partialclonefilter))$"
)
PER_WORKTREE = b"extensions.worktreeconfig"
_NAMES = frozenset(
    (
        *(b"core.bare", b"core.hookspath", b"core.ignorecase", b"core.precomposeunicode"),
        *(b"core.sharedrepository", b"core.worktree", PER_WORKTREE, b"remote.origin.url"),
    )
)
_FILTER = b"remote..partialclonefilter"  # with the name of the remote between its two full stops
_VERSION = b"core.repositoryformatversion"
_EXTENSION = b"extensions."
_HARMLESS = frozenset(  # extensions that say nothing about the configuration
    _EXTENSION + name
    for name in (b"noop", b"objectformat", b"partialclone", b"preciousobjects", b"refstorage")
)
_TRUE, FALSE = (b"true", b"1"), (b"false", b"0")
_LEADING_ELSEWHERE = frozenset((*FINDING_THE_REPOSITORY, "GIT_IMPLICIT_WORK_TREE")) - {GIT_DIR}
_CHANGES = ("GIT_CONFIG", "GIT_TEST_")  # what git reads, and its switches for its own tests
_UNDERSTOOD = frozenset(  # the last one is kept from git, by process.py
    (GIT_CONFIG_NOSYSTEM, GIT_CONFIG_SYSTEM, GIT_CONFIG_GLOBAL, "GIT_CONFIG")
)
_NOTHING = b"/dev/null"
_LARGEST = 1 << 18  # bytes; git is faster then
SYSTEM, GLOBAL, LOCAL, WORKTREE = b"system", b"global", b"local", b"worktree"


class _UnknownGitError(UnclearError):
    """Nobody has asked this git yet which file is the machine's."""


class Settings:
    """The settings that count in the current directory, or in ``cwd``: read, or being asked for.

    ``directories`` are the root, git's folder and the common one, if looking is enough to tell.
    """

    def __init__(self, cwd: bytes | None = None) -> None:
        self.directories = None if cwd is not None else _directories_at_root()
        self._read: list[Entry] | None = None
        self._learns = False
        if self.directories is not None:
            try:
                self._read = _read(*self.directories)
            except _UnknownGitError:
                self._learns = True
            except UnclearError:
                pass
        self._asked: Running | None = None
        if self._read is None:
            options = ("--show-scope", "--show-origin", "--get-regexp", _PATTERN)
            from agentlock.git.process import Running

            self._asked = Running("config", "-z", *options, cwd=cwd)

    def entries(self) -> list[Entry]:
        """Every setting, in git's order; GitError if git cannot tell. To be called once."""
        if self._asked is None:
            return self._read or []
        answer = _answered(self._asked.result())
        if self._learns and self.directories is not None:
            from agentlock.git.system_config import learn

            learn(self.directories[2])
        return answer


def _directories_at_root() -> list[bytes] | None:
    """The root, git's folder and the common one, as real paths, where looking gives them.

    That is how git starts a hook: in the root of a worktree, with GIT_DIR if it is a linked one.
    With GIT_DIR, git takes the current directory for the root, whatever it has in it. It saves the
    hook a git command. What is tested is what git tests (setup.c, is_git_directory); everything
    else is git's to answer.
    """
    if not _LEADING_ELSEWHERE.isdisjoint(os.environ):
        return None
    try:
        root = os.getcwdb()
        folders = folders_of(root, _variable(GIT_DIR))
        if folders is None:
            return None
        git_dir, common_dir = folders
        if not {b"objects", b"refs"}.issubset(os.listdir(common_dir)):
            return None
        head = _text_of(os.path.join(git_dir, b"HEAD"))
    except (OSError, UnclearError):
        return None
    is_commit = len(head) in (41, 65) and not head.strip(b"0123456789abcdef\n")
    found = [root, git_dir, common_dir]
    return found if head.startswith(b"ref: refs/") or is_commit else None


def _read(root: bytes, git_dir: bytes, common_dir: bytes) -> list[Entry]:
    """What the files say that git would read here (git-config(1), FILES).

    UnclearError if that is not certain. A repository of another user is git's to judge
    (safe.directory), and so are a variable of git's configuration that is not known here, and an
    extension of the repository's format.
    """
    _require(_UNDERSTOOD.issuperset(name for name in os.environ if name.startswith(_CHANGES)))
    owners = {os.lstat(path).st_uid for path in {root, git_dir, common_dir}}
    _require(owners == {os.geteuid()})
    found: list[Entry] = []
    for scope, path in _elsewhere(common_dir):
        if path != _NOTHING:
            found += _entries_of(scope, path, path)
    entries = _entries_of(LOCAL, *_own(common_dir, root, b"config"), _is_of_format)
    _require(entries)
    per_worktree = False
    for entry in entries:
        name, value = entry[2:]
        if name == PER_WORKTREE:
            _require(value in _TRUE or value in FALSE)
            per_worktree = value in _TRUE
        if name == _VERSION:
            _require(value in (b"0", b"1"))
        elif name.startswith(_EXTENSION) and name != PER_WORKTREE:
            _require(name in _HARMLESS)
        else:
            found.append(entry)
    if per_worktree:
        found += _entries_of(WORKTREE, *_own(git_dir, root, b"config.worktree"))
    return found


def _own(folder: bytes, root: bytes, name: bytes) -> tuple[bytes, bytes]:
    """A file in git's folder, and what git calls it."""
    path = os.path.join(folder, name)
    is_found = GIT_DIR not in os.environ and folder == os.path.join(root, b".git")
    return path, b".git/" + name if is_found else path


def _elsewhere(git_dir: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The scope and the path of each file outside of the repository, in git's order."""
    without_system = _variable(GIT_CONFIG_NOSYSTEM) or b"0"
    _require(without_system in _TRUE or without_system in FALSE)
    system, personal = _variable(GIT_CONFIG_SYSTEM), _variable(GIT_CONFIG_GLOBAL)
    if without_system in FALSE or system or personal:
        from agentlock.git.system_config import known

        told = known(git_dir)
        if told is None:
            raise _UnknownGitError
        _require(told)
        if without_system in FALSE:
            yield SYSTEM, _absolute(told if system is None else system)
    if personal is not None:
        yield GLOBAL, _absolute(personal)
        return
    home = _absolute(_variable(HOME) or b"")
    folder = _variable(XDG_CONFIG_HOME) or home + b"/.config"
    yield GLOBAL, _absolute(folder) + b"/git/config"
    yield GLOBAL, home + b"/.gitconfig"


def _variable(name: str) -> bytes | None:
    value = os.environ.get(name)
    return None if value is None else os.fsencode(value)


def _entries_of(
    scope: bytes, path: bytes, shown: bytes, wanted: Callable[[bytes], bool] | None = None
) -> list[Entry]:
    found = parse(_text_of(path), wanted or _is_wanted)
    return [(scope, b"file:" + shown, name, value) for name, value in found]


def _text_of(path: bytes) -> bytes:
    """What a file has; nothing if it is missing, as for git."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise UnclearError from error
    try:
        found = os.fstat(descriptor)
        _require(stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST)
        text = os.read(descriptor, found.st_size + 1)
    except OSError as error:
        raise UnclearError from error
    finally:
        os.close(descriptor)
    _require(len(text) == found.st_size)
    return text


def _is_wanted(name: bytes) -> bool:
    """Whether it meets the pattern above. What does so only with letters beyond ASCII is git's."""
    if name in _NAMES:
        return True
    if name.startswith(b"remote."):
        found = name.endswith(b".partialclonefilter") and len(name) >= len(_FILTER)
    else:
        found = name.startswith(b"agentlock.")
    _require(not found or name.isascii())
    return found


def _is_of_format(name: bytes) -> bool:
    return name == _VERSION or name.startswith(_EXTENSION) or _is_wanted(name)


def _absolute(path: bytes) -> bytes:
    _require(path.startswith(b"/"))
    return path


def _require(is_certain: object) -> None:
    if not is_certain:
        raise UnclearError


def _answered(result: Result) -> list[Entry]:
    """What git has printed about each setting."""
    if result.code == 1 and not result.stdout:
        return []
    if result.code != 0:
        raise result.error()
    fields = result.stdout.split(b"\0")
    entries = []
    for scope, origin, item in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        name, separator, value = item.partition(b"\n")
        entries.append((scope, origin, name, value if separator else WITHOUT_VALUE))
    return entries
