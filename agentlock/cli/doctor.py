"""`agentlock doctor`: is every worktree guarded, what is wrong, and what repairs it."""

from __future__ import annotations

import os
from contextlib import suppress

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, say_how_to_start_afresh
from agentlock.cli.workspace import agent_option, json_option, timeout_of, timeout_option
from agentlock.doctor.examine import examine
from agentlock.doctor.findings import exit_code
from agentlock.doctor.table import RESTORE
from agentlock.errors import EXIT_OK, EXIT_REFUSED, IdentityError
from agentlock.git.identity import identify
from agentlock.git.repository import discover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agentlock.doctor.findings import Finding

_WORDS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}


@declared.command()
@declared.option("--verbose", is_flag=True, help="Show each worktree on a line of its own.")
@agent_option
@json_option
@timeout_option
def doctor(verbose: bool, agent: str | None, as_json: bool, timeout: str | None) -> int:
    """Prove, in every worktree, that the hooks run and refuse.

    Git itself runs each hook on a change that exists nowhere. Your own hooks do not run, and
    nothing is left behind. Each problem is shown with the command that fixes it.

    Exit 0: every worktree is guarded. 1: something gets through. 3: doctor could not decide.

    JSON: {"guarded": true|false|null, "findings": [{"level": "ok"|"warning"|"problem", "check",
    "worktree", "hook", "message", "mend", "advice", "lets_through"}]}. `mend` is a command that
    repairs it, `advice` is what to do if no command would; either may be null.

    \b
    Example:
      agentlock doctor
    """
    repository = discover()
    findings = examine(repository, agent=agent, timeout=timeout_of(timeout))
    code = exit_code(findings)
    if as_json:
        guarded = {EXIT_OK: True, EXIT_REFUSED: False}.get(code)
        print_json({"guarded": guarded, "findings": [_json(finding) for finding in findings]})
        return code
    for alike in _alike(findings, verbose=verbose):
        put(_line(alike))
    if any(finding.advice == RESTORE for finding in findings):
        with suppress(IdentityError):
            say_how_to_start_afresh(identify(repository, agent).name)
    return code


def _alike(findings: Sequence[Finding], *, verbose: bool) -> list[list[Finding]]:
    """The findings, with those together that say the same good of several worktrees."""
    groups: dict[object, list[Finding]] = {}
    for position, finding in enumerate(findings):
        same = finding.level == "ok" and finding.worktree is not None and not verbose
        key = (finding.check, finding.hook, finding.message) if same else position
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _line(alike: Sequence[Finding]) -> str:
    finding = alike[0]
    where = finding.check if not finding.hook else f"{finding.check} {finding.hook}"
    if len(alike) > 1:
        where += f" in {len(alike)} worktrees"
    elif finding.worktree is not None:
        where += f" in {os.fsdecode(finding.worktree)}"
    labels = (("fix: ", finding.fix), ("see: ", finding.see), ("", finding.advice))
    steps = "".join(f"; {label}{step}" for label, step in labels if step)
    return f"{_WORDS[finding.level]:8} {where}: {finding.message}{steps}"


def _json(finding: Finding) -> dict[str, Any]:
    worktree = finding.worktree
    return {
        "level": finding.level,
        "check": finding.check,
        "worktree": None if worktree is None else os.fsdecode(worktree),
        "hook": finding.hook or None,
        "message": finding.message,
        "mend": finding.fix or None,
        "advice": finding.advice or finding.see or None,
        "lets_through": finding.lets_through,
    }
