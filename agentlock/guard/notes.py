"""Notes: what each gate judged and let pass, one line each, in a file next to the table.

A gate writes its note before it answers, so that whatever ends the git command later, the note is
there. A line is whole, with its checksum, or it is ignored. A note that is lost, torn or doubled
can only make a later gate refuse more. ``guard.take_in`` turns notes into entries of the ledger.
"""

from __future__ import annotations

import os
import stat

from agentlock.git.changes import digest
from agentlock.model import Value
from agentlock.store import is_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.git.repository import Repository

REPLAY = "replay:"  # how: the change is that of the entered commit whose oid follows
UNJUDGED = ""  # how: nothing was judged, and nothing is noted
FILE = b"agentlock-notes"  # in git's common directory, where the table is on a server
_COMMITS = "commits"  # instead of bases: the digest's place holds the oids of commits
_MOST_BYTES = 4 << 20  # of a file, the newest that are read
_TURNED_AT = 1 << 20  # a larger file is set aside by the reader, and the one before it is dropped


class Note(Value):
    """A change that was judged and let pass, or commits that were.

    ``how`` is one of the words of ``records.Entry``, or REPLAY and an oid. A change is known by its
    ``bases`` and the ``digest`` of its raw diff (``git.changes.Staged``); or ``oids`` are given.
    """

    made_ts: int
    fence: int
    agent: str
    how: str
    bases: tuple[str, ...] = ()
    digest: str = ""
    oids: tuple[str, ...] = ()
    reason: str = ""

    def line(self, salt: str) -> str:
        change = ",".join(self.oids) if self.oids else self.digest
        bases = _COMMITS if self.oids else ",".join(self.bases) or "-"
        reason = self.reason.encode("utf-8", "surrogateescape").hex() or "-"
        agent = self.agent or "-"
        text = f"1 {self.made_ts} {self.fence} {agent} {self.how} {bases} {change} {reason}"
        return f"{text} {_checksum(text, salt)}"


def salt_of(repository: Repository) -> str:
    """What the notes of one project in one database have in common."""
    return f"{repository.database_id} {repository.project}"


def write(repository: Repository, note: Note) -> None:
    """Append a note. Nothing depends on it: what cannot be written is not noted."""
    path = _path(repository)
    # The first newline ends whatever a writer before left unfinished.
    data = f"\n{note.line(salt_of(repository))}\n".encode()
    try:
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            file = _made(repository, path)
        try:
            os.write(file, data)
        finally:
            os.close(file)
    except OSError:
        pass


def _made(repository: Repository, path: bytes) -> int:
    """A new file, which everybody may write who may write the table."""
    mode, table = 0o644, None
    if not is_url(repository.database or ""):
        table = os.stat(os.fsencode(repository.database or ""))
        mode = stat.S_IMODE(table.st_mode) & 0o666
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
    os.fchmod(file, mode)
    if table is not None and os.geteuid() == 0:
        os.fchown(file, table.st_uid, table.st_gid)
    return file


def read(repository: Repository, kept: Iterable[str] = ()) -> list[Note]:
    """All notes of this project, the oldest first; ``kept`` are lines that the table has."""
    path = _path(repository)
    lines = [*kept, *_lines(path + b".old"), *_lines(path)]
    salt = salt_of(repository)
    notes = [_parsed(line, salt) for line in lines]
    return [note for note in notes if note is not None]


def turn(repository: Repository) -> None:
    """Set a file aside that has become large; what it holds is read once more after that."""
    path = _path(repository)
    try:
        if os.stat(path).st_size > _TURNED_AT:
            os.replace(path, path + b".old")
    except OSError:
        pass


def _lines(path: bytes) -> list[str]:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - _MOST_BYTES, 0))
            return file.read(_MOST_BYTES).decode("utf-8", "replace").split("\n")
    except OSError:
        return []


def _parsed(line: str, salt: str) -> Note | None:
    text, _, checksum = line.rpartition(" ")
    fields = text.split(" ")
    if len(fields) != 8 or fields[0] != "1" or checksum != _checksum(text, salt):
        return None
    _, made_ts, fence, agent, how, bases, change, reason = fields
    agent = "" if agent == "-" else agent
    reason = "" if reason == "-" else bytes.fromhex(reason).decode("utf-8", "surrogateescape")
    if bases == _COMMITS:
        oids = tuple(change.split(","))
        return Note(int(made_ts), int(fence), agent, how, oids=oids, reason=reason)
    parents = () if bases == "-" else tuple(bases.split(","))
    return Note(int(made_ts), int(fence), agent, how, parents, change, reason=reason)


def _checksum(text: str, salt: str) -> str:
    return digest(f"{salt} {text}".encode("utf-8", "surrogateescape"))[:16]


def _path(repository: Repository) -> bytes:
    location = repository.database or ""
    if is_url(location):
        return os.path.join(repository.common_dir, FILE)
    return os.fsencode(location) + b"-notes"
