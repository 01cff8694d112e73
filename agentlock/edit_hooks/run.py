"""Answer an edit hook: deny what somebody else holds, in the program's own form.

Left alone, most programs let an edit pass if a hook crashes, is missing or is slow. So whatever
cannot be decided is a denial too, and this door has its own deadline, long before the program's.
Nothing is printed if an edit is allowed: a program would take that for the user's consent.
"""

from __future__ import annotations

import os

from agentlock.bundle import Bundle
from agentlock.edit_hooks.dialect import BEFORE, untagged
from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.edit_hooks.signs import may_write
from agentlock.git.containing import by_worktree, is_without_agentlock
from agentlock.json_text import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from agentlock.edit_hooks.dialect import Call, Dialect
    from agentlock.git.repository import Repository

WAKE = "wake"  # no event: what waits beside a program to wake its agent
DEADLINE = 5  # seconds; the entries give the programs 30
ALLOWED = 100  # nothing else ends with it: an empty interpreter ends with 0
DENIED = 101  # not 2, with which Python ends if its program is missing
NO_ANSWER = 3  # the entry's own shell line decides
TIMEOUT = 4 * 1_000_000  # for the table, in microseconds


def main(arguments: Sequence[str], bundles: list[Bundle]) -> int:
    """``agentlock hook edit PROGRAM EVENT``, which reads the program's JSON from stdin.

    ``bundles`` are kept after the answer.
    """
    code = _answer(arguments, bundles)
    import _signal  # type: ignore[import-not-found] # ``signal`` costs an enum

    _signal.setitimer(_signal.ITIMER_REAL, 0)  # the deadline was for the answer
    for bundle in bundles:
        bundle.keep()
    return code


def _answer(arguments: Sequence[str], bundles: list[Bundle]) -> int:
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
        return before_tool(dialect, event, bundles)
    if kind is not None:
        bundles.append(Bundle("edit-events"))
        from agentlock.edit_hooks.lifetime import happened
        from agentlock.errors import AgentlockError

        bundles[-1].note()
        try:
            happened(dialect, event, dialect.read(event, _received()))
        except AgentlockError:  # only an entry before a tool may stand in the way
            return ALLOWED
    return ALLOWED


def before_tool(dialect: Dialect, event: str, bundles: list[Bundle]) -> int:
    """Deny or allow a use of a tool; DENIED or ALLOWED."""
    entered: dict[bytes, Repository | None] = {}
    try:
        call = dialect.read(event, _received())
        written = by_worktree(map(os.fsencode, call.use.writes), os.fsencode(call.cwd))
        if is_elsewhere(call, written):
            return ALLOWED
        bundles.append(Bundle("edit-judged"))
        from agentlock.edit_hooks.before import before_command, is_guarded, refusal

        bundles[-1].note()
        reason = refusal(call, written, entered)
    except Exception as error:  # noqa: BLE001 -- whatever it is, nothing may get through
        reason = failed(error)
    if reason:
        return deny(dialect, event, reason)
    if call.use.command:
        before_command(call, entered)
    repaired = dialect.repair(call.use.command) if dialect.repair is not None else None
    if repaired is not None and is_guarded(call):
        print_json(repaired)
    return ALLOWED


def is_elsewhere(call: Call, written: Mapping[bytes, list[bytes]]) -> bool:
    """Whether a look tells that the call concerns no repository which agentlock guards.

    Most calls of a user's programs may be such ones, so nothing else is loaded before. ``written``
    are the paths that it names, by the roots of their worktrees.
    """
    if call.use.command and may_write(call.use.command):
        return False  # the line may lead anywhere
    roots = written if call.use.writes else by_worktree([b"any"], os.fsencode(call.cwd))
    return all(map(is_without_agentlock, roots))


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
        from agentlock.errors import UndecidedError

        raise UndecidedError(f"what the program sent to the hook is no JSON: {error}") from error


def failed(error: Exception) -> str:
    """The refusal for whatever kept the guard from an answer."""
    from agentlock.edit_hooks.before import sentence
    from agentlock.errors import AgentlockError, UndecidedError

    if isinstance(error, AgentlockError):
        return sentence(error)
    if isinstance(error, (ImportError, SyntaxError)):
        damaged = f"the installation is damaged ({error})"
        return sentence(UndecidedError(damaged, fix="install agentlock again"))
    from agentlock.bug import report_bug

    return sentence(UndecidedError(report_bug(error)))


def _limit(dialect: Dialect, event: str, kind: str | None) -> None:
    """Deny when the deadline strikes, because no program denies when its own does.

    At any other event the process just ends, and the entry's shell line ends well.
    """
    import _signal

    def strike(*_: object) -> None:
        from agentlock.errors import UndecidedError

        slow = f"agentlock had no answer within {DEADLINE} seconds"
        deny(dialect, event, failed(UndecidedError(slow, fix="try again; agentlock doctor")))
        os._exit(DENIED)

    if kind == BEFORE:
        _signal.signal(_signal.SIGALRM, strike)
    _signal.setitimer(_signal.ITIMER_REAL, DEADLINE)
