"""How a verdict is told: in sixteen lines at most.

No control character of a name or a reason reaches the terminal, and no way round the guard is
ever mentioned.
"""

from __future__ import annotations

import os

from agentlock.duration import format_remaining
from agentlock.environment import GIT_PREFIX, NAME_YOURSELF
from agentlock.model import PathConflict
from agentlock.patterns.matching import displayed
from agentlock.text import and_more, count, plural, printable, shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.errors import AgentlockError
    from agentlock.model import Conflict, Verdict

_ROWS = 8
_REST = 12
_WIDEST = 60
_NOBODY = f"{NAME_YOURSELF} (nobody is named here)"
_NO_PUSHER = "this server has no name for who pushes: ask whoever runs it"


def tell(text: str) -> None:
    """Write to stderr, whatever its encoding; a closed one changes no verdict."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass


def error_text(error: AgentlockError, subject: str = "") -> str:
    """The error's sentence, and its next step on a line of its own."""
    text = f"agentlock: {subject}{printable(error.message)}\n"
    if not error.hint:
        return text
    return f"{text}  {'fix' if error.fix else 'see'}: {printable(error.hint)}\n"


def verdict_text(
    verdict: Verdict,
    now: int,
    *,
    what: str,
    agent: str | None,
    rest: Sequence[bytes] = (),
    folder: bytes | None = None,
    deletes: bytes | None = None,
    on_server: bool = False,
) -> str:
    """A verdict that is not clean, with what can be done. ``what``: commit, merge, push, check.

    ``folder`` is where the commands that are shown will be typed, relative to the root; git tells
    its hooks in GIT_PREFIX.
    ``rest`` are paths that could be committed on their own; a command for them is shown where
    it stays short.
    ``deletes`` is the default branch, where that is what is refused; ``on_server``: who reads this
    has no say in what they are called here.
    """
    how = "refused" if not verdict.allowed else "warning (this project only warns)"
    lines = [f"agentlock: {what} {how}: {_headline(verdict, deletes)}", ""]
    rows = [_row(conflict, now) for conflict in verdict.conflicts[:_ROWS]]
    bare = verdict.uncovered[: _ROWS - len(rows)]
    rows += [(printable(path), "not covered by a reservation of yours") for path in bare]
    lines += _aligned(rows)
    more = len(verdict.conflicts) + len(verdict.uncovered) - len(rows)
    if more:
        lines.append(f" {and_more(more)}")
    if folder is None:
        folder = os.fsencode(os.environ.get(GIT_PREFIX, ""))
    nobody = "" if agent is not None else _NO_PUSHER if on_server else _NOBODY
    lines += ["", *_hints(verdict, nobody, rest, folder)]
    return "\n".join(lines) + "\n"


def conflicts_text(conflicts: Sequence[Conflict], now: int, *, more: bool) -> str:
    """Why a `reserve` was refused: mine, theirs, the holder, the time left, the witness.

    ``more``: not all conflicts were looked for.
    """
    many = count(len(conflicts), "conflict")
    many = f"at least {many}" if more else many
    lines = [f"agentlock: reserve refused: {many}, nothing was reserved", ""]
    lines += _aligned([_conflict_row(conflict, now) for conflict in conflicts[:_ROWS]])
    if len(conflicts) > _ROWS:
        lines.append(f" {and_more(len(conflicts) - _ROWS)}")
    number = conflicts[0].reservation.id
    lines += ["", f"  look closer: agentlock show {number}"]
    return "\n".join(lines) + "\n"


def _conflict_row(conflict: Conflict, now: int) -> tuple[str, ...]:
    held = conflict.reservation
    where = "" if conflict.witness is None else f"both match {printable(conflict.witness)}"
    _, agent, mode, theirs, left, reason = _row(PathConflict(b"", held), now)
    mine = printable(displayed(conflict.pattern))
    return (f"{mine} meets {theirs}", agent, mode, left, where, reason)


def _headline(verdict: Verdict, deletes: bytes | None) -> str:
    if deletes is not None and any(one.path == deletes for one in verdict.conflicts):
        return f"{printable(deletes)} is the default branch, and stays while anything is held"
    parts, total = [], count(verdict.checked, "path")
    held = len({conflict.path for conflict in verdict.conflicts})
    if held:
        parts.append(f"{held} of {total} {plural(held, 'is', 'are')} reserved by others")
    if verdict.uncovered:
        bare = len(verdict.uncovered)
        parts.append(f"{bare} of {total} {plural(bare, 'is', 'are')} not reserved by you")
    return ", ".join(parts)


def _row(conflict: PathConflict, now: int) -> tuple[str, ...]:
    held = conflict.reservation
    reason = printable(held.reason)
    if len(reason) > _WIDEST:
        reason = reason[: _WIDEST - 1] + "…"
    return (
        printable(conflict.path),
        held.agent,
        "exclusive" if held.exclusive else "shared",
        printable(displayed(held.pattern)),
        f"for {format_remaining(held.expires_ts - now)} more",
        f'"{reason}"' if reason else "",
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [0] * 6
    for row in rows:
        for column, cell in enumerate(row):
            widths[column] = min(max(widths[column], len(cell)), _WIDEST)
    return [
        (
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def _hints(verdict: Verdict, nobody: str, rest: Sequence[bytes], folder: bytes) -> list[str]:
    hints = []
    if nobody:
        hints.append(("who are you?", nobody))
    if verdict.uncovered and len(verdict.uncovered) <= _REST:
        hints.append(
            ("reserve them:", f"agentlock reserve {_arguments(verdict.uncovered, folder)}")
        )
    if rest and len(rest) <= _REST:
        hints.append(("commit the rest:", f"git commit --only -- {_pathspecs(rest, folder)}"))
    if verdict.doubt:
        hints.append(("why now:", printable(verdict.doubt)))
    if verdict.conflicts:
        number = verdict.conflicts[0].reservation.id
        hints.append(("look closer:", f"agentlock show {number}"))
    width = max((len(label) for label, _ in hints), default=0)
    return [f"  {label.ljust(width)} {command}" for label, command in hints]


def _arguments(paths: Sequence[bytes], folder: bytes) -> str:
    """Paths for `reserve`, which reads them relative to the folder that it is typed in."""
    names = [os.path.relpath(b"/" + path, b"/" + folder) for path in paths]
    plain = [b"./" + name if name[:1] in (b"-", b"!") else name for name in names]
    literal = "--literal " if any(one in name for name in names for one in b"*?[\\{") else ""
    return literal + " ".join(shell_word(name) for name in plain)


def _pathspecs(paths: Sequence[bytes], folder: bytes) -> str:
    """Paths for a git command typed where `git commit` was: git's hooks run at the root."""
    magic = ":(top,literal)" if folder else ""
    return " ".join(shell_word((magic or _literal(path)) + os.fsdecode(path)) for path in paths)


def _literal(path: bytes) -> str:
    return ":(literal)" if path[:1] == b":" or any(one in path for one in b"*?[\\") else ""
