"""What `agentlock doctor` found, and the exit code that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agentlock.errors import EXIT_OK, EXIT_REFUSED, EXIT_UNDECIDED, AgentlockError
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Iterable


class Finding(Value):
    """One thing that was examined.

    If something is wrong, one of these says what to do: ``fix`` is a command that repairs it,
    ``see`` a command that shows more, ``advice`` plain words where no command would do.
    ``lets_through``: commits, merges or pushes get past the guard.
    """

    level: Literal["ok", "warning", "problem"]
    check: str
    message: str
    fix: str = ""
    see: str = ""
    advice: str = ""
    worktree: bytes | None = None
    hook: str = ""
    lets_through: bool = False


def problem(check: str, error: Exception, worktree: bytes | None = None) -> Finding:
    """An exception as a finding. An error's ``fix`` may be an instruction, so it is advice here."""
    fix, see = (error.fix, error.see) if isinstance(error, AgentlockError) else ("", "")
    return Finding("problem", check, str(error), see=see, advice=fix, worktree=worktree)


def exit_code(findings: Iterable[Finding]) -> int:
    """0: every worktree is guarded. 1: something gets through. 3: that could not be decided."""
    problems = [finding for finding in findings if finding.level == "problem"]
    if any(finding.lets_through for finding in problems):
        return EXIT_REFUSED
    return EXIT_UNDECIDED if problems else EXIT_OK
