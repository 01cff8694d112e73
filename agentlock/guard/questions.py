"""What each git hook asks: one function for each hook of agentlock/hook_kinds.py."""

from __future__ import annotations

import os

from agentlock.bundle import Bundle
from agentlock.environment import GIT_NAMESPACE, TIMEOUT
from agentlock.errors import GitError, UsageError
from agentlock.git import changes as git_changes
from agentlock.guard.judge import anything_blocks
from agentlock.guard.notes import UNJUDGED
from agentlock.hook_kinds import FRAMEWORK
from agentlock.model import Value
from agentlock.store import DEFAULT_TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.git.changes import Staged
    from agentlock.git.repository import Repository
    from agentlock.guard.early import Asked
    from agentlock.guard.notes import Note
    from agentlock.guard.pushing import Pushed
    from agentlock.model import Blocked, Changes, Verdict
    from agentlock.store.base import Store

    Excuse = Callable[[Store, Verdict], tuple[Verdict, str]]
    Doubt = Callable[[Store, Verdict, str | None], Verdict]


_LONGEST_WAIT = 600.0  # seconds that a remote is waited for, whatever AGENTLOCK_TIMEOUT says


class Question(Value):
    """May these paths change?

    ``excuse`` takes out of a verdict what was judged when it was made, and says how the rest may
    pass. ``doubt`` finds what a clean verdict did not see. ``divisible``: git could commit some of
    the paths and leave the others. ``framework``: the pre-commit framework asks. ``deletes`` is the
    default branch, if a push to this server deletes it. ``staged`` is the commit to be, or
    ``judged`` gives the commits that were judged now, and not before. ``before`` is done before
    anything is judged, and may give a better question; ``passed`` gives what to tell if all of it
    passes, and ``noted`` is done after its note is written. ``blocked`` names the commits that it
    is refused for.
    """

    changes: Changes
    excuse: Excuse
    staged: Staged | None = None
    judged: Callable[[Store], Sequence[str]] | None = None
    before: Callable[[Store, str | None], Question | None] | None = None
    passed: Callable[[Store, str | None], str] | None = None
    noted: Callable[[Note], None] | None = None
    doubt: Doubt | None = None
    blocked: Callable[[Store, Verdict], Blocked | None] | None = None
    divisible: bool = False
    framework: bool = False
    deletes: bytes | None = None


def pre_commit(repository: Repository, arguments: Sequence[str], asked: Asked) -> Question:
    """What is staged, or what a merge under the framework adds.

    The framework runs one hook as pre-commit and as pre-merge-commit, and does not say as which.
    """
    framework = FRAMEWORK in arguments
    merging = git_changes.merged_heads() if framework else []
    staged = git_changes.staged(repository, merging or None, asked.staged)
    return _commit_of(repository, staged).replace(divisible=True, framework=framework)


def pre_merge_commit(repository: Repository, _arguments: Sequence[str], _asked: Asked) -> Question:
    return _commit_of(repository, git_changes.staged(repository, git_changes.merged_heads()))


def prepare_commit_msg(repository: Repository, _arguments: Sequence[str], asked: Asked) -> Question:
    """What is staged, also where pre-commit does not run: --no-verify, cherry-pick, rebase."""
    return _commit_of(repository, git_changes.staged(repository, asked=asked.staged))


def pre_applypatch(repository: Repository, _arguments: Sequence[str], asked: Asked) -> Question:
    """``git am`` and ``rebase --apply``."""
    return _commit_of(repository, git_changes.staged(repository, asked=asked.staged))


def pre_push(repository: Repository, arguments: Sequence[str], asked: Asked) -> Question:
    """What the pushed commits change, of those that the remote does not have."""
    bundle = Bundle("pushed")  # not the hook's own one: with that, git would be asked later
    import agentlock.store.ledger  # noqa: F401
    from agentlock.git.pushes import Told, require_known, sent
    from agentlock.git.remotes import Remote
    from agentlock.guard.destination import Client
    from agentlock.guard.pushing import Pushed

    bundle.note()
    bundle.keep()
    told = asked.push or Told(arguments)
    name, url, updates = told.refs()
    remote = Remote(name, url, min(timeout() / 1_000_000, _LONGEST_WAIT))
    to = Client(repository, remote)
    push = sent(name, updates, told)
    if repository.treeless_remote is not None:
        from agentlock.git.treeless import fetch_trees

        fetch_trees(repository.treeless_remote, [*push.brings, *push.drops])
    pushed = Pushed(repository, push, updates, to)
    if not push.unknown:
        return _push_of(pushed)

    def ask_again(store: Store, agent: str | None) -> Question | None:
        """Fetch what the remote has and this clone does not, if anything is held at all."""
        pushed.take_in(store, agent)
        policy = store.policy.read()
        if not policy.require_reservation and not anything_blocks(store, policy, agent):
            return None
        to.fetch([update.remote_ref for update in updates if update.remote_oid in push.unknown])
        require_known(push.unknown)
        return _push_of(Pushed(repository, sent(name, updates), updates, to))

    return _push_of(pushed).replace(before=ask_again)


def pre_receive(repository: Repository, _arguments: Sequence[str], _asked: Asked) -> Question:
    """What the pushed commits change, of those that no branch of this server has."""
    from agentlock.git.hook_input import received_refs
    from agentlock.git.receiving import default_branch, deleted_default_branch, received
    from agentlock.guard.destination import Server
    from agentlock.guard.pushing import Pushed

    if GIT_NAMESPACE in os.environ:
        raise GitError(
            "GIT_NAMESPACE is set, and agentlock cannot tell which branches a namespace has",
            fix="serve this repository without GIT_NAMESPACE",
        )
    updates = received_refs()
    pushed = Pushed(repository, received(updates), updates, Server(default_branch()))
    return _push_of(pushed).replace(deletes=deleted_default_branch(updates))


def reference_transaction(
    repository: Repository, arguments: Sequence[str], _asked: Asked
) -> Question:
    """What would come to a branch, or to HEAD, that no branch had.

    ``arguments`` are git's state, git's process and the last of the new oids (transaction.sh).
    """
    from agentlock.git.hook_input import lines
    from agentlock.git.ref_updates import moves
    from agentlock.guard.moving import Moving

    moving = Moving(repository, moves(lines()), arguments[1])
    return Question(moving.changes, moving.excuse, judged=moving.judged, doubt=moving.doubt)


def timeout() -> int:
    """How long the table and a remote are waited for, in microseconds."""
    text = os.environ.get(TIMEOUT)
    if not text:
        return DEFAULT_TIMEOUT
    from agentlock.duration import parse_timeout

    try:
        return parse_timeout(text)
    except UsageError as error:
        raise UsageError(f"{TIMEOUT}: {error.message}", fix=error.hint) from error


def how_to_restore(hook: str, arguments: Sequence[str]) -> str:
    """The command that takes back what git changed before it asked this hook; "" if it is nothing.

    git changes index and worktree first when it fast-forwards, picks or rebases.
    """
    at = _PROCESS_AND_COMMIT.get(hook)
    if at is None or not arguments[at]:
        return ""
    from agentlock.git.ref_updates import restoring

    return restoring(*arguments[at])


def _commit_of(repository: Repository, staged: Staged) -> Question:
    """The question about a commit of the index.

    It may replay one that was judged before, or belong to another history than the project's. A
    merge that joins such a history to the project changes all in which it differs from the project.
    """
    changes = staged.changes
    if len(staged.bases) > 1:
        from agentlock.guard.foreign import roots_here

        joined = roots_here(repository).joined_by_index(staged.bases)
        changes = changes if joined is None else joined

    def excuse(store: Store, verdict: Verdict) -> tuple[Verdict, str]:
        from agentlock.guard.foreign import roots_here
        from agentlock.guard.ledger import excuse_replay

        if roots_here(repository).takes_no_part(staged.bases):
            return verdict.replace(conflicts=(), uncovered=()), UNJUDGED
        return excuse_replay(store, verdict, repository, staged)

    return Question(changes, excuse, staged)


def _push_of(pushed: Pushed) -> Question:
    return Question(
        pushed.history.changes,
        pushed.excuse,
        judged=pushed.judged,
        doubt=pushed.doubt,
        before=pushed.take_in,
        passed=pushed.passed,
        noted=pushed.noted,
        blocked=pushed.blocked,
    )


QUESTIONS: dict[str, Callable[[Repository, Sequence[str], Asked], Question]] = {
    "pre-commit": pre_commit,
    "pre-merge-commit": pre_merge_commit,
    "prepare-commit-msg": prepare_commit_msg,
    "pre-applypatch": pre_applypatch,
    "pre-push": pre_push,
    "pre-receive": pre_receive,
    "reference-transaction": reference_transaction,
}
# Where the scripts put git's process and the commit that HEAD would come to.
_PROCESS_AND_COMMIT = {"prepare-commit-msg": slice(0, 1), "reference-transaction": slice(1, 3)}
