"""Examine the entries in the settings of agents' programs: each must deny a probe.

The shell line of an entry is run as its program runs it, on an edit that is always denied. A line
that is not exactly ours is never run. Whether a program reads its entries at all is decided by its
own rules, which are applied to every worktree.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from agentlock import children
from agentlock.doctor.findings import Finding
from agentlock.edit_hooks.dialect import BEFORE
from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.environment import PROBE
from agentlock.errors import AgentlockError
from agentlock.install import codex
from agentlock.install.edit_hooks import SECONDS, lines_before_a_tool, status
from agentlock.model import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.edit_hooks.dialect import Dialect
    from agentlock.git.repository import Repository
    from agentlock.install.edit_hooks import Installed

_LIMIT = 10.0  # seconds for a probe; the door's own deadline is 5
_CHECK = "edit hooks"
_LETS_PASS = (
    f"it edits all the same if the entry is removed or gives no answer within {SECONDS} seconds; "
    "the commit is judged in any case"
)
_OWN_WORDS = {
    "gemini": (
        "it edits all the same if the entry is removed or gives no answer within "
        f"{SECONDS} seconds, and then its shell runs no git hook either: the push is judged"
    ),
    "opencode": "it edits all the same if the plugin is not loaded; the commit is judged",
}


class _Place(Value):
    """Where a program is examined: the roots of the worktrees, and the repository they share."""

    repository: Repository
    roots: tuple[str, ...]
    prove: bool


def examine_programs(
    repository: Repository, roots: Sequence[bytes], *, prove: bool
) -> list[Finding]:
    """What is wrong with the entries that somebody installed; a program without any is no fault.

    ``roots`` are the folders of the worktrees; with ``prove`` False the entries are only read.
    """
    place = _Place(repository, tuple(os.fsdecode(root) for root in roots), prove)
    return [finding for name in NAMES for finding in _examined(name, place)]


def _examined(name: str, place: _Place) -> list[Finding]:
    try:
        return _program(dialect_of(name), place)
    except AgentlockError as error:
        return [Finding("warning", _CHECK, error.message, advice=error.fix)]


def _program(dialect: Dialect, place: _Place) -> list[Finding]:
    name = dialect.name
    user = status(name)
    projects = {root: status(name, root) for root in place.roots}
    found = [_entries(dialect, user, None, place)] if user.state != "missing" else []
    for root, one in projects.items():
        if one.state != "missing":
            found.append(_entries(dialect, one, root, place))
    if user.state == "missing" and any(one.state != "missing" for one in projects.values()):
        found += _unread(dialect, projects)
    if name == "codex" and found and codex.is_here():
        found += _by_codex(place)
    return found


def _entries(dialect: Dialect, one: Installed, root: str | None, place: _Place) -> Finding:
    """How the entries in one file stand, and whether the one before a tool denies."""
    where = os.fsencode(root) if root is not None else None
    option = "" if root is None else " --project"
    fix = f"agentlock edit-hooks install {dialect.name}{option}"
    if one.state != "installed":
        how = "belong to another installation" if one.state == "outdated" else "are not all there"
        text = f"agentlock's entries for {one.title} {how} ({one.file})"
        return Finding("warning", _CHECK, text, fix=fix, worktree=where)
    lines = lines_before_a_tool(dialect.name, root) if place.prove else []
    wrong = [why for line in lines if (why := _probe(dialect, line, place))]
    if wrong:
        text = f"{one.title}'s entry did not deny a probe: {wrong[0]} ({one.file})"
        return Finding("warning", _CHECK, text, fix=fix, worktree=where)
    lets_pass = _OWN_WORDS.get(dialect.name, _LETS_PASS)
    how = "denied a probe" if lines else "is there"
    return Finding(
        "ok", _CHECK, f"{one.title}'s entry {how} ({one.file}); {lets_pass}", worktree=where
    )


def _probe(dialect: Dialect, line: str, place: _Place) -> str:
    """Run the shell line of an entry on a probe; what is wrong, or "" if it denied."""
    event, nonce = dialect.event_of(BEFORE), secrets.token_hex(8)
    named, session, cwd, tool, given = dialect.keys
    root = place.roots[0]
    file = {"file_path": os.path.join(root, f".agentlock-probe-{nonce}")}
    payload = {named: event, session: "", cwd: root, tool: "write", given: file}
    surroundings = {**os.environ, PROBE: nonce}
    try:
        ended = children.run(
            ["sh", "-c", line],
            limit=_LIMIT,
            stdin=json.dumps(payload),
            cwd=os.fsencode(root),
            environment=surroundings,
        )
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    if ended.code is None:
        return f"no answer within {_LIMIT:.0f} seconds"
    denied = 2 if dialect.shape != "plugin" else 101
    if ended.code == denied and nonce in ended.out:
        return ""
    said = (ended.err.strip().splitlines() or ["nothing"])[0]
    return f"exit code {ended.code}, and it said: {said}"


def _unread(dialect: Dialect, projects: dict[str, Installed]) -> list[Finding]:
    """Where entries that are in the project only do not count, by the program's own rules."""
    found = []
    title, file = dialect.title, dialect.project_file
    fix = f"agentlock edit-hooks install {dialect.name}"
    for root, one in projects.items():
        if one.state == "missing" and dialect.name != "codex":  # it reads the main checkout's
            text = f"{title} is not stopped here: this worktree has no {file} with the entries"
            found.append(Finding("warning", _CHECK, text, fix=fix, worktree=os.fsencode(root)))
    if not dialect.reads_below:
        text = f"{title} does not read {file} if it is started in a folder below"
        found.append(Finding("warning", _CHECK, text, fix=fix))
    if dialect.needs_trust:
        text = f"{title} does not read {file}, and does not say so, unless you trust the project"
        found.append(Finding("warning", _CHECK, text, fix=fix))
    return found


def _by_codex(place: _Place) -> list[Finding]:
    """What Codex itself says: where it runs our entries, and what its sandbox keeps."""
    found = []
    before = dialect_of("codex").event_of(BEFORE).lower()
    for root, entries in codex.entries_in(place.roots).items():
        mine = [one for one in entries if one.event.lower() == before]
        if any(one.runs for one in mine):
            continue
        how = f"its word for it is {mine[0].state!r}" if mine else "it does not find it"
        text = f"Codex does not run agentlock's entry here: {how}"
        fix = "agentlock edit-hooks install codex"
        found.append(Finding("warning", _CHECK, text, fix=fix, worktree=os.fsencode(root)))
    folder = codex.folder_of_the_table(place.repository)
    if folder and not codex.can_write(folder):
        text = f"commands in Codex's sandbox cannot reserve or release: it keeps {folder} read-only"
        fix = "agentlock edit-hooks install codex --sandbox"
        found.append(Finding("warning", _CHECK, text, fix=fix))
    return found
