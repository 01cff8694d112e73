"""Prove, in one worktree, that git runs our hooks and that they refuse.

Reading a hook file shows that it is there; only git shows that it runs. So git itself is made to
run each hook on a change that exists nowhere (git/rehearsal.py), and the hook has to refuse it with
a sentence that the guard says for this one run only. A hook that is not ours is never run.

This does not prove that the program behind the hook is agentlock: one that wants to deceive can say
the same sentence.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agentlock.doctor.findings import Finding
from agentlock.environment import PROBE
from agentlock.git.rehearsal import CONFIGURED_SINCE, NO_FOLDER, Rehearsal, sentence
from agentlock.hook_kinds import KINDS, RECEIVES, RECORDS
from agentlock.install import config_hooks, hooks
from agentlock.install.shims import INSTALL
from agentlock.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentlock.git.process import Result
    from agentlock.git.repository import Repository
    from agentlock.install.hooks import HookStatus

_KNOWS_PROBES = PROBE.encode()


def examine_hooks(repository: Repository, git: tuple[int, ...], *, prove: bool) -> list[Finding]:
    """What git would run in this worktree; with ``prove`` False the hooks are only read."""
    if not prove:
        return _Examination(repository, None).findings()
    with _rehearsal(repository, git) as rehearsal:
        examination = _Examination(repository, rehearsal)
        found = examination.findings()
        if git >= CONFIGURED_SINCE:
            found += examination.configured(rehearsal)
        return found


@contextmanager
def _rehearsal(repository: Repository, git: tuple[int, ...]) -> Iterator[Rehearsal]:
    folder = tempfile.mkdtemp(prefix="agentlock-doctor-")
    try:
        yield Rehearsal(repository.root, os.fsencode(folder), secrets.token_hex(16), git)
    finally:
        shutil.rmtree(folder)


class _Examination:
    """The hooks of one worktree; ``rehearsal`` is None if they are only read."""

    def __init__(self, repository: Repository, rehearsal: Rehearsal | None) -> None:
        self._repository = repository
        self._rehearsal = rehearsal
        self._present = hooks.status(repository)

    def findings(self) -> list[Finding]:
        found = []
        proven, unproven = [], []
        for one in self._present:
            if KINDS[one.hook].role == RECORDS and not one.beside:
                found += self._recording(one)
            elif one.state not in ("installed", "broken") or not one.guards:
                found.append(self._unrun(one))
            elif self._rehearsal is None:
                unproven.append(one.hook)
            elif (wrong := self._proof(one, self._rehearsal)) is None:
                proven.append(one.hook)
            else:
                found.append(wrong)
        if proven:
            message = f"{', '.join(proven)}: git runs our hook, and it refuses (proven)"
            found.insert(0, self._finding("ok", message))
        if unproven:
            names = ", ".join(unproven)
            message = f"{names}: in place, but not proven because the table does not answer"
            found.insert(0, self._finding("warning", message))
        return found

    def configured(self, rehearsal: Rehearsal) -> list[Finding]:
        """Whether the hooks in git's configuration refuse where git finds no hooks folder."""
        root, common_dir = self._repository.root, self._repository.common_dir
        expected = hooks.expected(self._repository)
        faulty = {fault.event for fault in config_hooks.faults(root, common_dir, expected)}
        found, proven = [], []
        for event in config_hooks.EVENTS:
            if event not in expected or event in faulty or not KINDS[event].refuses:
                continue
            said = rehearsal.run(event, "", *NO_FOLDER).stderr.decode("utf-8", "replace")
            if sentence(rehearsal.nonce, event) in said.splitlines():
                proven.append(event)
            else:
                message = "our hook in git's configuration did not refuse what it must refuse"
                found.append(self._finding("warning", message, hook=event, fix=INSTALL))
        if proven:
            names = ", ".join(proven)
            message = f"{names}: our hook stands in if git finds no hooks folder (proven)"
            found.insert(0, self._finding("ok", message))
        return found

    def _finding(self, level: Any, message: str, **rest: Any) -> Finding:
        return Finding(level, "hooks", message, worktree=self._repository.root, **rest)

    def _recording(self, one: HookStatus) -> list[Finding]:
        """A hook that refuses nothing; without it a push cannot tell how some commits were made."""
        if one.guards:
            return []
        message = f"{one.state}, so a push may judge some commits again, which were judged before"
        return [self._finding("warning", message, hook=one.hook, fix=self._fix())]

    def _unrun(self, one: HookStatus) -> Finding:
        """What is known of a hook without running it: it is not ours, or is known to be wrong."""
        if one.state == "framework":
            who = "GitButler's hook" if one.detail.endswith("-user") else "the pre-commit framework"
            message = f"{who} runs it ({one.detail}); only read, not proven"
            return self._finding("ok", message, hook=one.hook)
        if one.beside:
            message = f"{one.state}: {one.detail}"
            return self._finding("warning", message, hook=one.hook, fix=one.mend)
        kind = KINDS[one.hook]
        if kind.misses and any(other.state == "framework" for other in self._present):
            fix = f"pre-commit install -t {one.hook}" if kind.framework else INSTALL
            until = "" if kind.role == RECEIVES else " before the push"
            message = f"{kind.misses} are not guarded{until}"
            return self._finding("warning", message, hook=one.hook, fix=fix)
        message = f"{one.state}{f', {one.detail}' if one.detail else ''}{self._elsewhere(one)}"
        lets_through = not self._refuses_anyway(one)
        return self._finding(
            "problem", message, hook=one.hook, fix=self._fix(), lets_through=lets_through
        )

    def _fix(self) -> str:
        if self._repository.settings.get(b"agentlock hooks scope") == b"worktree":
            here = shell_word(self._repository.root)
            return f"git -C {here} config --worktree --unset core.hooksPath && {INSTALL}"
        return INSTALL

    def _elsewhere(self, one: HookStatus) -> str:
        """Which folder git uses if it is not the default one, and where our hook is instead."""
        told = ""
        configured = self._repository.settings.get(b"core.hookspath")
        if configured is not None:
            absolute = os.path.isabs(configured)
            told = f"; core.hooksPath is {'' if absolute else 'the relative path '}"
            told += repr(os.fsdecode(configured))
            told += "" if absolute else ", a different folder in each worktree"
        for folder in (self._repository.common_dir, self._repository.git_dir):
            path = os.path.join(os.fsdecode(folder), "hooks", one.hook)
            if path != one.path and _KNOWS_PROBES in _content(path):
                return f"{told}; our hook is {path}, where git does not look"
        moved = sorted(_moved(one))
        return f"{told}; our hook was moved to {moved[0]}" if moved else told

    def _refuses_anyway(self, one: HookStatus) -> bool:
        """Whether a broken hook of ours refuses everything; a missing hook refuses nothing."""
        if one.state != "broken" or _KNOWS_PROBES not in _content(one.path):
            return False
        proof = None if self._rehearsal is None else self._proof(one, self._rehearsal)
        return proof is None or not proof.lets_through

    def _proof(self, one: HookStatus, rehearsal: Rehearsal) -> Finding | None:
        """Have git run the hook; None if it refused as it must."""
        wrong = self._finding("problem", "", hook=one.hook, fix=self._fix())
        if _KNOWS_PROBES not in _content(one.path):
            return wrong.replace(message="an older agentlock wrote it, and it cannot be proven")
        result = rehearsal.run(one.hook, one.path)
        said = result.stderr.decode("utf-8", "backslashreplace")
        if result.code == 0:
            message = "git went ahead: the hook did not refuse what it must refuse"
            return wrong.replace(message=message, lets_through=True)
        if sentence(rehearsal.nonce, one.hook) in said.splitlines():
            return None
        return wrong.replace(message=f"it could not be proven: {_last_words(result, said)}")


def _moved(one: HookStatus) -> Iterator[str]:
    """Copies of our hook under another name in the same folder, as hook managers leave them."""
    folder, name = os.path.split(one.path)
    if os.path.isdir(folder):
        for other in os.listdir(folder):
            path = os.path.join(folder, other)
            if other.startswith(f"{name}.") and _KNOWS_PROBES in _content(path):
                yield path


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16)
    except OSError:
        return b""


def _last_words(result: Result, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    refusals = [line for line in lines if line.startswith("agentlock: ")]
    return (refusals or lines or [f"git exited with {result.code} and said nothing"])[0]
