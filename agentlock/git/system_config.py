"""Which file holds git's settings for the whole machine. It is compiled into git.

So git is asked once, and the answer is kept in the repository's git folder together with what tells
this git from every other: the file of the program, and its times.
"""

from __future__ import annotations

import os
import stat

from agentlock.environment import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.process import Result

FILE = b"agentlock-git-"  # and the user's number: nobody's answer serves somebody else
_KEPT = 8  # gits; a repository may be mounted where another one is installed
_MOST = 1 << 16
_NOT_TOLD = b""
_SECONDS = 5.0
_OLDEST = (2, 32)  # it was the first to read the files that GIT_CONFIG_GLOBAL and _SYSTEM name
_OF_OTHERS = (b"global", b"local", b"worktree", b"command")


def known(git_dir: bytes) -> bytes | None:
    """The file, as the git on PATH has told before; "" if it did not, None if it was not asked."""
    path = program()
    if path is None:
        return _NOT_TOLD
    return dict(_kept(git_dir)).get(_identity(path))


def learn(git_dir: bytes) -> None:
    """Ask git, and keep the answer for ``known``; nothing is asked if it could not be kept."""
    from agentlock.errors import GitError
    from agentlock.files import replace_file

    path = program()
    if path is None or not os.access(git_dir, os.W_OK):
        return
    try:
        identity = _identity(path)
        others = [entry for entry in _kept(git_dir) if entry[0] != identity]
        entries = [*others[1 - _KEPT :], (identity, _told(path))]
        text = b"".join(b"%b\0%b\0" % entry for entry in entries)
        replace_file(_file(git_dir), text, mode=0o600)
    except (GitError, OSError):  # then git is asked for each setting, as where nothing is known
        pass


def forget(git_dir: bytes) -> None:
    """Remove what ``learn`` has kept there for any user."""
    for name in os.listdir(git_dir):
        if name.startswith(FILE):
            os.unlink(os.path.join(git_dir, name))


def program() -> bytes | None:
    """The git that a command would start; None if PATH leaves a doubt."""
    for folder in os.fsencode(os.environ.get(PATH, "")).split(b":"):
        if not folder.startswith(b"/"):  # another one in each folder
            return None
        path = folder + b"/git"
        if os.access(path, os.X_OK):
            return path if os.path.isfile(path) else None
        if os.path.lexists(path):
            return None
    return None


def _file(git_dir: bytes) -> bytes:
    return os.path.join(git_dir, b"%b%d" % (FILE, os.geteuid()))


def _identity(path: bytes) -> bytes:
    found = os.stat(path)
    numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return b"%d %d %d %d %d" % numbers


def _kept(git_dir: bytes) -> list[tuple[bytes, bytes]]:
    """The gits that are known, each with its answer; a torn file, or another user's, has none."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(_file(git_dir), flags)
    except OSError:
        return []
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return []
        fields = os.read(descriptor, _MOST).split(b"\0")
    finally:
        os.close(descriptor)
    if fields.pop() or len(fields) % 2:
        return []
    return list(zip(fields[::2], fields[1::2], strict=True))


def _told(path: bytes) -> bytes:
    """The file by git's own word; "" if it does not tell, or reads several of the kind.

    A script that starts some git tells nothing about the one that it will start next.
    """
    from agentlock.git.process import Running
    from agentlock.git.version import installed

    variables = {
        name: value
        for name, value in os.environb.items()
        if not name.startswith(b"GIT_CONFIG") and name != b"GIT_EXEC_PATH"
    }

    def asked(*arguments: str) -> Result:
        return Running(*arguments, environment=variables).result(_SECONDS)

    own = os.path.join(asked("--exec-path").stdout.rstrip(b"\n"), b"git")
    if not _is_same(path, own) or installed() < _OLDEST:
        return _NOT_TOLD
    file = asked("var", "GIT_CONFIG_SYSTEM").stdout.rstrip(b"\n")  # git 2.41
    if not file:
        of_system = asked("config", "-z", "--system", "--show-origin", "--list")
        origin = of_system.stdout.partition(b"\0")[0]
        file = origin.removeprefix(b"file:") or _missing(of_system.stderr)
    listed = asked("config", "-z", "--show-scope", "--show-origin", "--list").stdout.split(b"\0")
    origins = zip(listed[::3], listed[1::3], strict=False)
    read = {origin for scope, origin in origins if scope not in _OF_OTHERS}
    return file if os.path.isabs(file) and read <= {b"file:" + file} else _NOT_TOLD


def _is_same(path: bytes, own: bytes) -> bool:
    """Whether it is the program in git's own folder, or a copy of it as packages install one."""
    if os.stat(path).st_size != os.stat(own).st_size:
        return False
    with open(path, "rb") as one, open(own, "rb") as other:
        return one.read() == other.read()


def _missing(complaint: bytes) -> bytes:
    """The file that git complains about: before 2.41 it says nothing else of a missing one."""
    return complaint.partition(b"unable to read config file '")[2].rpartition(b"'")[0]
