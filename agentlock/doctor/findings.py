"""What `agentlock doctor` says, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agentlock.errors import EXIT_OK, EXIT_REFUSED, EXIT_UNDECIDED
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable


class Finding(Value):
    """One thing that was looked at.

    ``mend`` is a command to paste, ``advice`` what to do where no command would; both "" where
    nothing is wrong. ``lets_through``: commits, merges or pushes get past the guard.
    """

    level: Literal["ok", "warning", "problem"]
    check: str
    message: str
    mend: str = ""
    advice: str = ""
    worktree: bytes | None = None
    hook: str = ""
    lets_through: bool = False


def exit_code(findings: Iterable[Finding]) -> int:
    """0: every worktree is guarded. 1: something gets through. 3: that could not be decided."""
    problems = [finding for finding in findings if finding.level == "problem"]
    if any(finding.lets_through for finding in problems):
        return EXIT_REFUSED
    return EXIT_UNDECIDED if problems else EXIT_OK
