"""The commits that changed one path."""

from __future__ import annotations

import os

from agentlock.git.process import output
from agentlock.model import MICROSECONDS, Value


class PastCommit(Value):
    """A commit of the history of HEAD; ``moment`` is when it was committed."""

    oid: str
    moment: int
    author: str
    subject: str


def commits_of(root: bytes, path: bytes, most: int) -> list[PastCommit]:
    """The newest commits of HEAD's history that changed a file or folder; GitError without any."""
    listed = output(
        *("--literal-pathspecs", "log", f"--max-count={most}", "-z", "--no-show-signature"),
        *("--encoding=UTF-8", "--format=%H%n%ct%n%an%n%s", "--", os.fsdecode(path)),
        cwd=root,
    )
    found = []
    for record in listed.split(b"\0"):
        if not record:
            continue
        oid, moment, author, subject = record.decode("utf-8", "replace").split("\n", 3)
        found.append(PastCommit(oid, int(moment) * MICROSECONDS, author, subject))
    return found
