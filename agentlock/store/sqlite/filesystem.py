"""Where a database file may lie, and who may read it."""

from __future__ import annotations

import os

from agentlock.errors import DatabaseError
from agentlock.model import Value

# SQLite's write-ahead log needs memory that all its processes share (sqlite.org/wal.html). On these
# file systems two machines, or a machine and its virtual machine, could both grant.
_UNSAFE = frozenset(
    (
        *("9p", "afs", "afpfs", "ceph", "cifs", "davfs", "fakeowner", "glusterfs", "grpcfuse"),
        *("lustre", "nfs", "nfs4", "osxfs", "prl_fs", "smb2", "smb3", "smbfs", "sshfs", "vboxsf"),
        *("virtiofs", "vmhgfs", "webdav", "fuse.glusterfs", "fuse.grpcfuse", "fuse.osxfs"),
        *("fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    )
)


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


def refuse_unsafe_filesystem(path: str) -> None:
    """DatabaseError if the file system of ``path`` is one on which SQLite is not safe.

    Only Linux tells (/proc/self/mountinfo); elsewhere nothing is refused.
    """
    kind = filesystem_of(path)
    if kind in _UNSAFE:
        raise DatabaseError(
            f"{path} is on {kind}, where SQLite could let two machines reserve the same file",
            fix="agentlock init --database /a/local/path.sqlite3 (many machines: PostgreSQL)",
        )


def filesystem_of(path: str, mounts: str = "/proc/self/mountinfo") -> str | None:
    """The type of the file system of ``path``, such as "ext4"; None if it is not known."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    folder = os.path.realpath(os.path.dirname(path))
    best, kind = "", None
    for line in lines:
        left, _, right = line.partition(" - ")
        if not right:
            continue
        point = _unescaped(left.split(" ")[4])
        inside = point in ("/", folder) or folder.startswith(point + "/")
        if inside and len(point) >= len(best):  # of two mounts at one place the later one is seen
            best, kind = point, right.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    """A path as proc(5) lists it, without the octal escapes of space, tab, newline, backslash."""
    for character in " \t\n\\":
        text = text.replace(f"\\{ord(character):03o}", character)
    return text
