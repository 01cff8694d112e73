"""What keeps a tool from running, and what is looked at before it runs.

``run`` comes here only for what may concern a repository that agentlock guards.
"""

from __future__ import annotations

import os

# Whatever most judged edits need is loaded here, with this module (agentlock/bundle.py).
import agentlock.git.repository
import agentlock.git.system_config
import agentlock.store.policy
import agentlock.store.reservations
import agentlock.text  # noqa: F401
from agentlock.edit_hooks.run import TIMEOUT
from agentlock.edit_hooks.signs import may_write
from agentlock.edit_hooks.whose import entered as open_table_for
from agentlock.environment import PROBE
from agentlock.errors import AgentlockError, UndecidedError
from agentlock.git.containing import by_worktree, enter, repository_at
from agentlock.guard.edits import guarded, judged, relative, uncommitted
from agentlock.guard.reserving import reserved
from agentlock.guard.waited_for import remember, take_offers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentlock.edit_hooks.dialect import Call
    from agentlock.edit_hooks.discards import Discard
    from agentlock.git.repository import Repository
    from agentlock.guard.edits import Judged


def refusal(
    call: Call, written: dict[bytes, list[bytes]], entered: dict[bytes, Repository | None]
) -> str:
    """Why the tool must not run; "" if nothing keeps it from running.

    ``written`` are the paths that the call names, and gets those of its command line, by the roots
    of their worktrees; ``entered`` gets the repositories that were asked.
    """
    cwd = os.fsencode(call.cwd)
    if call.use.unreadable:
        return _undecided(call)
    if call.use.command:
        more, reason = _of_command(call)
        if reason:
            return reason
        for root, inside in by_worktree(more, cwd).items():
            written.setdefault(root, []).extend(inside)
    for root, inside in written.items():
        repository = entered[root] = enter(root)
        if repository is None:
            continue
        named = relative(repository, inside)
        switch = guarded(repository, named)
        if switch is not None:
            return _not_for_agents(switch)
        answer = _judged(call, repository, named)
        if PROBE in os.environ:
            return f"agentlock: edit refused: {os.environ[PROBE][:64]} is a probe\n"
        if not answer.allowed:
            return _text(answer, cwd)
    return ""


def _of_command(call: Call) -> tuple[list[bytes], str]:
    """The paths that a shell command plainly writes, and why it must not run, if so."""
    if not may_write(call.use.command):
        return [], ""
    from agentlock.edit_hooks.shell import effects_of
    from agentlock.edit_hooks.tools import Use

    try:
        effects = effects_of(call.use.command, os.path.join(call.cwd, call.use.folder))
    except RecursionError:
        deep = Use(unreadable="the command line is nested too deeply to be read")
        return [], _undecided(call.replace(use=deep))
    if any(map(_may_be_ours, effects.endless)):
        endless = "a pattern in the command line leads to more files than can be looked at"
        return [], _not_told(endless)
    reasons = (_thrown_away(call, discard) for discard in effects.discards)
    return [os.fsencode(path) for path in effects.writes], next(filter(None, reasons), "")


def _may_be_ours(folder: str) -> bool:
    """Whether agentlock guards the folder, or may guard something below it.

    Below a worktree without agentlock nothing is expected to be ours; elsewhere nobody can tell.
    """
    roots = by_worktree([b"any"], os.fsencode(folder))
    return not roots or any(enter(root) is not None for root in roots)


def _judged(
    call: Call, repository: Repository, paths: Sequence[bytes], *, reserves: bool = True
) -> Judged:
    """The verdict on these paths for the agent of the call's session.

    ``reserves``: after what is free among them is the agent's, if the policy says so.
    """
    store, identity = open_table_for(call, repository, TIMEOUT)
    try:
        answer = judged(store, repository, identity, paths)
        if not reserves or answer.verdict.policy.on_edit != "reserve" or PROBE in os.environ:
            return answer
        if take_offers(store, answer):
            answer = judged(store, repository, identity, paths)
        if answer.verdict.allowed or not answer.verdict.conflicts:
            answer = reserved(store, answer, call.program, call.session)
        if not answer.allowed:
            remember(store, answer)
        return answer
    finally:
        store.close()


def _thrown_away(call: Call, discard: Discard) -> str:
    """A refusal, if git would throw away what somebody else has changed here under a lease."""
    folder = os.fsencode(discard.folder)
    repository = repository_at(folder)
    if repository is None:
        return ""
    limits = [os.fsencode(path) for path in discard.paths]
    changed = uncommitted(folder, limits, tracked=discard.tracked, untracked=discard.untracked)
    answer = _judged(call, repository, changed, reserves=False)
    if answer.verdict.conflicts and not answer.allowed:
        return _text(answer, os.fsencode(call.cwd), discard.command)
    return ""


def before_command(call: Call, entered: Mapping[bytes, Repository | None]) -> None:
    """Note that a shell command begins, and look before it, to tell afterwards what it changes."""
    from agentlock.git.sessions import folder_at, may_be_several, tool_begins

    root = next(iter(by_worktree([b"any"], os.fsencode(call.cwd))), None)
    if root is None:
        return
    try:  # noqa: SIM105 -- contextlib would cost the hook an import
        tool_begins(folder_at(root), call.program, call.session, call.tool_id)
    except OSError:  # as in a sandbox
        pass
    if not may_be_several(root):
        return
    from agentlock.edit_hooks.watching import look_before

    try:
        repository = entered[root] if root in entered else enter(root)
        if repository is not None:
            look_before(repository, call.program, call.session)
    except (AgentlockError, OSError):  # the command is allowed already
        return


def is_guarded(call: Call) -> bool:
    """Whether agentlock guards the folder where the program works."""
    return repository_at(os.fsencode(call.cwd)) is not None


def _undecided(call: Call) -> str:
    """A refusal, if the folder where the program works is guarded."""
    if not is_guarded(call):
        return ""
    return _not_told(call.use.unreadable)


def _not_told(why: str) -> str:
    return sentence(
        UndecidedError(
            f"{why}, so nobody can tell whether somebody else holds it",
            fix="edit one file at a time with the program's own tools",
        )
    )


def _not_for_agents(path: bytes) -> str:
    return sentence(
        UndecidedError(
            f"{os.fsdecode(path)} belongs to the guard of this repository, and no agent edits it",
            fix="ask the person who runs this project",
        )
    )


def _text(answer: Judged, cwd: bytes, what: str = "edit") -> str:
    """The refusal in the words of a commit's; its commands are typed in ``cwd``."""
    from agentlock.guard.report import places_text, stale_text, verdict_text

    root = os.path.realpath(answer.repository.root)
    here = os.path.relpath(os.path.realpath(cwd), root)
    inside = b"" if here == b"." or here.startswith(b"..") else here
    if answer.places and answer.verdict.allowed:
        return places_text(answer.places, answer.now, folder=inside)
    if answer.stale and answer.verdict.allowed:
        return stale_text(answer.stale)
    return verdict_text(
        answer.verdict,
        answer.now,
        what=what,
        agent=answer.identity.name,
        source=answer.identity.source,
        folder=inside,
    )


def sentence(error: AgentlockError) -> str:
    from agentlock.guard.report import error_text

    return error_text(error, "edit refused: ")
