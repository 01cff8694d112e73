"""Which paths would a commit, a merge or a push change?

All of them: additions, changes, deletions, both ends of a rename, type changes and submodule
bumps, whatever the user's diff settings are, because only plumbing is asked.
"""

from __future__ import annotations

import os

from agentlock.errors import GitError, UsageError
from agentlock.git.process import Running, git, output
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.repository import Repository

# --raw tells submodules apart; --no-renames lists both ends of a rename and is 400 times faster
# than detection on 50,000 moves; ignore-submodules=none because an unstaged .gitmodules could
# hide a staged bump; without -r a tree would stand for its files.
_RAW = ("--raw", "-z", "--no-renames", "--ignore-submodules=none")
_REV_LIST = ("rev-list", "--parents", "--stdin")
_OF_PLAIN = ("diff-tree", "--stdin", "-r", "--root", *_RAW)
_AS_PATCH = (
    *("-p", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index"),
    "--ignore-submodules=none",
)
_MERGE_TREE = ("merge-tree", "--write-tree", "--no-messages", "-z")
_GITLINK = b"160000"
NOBODY = {
    f"GIT_{role}_{what}".encode(): value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", b"agentlock"), ("EMAIL", b""), ("DATE", b"@0 +0000"))
}
"""Who makes a commit that no ref will ever name, whatever git knows of the user."""


class Changes(Value):
    """Paths relative to the root, sorted, each once; ``submodules`` are those with a gitlink."""

    paths: tuple[bytes, ...]
    submodules: frozenset[bytes]


class RefUpdate(Value):
    """One line that git gives a pre-push hook; an oid of zeros means "none".

    Of pre-receive, ``remote_ref`` is a ref of this repository, and ``local_ref`` is not known.
    """

    local_ref: bytes
    local_oid: bytes
    remote_ref: bytes
    remote_oid: bytes

    @property
    def deletes(self) -> bool:
        return not self.local_oid.strip(b"0")

    @property
    def creates(self) -> bool:
        return not self.remote_oid.strip(b"0")


class Push(Value):
    """The commits that a push brings, and those that it drops, each as its oid and its parents'."""

    brings: tuple[bytes, ...]
    drops: tuple[bytes, ...]


def ask_staged(base: str = "HEAD") -> Running:
    """Start to ask git what the index changes against a commit or a tree."""
    return Running("diff-index", "--cached", *_RAW, "--ita-invisible-in-index", base, "--")


def staged(
    repository: Repository,
    merging: Sequence[bytes] | None = None,
    asked: Running | None = None,
) -> Changes:
    """What the index changes against HEAD, or while merging against git's own automatic merge.

    GIT_INDEX_FILE is honoured: ``git commit -- PATHS`` and ``-a`` use an index of their own.
    ``merging`` are the oids that are being merged; None reads them from MERGE_HEAD. ``asked`` is
    what ``ask_staged`` began against HEAD; a merge has no use for it.
    """
    repository.require_worktree()
    heads = _heads_in(repository, b"MERGE_HEAD") if merging is None else list(merging)
    base, beside = _automatic_merge([b"HEAD", *heads]) if heads else (None, b"")
    result = (ask_staged(base) if base else asked or ask_staged()).result()
    if result.code == 128 and base is None and _is_unborn():
        empty_tree = output("hash-object", "-t", "tree", "--stdin").decode().strip()
        result = ask_staged(empty_tree).result()
    if result.code != 0:
        raise result.error()
    return _parse([result.stdout, beside])


def uncommitted(repository: Repository) -> Changes:
    """All that a commit of everything would change: staged, not staged, and untracked files."""
    cached = staged(repository)
    unstaged = _parse([output("diff-files", *_RAW, cwd=repository.root)])
    listed = output("ls-files", "-z", "--others", "--exclude-standard", cwd=repository.root)
    untracked = [path for path in listed.split(b"\0") if path]
    paths = {*cached.paths, *unstaged.paths, *untracked}
    return Changes(tuple(sorted(paths)), cached.submodules | unstaged.submodules)


def takes_all(repository: Repository) -> bool:
    """Whether git would refuse to commit some of the paths only: it is merging or picking."""
    heads = (b"MERGE_HEAD", b"CHERRY_PICK_HEAD", b"REVERT_HEAD")
    return any(os.path.lexists(os.path.join(repository.git_dir, head)) for head in heads)


def merged_heads() -> list[bytes]:
    """What ``git merge`` is merging while pre-merge-commit runs: MERGE_HEAD is not there yet.

    git names each head in a variable GITHEAD_<oid> (builtin/merge.c). Who forges one more changes
    what is compared with; the push judges the commit by its real parents.
    """
    prefix = b"GITHEAD_"
    return [name[len(prefix) :] for name in os.environb if name.startswith(prefix)]


def sent(remote: str, updates: Iterable[RefUpdate]) -> Push:
    """What a push brings to a remote that does not have it yet, and what a forced one drops.

    Complete with respect to what the remote-tracking refs of ``remote`` say that it has.
    GitError where the remote holds a commit that is not here: what the push would drop cannot
    be known then.
    """
    updates = [update for update in updates if not update.deletes]
    if not updates:
        return Push((), ())
    known = {update.remote_oid for update in updates if not update.creates}
    _require_known(known)
    new = [update.local_oid for update in updates] + [b"^" + oid for oid in known]
    return Push(commits(new, *_known_to(remote)), dropped(updates))


def changed_by(push: Push) -> Changes:
    """What the commits of a push change, those that it brings and those that it drops."""
    return _parse(_of_listed([*push.brings, *push.drops]))


def touching(push: Push) -> dict[bytes, set[str]]:
    """Each path, and the oids of the commits that are brought and change it.

    A path that dropped commits change is also listed under the oid "", which nobody made.
    """
    found: dict[bytes, set[str]] = {}
    plain = []
    for line in push.brings:
        oid, *parents = line.split()
        if len(parents) < 2:
            plain.append(oid)
            continue
        for path in _parse(_of_listed([line])).paths:
            found.setdefault(path, set()).add(oid.decode())
    oid = b""
    fields = iter(output(*_OF_PLAIN, stdin=b"\n".join(plain) + b"\n").split(b"\0"))
    for field in fields:
        if field.startswith(b":"):
            found.setdefault(next(fields), set()).add(oid.decode())
        else:
            oid = field
    for path in _parse(_of_listed(push.drops)).paths:
        found.setdefault(path, set()).add("")
    return found


def commits(revisions: Iterable[bytes], *options: str) -> tuple[bytes, ...]:
    """The commits that these revisions reach, but for those after a "^": as Push has them."""
    stdin = b"\n".join(revisions) + b"\n"
    return tuple(output(*_REV_LIST, *options, stdin=stdin).splitlines())


def dropped(updates: Iterable[RefUpdate]) -> tuple[bytes, ...]:
    """The commits that forced pushes take away from a ref; a tag that moves takes none."""
    found: list[bytes] = []
    for update in updates:
        if not update.creates and not update.remote_ref.startswith(b"refs/tags/"):
            found += commits([update.remote_oid, b"^" + update.local_oid])
    return tuple(dict.fromkeys(found))


def patch_ids(oids: Iterable[str]) -> dict[str, str]:
    """git-patch-id(1) of each commit that has one: merges and empty commits do not."""
    asked = "".join(f"{oid}\n" for oid in oids).encode()
    if not asked:
        return {}
    patches = output("diff-tree", "--stdin", "-r", "--root", *_AS_PATCH, stdin=asked)
    found = output("patch-id", "--stable", stdin=patches).decode().split()
    return dict(zip(found[1::2], found[::2], strict=True))


def staged_patch_id() -> str | None:
    """The patch id that a commit of the index on HEAD would have."""
    staged_now = git("diff-index", "--cached", *_AS_PATCH, "HEAD", "--")
    if staged_now.code != 0:  # HEAD is unborn
        return None
    found = output("patch-id", "--stable", stdin=staged_now.stdout).decode().split()
    return found[0] if found else None


def replayed(repository: Repository) -> str | None:
    """The commit that a cherry-pick or a rebase is making anew right now.

    CHERRY_PICK_HEAD, and of ``rebase --apply`` REBASE_HEAD; the other rebase leaves that one
    standing while a person edits.
    """
    heads = _heads_in(repository, b"CHERRY_PICK_HEAD")
    if not heads and os.path.exists(os.path.join(repository.git_dir, b"rebase-apply/rebasing")):
        heads = _heads_in(repository, b"REBASE_HEAD")
    return heads[0].decode("ascii", "replace") if heads else None


def in_range(revisions: str) -> Changes:
    """What the commits of ``A..B`` change, judged as a push of them would be."""
    mistake = UsageError(f"{revisions!r} is no range of commits here", hint="write it as A..B")
    if revisions.startswith("-"):
        raise mistake
    resolved = git("rev-parse", "--revs-only", "--end-of-options", revisions, "--")
    lines = [line for line in resolved.stdout.split(b"\n") if line not in (b"", b"--")]
    if resolved.code != 0 or not lines:
        raise mistake
    return _parse(_of_listed(commits(lines)))


def _heads_in(repository: Repository, name: bytes) -> list[bytes]:
    """The oids in MERGE_HEAD or its like; none where nothing of the kind is under way."""
    try:
        with open(os.path.join(repository.git_dir, name), "rb") as file:
            return file.read().split()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise GitError(f"git's {name.decode()} cannot be read: {error.strerror}") from error


def _automatic_merge(heads: Sequence[bytes]) -> tuple[str | None, bytes]:
    """The tree that git's own merge of these commits gives, and what counts whatever it says.

    That is what git could not settle in it, and is somebody's decision also where it equals the
    tree: of a binary file that both changed, git keeps the first version there.

    More than two are merged one after the other, as by git's octopus strategy, which gives up
    where a step conflicts. None there, below git 2.38 (no ``merge-tree --write-tree``), and where
    there is no common history: then the comparison is with the first, and all that the others
    did counts too, for ``-s ours`` drops it: more paths, not fewer.
    """
    so_far = os.fsdecode(heads[0])
    tree, unsettled = None, b""
    for count, head in enumerate(map(os.fsdecode, heads[1:]), start=2):
        result = git(*_MERGE_TREE, so_far, head)
        oid, _, conflicts = result.stdout.partition(b"\0")
        if not oid or result.code not in ((0, 1) if len(heads) == 2 else (0,)):
            return None, _brought(heads)
        tree, unsettled = oid.decode("ascii", "replace"), _unsettled(conflicts)
        if count < len(heads):
            so_far = _unreferenced_commit(tree, so_far, head)
    return tree, unsettled


def _brought(heads: Sequence[bytes]) -> bytes:
    """Raw diffs of all that the other commits did since they left the first."""
    chunks = []
    first = os.fsdecode(heads[0])
    for head in heads[1:]:
        found = git("merge-base", "--all", first, os.fsdecode(head))
        if found.code not in (0, 1):
            raise found.error()
        bases = found.stdout.split() or [output("hash-object", "-t", "tree", "--stdin").strip()]
        chunks += [_difference(base, head) for base in bases]
    return b"".join(chunks)


def _unsettled(conflicts: bytes) -> bytes:
    """``MODE OID STAGE<tab>PATH``, as merge-tree lists conflicts, in the form of a raw diff."""
    return b"".join(
        b":%b\0%b\0" % (header, path)
        for header, _, path in (entry.partition(b"\t") for entry in conflicts.split(b"\0"))
        if path
    )


def _unreferenced_commit(tree: str, *parents: str) -> str:
    """A commit that no ref will ever name: ``merge-tree`` merges nothing else."""
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


def _require_known(oids: set[bytes]) -> None:
    if not oids:
        return
    answer = output("cat-file", "--batch-check", stdin=b"\n".join(sorted(oids)) + b"\n")
    missing = [line.split()[0] for line in answer.splitlines() if line.endswith(b" missing")]
    if missing:
        raise GitError(
            f"the remote is at {missing[0].decode()[:12]}, which this repository does not have: "
            "what the push would drop there cannot be known",
            hint="git fetch, then push again",
        )


def _known_to(remote: str) -> list[str]:
    """Options that leave out what the remote-tracking refs say that a remote has.

    A push by URL gives the URL as the name; then nothing is known to be there already, as with a
    name that `--remotes` would read as a glob over others'. Those of `origin/b` are not `origin`'s.
    """
    names = output("remote").decode("utf-8", "surrogateescape").splitlines()
    if remote not in names or any(letter in remote for letter in "*?[\\"):
        return []
    below = [name[len(remote) :] for name in names if name.startswith(remote + "/")]
    if any(letter in name for name in below for letter in "*?[\\"):
        return []
    return ["--not", *(f"--exclude={remote}{name}/*" for name in below), f"--remotes={remote}"]


def _of_listed(lines: Iterable[bytes]) -> list[bytes]:
    """Raw diffs of commits, each given as its oid and its parents'."""
    plain: list[bytes] = []
    merges: list[bytes] = []
    chunks: list[bytes] = []
    for line in lines:
        commit, *parents = line.split()
        if len(parents) < 2:
            plain.append(commit)
        elif len(parents) == 2:
            merges.append(commit)
        else:
            base, beside = _automatic_merge(parents)
            chunks += [_difference(os.fsencode(base) if base else parents[0], commit), beside]
    if plain:
        chunks.append(output(*_OF_PLAIN, "--no-commit-id", stdin=b"\n".join(plain) + b"\n"))
    return chunks + _of_merges(merges)


def _of_merges(merges: list[bytes]) -> list[bytes]:
    """What merges of two did beyond git's own: conflict resolutions, evil merges, ``-s ours``."""
    if not merges:
        return []
    result = git(
        *("-c", "core.quotePath=false", "-c", "log.showSignature=false"),
        *("log", "--stdin", "--no-walk=unsorted", "--remerge-diff", "--format=", "--no-color"),
        *("--no-ext-diff", "--no-relative", "-O/dev/null", *_RAW),
        stdin=b"\n".join(merges) + b"\n",
    )
    if result.code == 0:
        pairs = b"".join(b"%b^1 %b^2\n" % (merge, merge) for merge in merges)
        unsettled = git(*_MERGE_TREE, "--allow-unrelated-histories", "--stdin", stdin=pairs)
        if unsettled.code == 0:
            return [result.stdout, _unsettled(unsettled.stdout)]
    # Below git 2.38: all that the merge brought to its first parent, and all that it dropped.
    return [
        chunk
        for merge in merges
        for chunk in (
            _difference(merge + b"^1", merge),
            _brought([merge + b"^1", merge + b"^2"]),
        )
    ]


def _difference(old: bytes, new: bytes) -> bytes:
    return output("diff-tree", "-r", *_RAW, os.fsdecode(old), os.fsdecode(new), "--")


def _parse(chunks: Iterable[bytes]) -> Changes:
    """Raw diffs, NUL-separated: ``:MODES OIDS STATUS``, path, and so on in turn."""
    paths: set[bytes] = set()
    submodules: set[bytes] = set()
    for chunk in chunks:
        fields = chunk.split(b"\0")
        if fields.pop() or len(fields) % 2:
            raise GitError("git's answer about the changed paths was cut short")
        headers, names = fields[::2], fields[1::2]
        paths.update(names)
        if _GITLINK in chunk:
            submodules.update(
                name for header, name in zip(headers, names, strict=True) if _GITLINK in header
            )
    return Changes(tuple(sorted(paths)), frozenset(submodules))
