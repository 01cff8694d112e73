"""What the guard asks git first: git answers while Python still loads the rest of the guard."""

from __future__ import annotations

import os

from agentlock.hook_kinds import INDEX, KINDS, MOVES_REFS, REMOTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.process import Running
    from agentlock.git.pushes import Told
    from agentlock.git.settings import Settings
    from agentlock.guard.clearance import Judged
    from agentlock.hook_kinds import HookKind

STRICT = "--strict"  # hooks/shim.sh adds it if a reference-transaction hook will run as well


class Asked:
    """What git is being asked: the settings, and what is staged or what is pushed."""

    __slots__ = ("index", "push", "settings", "staged")

    def __init__(self, arguments: Sequence[str]) -> None:
        """Ask what the guard of this hook (its name, then git's arguments) will want to know."""
        hold_standard_descriptors()
        self.index: Judged | None = None
        self.staged: Running | None = None
        self.push: Told | None = None
        kind = KINDS.get(arguments[0]) if arguments else None
        if kind is not None:
            self._begin(kind, arguments)
        # Last, because the settings are read from files if that is possible.
        from agentlock.git.settings import Settings

        self.settings: Settings = Settings()

    def _begin(self, kind: HookKind, arguments: Sequence[str]) -> None:
        if _is_asked_again(kind, arguments[1:]):
            from agentlock.guard.clearance import Judged

            self.index = Judged(kind.clears, arguments[1])
        if kind.asks == INDEX:
            from agentlock.git.changes import ask_staged

            self.staged = ask_staged()
        elif kind.asks == REMOTES:
            from agentlock.git.pushes import Told

            self.push = Told(arguments[1:])


def _is_asked_again(kind: HookKind, arguments: Sequence[str]) -> bool:
    """Whether the same git process runs another of our hooks on this index.

    Then the script of the hook gives the id of that process first.
    """
    if not kind.clears or not (arguments and arguments[0].isdecimal()):
        return False
    return KINDS[kind.clears].role != MOVES_REFS or STRICT in arguments


def hold_standard_descriptors() -> None:
    """Let no file or pipe that is opened later become a closed stdin, stdout or stderr.

    The stand-in for stdin cannot be read: nothing to read would mean that nothing is pushed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # noqa: PERF203 -- three times; the lowest free number is the missing one
            os.open(os.devnull, os.O_WRONLY)
