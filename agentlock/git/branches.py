"""What other branches changed that HEAD does not have, within a limit of time."""

from __future__ import annotations

import os
import time

from agentlock.git.changes import RAW, oids_in
from agentlock.git.process import Running
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agentlock.git.repository import Repository

_MOST_BYTES = 50_000  # of paths on a command line; more are not given to git, only compared here
_PLAIN_LOG = (
    *("-c", "log.showSignature=false", "-c", "log.showRoot=true", "-c", "log.follow=false"),
    *("log", "--no-color", "--no-abbrev", "--no-ext-diff", "--no-relative", "-O/dev/null"),
    *("-c", *RAW),
)


class Elsewhere(Value):
    """A path, the newest commit that changed it on a branch, and that branch's name."""

    path: bytes
    commit: str
    branch: str


class Found(Value):
    """What was found, newest first. ``complete`` is False if the time was over before the end."""

    changes: tuple[Elsewhere, ...]
    complete: bool


def changed_elsewhere(
    repository: Repository,
    places: Sequence[bytes],
    matches: Callable[[bytes], bool],
    *,
    seconds: float,
) -> Found:
    """The paths that local and remote-tracking branches changed in commits that HEAD lacks.

    ``places`` are files and folders that every path lies at or below; ``matches`` tells which of
    these paths count. A path does not count if a branch has it as HEAD has it, or as it once was
    in HEAD's history: then the change has arrived in another way, for example by a squash merge.
    """
    asking = _Asking(repository, places, seconds)
    listed = asking.start("for-each-ref", "--format=%(objectname) %(refname) %(symref)", *_BRANCHES)
    head = repository.head().encode()
    tips = _tips(asking.answer(listed), head)
    if not head or not tips:
        return Found((), complete=asking.complete)
    # Each commit at which a shallow clone is cut off looks as if it made every file.
    cut_off = set(oids_in(repository.common_dir, b"shallow"))
    have = [head, *oids_in(repository.git_dir, b"MERGE_HEAD")]
    newest: dict[tuple[bytes, bytes], bytes] = {}
    revisions = b"\n".join([*tips, *(b"^" + oid for oid in have)]) + b"\n"
    for commit, _, path in asking.log("--format=%H %S", stdin=revisions):
        oid, _, tip = commit.partition(b" ")
        if oid not in cut_off and (path, tip) not in newest and matches(path):
            newest[path, tip] = oid
    differing = asking.differing(head, newest)
    arrived = asking.blobs_of(head, {path for path, _ in differing})
    changes = [
        Elsewhere(path, oid.decode(), tips[tip])
        for (path, tip), oid in newest.items()
        if (path, tip) in differing and (path, differing[path, tip]) not in arrived
    ]
    return Found(tuple(_without_copies(changes)), complete=asking.complete)


_BRANCHES = ("refs/heads", "refs/remotes")


class _Asking:
    """Questions to git about some places that all together may take so many seconds."""

    def __init__(self, repository: Repository, places: Sequence[bytes], seconds: float) -> None:
        self._root = repository.root
        self._magic = b":(top,literal,icase)" if repository.ignore_case else b":(top,literal)"
        self._places = self._pathspecs(places)
        self._deadline = time.monotonic() + seconds
        # An object that a partial clone lacks is not worth a connection.
        self._environment = {**os.environb, b"GIT_NO_LAZY_FETCH": b"1"}
        self.complete = True

    def start(self, *arguments: str, stdin: bytes = b"") -> Running:
        return Running(*arguments, stdin=stdin, cwd=self._root, environment=self._environment)

    def answer(self, asked: Running) -> bytes:
        """What git has said when it ends, or when the time is over."""
        result = asked.partial(max(self._deadline - time.monotonic(), 0.0))
        if result.code not in (0, 1):
            self.complete = False
        return result.stdout

    def log(self, *arguments: str, stdin: bytes, paths: Iterable[bytes] = ()) -> _Entries:
        """What these commits changed at the places, or at ``paths``, which lie there."""
        places = self._pathspecs(paths) or self._places
        return self._entries(*_PLAIN_LOG, "--stdin", *arguments, "--", *places, stdin=stdin)

    def differing(
        self, head: bytes, newest: Iterable[tuple[bytes, bytes]]
    ) -> dict[tuple[bytes, bytes], bytes]:
        """Those of these paths and tips where the tip does not have the path as HEAD has it.

        Each with its blob at the tip.
        """
        wanted = set(newest)
        if not wanted:
            return {}
        # Given a second commit, diff-tree compares with that one instead of the first parent.
        pairs = b"".join(b"%b %b\n" % (tip, head) for tip in {tip for _, tip in wanted})
        places = self._pathspecs({path for path, _ in wanted}) or self._places
        compared = self._entries(
            "diff-tree", "--stdin", "-r", "--no-relative", *RAW, "--", *places, stdin=pairs
        )
        return {(path, tip): blob for tip, blob, path in compared if (path, tip) in wanted}

    def blobs_of(self, head: bytes, paths: set[bytes]) -> set[tuple[bytes, bytes]]:
        """Each of these paths with each blob that HEAD's history has had there."""
        if not paths:
            return set()
        history = self.log("--format=%H", stdin=head + b"\n", paths=paths)
        return {(path, blob) for _, blob, path in history}

    def _entries(self, *arguments: str, stdin: bytes) -> _Entries:
        """Commit, new blob and path of each raw diff, as far as git came."""
        fields = iter(self.answer(self.start(*arguments, stdin=stdin)).split(b"\0")[:-1])
        commit = b""
        for field in fields:
            header = field.lstrip(b"\n")
            if header[:1] != b":":
                commit = header or commit  # git puts an empty field before what a merge did
                continue
            path = next(fields, None)
            if path is None or time.monotonic() > self._deadline:
                self.complete = False
                return
            yield commit, header.split()[-2], path

    def _pathspecs(self, places: Iterable[bytes]) -> list[str]:
        """Options for git, or none if a place is the whole repository, or if there are too many."""
        given = list(places)
        if b"" in given or sum(map(len, given)) > _MOST_BYTES:
            return []
        return [os.fsdecode(self._magic + place) for place in given]


if TYPE_CHECKING:
    _Entries = Iterator[tuple[bytes, bytes, bytes]]


def _tips(listed: bytes, head: bytes) -> dict[bytes, str]:
    """The branches that are not at HEAD by their oids: of several at one commit, the first."""
    tips: dict[bytes, str] = {}
    for line in listed.splitlines():
        oid, name, symref = line.split(b" ", 2)
        if oid != head and not symref:
            tips.setdefault(oid, os.fsdecode(name.split(b"/", 2)[2]))
    return tips


def _without_copies(changes: Sequence[Elsewhere]) -> Iterator[Elsewhere]:
    """The changes without those of a tracking branch whose local branch has one at the path."""
    named = {(one.path, one.branch) for one in changes}
    for one in changes:
        _, _, local = one.branch.partition("/")
        if (one.path, local) not in named:
            yield one
