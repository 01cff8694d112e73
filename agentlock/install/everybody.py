"""What everybody who can commit must be able to use, whatever the umask and whoever installs it.

git leaves out a hook that it may not execute, with a hint at most. So our hooks lie in folders that
everybody can enter, and never below the private one of the table.
"""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = "agentlock-guard"
HOOKS, CONFIGURED = "hooks", "configured"
_ENTERED = 0o755
_GIVEN = ("config", "config.worktree", "agentlock.lock", "agentlock-made")  # and our two folders


def folder_of(common_dir: bytes, name: str) -> str:
    """The folder of ours for these scripts: HOOKS or CONFIGURED."""
    return os.path.join(os.fsdecode(common_dir), _FOLDER, name)


def make_folder(path: str) -> None:
    """Make a folder for hooks, or open one that is there; the folders that it makes as well."""
    missing = []
    above = path
    while not os.path.isdir(above):
        missing.append(above)
        above = os.path.dirname(above)
    os.makedirs(path, exist_ok=True)
    for folder in (path, *missing):
        mode = os.stat(folder).st_mode
        if mode & _ENTERED != _ENTERED:
            with suppress(PermissionError):  # another user's: `doctor` tells whom it keeps out
                os.chmod(folder, mode | _ENTERED)


def give_to_owner(common_dir: bytes) -> None:
    """If root did it, let what we made belong to whoever the repository belongs to.

    git's own hooks folder stays as it is: somebody may have closed it to the owner on purpose.
    """
    owner = os.stat(common_dir)
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in _ours(os.fsdecode(common_dir)):
        with suppress(FileNotFoundError):
            found = os.lstat(path)
            if found.st_uid == 0:
                # The group stays where core.sharedRepository has the folder hand it on.
                group = owner.st_gid if found.st_gid == 0 else -1
                os.chown(path, owner.st_uid, group, follow_symlinks=False)


def _ours(common_dir: str) -> Iterator[str]:
    yield from (os.path.join(common_dir, name) for name in _GIVEN)
    for name in ("agentlock", _FOLDER):
        top = os.path.join(common_dir, name)
        yield top
        for folder, folders, files in os.walk(top):
            yield from (os.path.join(folder, entry) for entry in (*folders, *files))


def copy_former(common_dir: bytes) -> None:
    """Bring along the scripts that an earlier version kept in the private folder of the table."""
    for former in _former(common_dir):
        folder = folder_of(common_dir, os.path.basename(former))
        if not os.path.lexists(folder):
            make_folder(os.path.dirname(folder))
            import shutil

            shutil.copytree(former, folder, symlinks=True)


def remove_former(common_dir: bytes) -> None:
    """Remove them there, once git runs the new ones; and our folder, if nothing is left in it."""
    for former in _former(common_dir):
        import shutil

        shutil.rmtree(former, ignore_errors=True)
    with suppress(OSError):
        os.rmdir(os.path.dirname(folder_of(common_dir, HOOKS)))


def _former(common_dir: bytes) -> list[str]:
    private = os.path.join(os.fsdecode(common_dir), "agentlock")
    names = os.listdir(private) if os.path.isdir(private) else []
    kept = [name for name in names if name in (HOOKS, CONFIGURED) or name.startswith(f"{HOOKS}.")]
    return [os.path.join(private, name) for name in kept]
