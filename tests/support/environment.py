"""A sealed environment: nothing of this machine's home, git configuration or agents."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from agentlock.environment import CI_SYSTEMS
from support.fork_server import FRESH

if TYPE_CHECKING:
    from pathlib import Path

_OURS = ("GIT_", "PG", "AGENTLOCK_", "PRE_COMMIT", "XDG_", "PYTHON")
_KEPT = ("GIT_SSL_CAINFO", FRESH)


def heed_signals() -> None:
    """Ignore no signal that whoever started this process lets it ignore, as nohup and a shell do.

    Every process that it starts would ignore it too.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def search_path() -> str:
    """PATH, with the folder of another git before it where AGENTLOCK_TEST_GIT names one."""
    newer = os.environ.get("AGENTLOCK_TEST_GIT")
    return f"{newer}{os.pathsep}{os.environ['PATH']}" if newer else os.environ["PATH"]


def sealed_environment(home: Path) -> dict[str, str]:
    """What a process sees of the outside: the tools on PATH, and how to reach a registry."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or not (name.startswith(_OURS) or name in ("AGENT_NAME", *CI_SYSTEMS))
    }
    moment = "2026-01-31T12:00:00+00:00"
    return kept | {
        **variables_of(home),
        "PATH": search_path(),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A U Thor",
        "GIT_AUTHOR_EMAIL": "author@example.invalid",
        "GIT_AUTHOR_DATE": moment,
        "GIT_COMMITTER_NAME": "C O Mitter",
        "GIT_COMMITTER_EMAIL": "committer@example.invalid",
        "GIT_COMMITTER_DATE": moment,
        "LC_ALL": "C.UTF-8",
    }


def variables_of(home: Path) -> dict[str, str]:
    """The variables that lead a process to a home."""
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
    }


def make_home(home: Path) -> None:
    """A home in which git is set up as on a fresh machine."""
    home.mkdir(parents=True)
    settings = '[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n'
    (home / ".gitconfig").write_text(settings, encoding="utf-8")
