"""What the guard asks git first: git answers while Python still loads the guard."""

from __future__ import annotations

import os

from agentlock.git.repository import ask_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.process import Running
    from agentlock.guard.clearance import Judged

STRICT = "--strict"
_BEFORE_THE_MESSAGE = ("pre-commit", "pre-merge-commit")
_ABOUT_THE_INDEX = ("pre-commit", "prepare-commit-msg", "pre-applypatch")


class Asked:
    """Commands that git is working on: the settings, and what is staged or which remotes are."""

    __slots__ = ("index", "remotes", "settings", "staged")

    def __init__(self, arguments: Sequence[str]) -> None:
        """Ask what the guard of this hook (its name, then git's arguments) will want to know."""
        hold_standard_descriptors()
        self.settings = ask_settings()
        self.index: Judged | None = None
        if arguments and _is_asked_again(arguments[0], arguments[1:]):
            from agentlock.guard.clearance import Judged

            self.index = Judged(*arguments[:2])
        self.staged: Running | None = None
        if arguments and arguments[0] in _ABOUT_THE_INDEX:
            from agentlock.git.changes import ask_staged

            self.staged = ask_staged()
        self.remotes: Running | None = None
        if arguments and arguments[0] == "pre-push":
            from agentlock.git.pushes import ask_remotes

            self.remotes = ask_remotes()


def _is_asked_again(hook: str, arguments: Sequence[str]) -> bool:
    """Whether git runs another of our hooks on the same index: then its process is told first."""
    if not (arguments and arguments[0].isdecimal()):
        return False
    return hook in _BEFORE_THE_MESSAGE or (hook == "prepare-commit-msg" and STRICT in arguments)


def hold_standard_descriptors() -> None:
    """Let no file or pipe that is opened later become a closed stdin, stdout or stderr.

    The stand-in for stdin cannot be read: nothing to read would mean that nothing is pushed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # noqa: PERF203 -- three times; the lowest free number is the missing one
            os.open(os.devnull, os.O_WRONLY)
