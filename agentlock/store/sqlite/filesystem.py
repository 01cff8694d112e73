"""Where a database file may lie, and who may read it."""

from __future__ import annotations

import os

from agentlock.model import Value
from agentlock.table_errors import UnsafeFilesystemError

# SQLite's write-ahead log needs memory that all its processes share (sqlite.org/wal.html). On these
# file systems two machines, or a machine and its virtual machine, could both grant.
_UNSAFE = frozenset(
    (
        *("9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "drvfs"),
        *("fakeowner", "fhgfs", "gfs", "gfs2", "glusterfs", "gpfs", "grpcfuse", "hostfs", "kafs"),
        *("lustre", "mmfs", "ncp", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "osxfs"),
        *("osxfuse", "macfuse", "panfs", "pfs", "prl_fs", "pvfs2", "smb", "smb2", "smb3", "smbfs"),
        *("sshfs", "vboxsf", "virtiofs", "vmhgfs", "vmblock", "webdav", "wekafs"),
    )
)
# What a program answers for (FUSE) may be on another machine, and need not keep one copy of a page
# for all processes. These are on this machine and do.
_FUSE = "fuse"
_SAFE_FUSE = frozenset(("fuseblk", "fuse.fuse-overlayfs"))
_MOUNTS = "/proc/self/mountinfo"


class Modes(Value):
    """Permissions of the database and its folder: private, or as core.sharedRepository asks."""

    file: int = 0o600
    folder: int = 0o700

    def make_folder(self, path: str) -> None:
        if not os.path.isdir(path):
            os.makedirs(path, mode=self.folder, exist_ok=True)
            os.chmod(path, self.folder)

    def make_file(self, path: str) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        os.chmod(path, self.file)


def modes_for(shared_repository: str | None) -> Modes:
    """The permissions for a value of core.sharedRepository, see git-config(1)."""
    value = (shared_repository or "").strip("\0").lower()
    if shared_repository == "\0" or value in ("group", "true", "yes", "on", "1"):
        return Modes(0o660, 0o2770)
    if value in ("all", "world", "everybody", "2"):
        return Modes(0o664, 0o2775)
    if value.startswith("0") and len(value) > 1 and all(digit in "01234567" for digit in value):
        file = (int(value, 8) & 0o666) | 0o600
        return Modes(file, file | ((file & 0o444) >> 2) | 0o700)
    return Modes()


def is_unsafe(kind: str) -> bool:
    """Whether SQLite is not safe on a file system of this type."""
    return kind in _UNSAFE or (kind.startswith(_FUSE) and kind not in _SAFE_FUSE)


def refuse_unsafe_filesystem(path: str) -> None:
    """UnsafeFilesystemError if the file system of ``path`` is one on which SQLite is not safe.

    Only Linux tells (/proc/self/mountinfo); elsewhere nothing is refused.
    """
    _refuse(path, filesystem_of(path))


def refuse_unsafe_device(path: str, device: int, mounts: str = _MOUNTS) -> None:
    """The same for a file that is there, by the number of its device, as a hook can afford it.

    A disk of this machine has a major number. All others are looked up.
    """
    if os.major(device):
        return
    number = f"{os.major(device)}:{os.minor(device)}"
    for left, kind in _mounted(mounts):
        if left[2] == number:
            _refuse(path, kind)


def _refuse(path: str, kind: str | None) -> None:
    if kind is not None and is_unsafe(kind):
        raise UnsafeFilesystemError(
            f"{path} is on {kind}, where SQLite could let two machines reserve the same file",
            fix="agentlock init --database /a/local/path.sqlite3 (many machines: PostgreSQL)",
        )


def filesystem_of(path: str, mounts: str = _MOUNTS) -> str | None:
    """The type of the file system of ``path``, such as "ext4"; None if it is not known."""
    folder = os.path.realpath(os.path.dirname(path))
    best, found = "", None
    for left, kind in _mounted(mounts):
        point = _unescaped(left[4])
        inside = point in ("/", folder) or folder.startswith(point + "/")
        if inside and len(point) >= len(best):  # of two mounts at one place the later one is seen
            best, found = point, kind
    return found


def _mounted(mounts: str) -> list[tuple[list[str], str]]:
    """The fields of each mount (proc(5), mountinfo), and the type of its file system."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    parts = [line.partition(" - ") for line in lines]
    return [(left.split(" "), right.split(" ")[0]) for left, _, right in parts if right]


def _unescaped(text: str) -> str:
    """A path as proc(5) lists it, without the octal escapes of space, tab, newline, backslash."""
    for character in " \t\n\\":
        text = text.replace(f"\\{ord(character):03o}", character)
    return text
