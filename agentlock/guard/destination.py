"""Where a push goes: what is known there of branches, and who can be asked."""

from __future__ import annotations

from agentlock.errors import GitError
from agentlock.git.process import git
from agentlock.git.pushes import pushed_to_branches
from agentlock.git.receiving import branches_after
from agentlock.git.remotes import default_branch, heads_of, others
from agentlock.guard.landing import protected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agentlock.git.hook_input import RefUpdate
    from agentlock.git.remotes import Heads, Remote
    from agentlock.git.repository import Repository
    from agentlock.model import Policy


class Server:
    """This repository, which receives the push. It asks no other."""

    remote: Remote | None = None

    def __init__(self, default: bytes) -> None:
        """``default`` is the default branch, b"" where it is not known."""
        self._default = default

    def protected(self, updates: Sequence[RefUpdate], policy: Policy) -> list[RefUpdate]:
        """Those of the updates that are judged by all that they gain."""
        return protected(updates, policy, self._default)

    def has(self) -> list[bytes]:
        """What its branches are at, beyond what git has left out of the push already."""
        return []

    def others(self) -> Iterator[Heads]:
        """The branches of other places that vouch for commits."""
        return iter(())

    def after(self, updates: Sequence[RefUpdate]) -> list[bytes]:
        """What its branches are at once the push is done."""
        return branches_after(updates)

    def project(self) -> list[bytes]:
        """What the project's default branch is at."""
        head = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        return head.stdout.split() if head.code == 0 else []


class Client(Server):
    """A remote, seen from a clone. It is asked once, and refs in the clone prove nothing."""

    def __init__(self, repository: Repository, remote: Remote) -> None:
        super().__init__(b"")
        self.remote: Remote = remote
        self._repository = repository
        self._heads: Heads | None = None
        self._failed: GitError | None = None

    def protected(self, updates: Sequence[RefUpdate], policy: Policy) -> list[RefUpdate]:
        default = b""
        if not policy.protected:
            default = default_branch(self.remote.name, self._repository.common_dir)
        return protected(updates, policy, default)

    def asked(self) -> Heads:
        """The branches that the remote says it has; GitError where it does not answer."""
        if self._failed is not None:  # whoever waits for a remote does so once
            raise self._failed
        if self._heads is None:
            try:
                self._heads = heads_of(self.remote, fetch=True)
            except GitError as error:
                self._failed = error
                raise
        return self._heads

    def fetch(self, refs: Iterable[bytes]) -> None:
        """Fetch what these refs of the remote are at, without a ref; GitError as ``asked``."""
        self._heads = heads_of(self.remote, fetch=True, refs=refs)

    def has(self) -> list[bytes]:
        return self.asked().here()

    def others(self) -> Iterator[Heads]:
        remote = self.remote
        for other in others(self._repository, remote.name, remote.url, remote.timeout):
            try:
                yield heads_of(other)
            except GitError:  # noqa: PERF203 -- there are few remotes
                continue

    def after(self, updates: Sequence[RefUpdate]) -> list[bytes]:
        moved = [update.remote_ref for update in updates]
        return [*self.asked().here(without=moved), *pushed_to_branches(updates)]

    def project(self) -> list[bytes]:
        try:
            heads = self.asked()
        except GitError:
            return []
        return heads.here(without=[name for name in heads.branches if name != heads.default])
