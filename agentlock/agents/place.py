"""Where an agent works: its worktree, branch, host, process and program."""

from __future__ import annotations

import os

from agentlock.environment import PROGRAM
from agentlock.processes import ancestors, boot_and_namespace
from agentlock.records import Agent
from agentlock.text import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.repository import Repository

# What only starts an agent's commands, and what only starts a person's shell.
_BETWEEN = frozenset(
    [
        "sh",
        "bash",
        "dash",
        "ash",
        "zsh",
        "fish",
        "ksh",
        "mksh",
        "busybox",
        "env",
        "sudo",
        "su",
        "doas",
        "timeout",
        "nohup",
        "setsid",
        "xargs",
        "make",
        "uv",
        "uvx",
        "just",
    ]
)
_NOBODY = frozenset(["init", "systemd", "login", "sshd", "sshd-session", "cron", "screen", "tmux"])
_MOST_ANCESTORS = 50


def here(repository: Repository, name: str, now: int) -> Agent:
    """The agent of this name as it works in this command.

    Its process is the nearest ancestor that is not a shell, its program that process's name; "" if
    a person's terminal is all there is.
    """
    process, program, started = program_process()
    return Agent(
        name,
        storable(os.environ.get(PROGRAM) or program),
        "",
        now,
        now,
        worktree_of(repository),
        _branch(repository),
        storable(os.uname().nodename),
        process or os.getppid(),
        now,
        started or None,
        boot_and_namespace() if process else "",
    )


def worktree_of(repository: Repository) -> str:
    """The worktree's root as the table keeps it; "" in a bare repository."""
    return "" if repository.is_bare else storable(repository.root)


def _branch(repository: Repository) -> str:
    """The branch that is checked out; "" if none is, or if the file HEAD does not say it."""
    try:
        with open(os.path.join(repository.git_dir, b"HEAD"), "rb") as file:
            head = file.read(4096)
    except OSError:
        return ""
    name = head.removeprefix(b"ref: refs/heads/")
    return "" if name == head or name.startswith(b".invalid") else storable(name.strip())


def program_process() -> tuple[int, str, int]:
    """The number, name and start of the nearest ancestor that is not a shell.

    0, "" and 0 if a person's terminal is all there is, and without /proc (macOS).
    """
    for number, name, started in ancestors(_MOST_ANCESTORS):
        if name.partition(":")[0] in _NOBODY:
            break
        if name.removeprefix("-") not in _BETWEEN:
            return number, name, started
    return 0, "", 0
