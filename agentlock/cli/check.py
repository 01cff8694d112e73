"""`agentlock check`: the verdict that a hook would give."""

from __future__ import annotations

import os
import sys

from agentlock.cli import declared
from agentlock.cli.output import lease_text, print_json, put, table
from agentlock.cli.stale import say_stale
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.errors import EXIT_OK, EXIT_REFUSED, UsageError
from agentlock.git import changes as git_changes
from agentlock.guard.check import Named, named
from agentlock.guard.check import check as verdict_on
from agentlock.guard.report import pattern_of, tell, verdict_text
from agentlock.model import SKIPPED, WARNED
from agentlock.moments import moment_of
from agentlock.patterns.matching import displayed
from agentlock.reservations.stale import stale_copies
from agentlock.shapes import MOST_PATHS, checked_json, refused_commit_json, text_of, verdict_json
from agentlock.text import and_more, count, foreign, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.guard.check import Checked
    from agentlock.guard.history import RefusedCommit
    from agentlock.model import Verdict

_SHOWN = 5  # paths of a commit
_MOST_BYTES = 64 << 20
_MOST_GIVEN = 1_000_000


@declared.command()
@declared.argument("paths", nargs=-1, metavar="[PATH...]")
@declared.option(
    "--stdin", "from_stdin", is_flag=True, help="Check NUL-separated paths from stdin."
)
@declared.option("--lines", is_flag=True, help="Check paths from stdin, one on each line.")
@declared.option("--staged", is_flag=True, help="Check only what is staged.")
@declared.option(
    "--range",
    "revisions",
    metavar="A..B",
    help="Check commits by what is reserved now, as a push of them does.",
)
@declared.option(
    "--since",
    metavar="WHEN",
    help="List HEAD's commits since then (2h, or a time) that passed though others held the files.",
)
@agent_option
@json_option
@timeout_option
def check(
    paths: Sequence[str],
    from_stdin: bool,
    lines: bool,
    staged: bool,
    revisions: str | None,
    since: str | None,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> int:
    """Tell whose a path is, and if a commit would be refused.

    Without a path: everything uncommitted here, staged or not. Each path is mine, free, held (by
    another agent) or shared. Exit 0: a commit would pass, 1: it would be refused, 3: cannot decide.
    With --range, it lists the commits that a push would be refused for now. With --since, those
    that a person or the policy let pass, or that no hook has judged, over what others held then.

    \b
    Example:
      agentlock check
      agentlock check src/auth/login.py
      git diff -z --name-only main | agentlock check --stdin
      agentlock check --range origin/main..HEAD
    """
    from_stdin = from_stdin or lines
    ways = (bool(paths), from_stdin, staged, revisions is not None, since is not None)
    if sum(ways) > 1:
        raise UsageError(
            "paths, --stdin, --staged, --range and --since exclude each other",
            fix="give only one of them",
        )
    workspace = Workspace(agent, timeout)
    if revisions is not None or since is not None:
        return _check_commits(workspace, revisions, since, as_json=as_json)
    if from_stdin:
        from agentlock.git import path_lists

        given = _from_stdin()
        listed = path_lists.lines(given) if lines else path_lists.separated(given)
        asked = named(listed, workspace.tree)
    elif paths:
        asked = named([os.fsencode(path) for path in paths], workspace.tree)
    elif staged:
        asked = Named(git_changes.staged(workspace.repository).changes)
    else:
        asked = Named(git_changes.uncommitted(workspace.repository))
    return _check_paths(workspace, asked, as_json=as_json)


def _check_paths(workspace: Workspace, asked: Named, *, as_json: bool) -> int:
    """The verdict on a commit of these paths and folders."""
    name, folding = workspace.identity.name, workspace.folding
    with workspace.store(read_only=True, take_in=True) as store:
        found = verdict_on(store, workspace.repository, asked, name, folding)
        stale = stale_copies(
            *(store, workspace.repository, found.verdict.policy, folding),
            paths=asked.changes.paths,
            patterns=asked.folders,
        )
    if as_json:
        print_json(checked_json(found, stale))
    else:
        _put_paths(found)
    _tell(workspace, found.verdict, found.now)
    say_stale(stale)
    return _ended(found.verdict, as_json=as_json)


def _put_paths(found: Checked) -> None:
    rows = []
    for one in found.paths[:MOST_PATHS]:
        held = one.reservation
        whose: tuple[str, ...] = () if held is None else (held.agent, foreign(pattern_of(held)))
        lease: tuple[str, ...] = (
            () if held is None else (lease_text(held, found.now), foreign(held.reason))
        )
        if held is None and one.waiting:
            names = list(dict.fromkeys(each.agent for each in one.waiting))
            whose = (names[0], foreign(displayed(one.waiting[0].pattern)))
            lease = (f"waits{and_more(len(names) - 1)}",)
        rows.append((one.state, text_of(one.path), *whose, *lease))
    table(("state", "path", "agent", "pattern", "lease", "reason"), rows)
    if len(found.paths) > MOST_PATHS:
        put(f"{and_more(len(found.paths) - MOST_PATHS)} (--json counts them too)".lstrip())
    sys.stdout.flush()  # before the refusal on stderr


def _check_commits(
    workspace: Workspace, revisions: str | None, since: str | None, *, as_json: bool
) -> int:
    """The verdict on existing commits; prints a line for each refused one."""
    from agentlock.git import commits as git_commits
    from agentlock.git.ranges import Range
    from agentlock.guard.history import judge_as_made, judge_as_pushed

    name, folding = workspace.identity.name, workspace.folding
    repository = workspace.repository
    with workspace.store(read_only=True) as store:
        if since is not None:
            commits = git_commits.since(moment_of(since, store.now()))
            judged = judge_as_made(store, repository, commits, name, folding)
        else:
            asked = Range(revisions or "")
            judged = judge_as_pushed(store, repository, asked, name, folding)
    _tell(workspace, judged.verdict, judged.now)
    if as_json:
        refused = [refused_commit_json(commit) for commit in judged.commits]
        print_json({**verdict_json(judged.verdict), "commits": refused})
    else:
        for commit in judged.commits:
            put(_line(commit))
    if any(commit.how in (WARNED, SKIPPED) for commit in judged.commits):  # let pass, and listed
        return EXIT_REFUSED
    return _ended(judged.verdict, as_json=as_json)


def _line(commit: RefusedCommit) -> str:
    """A refused commit: its oid, the agent, its subject, and the first of its refused paths."""
    from agentlock.guard.history import DROPPED

    paths = list(dict.fromkeys([one.path for one in commit.conflicts]))
    paths += [path for path in commit.uncovered if path not in paths]
    shown = ", ".join(text_of(path) for path in paths[:_SHOWN]) + and_more(len(paths) - _SHOWN)
    if commit.how == DROPPED:
        shown = f"{commit.how} by a push: {shown}"
    elif commit.how is not None:
        shown = f"{commit.how} {quoted(commit.reason)}" if commit.reason else commit.how
    return f"{commit.oid[:12]}  {commit.agent or '-'}  {commit.subject}: {shown}"


def _tell(workspace: Workspace, verdict: Verdict, now: int) -> None:
    if not verdict.clean:
        tree = None if workspace.repository.is_bare else workspace.tree
        folder = b"" if tree is None else os.path.relpath(tree.cwd, tree.root)
        name = workspace.identity.name
        tell(verdict_text(verdict, now, what="check", agent=name, folder=folder))


def _ended(verdict: Verdict, *, as_json: bool) -> int:
    if verdict.clean and not as_json:
        put(f"allow: {count(verdict.checked, 'path')} checked")
    return EXIT_OK if verdict.allowed else EXIT_REFUSED


def _from_stdin() -> bytes:
    """The list of paths on stdin; no more is read than the limit and one byte."""
    try:
        given = sys.stdin.buffer.read(_MOST_BYTES + 1)
    except OSError as error:  # closed by whoever started this, or a folder
        raise UsageError(
            f"stdin cannot be read: {error.strerror}",
            fix="git diff -z --name-only | agentlock check --stdin",
        ) from error
    if len(given) > _MOST_BYTES or max(map(given.count, (b"\0", b"\n"))) > _MOST_GIVEN:
        raise UsageError(
            "stdin has more paths than one check can take",
            fix=f"check them in parts of at most {_MOST_GIVEN:,} paths and {_MOST_BYTES >> 20} MiB",
        )
    return given
