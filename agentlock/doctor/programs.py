"""Examine the entries in the settings of agents' programs that are here."""

from __future__ import annotations

from agentlock.doctor.findings import Finding
from agentlock.edit_hooks.programs import NAMES
from agentlock.errors import AgentlockError
from agentlock.install.edit_hooks import status


def examine_programs() -> list[Finding]:
    """What is wrong with the entries that somebody installed; a program without any is no fault."""
    found = []
    for name in NAMES:
        try:
            one = status(name)
        except AgentlockError as error:
            found.append(Finding("warning", "edit hooks", error.message, advice=error.fix))
            continue
        if one.state == "installed":
            text = f"{one.title} is stopped before it edits what others hold ({one.file})"
            found.append(Finding("ok", "edit hooks", text))
        elif one.state != "missing":
            how = (
                "belong to another installation" if one.state == "outdated" else "are not all there"
            )
            fix = f"agentlock edit-hooks install {name}"
            text = f"agentlock's entries for {one.title} {how} ({one.file})"
            found.append(Finding("warning", "edit hooks", text, fix=fix))
    return found
