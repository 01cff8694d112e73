"""What the configuration says about the agent's name that its reader should know."""

from __future__ import annotations

import os

from agentlock.git.identity import CONFIGURED
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentlock.git.identity import Identity
    from agentlock.git.repository import Repository


class Remark(Value):
    """One sentence, and the command that puts it right."""

    message: str
    fix: str


def shared_name(repository: Repository, identity: Identity) -> Remark | None:
    """A name that all worktrees of the repository share: whoever set it last is everybody."""
    scope = repository.settings.get(b"agentlock agent scope")
    if identity.source != CONFIGURED or scope != b"local" or not _has_linked(repository):
        return None
    # In a repository without a main worktree, core.bare would have to move first
    # (git-worktree(1), "CONFIGURATION FILE").
    own = "git config extensions.worktreeConfig true && git config --worktree agentlock.agent NAME"
    bare = repository.settings.get(b"core.bare", b"false") != b"false"
    return Remark(
        f"every worktree of this repository is {identity.name}, because they share "
        "git config agentlock.agent",
        fix="export AGENTLOCK_AGENT=NAME" if bare else own,
    )


def ignored_setting(repository: Repository) -> Remark | None:
    """A setting of agentlock's that does not count where it stands."""
    ignored = repository.settings.get(b"agentlock ignored")
    if ignored is None:
        return None
    name, _, where = os.fsdecode(ignored).partition(" ")
    return Remark(
        f"{name} is ignored where it stands {where}: only the repository's own configuration "
        "counts, without what it includes",
        fix=f"git config {name} VALUE, or remove it there",
    )


def _has_linked(repository: Repository) -> bool:
    try:
        return bool(os.listdir(os.path.join(repository.common_dir, b"worktrees")))
    except OSError:
        return False
