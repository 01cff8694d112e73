"""`agentlock doctor`: prove, in every worktree, that git runs our hooks and that they refuse.

Looking at a hook shows that it is there; only git shows that it runs. So git itself is made to run
each one on a change that exists nowhere (``git.rehearsal``) and has to be refused with the sentence
that the guard says for this probe alone. A hook that is not ours is never run.

What it does not show: that a program which wants to deceive could not say that sentence too.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentlock.doctor.findings import Finding
from agentlock.doctor.table import examine_table
from agentlock.environment import AGENT, AGENT_NAME, NAME_YOURSELF, PROBE
from agentlock.errors import AgentlockError, IdentityError
from agentlock.git.process import output
from agentlock.git.rehearsal import (
    CONFIGURED_SINCE,
    NO_FOLDER,
    Rehearsal,
    local_variables,
    sentence,
)
from agentlock.git.repository import discover, identify
from agentlock.hook_kinds import KINDS, RECORDS
from agentlock.install import config_hooks, hooks
from agentlock.install.shims import INSTALL
from agentlock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentlock.git.process import Result
    from agentlock.git.repository import Repository
    from agentlock.install.hooks import HookStatus

OLDEST_GIT = (2, 31)
_MERGES_SINCE = (2, 38)  # merge-tree --write-tree
_NUL_SINCE = (2, 36)  # worktree list -z
_INIT = "agentlock init"
_OF_THE_CLIENT = (AGENT, AGENT_NAME, "HTTP_")
_KNOWS_PROBES = PROBE.encode()


class Worktree:
    """One line of ``git worktree list``; ``gone``: its folder is not there."""

    def __init__(self, path: bytes, words: Sequence[bytes]) -> None:
        self.path = path
        self.is_bare = b"bare" in words
        self.is_locked = any(word == b"locked" or word.startswith(b"locked ") for word in words)
        self.gone = not os.path.isdir(path)


def examine(repository: Repository, *, agent: str | None, timeout: int) -> list[Finding]:
    """Everything that decides whether this repository is guarded, in every worktree of it."""
    version = _git_version()
    if version < OLDEST_GIT:
        return [_git(version)]
    found = [_git(version), *_identity(repository, agent)]
    table = examine_table(repository, timeout)
    if repository.is_bare:
        table = [one.replace(mend=one.mend.replace(_INIT, f"{_INIT} --server")) for one in table]
    found += table
    answers = all(finding.level != "problem" or finding.lets_through for finding in table)
    with _by_itself():
        for tree in worktrees(repository, version):
            if not tree.is_bare or repository.is_bare:
                found += _worktree(tree, version, prove=answers)
    return found


def worktrees(repository: Repository, version: tuple[int, ...]) -> list[Worktree]:
    """Every worktree of the repository, those whose folders are gone too."""
    nul = version >= _NUL_SINCE
    listed = output(
        "worktree", "list", "--porcelain", *(["-z"] if nul else []), cwd=repository.common_dir
    )
    found = []
    for record in listed.split(b"\0\0" if nul else b"\n\n"):
        lines = record.split(b"\0" if nul else b"\n")
        if lines[0].startswith(b"worktree "):
            found.append(Worktree(lines[0][len(b"worktree ") :], lines[1:]))
    if found and not found[0].is_bare:  # of a submodule, git lists its git folder instead
        found[0] = Worktree(_main_root(repository, found[0].path), ())
    return found


def _main_root(repository: Repository, listed: bytes) -> bytes:
    if repository.git_dir == repository.common_dir:
        return repository.root
    configured = repository.settings.get(b"core.worktree")
    return os.path.join(repository.common_dir, configured) if configured else listed


def _git_version() -> tuple[int, ...]:
    words = output("version").decode("utf-8", "replace").split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(number) for number in numbers[:2] if number.isdigit())


def _git(version: tuple[int, ...]) -> Finding:
    shown = ".".join(map(str, version))
    if version < OLDEST_GIT:
        needed = ".".join(map(str, OLDEST_GIT))
        message = f"git {needed} or newer is needed, this is {shown}"
        return Finding("problem", "git", message, advice="upgrade git")
    if version < _MERGES_SINCE:
        message = f"git {shown} cannot redo a merge: one counts as all that it brings (2.38 can)"
        return Finding("warning", "git", message, advice="upgrade git")
    return Finding("ok", "git", f"git {shown}")


def _identity(repository: Repository, agent: str | None) -> list[Finding]:
    if repository.is_bare:
        return [_pushers(repository)]
    try:
        identity = identify(repository, agent)
    except IdentityError as error:
        return [Finding("problem", "identity", error.message, advice=error.hint)]
    if identity.name is None:
        message = "nobody is named here: every exclusive reservation is somebody else's"
        mend = NAME_YOURSELF
        return [Finding("warning", "identity", message, mend=mend)]
    return [Finding("ok", "identity", f"{identity.name} ({identity.source})")]


def _pushers(repository: Repository) -> Finding:
    """What the server is told of who pushes, and whether it is the client who tells."""
    names = repository.identity_variables
    if not names:
        message = "nobody who pushes has a name: every exclusive reservation is somebody else's"
        mend = "agentlock init --server --identity-variable REMOTE_USER"
        return Finding("warning", "identity", message, mend=mend)
    claimed = [name for name in names if name.startswith(_OF_THE_CLIENT)]
    if claimed:
        message = f"{', '.join(claimed)}: who pushes can say what they like"
        advice = "agentlock init --server --identity-variable, with one that the server sets"
        return Finding("warning", "identity", message, advice=advice)
    return Finding("ok", "identity", f"who pushes is named by {', '.join(names)}")


@contextmanager
def _by_itself() -> Iterator[None]:
    """Without what leads git to one repository or changes its settings for one command."""
    kept = {name: os.environb.get(name) for name in local_variables()}
    for name in kept:
        os.environb.pop(name, None)
    try:
        yield
    finally:
        os.environb.update({name: value for name, value in kept.items() if value is not None})


@contextmanager
def _inside(path: bytes) -> Iterator[Repository]:
    here = os.getcwdb()
    os.chdir(path)
    try:
        yield discover()
    finally:
        os.chdir(here)


def _worktree(tree: Worktree, version: tuple[int, ...], *, prove: bool) -> list[Finding]:
    if tree.gone:
        message = "its folder is gone"
        if tree.is_locked:
            advice = "it is locked: bring the disk back that it lies on"
            return [Finding("warning", "worktree", message, advice=advice, worktree=tree.path)]
        prune = "git worktree prune"
        return [Finding("warning", "worktree", message, mend=prune, worktree=tree.path)]
    try:
        with _inside(tree.path) as repository:
            if not prove:
                return _hooks(repository, None)
            with _rehearsal(repository, version) as rehearsal:
                found = _hooks(repository, rehearsal)
                if version >= CONFIGURED_SINCE:
                    found += _configured(repository, rehearsal)
                return found
    except (AgentlockError, OSError) as error:
        advice = error.hint if isinstance(error, AgentlockError) else ""
        finding = Finding("problem", "worktree", str(error), advice=advice, worktree=tree.path)
        return [finding]


@contextmanager
def _rehearsal(repository: Repository, version: tuple[int, ...]) -> Iterator[Rehearsal]:
    folder = tempfile.mkdtemp(prefix="agentlock-doctor-")
    try:
        nonce = secrets.token_hex(16)
        yield Rehearsal(repository.root, os.fsencode(folder), nonce, version)
    finally:
        shutil.rmtree(folder)


def _hooks(repository: Repository, rehearsal: Rehearsal | None) -> list[Finding]:
    """What git would run here; ``rehearsal`` None: look only, the table does not answer."""
    found = []
    proven, seen = [], []
    present = hooks.status(repository)
    for one in present:
        if KINDS[one.hook].role == RECORDS and not one.beside:
            found += _recording(repository, one)
        elif not _is_ours(one) or not one.guards:
            found += _looked_at(repository, one, present, rehearsal)
        elif rehearsal is None:
            seen.append(one.hook)
        else:
            wrong = _proof(repository, one, rehearsal)
            if wrong is None:
                proven.append(one.hook)
            else:
                found.append(wrong)
    root = repository.root
    if proven:
        message = f"{', '.join(proven)}: git runs our hook, and it refuses (proven)"
        found.insert(0, Finding("ok", "hooks", message, worktree=root))
    if seen:
        message = f"{', '.join(seen)}: in place, not proven while the table does not answer"
        found.insert(0, Finding("warning", "hooks", message, worktree=root))
    return found


def _configured(repository: Repository, rehearsal: Rehearsal) -> list[Finding]:
    """Whether those of git's configuration stand in where git finds no folder with hooks."""
    root = repository.root
    expected = hooks.expected(repository)
    faulty = {fault.event for fault in config_hooks.faults(root, repository.common_dir, expected)}
    asked = [
        event
        for event in config_hooks.EVENTS
        if event in expected and event not in faulty and KINDS[event].refuses
    ]
    proven = []
    for event in asked:
        said = rehearsal.run(event, "", *NO_FOLDER).stderr.decode("utf-8", "replace")
        if sentence(rehearsal.nonce, event) in said.splitlines():
            proven.append(event)
    found = [
        Finding(
            "warning",
            "hooks",
            "git's configuration has ours, and it does not refuse what it must",
            mend=INSTALL,
            worktree=root,
            hook=event,
        )
        for event in asked
        if event not in proven
    ]
    if proven:
        message = f"{', '.join(proven)}: ours stands in where git finds no hooks (proven)"
        found.insert(0, Finding("ok", "hooks", message, worktree=root))
    return found


def _recording(repository: Repository, one: HookStatus) -> list[Finding]:
    """It refuses nothing; without it a commit is taken for whoever's pushes it."""
    if one.guards:
        return []
    message = f"{one.state}: commits made here are in no ledger, and count as their pusher's"
    mend = _mend(repository)
    root = repository.root
    return [Finding("warning", "hooks", message, mend=mend, worktree=root, hook=one.hook)]


def _looked_at(
    repository: Repository,
    one: HookStatus,
    present: Sequence[HookStatus],
    rehearsal: Rehearsal | None,
) -> list[Finding]:
    """What is known without running it, for it is not ours or known to be wrong."""
    root = repository.root
    if one.state == "framework":
        message = f"the pre-commit framework runs it ({one.detail}); looked at, not proven"
        return [Finding("ok", "hooks", message, worktree=root, hook=one.hook)]
    state: str = one.state
    if one.beside:
        message = f"{state}: {one.detail}"
        return [Finding("warning", "hooks", message, mend=one.mend, worktree=root, hook=one.hook)]
    framework = any(other.state == "framework" for other in present)
    kind = KINDS[one.hook]
    if framework and kind.misses:
        mend = f"pre-commit install -t {one.hook}" if kind.framework else INSTALL
        message = f"{kind.misses} are not guarded before the push"
        return [Finding("warning", "hooks", message, mend=mend, worktree=root, hook=one.hook)]
    message = f"{one.state}{f', {one.detail}' if one.detail else ''}{_elsewhere(repository, one)}"
    return [
        Finding(
            "problem",
            "hooks",
            message,
            mend=_mend(repository),
            worktree=root,
            hook=one.hook,
            lets_through=not _refuses_anyway(repository, one, rehearsal),
        )
    ]


def _mend(repository: Repository) -> str:
    if repository.settings.get(b"agentlock hooks scope") == b"worktree":
        unset = f"git -C {shell_word(repository.root)} config --worktree --unset core.hooksPath"
        return f"{unset} && {INSTALL}"
    return INSTALL


def _elsewhere(repository: Repository, one: HookStatus) -> str:
    """Where git looks, where that is not where it looks by default; and where ours lies."""
    told = ""
    configured = repository.settings.get(b"core.hookspath")
    if configured is not None:
        kind = "" if os.path.isabs(configured) else "the relative path "
        told = f"; core.hooksPath is {kind}{os.fsdecode(configured)!r}"
        told += "" if os.path.isabs(configured) else ", another folder in each worktree"
    for folder in (repository.common_dir, repository.git_dir):
        path = os.path.join(os.fsdecode(folder), "hooks", one.hook)
        if path != one.path and _KNOWS_PROBES in _content(path):
            return f"{told}; ours lies in {path}, where git does not look"
    beside = sorted(_beside(one))
    return f"{told}; ours was moved to {beside[0]}" if beside else told


def _beside(one: HookStatus) -> Iterator[str]:
    folder, name = os.path.split(one.path)
    if os.path.isdir(folder):
        for other in os.listdir(folder):
            path = os.path.join(folder, other)
            if other.startswith(f"{name}.") and _KNOWS_PROBES in _content(path):
                yield path


def _is_ours(one: HookStatus) -> bool:
    return one.state in ("installed", "broken")


def _refuses_anyway(repository: Repository, one: HookStatus, rehearsal: Rehearsal | None) -> bool:
    """Whether a hook of ours that is broken refuses everything; a missing one nothing."""
    if one.state != "broken" or _KNOWS_PROBES not in _content(one.path):
        return False
    proof = None if rehearsal is None else _proof(repository, one, rehearsal)
    return proof is None or not proof.lets_through


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16)
    except OSError:
        return b""


def _proof(repository: Repository, one: HookStatus, rehearsal: Rehearsal) -> Finding | None:
    """Have git run it; None where it refused as it must."""
    wrong = Finding(
        "problem", "hooks", "", mend=_mend(repository), worktree=repository.root, hook=one.hook
    )
    if _KNOWS_PROBES not in _content(one.path):
        return wrong.replace(message="an older agentlock wrote it: it cannot be proven")
    result = rehearsal.run(one.hook, one.path)
    said = result.stderr.decode("utf-8", "backslashreplace")
    if result.code == 0:
        return wrong.replace(
            message="git went on: the hook did not refuse what it must", lets_through=True
        )
    if sentence(rehearsal.nonce, one.hook) in said.splitlines():
        return None
    return wrong.replace(message=f"it could not be proven: {_last_words(result, said)}")


def _last_words(result: Result, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    refusals = [line for line in lines if line.startswith("agentlock: ")]
    return (refusals or lines or [f"git ended with {result.code} and said nothing"])[0]
