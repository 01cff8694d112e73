"""Answer an edit hook: deny what somebody else holds, in the program's own form.

Left alone, most programs let an edit pass if a hook crashes, is missing or is slow. So whatever
cannot be decided is a denial too, and this door has its own deadline, long before the program's.
Nothing is printed if an edit is allowed: a program would take that for the user's consent.
"""

from __future__ import annotations

import os

from agentlock.edit_hooks.dialect import BEFORE, untagged
from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.environment import PROBE
from agentlock.errors import AgentlockError, UndecidedError
from agentlock.json_text import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from agentlock.edit_hooks.dialect import Call, Dialect
    from agentlock.edit_hooks.shell import Discard
    from agentlock.git.repository import Repository
    from agentlock.guard.edits import Judged

WAKE = "wake"  # no event: what waits beside a program to wake its agent
DEADLINE = 5  # seconds; the entries give the programs 30
ALLOWED = 100  # nothing else ends with it: an empty interpreter ends with 0
DENIED = 101  # not 2, with which Python ends if its program is missing
NO_ANSWER = 3  # the entry's own shell line decides
TIMEOUT = 4 * 1_000_000  # for the table, in microseconds


def main(arguments: Sequence[str]) -> int:
    """``agentlock hook edit PROGRAM EVENT``, which reads the program's JSON from stdin."""
    if not arguments or arguments[0] not in NAMES:
        from agentlock.guard.report import tell

        tell(f"agentlock: name the program: {', '.join(NAMES)}\n")
        return NO_ANSWER
    dialect = dialect_of(arguments[0])
    event = arguments[1] if len(arguments) > 1 else ""
    kind = dialect.events.get(event)
    if event == WAKE:
        from agentlock.edit_hooks.turns import wake

        return wake(dialect.read(event, _received()))
    _limit(dialect, event, kind)
    if kind == BEFORE:
        return before_tool(dialect, event)
    if kind is not None:
        from agentlock.edit_hooks.lifetime import happened

        try:
            happened(dialect, event, dialect.read(event, _received()))
        except AgentlockError:  # only an entry before a tool may stand in the way
            return ALLOWED
    return ALLOWED


def before_tool(dialect: Dialect, event: str) -> int:
    """Deny or allow a use of a tool; DENIED or ALLOWED."""
    entered: dict[bytes, Repository | None] = {}
    try:
        call = dialect.read(event, _received())
        reason = _refusal(call, entered)
    except AgentlockError as error:
        reason = _sentence(error)
    except (ImportError, SyntaxError) as error:
        damaged = f"the installation is damaged ({error})"
        reason = _sentence(UndecidedError(damaged, fix="install agentlock again"))
    except Exception as error:  # noqa: BLE001 -- whatever it is, nothing may get through
        from agentlock.bug import report_bug

        reason = _sentence(UndecidedError(report_bug(error)))
    if reason:
        return deny(dialect, event, reason)
    if call.use.command:
        _before_command(call, entered)
    repaired = dialect.repair(call.use.command) if dialect.repair is not None else None
    if repaired is not None and _is_guarded(call):
        print_json(repaired)
    return ALLOWED


def deny(dialect: Dialect, event: str, reason: str) -> int:
    """Say it in the program's own form, alone on stdout, and in words on stderr."""
    from agentlock.guard.report import tell

    reason = untagged(reason)
    print_json(dialect.deny(event, reason.strip()))
    tell(reason)
    return DENIED


def print_json(answer: Mapping[str, Any]) -> None:
    """One line of JSON on stdout, in one write."""
    data = dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]


def _received() -> Any:
    """What the program sent; UndecidedError if it is no JSON."""
    chunks = []
    while chunk := os.read(0, 1 << 20):
        chunks.append(chunk)
    try:
        return loads(b"".join(chunks).decode("utf-8", "replace"))
    except ValueError as error:
        raise UndecidedError(f"what the program sent to the hook is no JSON: {error}") from error


def _refusal(call: Call, entered: dict[bytes, Repository | None]) -> str:
    """Why the tool must not run; "" if nothing keeps it from running.

    ``entered`` gets the repositories that were asked, by the roots of their worktrees.
    """
    from agentlock.guard.edits import by_worktree, enter, guarded, relative

    cwd = os.fsencode(call.cwd)
    if call.use.unreadable:
        return _undecided(call)
    paths = [os.fsencode(path) for path in call.use.writes]
    if call.use.command:
        written, reason = _of_command(call)
        if reason:
            return reason
        paths += written
    for root, inside in by_worktree(paths, cwd).items():
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
    from agentlock.edit_hooks.shell import effects_of
    from agentlock.edit_hooks.tools import Use

    try:
        effects = effects_of(call.use.command, os.path.join(call.cwd, call.use.folder))
    except RecursionError:
        deep = Use(unreadable="the command line is nested too deeply to be read")
        return [], _undecided(call.replace(use=deep))
    reasons = (_thrown_away(call, discard) for discard in effects.discards)
    return [os.fsencode(path) for path in effects.writes], next(filter(None, reasons), "")


def _judged(
    call: Call, repository: Repository, paths: Sequence[bytes], *, reserves: bool = True
) -> Judged:
    """The verdict on these paths for the agent of the call's session.

    ``reserves``: after what is free among them is the agent's, if the policy says so.
    """
    from agentlock.edit_hooks.whose import entered
    from agentlock.guard.edits import judged

    store, identity = entered(call, repository, TIMEOUT)
    try:
        answer = judged(store, repository, identity, paths)
        if not reserves or answer.verdict.policy.on_edit != "reserve" or PROBE in os.environ:
            return answer
        from agentlock.guard.reserving import reserved, take_offers

        if take_offers(store, answer):
            answer = judged(store, repository, identity, paths)
        answer = reserved(store, answer, call.program, call.session)
        if not answer.allowed:
            from agentlock.guard.reserving import remember

            remember(store, answer)
        return answer
    finally:
        store.close()


def _thrown_away(call: Call, discard: Discard) -> str:
    """A refusal, if git would throw away what somebody else has changed here under a lease."""
    from agentlock.guard.edits import repository_at, uncommitted

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


def _before_command(call: Call, entered: Mapping[bytes, Repository | None]) -> None:
    """Note that a shell command begins, and look before it, to tell afterwards what it changes."""
    from agentlock.git.sessions import folder_at, may_be_several, tool_begins
    from agentlock.guard.edits import by_worktree, enter

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


def _is_guarded(call: Call) -> bool:
    """Whether agentlock guards the folder where the program works."""
    from agentlock.guard.edits import repository_at

    return repository_at(os.fsencode(call.cwd)) is not None


def _undecided(call: Call) -> str:
    """A refusal, if the folder where the program works is guarded."""
    if not _is_guarded(call):
        return ""
    return _sentence(
        UndecidedError(
            f"{call.use.unreadable}, so nobody can tell whether somebody else holds it",
            fix="edit one file at a time with the program's own tools",
        )
    )


def _not_for_agents(path: bytes) -> str:
    return _sentence(
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


def _limit(dialect: Dialect, event: str, kind: str | None) -> None:
    """Deny when the deadline strikes, because no program denies when its own does.

    At any other event the process just ends, and the entry's shell line ends well.
    """
    import _signal  # type: ignore[import-not-found] # ``signal`` costs an enum

    def strike(*_: object) -> None:
        slow = f"agentlock had no answer within {DEADLINE} seconds"
        deny(dialect, event, _sentence(UndecidedError(slow, fix="try again; agentlock doctor")))
        os._exit(DENIED)

    if kind == BEFORE:
        _signal.signal(_signal.SIGALRM, strike)
    _signal.setitimer(_signal.ITIMER_REAL, DEADLINE)


def _sentence(error: AgentlockError) -> str:
    from agentlock.guard.report import error_text

    return error_text(error, "edit refused: ")
