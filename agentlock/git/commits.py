"""Which paths do commits change, and which commit changes which path?"""

from __future__ import annotations

import os

from agentlock.errors import GitError, UsageError
from agentlock.git.changes import (
    ADDS,
    GITLINK,
    MERGE_TREE,
    RAW,
    automatic_merge,
    cut_short,
    difference,
    merged_by_hand,
)
from agentlock.git.process import Running, git, output
from agentlock.model import MICROSECONDS, Changes, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class History(Value):
    """What commits change, and for each path the oids of those that change it.

    A path that a push takes away from a remote branch is also listed under the oid "".
    """

    changes: Changes
    touched: Mapping[bytes, set[str]]


class Commit(Value):
    """A commit's oid, the first line of its message, and when it was committed (seconds, UTC)."""

    oid: str
    subject: str
    committed: int


def oid_of(line: bytes) -> str:
    """The commit that a line of ``listed`` begins with."""
    return line.partition(b" ")[0].decode()


def listed(revisions: Iterable[bytes], *options: str) -> list[bytes]:
    """What ``git rev-list OPTION… REVISION…`` lists: each commit as its oid and its parents'."""
    return listing(revisions, *options).output().splitlines()


def listing(revisions: Iterable[bytes], *options: str) -> Running:
    """Begin what ``listed`` gives."""
    asked = b"".join(b"%b\n" % revision for revision in revisions)
    return Running("rev-list", "--parents", "--stdin", *options, stdin=asked)


def listing_changes(revisions: Iterable[bytes], *options: str) -> Running:
    """Begin to list commits, each followed by what it changes unless it is a merge.

    ``listed_in`` and ``changed_by`` read it. Two git commands work on it at the same time.
    """
    asked = b"".join(b"%b\n" % revision for revision in revisions)
    oids = Running("rev-list", "--stdin", *options, stdin=asked)
    shown = ("--stdin", "--always", "--parents", "-r", "--root", *RAW)
    return Running("diff-tree", *shown, source=oids)


def listed_in(answer: bytes) -> list[bytes]:
    """The commits in what ``listing_changes`` gives, as ``listed`` gives them."""
    if answer and answer[-1] != 0:
        raise cut_short()
    found = []
    fields = iter(answer.split(b"\0"))
    for field in fields:
        if field[:1] == b":":
            next(fields)
        elif field:
            found.append(field)
    return found


def beyond(commits: Iterable[bytes], tips: Iterable[bytes]) -> set[str]:
    """Of these commits (as ``listed``), those that the tips do not reach."""
    oids = {oid_of(line) for line in commits}
    leaving = [b"^" + oid for oid in tips]
    if not oids or not leaving:
        return oids
    return oids & {oid_of(line) for line in listed([*(oid.encode() for oid in oids), *leaving])}


def in_range(revisions: str) -> list[bytes]:
    """The commits of ``A..B``, as ``listed`` gives them.

    UsageError for what is no such range; GitError where a shallow clone cuts it off.
    """
    mistake = UsageError(f"{revisions!r} is not a range of commits here", fix="write it as A..B")
    if revisions.startswith("-"):
        raise mistake
    resolved = git("rev-parse", "--revs-only", "--end-of-options", revisions, "--")
    limits = [line for line in resolved.stdout.split(b"\n") if line not in (b"", b"--")]
    excluded = [line for line in limits if line.startswith(b"^")]
    if (resolved.code != 0 or not excluded) and _is_shallow():
        raise _cut_off(f"{revisions} is not all in it")
    if resolved.code != 0 or not excluded or len(limits) - len(excluded) != 1:
        raise mistake  # also for A...B, which is the commits of both sides
    return _complete(listed(limits))


def named_commits(names: Sequence[str]) -> list[str]:
    """The oids of commits, named in any way that git knows; UsageError for what is none."""
    found = []
    for name in names:
        result = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if result.code != 0:
            raise UsageError(f"{name!r} is not a commit here", see="git log")
        found.append(result.stdout.decode().strip())
    return list(dict.fromkeys(found))


def _complete(commits: list[bytes]) -> list[bytes]:
    """The same commits; GitError if a shallow clone lacks the parents of one."""
    if any(b" " not in line for line in commits) and _is_shallow():
        path = output("rev-parse", "--path-format=absolute", "--git-path", "shallow")[:-1]
        with open(path, "rb") as file:
            cut = set(file.read().split())
        if not cut.isdisjoint(line for line in commits if b" " not in line):
            raise _cut_off("some of the commits have parents that it does not have")
    return commits


def since(moment: int) -> list[bytes]:
    """HEAD's commits that were committed since then (microseconds), as ``listed`` gives them."""
    return _complete(listed([b"HEAD"], f"--max-age={moment // MICROSECONDS}"))


def described(commits: Sequence[bytes]) -> list[Commit]:
    """Subject and time of commits, given as lines that begin with their oids, in that order."""
    if not commits:
        return []
    answer = output(
        *("-c", "log.showSignature=false", "log", "--stdin", "--no-walk=unsorted", "--no-color"),
        *("-z", "--no-patch", "--encoding=UTF-8", "--format=%H %ct %s"),
        stdin=b"".join(b"%b\n" % line.partition(b" ")[0] for line in commits),
    )
    lines = answer.decode("utf-8", "surrogateescape").split("\0")
    found = (line.split(" ", 2) for line in lines if line)
    return [Commit(oid, subject, int(committed)) for oid, committed, subject in found]


def _is_shallow() -> bool:
    return output("rev-parse", "--is-shallow-repository").strip() == b"true"


def _cut_off(why: str) -> GitError:
    return GitError(
        f"this clone has only a part of the history: {why}",
        fix="git fetch --unshallow (in CI: fetch-depth: 0, GIT_DEPTH: 0)",
    )


def changed_by(
    commits: Iterable[bytes] = (),
    dropped: Iterable[bytes] = (),
    diffs: Mapping[str, bytes] | None = None,
    answer: bytes | None = None,
) -> History:
    """What these commits change; each is given as its oid and its parents' oids.

    A merge changes what it does beyond git's own automatic merge of its parents. Of some commits,
    ``diffs`` are the raw diffs of what they change. ``answer`` is what ``listing_changes`` gave
    of ``commits``, if it was asked.
    """
    found = _Findings()
    found.add_commits(commits, answer=answer)
    found.add_commits(dropped, made=False)
    for oid, diff in (diffs or {}).items():
        found.add_diff(diff, oid)
    return found.history


class _Findings:
    """Collects what commits change. Of those that are not ``made`` now, "" stands for the oid."""

    def __init__(self) -> None:
        self._touched: dict[bytes, set[str]] = {}
        self._submodules: set[bytes] = set()
        self._added: set[bytes] = set()

    @property
    def history(self) -> History:
        paths = tuple(sorted(self._touched))
        changes = Changes(paths, frozenset(self._submodules), frozenset(self._added))
        return History(changes, self._touched)

    def add_commits(
        self, commits: Iterable[bytes], *, made: bool = True, answer: bytes | None = None
    ) -> None:
        plain: list[bytes] = []
        merges: list[bytes] = []
        for line in commits:
            oid, *parents = line.split()
            if len(parents) < 2:
                plain.append(oid)
            elif len(parents) == 2:
                merges.append(oid)
            else:
                base, beside = automatic_merge(parents)
                diff = difference(os.fsencode(base) if base else parents[0], oid)
                both = diff + beside if base else merged_by_hand(diff, parents)
                self._add(both, oid, made=made)
        if answer is not None:
            self._add(answer, made=made)
        elif plain:
            asked = b"".join(b"%b\n" % oid for oid in plain)
            diffs = output("diff-tree", "--stdin", "-r", "--root", *RAW, stdin=asked)
            self._add(diffs, made=made)
        if merges:
            self._add_merges(merges, made=made)

    def add_diff(self, diff: bytes, oid: str) -> None:
        self._add(diff, oid.encode(), made=True)

    def _add_merges(self, merges: list[bytes], *, made: bool) -> None:
        """What merges of two commits changed beyond git's own merge of the same commits."""
        from agentlock.git.scratch import asked_alone

        first = f"{merges[0].decode()}^1"
        result = asked_alone(
            *("-c", "core.quotePath=false", "-c", "log.showSignature=false"),
            *("log", "--stdin", "--no-walk=unsorted", "--remerge-diff", "--format=%H"),
            *("--no-color", "--no-ext-diff", "--no-relative", "-O/dev/null", *RAW),
            stdin=b"\n".join(merges) + b"\n",
            attributes_of=first,
        )
        if result.code == 0:
            pairs = b"".join(b"%b^1 %b^2\n" % (merge, merge) for merge in merges)
            each = (*MERGE_TREE, "--allow-unrelated-histories", "--stdin")
            unsettled = asked_alone(*each, attributes_of=first, stdin=pairs)
            if unsettled.code == 0:
                self._add(result.stdout.rstrip(b"\n"), made=made)
                self._add_unsettled(unsettled.stdout, merges, made=made)
                return
        for merge in merges:  # below git 2.38
            parents = [merge + b"^1", merge + b"^2"]
            self._add(merged_by_hand(difference(parents[0], merge), parents), merge, made=made)

    def _add_unsettled(self, answer: bytes, merges: Sequence[bytes], *, made: bool) -> None:
        """What ``merge-tree --stdin`` could not settle; an empty field ends each merge's part."""
        remaining = iter(merges)
        oid = next(remaining)
        for entry in answer.split(b"\0"):
            mode, tab, path = entry.partition(b"\t")
            if tab:
                self._add(b":%b\0%b\0" % (mode, path), oid, made=made)
            elif not entry:
                oid = next(remaining, b"")

    def _add(self, diffs: bytes, oid: bytes = b"", *, made: bool) -> None:
        """Add raw diffs: of the commit ``oid``, or each after a line that names its commit."""
        if diffs and diffs[-1] != 0:
            raise cut_short()
        name = oid.decode() if made else ""
        touched = self._touched
        fields = iter(diffs.split(b"\0"))
        for field in fields:
            header = field.lstrip(b"\n")  # `git log` puts a line between a name and its diff
            if header[:1] == b":":
                path = next(fields)
                if path in touched:
                    touched[path].add(name)
                else:
                    touched[path] = {name}
                if GITLINK in header:
                    self._submodules.add(path)
                if made and header[-1:] in ADDS:
                    self._added.add(path)
            elif header and made:
                name = oid_of(header)
