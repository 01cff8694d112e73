"""Programs that commit in this repository without git's hooks, and what judges them then.

They are known by what they leave in git's folder or in a worktree. A program that is built on
libgit2 leaves nothing there, so it is not seen.
"""

from __future__ import annotations

import os

from agentlock.install.siblings import Trouble
from agentlock.model import Value
from agentlock.text import shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.repository import Repository


class _Tool(Value):
    """``common`` and ``worktree`` are files that show that it works there; ``habit`` is how."""

    name: str
    habit: str
    common: tuple[str, ...]
    worktree: tuple[str, ...] = ()


_TOOLS = (
    _Tool(
        "jj",
        "none of its commands runs a hook, and `jj git push` passes --no-verify",
        ("refs/jj",),
        (".jj",),
    ),
    _Tool(
        "GitButler",
        "it commits from an index of its own, mostly without hooks, and pushes with --no-verify",
        ("gitbutler", "refs/gitbutler", "refs/heads/gitbutler"),
    ),
    _Tool("Sapling", "it runs its own hooks and not git's", ("sl",), (".sl",)),
)


def tools_without_hooks(repository: Repository) -> list[Trouble]:
    """For each such program: that it is here, and where its commits can be judged."""
    table = f" --database {shell_word(repository.database)}" if repository.database else ""
    return [
        Trouble(
            f"{tool.name} is used here ({sign}): {tool.habit}, so no hook here judges its commits",
            f"in the repository that is pushed to: agentlock init --server{table}",
        )
        for tool in _TOOLS
        if (sign := _sign_of(tool, repository))
    ]


def _sign_of(tool: _Tool, repository: Repository) -> str:
    common_dir = os.fsdecode(repository.common_dir)
    roots = dict.fromkeys((os.fsdecode(repository.root), os.path.dirname(common_dir)))
    paths = [os.path.join(common_dir, name) for name in tool.common]
    paths += [os.path.join(root, name) for root in roots for name in tool.worktree]
    return next(filter(os.path.isdir, paths), "")
