"""Examine a repository: git, the agent's name, the table, and the hooks of every worktree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.doctor.findings import Finding, problem
from agentlock.doctor.hooks import examine_hooks
from agentlock.doctor.others import examine_others
from agentlock.doctor.programs import examine_programs
from agentlock.doctor.table import examine_table
from agentlock.doctor.worktrees import inside, is_cut_off, without_git_variables, worktrees
from agentlock.environment import AGENT, AGENT_NAME
from agentlock.errors import AgentlockError, IdentityError
from agentlock.git import version
from agentlock.git.identity import identify, naming_command
from agentlock.git.shared_name import ignored_setting, shared_name
from agentlock.install.hooks import NOT_OVERRIDDEN, overridden
from agentlock.install.other_tools import tools_without_hooks
from agentlock.install.passing import passing_installation
from agentlock.install.siblings import troubles

if TYPE_CHECKING:
    from agentlock.doctor.worktrees import Worktree
    from agentlock.git.repository import Repository

_REDOES_MERGES = (2, 38)  # merge-tree --write-tree
_SET_BY_THE_CLIENT = (AGENT, AGENT_NAME, "HTTP_")


def examine(repository: Repository, *, agent: str | None, timeout: int) -> list[Finding]:
    """Everything that decides whether this repository is guarded, in all of its worktrees."""
    git = version.installed()
    if git < version.OLDEST:
        return [Finding("problem", "git", version.too_old(git), advice="upgrade git")]
    found = [_git(git), *_installation(), *_identity(repository, agent), *_ignored(repository)]
    table = examine_table(repository, timeout)
    found += table
    found += [
        Finding("warning", "project", one.message, fix=one.fix) for one in troubles(repository)
    ]
    found += [
        Finding("warning", "tools", one.message, advice=one.fix)
        for one in tools_without_hooks(repository)
    ]
    if why := overridden(repository):
        where = repository.root
        overriding = Finding("problem", "hooks", why, worktree=where, fix=NOT_OVERRIDDEN)
        found.append(overriding.replace(lets_through=True))
    answers = all(finding.level != "problem" or finding.lets_through for finding in table)
    with without_git_variables():
        found += _programs(repository, git, prove=answers)
        for tree in worktrees(repository, git):
            if not tree.is_bare or repository.is_bare:
                found += _worktree(tree, git, prove=answers)
        if answers:
            found += examine_others(repository, git, timeout)
    return found


def _programs(repository: Repository, git: tuple[int, ...], *, prove: bool) -> list[Finding]:
    if repository.is_bare:
        return []
    trees = [one for one in worktrees(repository, git) if not (one.is_bare or one.is_missing)]
    return examine_programs(repository, [one.path for one in trees], prove=prove)


def _git(git: tuple[int, ...]) -> Finding:
    if git >= _REDOES_MERGES:
        return Finding("ok", "git", f"git {version.shown(git)}")
    message = (
        f"git {version.shown(git)} cannot redo a merge, so a merge counts as a change to every "
        "path that both its sides have changed"
    )
    return Finding("warning", "git", message, advice="git 2.38 and newer can")


def _identity(repository: Repository, agent: str | None) -> list[Finding]:
    if repository.is_bare:
        return [_pushers(repository)]
    try:
        identity = identify(repository, agent)
    except IdentityError as error:
        return [problem("identity", error)]
    if identity.name is None:
        message = "no agent name is set, so every exclusive reservation counts as someone else's"
        return [Finding("warning", "identity", message, fix=naming_command())]
    remark = shared_name(repository, identity)
    if remark is not None:
        return [Finding("warning", "identity", remark.message, fix=remark.fix)]
    return [Finding("ok", "identity", f"{identity.name} ({identity.source})")]


def _installation() -> list[Finding]:
    passing = passing_installation()
    if passing is None:
        return []
    return [Finding("warning", "installation", passing.message, advice=passing.advice)]


def _ignored(repository: Repository) -> list[Finding]:
    remark = ignored_setting(repository)
    if remark is None:
        return []
    return [Finding("warning", "configuration", remark.message, advice=remark.fix)]


def _pushers(repository: Repository) -> Finding:
    """Which variables tell the server who pushes, and whether the client can set them."""
    names = repository.identity_variables
    if not names:
        message = (
            "no variable names the agent that pushes, so every exclusive reservation counts as "
            "someone else's"
        )
        fix = "agentlock init --server --identity-variable REMOTE_USER"
        return Finding("warning", "identity", message, fix=fix)
    claimed = [name for name in names if name.startswith(_SET_BY_THE_CLIENT)]
    if claimed:
        message = f"the client sets {', '.join(claimed)}, so whoever pushes can claim any name"
        advice = "name a variable that the server sets: agentlock init --server --identity-variable"
        return Finding("warning", "identity", message, advice=advice)
    return Finding("ok", "identity", f"the agent that pushes is named by {', '.join(names)}")


def _worktree(tree: Worktree, git: tuple[int, ...], *, prove: bool) -> list[Finding]:
    if tree.is_missing:
        message = "its folder is missing"
        if tree.is_locked:
            advice = "the worktree is locked: reattach the disk that it is on"
            return [Finding("warning", "worktree", message, advice=advice, worktree=tree.path)]
        prune = "git worktree prune"
        return [Finding("warning", "worktree", message, fix=prune, worktree=tree.path)]
    try:
        with inside(tree.path) as repository:
            return examine_hooks(repository, git, prove=prove)
    except (AgentlockError, OSError) as error:
        if is_cut_off(tree.path):
            message = "git does not find its repository, because one of the two was moved"
            repair = "git worktree repair"
            return [Finding("problem", "worktree", message, fix=repair, worktree=tree.path)]
        return [problem("worktree", error, tree.path)]
