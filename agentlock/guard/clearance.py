"""The index that a hook has judged, so that the next hook of the same commit need not judge it.

git writes an index beside the old one and renames it into place (lockfile.h): the same file is the
same index. So a hard link keeps it, under the name of the git command's process, and the shells of
hooks/ compare the two files (``-ef``) without starting anything. The link is made before git is
asked what is staged, and gets its name once that was judged: what is staged in between is another
file. A word beside it says which hook of that process may pass, once: each writes the next one, or
nothing, over it.

The name of a process holds more than its number, because another container, or a later process, has
the same one (hooks/process.sh). What a commit that was stopped leaves behind serves nobody.
"""

from __future__ import annotations

import os
import stat

from agentlock.environment import GIT_DIR, GIT_INDEX_FILE
from agentlock.processes import name_of_git

_JUDGED = b"agentlock-judged-"
_CLEARED = b"agentlock-cleared-"
_WORD = b"agentlock-cleared"


class Judged:
    """The index of the hook that runs now, in the current directory, for a git process."""

    __slots__ = ("_folder", "_next", "_process")

    def __init__(self, later: str, process: str) -> None:
        """Keep a link to the index, and remove the links of other commits.

        ``later`` is the hook that need not judge it again, ``process`` the id of git's. If no link
        can be made, or it is not sure which process that is, nothing is kept.
        """
        self._process = os.fsencode(name_of_git(process))
        self._next = os.fsencode(later)
        git_dir = os.fsencode(os.environ.get(GIT_DIR) or ".git")
        index = os.fsencode(os.environ.get(GIT_INDEX_FILE) or git_dir + b"/index")
        self._folder = git_dir if self._process else None
        try:
            forget(git_dir)
            if self._folder is None:
                return
            os.link(index, self._path(_JUDGED))
            if not stat.S_ISREG(os.lstat(self._path(_JUDGED)).st_mode):  # whatever it leads to
                self._folder = None
        except OSError:
            self._folder = None

    def cleared(self) -> None:
        """Record that this index may be committed."""
        if self._folder is None:
            return
        try:
            os.rename(self._path(_JUDGED), self._path(_CLEARED))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            word = os.open(os.path.join(self._folder, _WORD), flags, 0o600)
            os.write(word, b"%b %b\n" % (self._process, self._next))
            os.close(word)
        except OSError:  # then it is judged once more
            pass

    def _path(self, name: bytes) -> bytes:
        return os.path.join(self._folder or b"", name + self._process)


def forget(git_dir: bytes) -> None:
    """Remove the links and words of this module from the git folder of a worktree."""
    for name in os.listdir(git_dir):
        if name == _WORD or name.startswith((_JUDGED, _CLEARED)):
            os.unlink(os.path.join(git_dir, name))
