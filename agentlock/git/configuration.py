"""What agentlock writes into a repository's own configuration, and where git keeps its hooks."""

from __future__ import annotations

import os

from agentlock.errors import GitError
from agentlock.git.process import git, output

SECTION = "agentlock"


def hooks_folder(cwd: bytes) -> bytes:
    """The folder that git runs hooks from in ``cwd`` (githooks(5): core.hooksPath and all)."""
    return output("rev-parse", "--path-format=absolute", "--git-path", "hooks", cwd=cwd)[:-1]


def record(cwd: bytes, name: str, value: str) -> None:
    """Set ``agentlock.NAME`` in the repository's own file, which all its worktrees share."""
    output("config", "--local", f"{SECTION}.{name}", value, cwd=cwd)


def forget(cwd: bytes) -> None:
    """Remove every setting of ours; nothing happens where there is none."""
    result = git("config", "--local", "--remove-section", SECTION, cwd=cwd)
    if result.code not in (0, 128) or (
        result.code == 128 and b"no such section" not in result.stderr.lower()
    ):
        raise result.error()


def recorded(cwd: bytes, name: str) -> str | None:
    """The value of ``agentlock.NAME`` in the repository's own file."""
    result = git("config", "--local", "-z", "--get", f"{SECTION}.{name}", cwd=cwd)
    if result.code == 1:
        return None
    if result.code != 0:
        raise result.error()
    return os.fsdecode(result.stdout[:-1])


def common_folder(cwd: bytes) -> bytes:
    """The repository that ``cwd`` belongs to, as the folder its worktrees share."""
    found = output("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=cwd)[:-1]
    if not os.path.isabs(found):
        raise GitError("git 2.31 or newer is needed", hint="upgrade git")
    return found
