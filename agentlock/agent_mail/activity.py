"""Whether Agent Mail would release a reservation because its agent does nothing any more.

Agent Mail does so, once a minute, if the agent has used none of its tools for 30 minutes and had
nothing to do with messages for 15, and nobody has changed or committed a file under the reservation
for 15. Its server may be set to other times, which nobody can ask it: it comes with these.
"""

from __future__ import annotations

import os
import time

from agentlock.agent_mail.live import GRACE
from agentlock.git.process import git
from agentlock.patterns.pattern import compile_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.agent_mail.lease import Lease

_LONGEST_LOOK = 0.5  # seconds


def stands(lease: Lease, now: int) -> bool:
    """Whether the lease of an idle agent counts all the same, or it cannot be told in time."""
    since = now - GRACE
    return _edited(lease, since) or _committed(lease, since)


def _edited(lease: Lease, since: int) -> bool:
    until = time.monotonic() + _LONGEST_LOOK
    pattern, root = compile_pattern(lease.pattern), os.fsencode(lease.worktree)
    for path in _files(os.path.join(root, pattern.prefix)):
        if time.monotonic() > until:
            return True
        if pattern.matches(os.path.relpath(path, root)):
            try:
                changed = os.lstat(path).st_mtime_ns // 1000
            except OSError:  # it has just gone
                continue
            if changed >= since:
                return True
    return False


def _files(start: bytes) -> Iterator[bytes]:
    yield start
    for folder, names, files in os.walk(start):
        names[:] = [name for name in names if name != b".git"]
        for name in files:
            yield os.path.join(folder, name)


def _committed(lease: Lease, since: int) -> bool:
    """Whether a commit of that time changed anything in the folder of the pattern."""
    prefix = os.fsdecode(compile_pattern(lease.pattern).prefix)
    asked = ("log", "-1", "--format=%H", f"--since={since // 1_000_000}", "HEAD", "--")
    where = f":(top,literal){prefix}" if prefix else ":(top)"
    return bool(git(*asked, where, cwd=os.fsencode(lease.worktree)).stdout)
