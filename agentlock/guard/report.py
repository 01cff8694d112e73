"""How a verdict is told, in seventeen lines at most, and a push in some more for its commits.

No control character of a name or a reason reaches the terminal, and no line mentions a bypass of
the guard.
"""

from __future__ import annotations

import os

from agentlock.duration import format_remaining
from agentlock.environment import AGENT_NAME, GIT_PREFIX
from agentlock.git.identity import naming_hint
from agentlock.model import PathConflict
from agentlock.patterns.keys import fold_key
from agentlock.patterns.plain import displayed, prefix_key
from agentlock.records import AT_PROMPT, RECENTLY, WAITING
from agentlock.text import (
    and_more,
    count,
    foreign,
    path_name,
    plural,
    printable,
    quoted,
    shell_word,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentlock.errors import AgentlockError
    from agentlock.model import Reservation, Verdict
    from agentlock.records import Presence
    from agentlock.reservations.search import Conflict
    from agentlock.reservations.stale import StaleCopy

_ROWS = 8
_ROWS_OF_PUSH = 4  # the commits follow
_REST = 12
_WIDEST = 60
_NEW_FILE = "e.g. a new file"
_KEPT = "what a place waits for stays closed to later claims, also the part that is free"
_ASK_SERVER = "ask whoever runs the server to "


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
    rest: tuple[str, str] | None = None,
    folder: bytes | None = None,
    deletes: bytes | None = None,
    on_server: bool = False,
    variables: Sequence[str] = (),
    source: str = "",
) -> str:
    """A verdict that is not clean, and what can be done. ``what``: commit, merge, push, check.

    ``folder`` is where the reader types the commands, relative to the root; without it, the one in
    GIT_PREFIX, which git sets for its hooks.
    ``rest`` is what to do with the paths that are not refused: a label and a command.
    ``deletes`` is the default branch, if its deletion is refused. ``on_server``: the reader cannot
    choose the name that the server knows them by; it reads that from one of the ``variables``.
    ``source`` is where the agent's name comes from.
    """
    how = "refused" if not verdict.allowed else "warning (this project only warns)"
    nobody = ""
    if agent is None:
        nobody = "this server is not told who pushes" if on_server else "no agent name is set"
        if variables:
            nobody += f": {', '.join(variables)} {plural(len(variables), 'is', 'are')} not set"
    elif source == AGENT_NAME:  # which the reader may not have set
        nobody = f"you are {agent}, by {source}"
    why = f" ({nobody})" if nobody else ""
    lines = [f"agentlock: {what} {how}: {_headline(verdict, deletes)}{why}", ""]
    lines += _listed(verdict, now, _ROWS if verdict.blocked is None else _ROWS_OF_PUSH)
    if verdict.blocked is not None and verdict.blocked.rows:
        lines += ["", *_aligned(verdict.blocked.rows)]
        if verdict.blocked.more > 0:
            lines.append(f" {and_more(verdict.blocked.more)}")
    if folder is None:
        folder = os.fsencode(os.environ.get(GIT_PREFIX, ""))
    naming = _ask_server(variables) if on_server else naming_hint()
    seen = _holder(verdict.conflicts, verdict.holders, now)
    waits = agent is not None and not on_server and deletes is None and not verdict.allowed
    hints = _hints(verdict, naming if agent is None else "", rest, folder, seen, waits=waits)
    lines += ["", *hints]
    return "\n".join(lines) + "\n"


def _ask_server(variables: Sequence[str]) -> str:
    if variables:
        return f"{_ASK_SERVER}set {' or '.join(variables)} for each push"
    return f"{_ASK_SERVER}run: agentlock init --server --identity-variable NAME"


def seen_text(known: Presence, now: int, *, whole: bool = False) -> str:
    """Whether an agent is there, and where; ``whole`` paths instead of names of folders."""
    agent = known.agent
    seen = f"last seen {format_remaining(max(now - agent.last_active_ts, 0))} ago"
    parts = [f"{status_text(known, now)}, {seen}"]
    if agent.worktree:
        worktree = agent.worktree if whole else foreign(os.path.basename(agent.worktree))
        parts.append(f"in {worktree}")
    if agent.branch:
        parts.append(f"({foreign(agent.branch)})")
    text = " ".join(parts)
    if agent.program:
        text += f", {foreign(agent.program)}"
    if agent.host and (whole or agent.host != os.uname().nodename):
        text += f", at {foreign(agent.host)}"
    if whole and agent.process is not None:
        text += f", process {agent.process}"
    return printable(text)


def status_text(known: Presence, now: int) -> str:
    """The state in words; how long, where last seen does not say it."""
    since = format_remaining(max(now - known.since_ts, 0))
    if known.status == WAITING:
        return f"waiting {since}{f' for {known.why}' if known.why else ''}"
    if known.status == AT_PROMPT:
        return f"at its prompt for {since}"
    return f"{known.status} ({known.why})" if known.why not in ("", RECENTLY) else known.status


def _holder(
    conflicts: Sequence[Conflict | PathConflict], holders: Mapping[str, Presence], now: int
) -> str:
    """Whether the first holder is there, and where; "" if that is not known."""
    held = next((one.reservation for one in conflicts if one.reservation is not None), None)
    known = None if held is None else holders.get(held.agent)
    return "" if known is None else f"{known.agent.name}, {seen_text(known, now)}"


def skipped_text(verdict: Verdict, now: int, *, what: str) -> str:
    """What a skip let through: a person should know whose work it touches."""
    lines = [
        f"agentlock: {what} let through by a skip, which is logged: {_headline(verdict, None)}"
    ]
    return "\n".join([*lines, "", *_listed(verdict, now)]) + "\n"


def _listed(verdict: Verdict, now: int, most: int = _ROWS) -> list[str]:
    """A line for each of the first paths that a verdict is about, and how many more there are."""
    rows = [_row(conflict, now) for conflict in verdict.conflicts[:most]]
    bare = verdict.uncovered[: most - len(rows)]
    rows += [(path_name(path), "not reserved by you") for path in bare]
    lines = _aligned(rows)
    more = len(verdict.conflicts) + len(verdict.uncovered) - len(rows)
    if more:
        lines.append(f" {and_more(more)}")
    return lines


def conflicts_text(
    conflicts: Sequence[Conflict],
    now: int,
    *,
    more: bool,
    holders: Mapping[str, Presence],
    free: str = "",
    wait: str = "",
    what: str = "reserve refused",
) -> str:
    """Why a `reserve` was refused: both patterns, holder, time left, and a path that both match.

    ``more``: the search stopped before it had found all conflicts. ``free`` is the command that
    reserves the part that nobody else holds, ``wait`` the one that waits.
    """
    many = count(len(conflicts), "conflict")
    many = f"at least {many}" if more else many
    lines = [f"agentlock: {what}: {many}, nothing was reserved", ""]
    lines += _aligned([_conflict_row(conflict, now) for conflict in conflicts[:_ROWS]])
    if len(conflicts) > _ROWS:
        lines.append(f" {and_more(len(conflicts) - _ROWS)}")
    seen = _holder(conflicts, holders, now)
    held = next((one.reservation for one in conflicts if one.reservation is not None), None)
    see = "agentlock queue list" if held is None else _shows(held)
    kept = any(one.wait is not None for one in conflicts)
    hints = [
        ("holder:", seen),
        ("queue:", _KEPT if kept else ""),
        ("the rest is free:", free),
        ("wait:", wait),
        ("see:", see),
    ]
    lines += ["", *_labelled([hint for hint in hints if hint[1]])]
    return "\n".join(lines) + "\n"


def places_text(places: Sequence[Conflict], now: int, *, folder: bytes) -> str:
    """Why an edit was refused that would go before the places of others in the queue."""
    files = [one.pattern[1:] for one in places]
    wait = f"agentlock reserve {_arguments(list(dict.fromkeys(files)), folder)} --wait"
    return conflicts_text(places, now, more=False, holders={}, wait=wait, what="edit refused")


def stale_text(copies: Sequence[StaleCopy]) -> str:
    """Why an edit was refused whose file another agent has changed on another branch."""
    lines = ["agentlock: edit refused: HEAD lacks what others changed"]
    lines += [f"  {one.line()}" for one in copies[:_ROWS]]
    lines.append(f"  fix: {copies[0].merging()}")
    return "\n".join(lines) + "\n"


def _conflict_row(conflict: Conflict, now: int) -> tuple[str, ...]:
    where = ""
    if conflict.witness is not None:
        where = "both match" if conflict.exists else _NEW_FILE
        where += f" {foreign(os.fsdecode(conflict.witness))}"
    if conflict.witness == conflict.pattern:  # a thing that is not a file
        where = ""
    mine = printable(displayed(conflict.pattern))
    if conflict.reservation is None:
        place = conflict.other
        theirs = foreign(displayed(conflict.theirs))
        agent, mode, reason = place.agent, "waits", quoted(place.reason)
        left = f"for {format_remaining(now - place.created_ts)}, place {place.id}"
    else:
        _, agent, mode, theirs, left, reason = _row(PathConflict(b"", conflict.reservation), now)
    return (f"{mine} meets {theirs}", agent, mode, left, where, reason)


def _headline(verdict: Verdict, deletes: bytes | None) -> str:
    if deletes is not None and any(one.path == deletes for one in verdict.conflicts):
        name = printable(deletes)
        return f"{name} is the default branch and cannot be deleted while anything is reserved"
    parts, total = [], count(verdict.checked, "path")
    held = len({conflict.path for conflict in verdict.conflicts})
    if held:
        parts.append(f"{held} of {total} {plural(held, 'is', 'are')} reserved by others")
    if verdict.uncovered:
        bare = len(verdict.uncovered)
        parts.append(f"{bare} of {total} {plural(bare, 'is', 'are')} not reserved by you")
    return ", ".join(parts)


def pattern_of(held: Reservation) -> str:
    """A reservation's pattern for people: as its agent wrote it, if it stands elsewhere."""
    return os.fsdecode(held.typed) if held.source else displayed(held.pattern)


def _row(conflict: PathConflict, now: int) -> tuple[str, ...]:
    held = conflict.reservation
    path = path_name(conflict.path)
    return (
        path if conflict.exists else f"{_NEW_FILE} {path}",
        held.agent,
        "exclusive" if held.exclusive else "shared",
        foreign(pattern_of(held)),
        f"{'offered ' if held.offer else ''}for {format_remaining(held.expires_ts - now)} more",
        quoted(held.reason),
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


def _hints(
    verdict: Verdict,
    naming: str,
    rest: tuple[str, str] | None,
    folder: bytes,
    seen: str,
    *,
    waits: bool,
) -> list[str]:
    hints = []
    if seen:
        hints.append(("holder:", seen))
    if naming:
        hints.append(("fix:", naming))
    if verdict.uncovered and len(verdict.uncovered) <= _REST:
        hints.append(("fix:", f"agentlock reserve {_arguments(verdict.uncovered, folder)}"))
    if rest is not None:
        hints.append((f"{rest[0]}:", rest[1]))
    if verdict.blocked is not None:
        hints += verdict.blocked.steps
    if place := _in_the_way(verdict.conflicts):
        pattern = foreign(pattern_of(place.reservation))
        hints.append(("why:", f"{pattern} needs a folder where {path_name(place.path)} would be"))
    if verdict.doubt:
        hints.append(("why:", printable(verdict.doubt)))
    held = list(dict.fromkeys(one.path for one in verdict.conflicts if one.exists))
    if waits and held:
        what = _arguments(held, folder) if len(held) <= _REST else "FILE..."
        hints.append(("wait:", f"agentlock reserve {what} --wait"))
    if verdict.conflicts:
        hints.append(("see:", _shows(verdict.conflicts[0].reservation)))
    return _labelled(hints)


def _shows(held: Reservation) -> str:
    """The command that shows a reservation."""
    return "agentlock list" if held.source else f"agentlock show {held.id}"


def _in_the_way(conflicts: Iterable[PathConflict]) -> PathConflict | None:
    """The first one whose path is in the way of what is reserved below it."""
    prefixes: dict[bytes, bytes] = {}
    for one in conflicts:
        text = one.reservation.pattern
        if text not in prefixes:  # one reservation may hold all of a large commit
            prefixes[text] = prefix_key(text)
        if prefixes[text].startswith(fold_key(one.path) + b"/"):
            return one
    return None


def _labelled(hints: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(label) for label, _ in hints), default=0)
    return [f"  {label.ljust(width)} {text}" for label, text in hints]


def _arguments(paths: Sequence[bytes], folder: bytes) -> str:
    """Paths as arguments of `reserve`, which reads them relative to the current folder."""
    names = [os.path.relpath(b"/" + path, b"/" + folder) for path in paths]
    plain = [b"./" + name if name[:1] in (b"-", b"!") else name for name in names]
    literal = "--literal " if any(one in name for name in names for one in b"*?[\\{") else ""
    return literal + " ".join(shell_word(name) for name in plain)
