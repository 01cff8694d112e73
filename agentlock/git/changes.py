"""Which paths would a commit, a merge or a push change?

All of them: additions, changes, deletions, both ends of a rename, type changes and submodule
bumps, whatever the user's diff settings are, because only plumbing is asked.
"""

from __future__ import annotations

import os

from agentlock.environment import GIT_HEAD_PREFIX
from agentlock.errors import GitError
from agentlock.git.process import Running, git, is_oid, output
from agentlock.model import Changes, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from agentlock.git.process import Result
    from agentlock.git.repository import Repository

# --raw tells submodules apart; --no-renames lists both ends of a rename and is 400 times faster
# than detection on 50,000 moves; ignore-submodules=none because an unstaged .gitmodules could
# hide a staged bump; without -r a tree would stand for its files.
RAW = ("--raw", "-z", "--no-renames", "--ignore-submodules=none")
MERGE_TREE = ("merge-tree", "--write-tree", "--no-messages", "-z")
GITLINK = b"160000"
# Statuses of a raw diff: added, and a file that becomes a link or the like.
ADDS = frozenset((b"A", b"T"))
# In a header `:100644 100644 OID OID A`, the digits where only GITLINK has a 6, and the status.
_PLACES = (2, 9, -1)
_IS_ADDED = bytearray(256)
for _status in ADDS:
    _IS_ADDED[ord(_status)] = True
NOBODY = {
    f"GIT_{role}_{what}".encode(): value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", b"agentlock"), ("EMAIL", b""), ("DATE", b"@0 +0000"))
}
"""The author of temporary commits that no ref names, whatever git knows of the user."""


class SortedPaths(tuple[bytes, ...]):
    """Sorted paths in which one is looked for by bisection: a set of many takes longer to make."""

    __slots__ = ()

    def __contains__(self, path: object) -> bool:
        from _bisect import bisect_left  # few commits need it

        at = bisect_left(self, path) if isinstance(path, bytes) else len(self)
        return self[at : at + 1] == (path,)


class Listing:
    """A raw diff that is taken apart and digested while git still says the rest of it.

    So pre-commit takes 0.91 of the time for 50,000 files.
    """

    def __init__(self) -> None:
        self.fields: list[bytes] = []
        self.rest = b""
        self._digest = _digester()

    def add(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        parts = (self.rest + chunk).split(b"\0")
        self.rest = parts.pop()
        self.fields += parts

    @property
    def digest(self) -> str:
        return str(self._digest.hexdigest())


class Staged(Value):
    """What a commit of the index would change, and what tells the same commit from others later.

    ``bases`` are the parents that it would have (of an amended commit: the commit that it
    replaces), and ``diff`` is the raw diff from the first of them. By its ``digest`` a note names
    the change.
    """

    changes: Changes
    bases: tuple[str, ...]
    diff: bytes
    digest: str


def digest(data: bytes) -> str:
    """The digest by which a change is known again."""
    return str(_digester(data).hexdigest())


def _digester(data: bytes = b"") -> Any:
    try:  # hashlib would cost a hook 1 ms
        from _blake2 import blake2b  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from hashlib import blake2b
    return blake2b(data, digest_size=20)


def ask_staged(base: str = "HEAD") -> Running:
    """Start to ask git what the index changes against a commit or a tree."""
    return Running("diff-index", "--cached", *RAW, "--ita-invisible-in-index", base, "--")


def staged(
    repository: Repository,
    merging: Sequence[bytes] | None = None,
    asked: Running | None = None,
) -> Staged:
    """What the index changes against HEAD, or while merging against git's own automatic merge.

    GIT_INDEX_FILE is honoured: ``git commit -- PATHS`` and ``-a`` use an index of their own.
    ``merging`` are the oids that are being merged; None reads them from MERGE_HEAD. ``asked`` is
    what ``ask_staged`` began against HEAD.
    """
    repository.require_worktree()
    heads = oids_in(repository.git_dir, b"MERGE_HEAD") if merging is None else list(merging)
    first = repository.head().encode() if heads else b""
    base, beside = automatic_merge([first, *heads]) if heads else (None, b"")
    own = ask_staged(base) if base else None
    result, listing = _listed(asked or ask_staged())
    bases = (repository.head(), *(head.decode("ascii", "replace") for head in heads))
    if result.code == 128 and _is_unborn():
        empty_tree = output("hash-object", "-t", "tree", "--stdin").decode().strip()
        (result, listing), bases = _listed(ask_staged(empty_tree)), ()
    if result.code != 0:
        raise result.error()
    if not heads:
        changes = _of_fields([*listing.fields, listing.rest])
    else:
        changed = own.output() if own else result.stdout
        if base is None:
            changed, beside = merged_by_hand(changed, [first, *heads]), b""
        changes = parse([changed, beside])
    return Staged(changes, bases, result.stdout, listing.digest)


def _listed(asked: Running) -> tuple[Result, Listing]:
    listing = Listing()
    asked.each = listing.add
    return asked.result(), listing


def uncommitted(repository: Repository) -> Changes:
    """All that a commit of everything would change: staged, not staged, and untracked files."""
    cached = staged(repository).changes
    # Unlike diff-files, `git diff` leaves out a file that was only touched.
    refresh = ("-c", "diff.autoRefreshIndex=true")
    differing = output(
        *refresh, "diff", *RAW, "--no-ext-diff", "--no-relative", cwd=repository.root
    )
    unstaged = parse([differing])
    listed = output("ls-files", "-z", "--others", "--exclude-standard", cwd=repository.root)
    untracked = [path for path in listed.split(b"\0") if path]
    paths = {*cached.paths, *unstaged.paths, *untracked}
    return Changes(
        tuple(sorted(paths)),
        cached.submodules | unstaged.submodules,
        frozenset((*cached.added, *unstaged.added, *untracked)),
    )


def below(repository: Repository, folders: Iterable[bytes]) -> Changes:
    """All files below these folders (relative to the root), as if each of them were changed."""
    listed = output(
        *("--literal-pathspecs", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        *("--", *(os.fsdecode(folder) or "." for folder in folders)),
        cwd=repository.root,
    )
    return Changes(tuple(sorted(set(listed.split(b"\0")) - {b""})))


def takes_all(repository: Repository) -> bool:
    """Whether git would refuse to commit only some of the paths, because it merges or picks."""
    heads = (b"MERGE_HEAD", b"CHERRY_PICK_HEAD", b"REVERT_HEAD")
    return any(os.path.lexists(os.path.join(repository.git_dir, head)) for head in heads)


def merged_heads() -> list[bytes]:
    """The commits that ``git merge`` merges, while pre-merge-commit runs and MERGE_HEAD is missing.

    git names each head in a variable GITHEAD_<oid> (builtin/merge.c). Who forges one more changes
    what is compared with; the push judges the commit by its real parents.
    """
    prefix = os.fsencode(GIT_HEAD_PREFIX)
    return [name[len(prefix) :] for name in os.environb if name.startswith(prefix)]


def replayed(repository: Repository) -> list[str]:
    """The commits that a cherry-pick, a rebase or `git am` may be replaying now.

    git names them in several files, which prove nothing: what is staged must be their change.
    """
    names = (b"CHERRY_PICK_HEAD", b"REBASE_HEAD", b"rebase-apply/original-commit")
    found = [oid for name in names for oid in oids_in(repository.git_dir, name)]
    found += filter(is_oid, _last_line(repository, b"rebase-merge/done").split()[1:])
    return list(dict.fromkeys([oid.decode("ascii", "replace") for oid in found]))


def _last_line(repository: Repository, name: bytes) -> bytes:
    try:
        with open(os.path.join(repository.git_dir, name), "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return b""
    return lines[-1] if lines else b""


def oids_in(folder: bytes, name: bytes) -> list[bytes]:
    """The oids in a file of git's own, such as MERGE_HEAD; [] if it does not exist."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read().split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise GitError(f"git's {name.decode()} cannot be read: {error.strerror}") from error


def automatic_merge(heads: Sequence[bytes]) -> tuple[str | None, bytes]:
    """The tree of git's own merge of these commits, and raw diffs that count in any case.

    That is what git could not settle in it, and is somebody's decision also where it equals the
    tree: of a binary file that both changed, git keeps the first version there.

    More than two are merged one after the other, as by git's octopus strategy, which gives up
    where a step conflicts. None there, below git 2.38 (no ``merge-tree --write-tree``), and where
    there is no common history: then the comparison is with the first, and all that the others
    did counts too, for ``-s ours`` drops it: more paths, not fewer.
    """
    from agentlock.git.scratch import asked_alone

    so_far = os.fsdecode(heads[0])
    tree, unsettled = None, b""
    for count, head in enumerate(map(os.fsdecode, heads[1:]), start=2):
        result = asked_alone(*MERGE_TREE, so_far, head, attributes_of=so_far)
        oid, _, conflicts = result.stdout.partition(b"\0")
        if not oid or result.code not in ((0, 1) if len(heads) == 2 else (0,)):
            return None, brought(heads)
        tree, unsettled = oid.decode("ascii", "replace"), _unsettled(conflicts)
        if count < len(heads):
            so_far = _unreferenced_commit(tree, so_far, head)
    return tree, unsettled


def brought(heads: Sequence[bytes]) -> bytes:
    """Raw diffs of everything that the other commits changed since they left the first."""
    chunks = []
    first = os.fsdecode(heads[0])
    for head in heads[1:]:
        found = git("merge-base", "--all", first, os.fsdecode(head))
        if found.code not in (0, 1):
            raise found.error()
        bases = found.stdout.split() or [output("hash-object", "-t", "tree", "--stdin").strip()]
        chunks += [difference(base, head) for base in bases]
    return b"".join(chunks)


def merged_by_hand(changed: bytes, heads: Sequence[bytes]) -> bytes:
    """What a merge of these commits changed, as raw diffs, if git cannot redo it (below 2.38).

    ``changed`` is the raw diff from the first commit to the result. What the others brought counts
    too, but not a path that one side has changed, and that the result has as that side has it.
    """
    both = changed + brought(heads)
    bases = git("merge-base", "--octopus", "--all", *map(os.fsdecode, heads)).stdout.split()
    if len(bases) != 1:
        return both
    result = _versions(changed)
    sides = [_versions(difference(bases[0], head)) for head in heads]
    settled = set()
    for path in set().union(*sides):
        made = {side[path] for side in sides if path in side}
        if made == {result.get(path, sides[0].get(path))}:
            settled.add(path)
    fields = both.split(b"\0")[:-1]
    entries = zip(fields[::2], fields[1::2], strict=True)
    return b"".join(b"%b\0%b\0" % entry for entry in entries if entry[1] not in settled)


def _versions(diff: bytes) -> dict[bytes, tuple[bytes, bytes]]:
    """The mode and the oid that each path of a raw diff has after it."""
    fields = diff.split(b"\0")[:-1]
    headers = (header.split(b" ") for header in fields[::2])
    return {path: (one[1], one[3]) for path, one in zip(fields[1::2], headers, strict=True)}


def _unsettled(conflicts: bytes) -> bytes:
    """``MODE OID STAGE<tab>PATH``, as merge-tree lists conflicts, in the form of a raw diff."""
    return b"".join(
        b":%b\0%b\0" % (header, path)
        for header, _, path in (entry.partition(b"\t") for entry in conflicts.split(b"\0"))
        if path
    )


def _unreferenced_commit(tree: str, *parents: str) -> str:
    """A commit that no ref names, because ``merge-tree`` merges only commits."""
    named = [word for parent in parents for word in ("-p", parent)]
    result = git(
        *("commit-tree", "--no-gpg-sign", "-m", "merge", *named, tree),
        environment={**os.environb, **NOBODY},
    )
    if result.code != 0:
        raise result.error()
    return os.fsdecode(result.stdout.strip())


def _is_unborn() -> bool:
    """HEAD names a branch that has no commit yet: everything in the index is new."""
    branch = git("symbolic-ref", "-q", "HEAD")
    if branch.code != 0:
        return False
    name = os.fsdecode(branch.stdout[:-1])
    return git("show-ref", "--verify", "--quiet", name).code == 1


def difference(old: bytes, new: bytes) -> bytes:
    return output("diff-tree", "-r", *RAW, os.fsdecode(old), os.fsdecode(new), "--")


def parse(diffs: Iterable[bytes]) -> Changes:
    """Raw diffs, NUL-separated: ``:MODES OIDS STATUS``, path, and so on in turn."""
    found = [_parsed(diff) for diff in diffs if diff]
    if len(found) == 1:
        return found[0]
    return Changes(
        tuple(sorted({path for one in found for path in one.paths})),
        frozenset().union(*(one.submodules for one in found)),
        frozenset().union(*(one.added for one in found)),
    )


def _parsed(diff: bytes) -> Changes:
    return _of_fields(diff.split(b"\0"))


def _of_fields(fields: list[bytes]) -> Changes:
    """Those of one raw diff. Nothing is done path by path in Python: a commit may have 50,000."""
    from _operator import itemgetter, lt
    from itertools import compress

    if fields.pop() or len(fields) % 2:
        raise cut_short()
    headers, names = fields[::2], fields[1::2]
    try:
        old, new, statuses = (bytes(map(itemgetter(at), headers)) for at in _PLACES)
    except IndexError:
        raise cut_short() from None
    submodules: Iterable[bytes] = ()
    if b"6" in old + new:
        submodules = compress(names, [GITLINK in header for header in headers])
    added = names
    if statuses.translate(None, b"".join(ADDS)):
        added = list(compress(names, statuses.translate(_IS_ADDED)))
    paths = names
    if not all(map(lt, names, names[1:])):  # git's order, which is almost the one that is wanted
        paths, added = sorted(set(names)), sorted(set(added))
    return Changes(tuple(paths), frozenset(submodules), SortedPaths(added))


def cut_short() -> GitError:
    return GitError("git's answer about the changed paths was cut short")
