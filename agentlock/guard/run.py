"""What git calls: one function for each hook. Everything unexpected is a refusal."""

from __future__ import annotations

import os

from agentlock.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_UNDECIDED,
    AgentlockError,
    GitError,
    UndecidedError,
    UsageError,
)
from agentlock.git import changes as git_changes
from agentlock.git.process import output
from agentlock.git.repository import discover, identify, identify_pusher
from agentlock.guard.judge import folding_of, judge
from agentlock.model import PathConflict, Value
from agentlock.store import DEFAULT_TIMEOUT, open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentlock.git.changes import Changes
    from agentlock.git.commits import History
    from agentlock.git.pushes import RefUpdate
    from agentlock.git.repository import Repository
    from agentlock.guard.early import Asked
    from agentlock.model import Verdict
    from agentlock.store.protocol import Store

    Excuse = Callable[[Store, Verdict], Verdict]
    Doubt = Callable[[Store, Verdict, str | None], Verdict]

FRAMEWORK = "--framework"
_PROBE = "AGENTLOCK_PROBE"  # as agentlock.git.rehearsal, which no ordinary hook loads
_MOST_STDIN = 64 << 20
_SEE_GIT = "see what git status and git fsck say, then try again"
_INSTALL_AGAIN = "install agentlock again, then try once more"
_LONGEST_WAIT = 600.0  # seconds that a remote is waited for, whatever AGENTLOCK_TIMEOUT says
_SERVER = "pre-receive"
_TRANSACTION = "reference-transaction"


class Question(Value):
    """What a hook asks: may these paths change? ``excuse`` takes out what the holders made.

    ``doubt`` finds what a clean verdict did not see. ``deletes`` is the default branch, where a
    push to this server deletes it.
    """

    changes: Changes
    excuse: Excuse
    deletes: bytes | None = None
    doubt: Doubt | None = None


def run(name: str, arguments: Sequence[str], asked: Asked) -> int:
    """Run the guard of one git hook; the exit code, 0 only where everything is allowed."""
    code = _answer(name, arguments, asked)
    if code == EXIT_OK and asked.index is not None:
        asked.index.cleared()
    if code != EXIT_OK and name == _TRANSACTION:
        _tell_how_to_restore(*arguments[1:3])
    elif code != EXIT_OK and name == "prepare-commit-msg":
        _tell_how_to_restore(*arguments[:1])
    return code


def _answer(name: str, arguments: Sequence[str], asked: Asked) -> int:
    what = _WORDS.get(name, "this")
    try:
        return _guarded(name, arguments, what, asked)
    except AgentlockError as error:
        if not error.hint:
            error.fix = _SEE_GIT
        if name == _SERVER:
            error.fix = f"on the server: {error.hint}"
        _tell(error, what)
        return EXIT_REFUSED if error.exit_code == EXIT_REFUSED else EXIT_UNDECIDED
    except (ImportError, SyntaxError) as error:  # half a package: no bug, and no answer either
        damaged = UndecidedError(f"the installation is damaged ({error})", fix=_INSTALL_AGAIN)
        _tell(damaged, what)
        return EXIT_UNDECIDED
    except KeyboardInterrupt:
        _tell("interrupted", what)
        return EXIT_INTERRUPTED
    except BaseException as error:  # noqa: BLE001 -- whatever it is, nothing may get through
        from agentlock.bug import report_bug

        _tell(report_bug(error), what)
        return EXIT_BUG


def _guarded(name: str, arguments: Sequence[str], what: str, asked: Asked) -> int:
    if name in _RECORDING:
        return _record(name, arguments, discover(asked.settings))
    if name not in _HOOKS:
        raise UsageError(f"there is no guard for a hook {name!r}", fix=f"one of: {_NAMES}")
    repository = discover(asked.settings)
    identity = identify_pusher(repository) if name == _SERVER else identify(repository)
    timeout = _timeout()
    store = open_store(
        repository.database,
        repository.database_id,
        repository.project,
        timeout=timeout,
        read_only=True,
    )
    try:
        question = _HOOKS[name](repository, arguments, asked)
        changes = question.changes
        if _PROBE in os.environ:
            from agentlock.guard.probe import answer

            return answer(name, store, changes, identity.name, folding_of(repository))
        verdict, now = judge(store, changes, identity.name, folding_of(repository))
        if not verdict.clean:
            verdict = question.excuse(store, verdict)
        if verdict.clean and question.doubt is not None:
            verdict = question.doubt(store, verdict, identity.name)
        if question.deletes is not None:
            verdict = _without_default_branch(verdict, question.deletes, store, now)
    finally:
        store.close()
    if verdict.clean:
        return EXIT_OK
    from agentlock.guard import record

    noted = what
    if not verdict.allowed and name != _SERVER and record.SKIP in os.environ:
        lacking = record.skip(repository, identity, verdict, what, timeout)
        if not lacking:
            return EXIT_OK
        noted = f"{what}, and a skip without {lacking}"
    refused = {conflict.path for conflict in verdict.conflicts}.union(verdict.uncovered)
    rest = [path for path in changes.paths if path not in refused]
    if name != "pre-commit" or git_changes.takes_all(repository):
        rest = []
    from agentlock.guard.report import tell, verdict_text

    tell(
        verdict_text(
            verdict,
            now,
            what=what,
            agent=identity.name,
            rest=rest,
            deletes=question.deletes,
            on_server=name == _SERVER,
        )
    )
    if verdict.allowed:
        return EXIT_OK
    record.refusal(repository, identity, verdict, noted, timeout)
    return EXIT_REFUSED


def _tell(why: AgentlockError | str, what: str) -> None:
    from agentlock.guard.report import error_text, tell

    error = UndecidedError(why) if isinstance(why, str) else why
    tell(error_text(error, f"{what} refused: "))


def _pre_commit(repository: Repository, arguments: Sequence[str], asked: Asked) -> Question:
    # Under the framework one hook serves pre-commit and pre-merge-commit, and is not told which.
    merging = git_changes.merged_heads() if FRAMEWORK in arguments else []
    changes = git_changes.staged(repository, merging or None, asked.staged)
    return Question(changes, _replay_of(repository))


def _prepare_commit_msg(
    repository: Repository, _arguments: Sequence[str], asked: Asked
) -> Question:
    """As pre-commit, for what goes round it: --no-verify, cherry-pick, revert, rebase.

    ``_arguments`` begin with git's process (shim.sh).
    """
    return Question(git_changes.staged(repository, asked=asked.staged), _replay_of(repository))


def _pre_merge_commit(repository: Repository, _arguments: Sequence[str], _asked: Asked) -> Question:
    changes = git_changes.staged(repository, git_changes.merged_heads())
    return Question(changes, _replay_of(repository))


def _pre_applypatch(repository: Repository, _arguments: Sequence[str], asked: Asked) -> Question:
    """``git am`` and ``rebase --apply``; a patch of the holder's own stays the holder's."""

    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_patch

        return excuse_patch(store, verdict, repository)

    return Question(git_changes.staged(repository, asked=asked.staged), excuse)


def _pre_push(repository: Repository, arguments: Sequence[str], asked: Asked) -> Question:
    from agentlock.git.commits import changed_by
    from agentlock.git.pushes import Remote, sent

    if FRAMEWORK in arguments:
        name, url, updates = _framework_push()
    elif arguments:
        name, url = arguments[0], arguments[-1]
        updates = [_update(line) for line in _stdin().splitlines()]
    else:
        raise UsageError("pre-push needs the remote's name and its URL, as git gives them")
    remote = Remote(name, url, min(_timeout() / 1_000_000, _LONGEST_WAIT))
    push = sent(name, updates, asked.remotes)

    def doubt(store: Store, verdict: Verdict, agent: str | None) -> Verdict:
        from agentlock.guard.tracking import doubted

        return doubted(store, verdict, push, remote, repository, agent)

    history = changed_by(push.brings, push.drops)
    return Question(
        history.changes, _made_by_holders(history), doubt=doubt if push.tracked else None
    )


def _pre_receive(_repository: Repository, _arguments: Sequence[str], _asked: Asked) -> Question:
    from agentlock.git.commits import changed_by
    from agentlock.git.receiving import deleted_default_branch, received

    if "GIT_NAMESPACE" in os.environ:
        raise GitError(
            "GIT_NAMESPACE is set, and which branches are known in a namespace is not",
            fix="serve this repository without GIT_NAMESPACE",
        )
    updates = [_received_update(line) for line in _stdin().splitlines()]
    if not updates:
        raise GitError(
            "pre-receive was given no ref update",
            fix="a hook that runs before must pass its lines on",
        )
    push = received(updates)
    history = changed_by(push.brings, push.drops)
    return Question(history.changes, _made_by_holders(history), deleted_default_branch(updates))


def _without_default_branch(verdict: Verdict, branch: bytes, store: Store, now: int) -> Verdict:
    """Every path goes with the default branch: whatever is held, by whomever, forbids it."""
    held = [PathConflict(branch, one) for one in store.reservations(live_at=now)]
    return verdict.replace(checked=verdict.checked + 1, conflicts=(*held, *verdict.conflicts))


def _made_by_holders(history: History) -> Excuse:
    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_commits

        return excuse_commits(store, verdict, history.touched)

    return excuse


def _reference_transaction(
    repository: Repository, arguments: Sequence[str], _asked: Asked
) -> Question:
    """What would come to a branch, or to HEAD, that no branch had.

    ``arguments`` are git's state, git's process and the last of the new oids (transaction.sh).
    """
    from agentlock.git import ref_updates
    from agentlock.git.commits import changed_by

    moved = ref_updates.moves(_stdin())

    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_commits

        touched = changed_by(ref_updates.made_here(repository, moved, arguments[1])).touched
        verdict = verdict.replace(
            conflicts=tuple(one for one in verdict.conflicts if one.path in touched),
            uncovered=tuple(path for path in verdict.uncovered if path in touched),
        )
        return excuse_commits(store, verdict, touched)

    return Question(changed_by(ref_updates.brought(moved)).changes, excuse)


def _tell_how_to_restore(process: str = "", new: str = "") -> None:
    """Git changes index and worktree before it asks where it fast-forwards, picks or rebases."""
    from agentlock.git.ref_updates import restoring
    from agentlock.guard.report import tell

    command = restoring(process, new) if process else ""
    if command:
        tell(f"  go back: {command}\n")


def _replay_of(repository: Repository) -> Excuse:
    def excuse(store: Store, verdict: Verdict) -> Verdict:
        from agentlock.guard.ledger import excuse_replay

        return excuse_replay(store, verdict, repository)

    return excuse


def _record(name: str, arguments: Sequence[str], repository: Repository) -> int:
    """post-commit (the oid, and the one it was replayed from) and post-rewrite (pairs on stdin).

    Nobody waits for it and nothing hangs on it: a commit in no ledger is its pusher's.
    """
    from agentlock.guard.ledger import enter

    identity = identify(repository)
    if identity.name is None:
        return EXIT_OK
    if name == "post-commit":
        made = [(arguments[0], "".join(arguments[1:2]))]
    else:
        pairs = [line.split() for line in _stdin().decode("ascii", "replace").splitlines()]
        made = [(pair[1], pair[0]) for pair in pairs if len(pair) > 1]
    location, database_id = repository.database, repository.database_id
    store = open_store(location, database_id, repository.project, timeout=_timeout())
    try:
        enter(store, identity.name, made)
    finally:
        store.close()
    return EXIT_OK


def _update(line: bytes) -> RefUpdate:
    """githooks(5): local ref, local oid, remote ref, remote oid; the first may hold spaces."""
    from agentlock.git.pushes import RefUpdate

    fields = line.rsplit(b" ", 3)
    if len(fields) != 4 or not all(_is_oid(fields[at]) for at in (1, 3)):
        raise GitError(
            f"pre-push was given a line that is no ref update: {line[:60]!r}",
            fix="push with git itself; a hook that runs before must pass its lines on",
        )
    return RefUpdate(*fields)


def _received_update(line: bytes) -> RefUpdate:
    """githooks(5): old oid, new oid, ref."""
    from agentlock.git.pushes import RefUpdate

    fields = line.split(b" ", 2)
    if len(fields) != 3 or not all(_is_oid(oid) for oid in fields[:2]):
        raise GitError(
            f"pre-receive was given a line that is no ref update: {line[:60]!r}",
            fix="a hook that runs before must pass its lines on",
        )
    old, new, ref = fields
    return RefUpdate(b"", new, ref, old)


def _is_oid(text: bytes) -> bool:
    return len(text) in (40, 64) and not text.strip(b"0123456789abcdef")


def _stdin() -> bytes:
    chunks = []
    room = _MOST_STDIN
    try:
        while chunk := os.read(0, 1 << 20):
            chunks.append(chunk)
            room -= len(chunk)
            if room < 0:
                most = f"{_MOST_STDIN >> 20} MiB"
                raise GitError(f"git names more than {most} of refs", fix="push fewer at once")
    except OSError as error:
        raise GitError(
            f"what git pushes cannot be read from stdin: {error.strerror}", fix="git push again"
        ) from error
    return b"".join(chunks)


def _framework_push() -> tuple[str, str, list[RefUpdate]]:
    """The pre-commit framework passes one ref in variables, and no stdin.

    PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF stay unset by it on a first push, so a caller
    could set them; the remote has what its tracking refs say, or what it says itself.
    """
    from agentlock.git.pushes import RefUpdate

    variables = [os.environ.get(f"PRE_COMMIT_{name}", "") for name in _FRAMEWORK_VARIABLES]
    remote, url, local_ref, remote_ref = variables
    if not remote or not local_ref:
        raise GitError(
            "the pre-commit framework did not say what is pushed",
            fix="use this hook at the stage pre-push alone",
        )
    oid = output("rev-parse", "--verify", "--end-of-options", local_ref).strip()
    zero = b"0" * len(oid)
    update = RefUpdate(os.fsencode(local_ref), oid, os.fsencode(remote_ref), zero)
    return remote, url, [update]


def _timeout() -> int:
    text = os.environ.get("AGENTLOCK_TIMEOUT")
    if not text:
        return DEFAULT_TIMEOUT
    from agentlock.duration import parse_timeout

    try:
        return parse_timeout(text)
    except UsageError as error:
        raise UsageError(f"AGENTLOCK_TIMEOUT: {error.message}", fix=error.hint) from error


_FRAMEWORK_VARIABLES = ("REMOTE_NAME", "REMOTE_URL", "LOCAL_BRANCH", "REMOTE_BRANCH")
_HOOKS: dict[str, Callable[[Repository, Sequence[str], Asked], Question]] = {
    "pre-commit": _pre_commit,
    "pre-merge-commit": _pre_merge_commit,
    "prepare-commit-msg": _prepare_commit_msg,
    "pre-applypatch": _pre_applypatch,
    "pre-push": _pre_push,
    _SERVER: _pre_receive,
    _TRANSACTION: _reference_transaction,
}
_RECORDING = ("post-commit", "post-rewrite")
_NAMES = ", ".join(_HOOKS)
_WORDS = {"pre-commit": "commit", "pre-merge-commit": "merge", "pre-push": "push"}
_WORDS |= {"prepare-commit-msg": "commit", "pre-applypatch": "patch", _SERVER: "push"}
_WORDS[_TRANSACTION] = "branch update"


def main(arguments: Sequence[str], asked: Asked) -> int:
    """``agentlock hook NAME ARGUMENT…``, with what git has already been asked."""
    if not arguments:
        _tell(f"name the hook: {_NAMES}", "this")
        return EXIT_UNDECIDED
    return run(arguments[0], arguments[1:], asked)
