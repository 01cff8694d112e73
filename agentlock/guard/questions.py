"""What each git hook asks: one function for each hook of agentlock/hook_kinds.py."""

from __future__ import annotations

import os

from agentlock.environment import GIT_NAMESPACE, TIMEOUT
from agentlock.errors import GitError, UsageError
from agentlock.git import changes as git_changes
from agentlock.hook_kinds import FRAMEWORK
from agentlock.model import Value
from agentlock.store import DEFAULT_TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.git.changes import Changes
    from agentlock.git.commits import History
    from agentlock.git.repository import Repository
    from agentlock.guard.early import Asked
    from agentlock.model import Verdict
    from agentlock.store.base import Store

    Excuse = Callable[[Store, Verdict], Verdict]
    Doubt = Callable[[Store, Verdict, str | None], Verdict]
    Made = list[tuple[str, str]]


_LONGEST_WAIT = 600.0  # seconds that a remote is waited for, whatever AGENTLOCK_TIMEOUT says


class Question(Value):
    """May these paths change?

    ``excuse`` takes out of a verdict what the holders made themselves. ``doubt`` finds what a clean
    verdict did not see. ``divisible``: git could commit some of the paths and leave the others.
    ``framework``: the pre-commit framework asks. ``deletes`` is the default branch, if a push to
    this server deletes it.
    """

    changes: Changes
    excuse: Excuse
    doubt: Doubt | None = None
    divisible: bool = False
    framework: bool = False
    deletes: bytes | None = None


def pre_commit(repository: Repository, arguments: Sequence[str], asked: Asked) -> Question:
    """What is staged, or what a merge under the framework adds.

    The framework runs one hook as pre-commit and as pre-merge-commit, and does not say as which.
    """
    framework = FRAMEWORK in arguments
    merging = git_changes.merged_heads() if framework else []
    changes = git_changes.staged(repository, merging or None, asked.staged)
    return Question(changes, _replay_of(repository), divisible=True, framework=framework)


def pre_merge_commit(repository: Repository, _arguments: Sequence[str], _asked: Asked) -> Question:
    changes = git_changes.staged(repository, git_changes.merged_heads())
    return Question(changes, _replay_of(repository))


def prepare_commit_msg(repository: Repository, _arguments: Sequence[str], asked: Asked) -> Question:
    """What is staged, also where pre-commit does not run: --no-verify, cherry-pick, rebase."""
    return Question(git_changes.staged(repository, asked=asked.staged), _replay_of(repository))


def pre_applypatch(repository: Repository, _arguments: Sequence[str], asked: Asked) -> Question:
    """``git am`` and ``rebase --apply``; a patch of the holder's own stays the holder's."""

    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_patch

        return excuse_patch(store, verdict, repository)

    return Question(git_changes.staged(repository, asked=asked.staged), excuse)


def pre_push(repository: Repository, arguments: Sequence[str], asked: Asked) -> Question:
    """What the pushed commits change, of those that the remote does not have."""
    from agentlock.git.commits import changed_by
    from agentlock.git.hook_input import pushed_refs
    from agentlock.git.pushes import Remote, sent

    name, url, updates = pushed_refs(arguments)
    remote = Remote(name, url, min(timeout() / 1_000_000, _LONGEST_WAIT))
    push = sent(name, updates, asked.remotes)

    def doubt(store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        from agentlock.guard.tracking import doubted

        return doubted(store, verdict, push, remote, repository, agent)

    history = changed_by(push.brings, push.drops)
    return Question(
        history.changes, _made_by_holders(history), doubt=doubt if push.tracked else None
    )


def pre_receive(_repository: Repository, _arguments: Sequence[str], _asked: Asked) -> Question:
    """What the pushed commits change, of those that no branch of this server has."""
    from agentlock.git.commits import changed_by
    from agentlock.git.hook_input import received_refs
    from agentlock.git.receiving import deleted_default_branch, received

    if GIT_NAMESPACE in os.environ:
        raise GitError(
            "GIT_NAMESPACE is set, and agentlock cannot tell which branches a namespace has",
            fix="serve this repository without GIT_NAMESPACE",
        )
    updates = received_refs()
    push = received(updates)
    history = changed_by(push.brings, push.drops)
    deletes = deleted_default_branch(updates)
    return Question(history.changes, _made_by_holders(history), deletes=deletes)


def reference_transaction(
    repository: Repository, arguments: Sequence[str], _asked: Asked
) -> Question:
    """What would come to a branch, or to HEAD, that no branch had.

    ``arguments`` are git's state, git's process and the last of the new oids (transaction.sh).
    """
    from agentlock.git import hook_input, ref_updates
    from agentlock.git.commits import changed_by

    moved = ref_updates.moves(hook_input.lines())

    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_commits

        touched = changed_by(ref_updates.made_here(repository, moved, arguments[1])).touched
        verdict = verdict.replace(
            conflicts=tuple(one for one in verdict.conflicts if one.path in touched),
            uncovered=tuple(path for path in verdict.uncovered if path in touched),
        )
        return excuse_commits(store, verdict, touched)

    return Question(changed_by(ref_updates.brought(moved)).changes, excuse)


def post_commit(arguments: Sequence[str]) -> Made:
    """The new commit, and the one that it was replayed from (record.sh)."""
    return [(arguments[0], "".join(arguments[1:2]))]


def post_rewrite(_arguments: Sequence[str]) -> Made:
    """The commits that a rebase or an amend made, each with the one that it replaces."""
    from agentlock.git.hook_input import rewritten_commits

    return rewritten_commits()


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


def _replay_of(repository: Repository) -> Excuse:
    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_replay

        return excuse_replay(store, verdict, repository)

    return excuse


def _made_by_holders(history: History) -> Excuse:
    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_commits

        return excuse_commits(store, verdict, history.touched)

    return excuse


QUESTIONS: dict[str, Callable[[Repository, Sequence[str], Asked], Question]] = {
    "pre-commit": pre_commit,
    "pre-merge-commit": pre_merge_commit,
    "prepare-commit-msg": prepare_commit_msg,
    "pre-applypatch": pre_applypatch,
    "pre-push": pre_push,
    "pre-receive": pre_receive,
    "reference-transaction": reference_transaction,
}
RECORDED: dict[str, Callable[[Sequence[str]], Made]] = {
    "post-commit": post_commit,
    "post-rewrite": post_rewrite,
}
# Where the scripts put git's process and the commit that HEAD would come to.
_PROCESS_AND_COMMIT = {"prepare-commit-msg": slice(0, 1), "reference-transaction": slice(1, 3)}
