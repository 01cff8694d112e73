"""Answer a git hook: print what is refused and why, and return the exit code."""

from __future__ import annotations

import os

from agentlock.environment import PROBE, SKIP
from agentlock.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_UNDECIDED,
    AgentlockError,
    UndecidedError,
    UsageError,
)
from agentlock.git.identity import identify, identify_pusher
from agentlock.git.repository import discover, receiving
from agentlock.guard.judge import folding_of, judge, load_to_refuse, with_holders
from agentlock.guard.notes import UNJUDGED, Note, write
from agentlock.guard.questions import QUESTIONS, how_to_restore, timeout
from agentlock.hook_kinds import KINDS, RECEIVES, HookKind
from agentlock.model import ALLOWED, WARNED, PathConflict
from agentlock.store import open_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.identity import Identity
    from agentlock.git.repository import Repository
    from agentlock.guard.early import Asked
    from agentlock.guard.questions import Question
    from agentlock.model import Verdict
    from agentlock.store.base import Store

_SEE_GIT = "see what git status and git fsck say, then try again"
_INSTALL_AGAIN = "install agentlock again, then try once more"


def main(arguments: Sequence[str], asked: Asked) -> int:
    """``agentlock hook NAME ARGUMENT…``, with what git has already been asked."""
    if not arguments:
        _tell(f"name the hook: {', '.join(QUESTIONS)}")
        return EXIT_UNDECIDED
    return run(arguments[0], arguments[1:], asked)


def run(name: str, arguments: Sequence[str], asked: Asked) -> int:
    """Run the guard of one git hook; the exit code, 0 only if everything is allowed."""
    kind = KINDS.get(name) or HookKind(name)
    code = _answer(kind, arguments, asked)
    if code == EXIT_OK:
        if asked.index is not None:
            asked.index.cleared()
        if kind.stays and arguments:
            _stay(kind, arguments)
    elif command := how_to_restore(name, arguments):
        from agentlock.guard.report import tell

        tell(f"  go back: {command}\n")
    return code


def _stay(kind: HookKind, arguments: Sequence[str]) -> None:
    from agentlock.git.replaying import more_to_come

    if more_to_come():
        from agentlock.guard.staying import stay

        stay(kind.name, arguments)


def _answer(kind: HookKind, arguments: Sequence[str], asked: Asked) -> int:
    try:
        return _guarded(kind, arguments, asked)
    except AgentlockError as error:
        if not error.hint:
            error.fix = _SEE_GIT
        if kind.role == RECEIVES:
            error.fix = f"on the server: {error.hint}"
        _tell(error, kind.word)
        return EXIT_REFUSED if error.exit_code == EXIT_REFUSED else EXIT_UNDECIDED
    except (ImportError, SyntaxError) as error:  # half a package: no bug, and no answer either
        _tell(
            UndecidedError(f"the installation is damaged ({error})", fix=_INSTALL_AGAIN), kind.word
        )
        return EXIT_UNDECIDED
    except KeyboardInterrupt:
        _tell("interrupted", kind.word)
        return EXIT_INTERRUPTED
    except BaseException as error:  # noqa: BLE001 -- whatever it is, nothing may get through
        from agentlock.bug import report_bug

        _tell(report_bug(error), kind.word)
        return EXIT_BUG


def _tell(why: AgentlockError | str, what: str = "this") -> None:
    from agentlock.guard.report import error_text, tell

    error = UndecidedError(why) if isinstance(why, str) else why
    tell(error_text(error, f"{what} refused: "))


def _guarded(kind: HookKind, arguments: Sequence[str], asked: Asked) -> int:
    if kind.name not in QUESTIONS:
        names = ", ".join(QUESTIONS)
        raise UsageError(f"there is no guard for a hook {kind.name!r}", fix=f"one of: {names}")
    if kind.role == RECEIVES:
        repository = receiving(asked.settings)
        identity = identify_pusher(repository)
    else:
        repository = discover(asked.settings)
        identity = identify(repository)
    store = open_table(repository, timeout(), read_only=True, lazily=True, door=kind.name)
    try:
        question = QUESTIONS[kind.name](repository, arguments, asked)
        if PROBE in os.environ:
            from agentlock.guard.probe import answer

            folding = folding_of(repository)
            return answer(kind.name, store, question.changes, identity.name, folding)
        if question.before is not None:
            question = question.before(store, identity.name) or question
        verdict, now, how = verdict_on(question, store, identity.name, repository)
        note = None
        if verdict.allowed or SKIP in os.environ:
            note = note_of(question, store, verdict, now, how, identity.name)
        load_to_refuse("git", verdict.conflicts)
        verdict = with_holders(store, verdict)
        if not verdict.allowed and question.blocked is not None:
            verdict = verdict.replace(blocked=question.blocked(store, verdict))
        said = ""
        if verdict.clean and question.passed is not None:
            said = question.passed(store, identity.name)
    finally:
        store.close()
    if verdict.clean:
        _write(repository, note)
        if note is not None and question.noted is not None:
            question.noted(note)
        if said:
            from agentlock.guard.report import tell

            tell(said)
        return EXIT_OK
    return _told(kind, question, verdict, now, repository, identity, note)


def verdict_on(
    question: Question, store: Store, agent: str | None, repository: Repository
) -> tuple[Verdict, int, str]:
    """The verdict, its time, and how what is allowed passes: ALLOWED, or as a replay."""
    verdict, now = judge(store, question.changes, agent, folding_of(repository))
    how = ALLOWED
    if not verdict.clean:
        verdict, how = question.excuse(store, verdict)
    if verdict.clean and question.doubt is not None:
        verdict = question.doubt(store, verdict, agent)
    if question.deletes is not None:
        # Every path goes with the default branch: whatever is held, by whomever, forbids it.
        held = [PathConflict(question.deletes, one) for one in store.reservations.all(live_at=now)]
        verdict = verdict.replace(
            checked=verdict.checked + 1, conflicts=(*held, *verdict.conflicts)
        )
    return verdict, now, how


def note_of(
    question: Question, store: Store, verdict: Verdict, now: int, how: str, agent: str | None
) -> Note | None:
    """What to note if the change passes; None where nothing was judged."""
    if how == UNJUDGED:
        return None
    staged = question.staged
    note = Note(now, verdict.fence, agent or "", how)
    if staged is not None:
        return note.replace(bases=staged.bases, digest=staged.digest)
    oids = question.judged(store) if question.judged is not None else ()
    return note.replace(oids=tuple(oids)) if oids else None


def _write(repository: Repository, note: Note | None) -> None:
    if note is not None:
        write(repository, note)


def _told(
    kind: HookKind,
    question: Question,
    verdict: Verdict,
    now: int,
    repository: Repository,
    identity: Identity,
    note: Note | None,
) -> int:
    """Print a verdict that is not clean, log it, and return the exit code."""
    from agentlock.guard import record
    from agentlock.guard.report import skipped_text, tell, verdict_text

    noted, lacking = kind.word, ""
    if not verdict.allowed and kind.role != RECEIVES and SKIP in os.environ:
        lacking = record.skip(repository, identity, verdict, kind.word, timeout(), note)
        if not lacking:
            tell(skipped_text(verdict, now, what=kind.word))
            return EXIT_OK
        noted = f"{kind.word}, and a skip without {lacking}"
    tell(
        verdict_text(
            verdict,
            now,
            what=kind.word,
            agent=identity.name,
            source=identity.source,
            rest=_rest(question, verdict, repository),
            deletes=question.deletes,
            on_server=kind.role == RECEIVES,
            variables=repository.identity_variables if kind.role == RECEIVES else (),
        )
    )
    if lacking == record.POLICY:
        tell("  the skip was ignored: the policy of this project allows none\n")
    if verdict.allowed:
        _write(repository, None if note is None else note.replace(how=WARNED))
        return EXIT_OK
    record.refusal(repository, identity, verdict, noted, timeout())
    return EXIT_REFUSED


def _rest(question: Question, verdict: Verdict, repository: Repository) -> tuple[str, str] | None:
    """How to commit what is not refused, if that is possible and safe."""
    if not question.divisible or verdict.allowed:
        return None
    from agentlock.guard.rest import way_to_commit

    return way_to_commit(repository, question.changes.paths, verdict, framework=question.framework)
