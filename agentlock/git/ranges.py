"""A range of commits as a push that nobody has begun: what it would bring, and to which branch."""

from __future__ import annotations

import os

from agentlock.git.commits import beyond, in_range, oid_of
from agentlock.git.hook_input import RefUpdate
from agentlock.git.process import git, output
from agentlock.git.pushes import BRANCHES, Push, dropped
from agentlock.git.ref_updates import logged

_REMOTES = "refs/remotes/"


class Range:
    """The commits of ``A..B``, as if they were pushed to the branch that A names.

    ``update`` says what that would move; its ``remote_ref`` is b"" if A names no branch, and
    ``tracking`` the remote-tracking ref that A names, "" for none. If A is what the remote has of
    B's own branch, it drops what this branch once had, by its reflog, and has no more: a push would
    have to be forced. What the branch never had waits for a pull.
    """

    def __init__(self, revisions: str) -> None:
        """UsageError for what is no such range; GitError where a shallow clone cuts it off."""
        commits = in_range(revisions)
        limits = output("rev-parse", "--revs-only", "--end-of-options", revisions, "--").split()
        tip = next(oid for oid in limits if not oid.startswith(b"^"))
        bases = [oid[1:] for oid in limits if oid.startswith(b"^")]
        self.has_one_base = len(bases) == 1  # the parents of a merge (`HEAD^!`) are several
        first, dots, last = revisions.partition("..")
        name = _full(first or "HEAD") if dots else ""
        own = _full(last or "HEAD") if dots else ""
        self.tracking = name if name.startswith(_REMOTES) else ""
        branch = _branch_of(name)
        self.update = RefUpdate(os.fsencode(own) or b"HEAD", tip, branch, bases[0])
        is_own = self.tracking and own and (os.fsencode(own) == branch or _upstream(own) == name)
        lacking = dropped([self.update]) if is_own else ()
        pulled = beyond(lacking, logged(own)) if lacking else set()
        drops = [line for line in lacking if oid_of(line) not in pulled]
        self.push = Push(tuple(commits), tuple(drops))

    def others(self) -> list[bytes]:
        """What the other remote-tracking refs are at."""
        answer = output("for-each-ref", "--format=%(objectname) %(refname) %(symref)", _REMOTES)
        fields = [line.split(b" ", 2) for line in answer.splitlines()]
        own = os.fsencode(self.tracking)
        return [oid for oid, name, target in fields if name != own and not target]


def _full(name: str) -> str:
    found = git("rev-parse", "--verify", "--quiet", "--symbolic-full-name", name)
    return os.fsdecode(found.stdout.strip())


def _upstream(branch: str) -> str:
    return _full(f"{branch.removeprefix(os.fsdecode(BRANCHES))}@{{upstream}}")


def _branch_of(name: str) -> bytes:
    """The branch that a push would move, if the range begins at this ref; b"" if it is none."""
    if not name.startswith(_REMOTES):
        return os.fsencode(name) if name.startswith(os.fsdecode(BRANCHES)) else b""
    rest = name[len(_REMOTES) :]
    remotes = os.fsdecode(output("remote")).splitlines()
    prefixes = [f"{remote}/" for remote in remotes if rest.startswith(f"{remote}/")]
    longest = max(prefixes, key=len, default="")
    return BRANCHES + os.fsencode(rest[len(longest) :]) if longest else b""
