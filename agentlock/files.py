"""Replace a file in one step: a reader finds the former content or the new one."""

from __future__ import annotations

import os

_PERMISSIONS = 0o7777


def replace_file(path: str | bytes, data: bytes, mode: int | None = None) -> None:
    """Write ``data`` next to ``path``, then rename it there. OSError: ``path`` is as it was.

    ``mode``: the permissions, whatever the umask; None: those of the file that is there, and for a
    new file what the umask leaves of 0o666. The folder must exist. No draft is left.
    """
    name = os.fsencode(path)
    draft = b"%b.agentlock-new-%d" % (name, os.getpid())
    if mode is None and os.path.exists(name):
        mode = os.stat(name).st_mode & _PERMISSIONS
    _remove(draft)  # of a process that had this id and was killed
    try:
        with open(draft, "xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
        os.replace(draft, name)
    except BaseException:
        _remove(draft)
        raise


def _remove(path: bytes) -> None:
    if os.path.lexists(path):
        os.unlink(path)
