"""What a push changes, seen from the repository that receives it (githooks(5), pre-receive).

Its refs are still what they were, and the new objects lie in a quarantine, to which git's variables
lead every git command that the hook runs (git-receive-pack(1)).
"""

from __future__ import annotations

from agentlock.git.commits import listed
from agentlock.git.process import git, output
from agentlock.git.pushes import BRANCHES, Push, dropped, pushed_to_branches, taken_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.hook_input import RefUpdate

_REF = "--format=%(objectname) %(refname) %(symref)"


def received(updates: Sequence[RefUpdate]) -> Push:
    """The commits that no branch here has yet, and those that a branch loses.

    A tag makes no commit known: what came in with one is judged when it reaches a branch. A
    deleted ref drops what no other branch has once the push is done; deleting a tag drops nothing.
    """
    new = [update.local_oid for update in updates if not update.deletes]
    brings = listed(new, "--not", "--branches") if new else []
    forced = dropped(update for update in updates if not update.deletes)
    deleted = [update.remote_oid for update in taken_away(updates)]
    if deleted:
        deleted = listed([*deleted, *(b"^" + oid for oid in branches_after(updates))])
    return Push(tuple(brings), tuple(dict.fromkeys([*forced, *deleted])))


def branches_after(updates: Sequence[RefUpdate]) -> list[bytes]:
    """What the branches here are at once the push is done."""
    deletions = [update.remote_ref for update in updates if update.deletes and not update.creates]
    refs = _refs(deletions)
    changed = {update.remote_ref for update in updates if not update.deletes}
    changed |= _really_deleted(refs, deletions)
    kept = {
        oid
        for oid, name, target in refs
        if name.startswith(BRANCHES) and not target and name not in changed
    }
    return sorted(kept.union(pushed_to_branches(updates)))


def default_branch() -> bytes:
    """The branch that HEAD names; b"" if it names a commit."""
    head = git("symbolic-ref", "--quiet", "HEAD")
    if head.code not in (0, 1):  # 1: HEAD names a commit, and no branch is the default
        raise head.error()
    return head.stdout.rstrip(b"\n")


def deleted_default_branch(updates: Iterable[RefUpdate]) -> bytes | None:
    """The branch that HEAD names, if the push deletes it, by whatever name; else None."""
    deleted = [update.remote_ref for update in updates if update.deletes and not update.creates]
    if not deleted:
        return None
    default = default_branch()
    return default if default in _really_deleted(_refs(deleted), deleted) else None


def _refs(named: Sequence[bytes]) -> list[tuple[bytes, bytes, bytes]]:
    """(oid, name, what a symbolic ref names) of every branch, and of the named refs."""
    patterns = [name.decode("utf-8", "surrogateescape") for name in named]
    found = output("for-each-ref", _REF, "refs/heads", *patterns).splitlines()
    fields = [line.split(b" ") for line in found]
    return [(oid, name, target) for oid, name, target in fields]


def _really_deleted(
    refs: Iterable[tuple[bytes, bytes, bytes]], names: Iterable[bytes]
) -> set[bytes]:
    """The refs that are deleted: a push that deletes a symbolic ref deletes its target."""
    targets = {name: target for _, name, target in refs if target}
    return {targets.get(name, name) for name in names}
