"""`agentlock check`: the verdict that the hooks would give."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from agentlock.cli.output import print_json, put, verdict_json
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.errors import EXIT_OK, EXIT_REFUSED, UsageError
from agentlock.git import changes as git_changes
from agentlock.git.changes import Changes
from agentlock.guard.judge import judge, meeting_directories
from agentlock.guard.report import tell, verdict_text
from agentlock.patterns.matching import compile_pattern
from agentlock.patterns.syntax import read_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read NUL-separated paths.")
@click.option("--staged", is_flag=True, help="What is staged (the default).")
@click.option("--range", "revisions", metavar="A..B", help="What the commits of a range change.")
@agent_option
@json_option
@timeout_option
def check(
    paths: Sequence[str],
    from_stdin: bool,
    staged: bool,
    revisions: str | None,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """Would a commit of these paths be refused? Exit 0: no, 1: yes, 3: cannot say.

    \b
    Example:
      agentlock check src/auth/login.py
      git diff -z --name-only main | agentlock check --stdin
    """
    if sum((bool(paths), from_stdin, staged, revisions is not None)) > 1:
        raise UsageError(
            "paths, --stdin, --staged and --range exclude each other", hint="give one of them"
        )
    workspace = Workspace(agent, timeout)
    directories: list[bytes] = []
    if revisions is not None:
        changes = git_changes.in_range(revisions)
    elif paths or from_stdin:
        given = _from_stdin() if from_stdin else [os.fsencode(path) for path in paths]
        changes, directories = _named(workspace, given)
    else:
        changes = git_changes.staged(workspace.repository)
    name = workspace.identity.name
    with workspace.store(read_only=True) as store:
        verdict, now = judge(store, changes, name, workspace.folding)
        if directories:
            met = meeting_directories(store, directories, name, workspace.folding)
            verdict = verdict.replace(
                checked=verdict.checked + len(directories),
                conflicts=(*verdict.conflicts, *met),
            )
    if not verdict.clean:
        tree = None if workspace.repository.is_bare else workspace.tree
        folder = b"" if tree is None else os.path.relpath(tree.cwd, tree.root)
        tell(verdict_text(verdict, now, what="check", agent=name, folder=folder))
    if as_json:
        print_json(verdict_json(verdict))
    elif verdict.clean:
        put(f"allow: {verdict.checked} path{'' if verdict.checked == 1 else 's'} checked")
    return EXIT_OK if verdict.allowed else EXIT_REFUSED


def _from_stdin() -> list[bytes]:
    return [path for path in sys.stdin.buffer.read().split(b"\0") if path]


def _named(workspace: Workspace, given: Sequence[bytes]) -> tuple[Changes, list[bytes]]:
    """Paths as they were named from the current directory; folders apart, as patterns."""
    tree = workspace.tree
    paths: set[bytes] = set()
    submodules: set[bytes] = set()
    directories: list[bytes] = []
    for text in given:
        reading = read_pattern(text, tree, force="literal", whole_repository=True)
        path = compile_pattern(reading.pattern).prefix
        if reading.kind != "directory":
            paths.add(path)
        elif tree.lookup(path) == "submodule":
            paths.add(path)
            submodules.add(path)
        else:
            directories.append(reading.pattern)
    return Changes(tuple(sorted(paths)), frozenset(submodules)), directories
