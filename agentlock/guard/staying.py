"""The guard that stays: it judges the later commits of a git command that replays many.

To start Python costs a replayed commit more than judging it. So once a rebase, a cherry-pick, a
revert or ``git am`` has had one commit judged, and more are to come, the process that judged it
leaves a child. The later hooks of the same git process ask that one, through two named pipes in
git's folder (hooks/stayed.sh). It reads the table, the index and the agent anew for each commit, as
the hook itself would, and it can only say yes. Whatever else it finds, the hook starts the guard as
usual, which judges once more and says why it refuses.

It ends with the git process, which it watches, or when no commit is to come. Where a process cannot
be watched (that takes Linux and /proc), no guard stays.
"""

from __future__ import annotations

import os
import select

from agentlock import processes
from agentlock.environment import GIT_DIR, GIT_INDEX_FILE
from agentlock.git.identity import identify
from agentlock.git.patches import NewCommits
from agentlock.git.ref_updates import command_of
from agentlock.git.replaying import COMMANDS, more_to_come
from agentlock.git.repository import discover
from agentlock.guard.early import STRICT, Asked
from agentlock.guard.notes import write
from agentlock.guard.questions import QUESTIONS, timeout
from agentlock.guard.run import note_of, verdict_on
from agentlock.hook_kinds import KINDS
from agentlock.store import BRIEF_TIMEOUT, open_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.git.changes import Staged

_PREFIX = b"agentlock-stayed-"
_ASKS, _ANSWERS = b".asks", b".answers"
_LONGEST = 1 << 16  # bytes of what is read at once: what a pipe holds
_NUMBER = 20  # digits of a process at most


def stay(hook: str, arguments: Sequence[str]) -> None:
    """Leave a child that answers for later hooks of this name, if git will run any.

    ``arguments`` are those of the hook that has just let a commit pass: first git's process. If it
    cannot be done, nothing is lost: the next hook starts the guard as usual.
    """
    process = arguments[0]
    name = os.fsencode(processes.name_of_git(process))
    if not name or not hasattr(os, "pidfd_open") or command_of(process)[:1] not in COMMANDS:
        return
    folder = os.fsencode(os.environ.get(GIT_DIR) or ".git")
    path = os.path.join(folder, _PREFIX + name)
    opened: list[int] = []
    try:
        _sweep(folder)
        opened.append(os.pidfd_open(int(process)))
        if os.fsencode(processes.name_of_git(process)) != name:  # the number is another's by now
            return
        for end in (_ANSWERS, _ASKS):  # the script looks for the second first
            os.mkfifo(path + end, 0o600)
            opened.append(os.open(path + end, os.O_RDWR | os.O_CLOEXEC))
        if os.fork():
            return
    except FileExistsError:  # one has stayed already, and did not say yes
        return
    except OSError:
        _remove(path)
        return
    try:
        _detach(opened)
        processes.answer_for(int(process))
        _Stayed(hook, STRICT in arguments, *opened).answer()
    finally:
        _remove(path)
        os._exit(0)


class _Stayed:
    """Answers for the hooks of one git process."""

    def __init__(self, hook: str, strict: bool, git: int, answers: int, asks: int) -> None:
        """``git`` is a descriptor of git's process, the other two are the pipes."""
        self._hook = hook
        self._strict = strict
        self._git = git
        self._answers = answers
        self._asks = asks
        self._cleared: Staged | None = None
        self._commits = NewCommits() if strict else None

    def answer(self) -> None:
        """Answer until git has ended, or until nothing is left to be judged."""
        waiting = select.poll()
        waiting.register(self._git, select.POLLIN)
        waiting.register(self._asks, select.POLLIN)
        while self._git not in dict(waiting.poll()):
            # A line for each question. Each is answered, because somebody waits for it.
            for question in os.read(self._asks, _LONGEST).split(b"\n")[:-1] or [b""]:
                number, _, asked = question.partition(b" ")
                said = b"yes" if self._allows(asked) else b"no"
                os.write(self._answers, b"%b %b\n" % (number[:_NUMBER], said))
            if self._cleared is None and not more_to_come():
                return

    def _allows(self, asked: bytes) -> bool:
        hook, _, rest = asked.partition(b" ")
        try:
            if hook == self._hook.encode():
                return rest == os.environb.get(GIT_INDEX_FILE.encode(), b"") and self._judge()
            later = KINDS[self._hook].clears
            return hook == later.encode() and self._is_cleared(*rest.split(b" "))
        except Exception:  # noqa: BLE001 -- the hook starts the guard, which finds it and says it
            return False

    def _judge(self) -> bool:
        """Judge what is staged now, and note it if it passes without a word."""
        self._cleared = None
        asked = Asked([self._hook])
        repository = discover(asked.settings)
        agent = identify(repository).name
        # Where the table cannot be asked at once, the hook's own guard waits for it.
        store = open_table(repository, min(timeout(), BRIEF_TIMEOUT), read_only=True)
        try:
            question = QUESTIONS[self._hook](repository, (), asked)
            verdict, now, how = verdict_on(question, store, agent, repository)
            note = note_of(question, store, verdict, now, how, agent)
        finally:
            store.close()
        if not verdict.clean:
            return False
        if note is not None:
            write(repository, note)
        self._cleared = question.staged if self._strict else None
        return True

    def _is_cleared(self, old: bytes, new: bytes) -> bool:
        """Whether the commit ``new`` makes, on top of ``old``, the change that was judged last.

        Each judgement serves once. See hooks/transaction.sh, whose script asks the same of git
        where no guard has stayed.
        """
        cleared, self._cleared = self._cleared, None
        if cleared is None or cleared.bases != (old.decode(),) or self._commits is None:
            return False
        parents, digest = self._commits.parents_and_digest(new.decode())
        return parents == cleared.bases and digest == cleared.digest


def _detach(keep: Sequence[int]) -> None:
    """Let go of everything that the hook was given.

    Somebody may wait until git's output is closed, or until a lock is given back that came with a
    descriptor; and what the terminal sends to git is not meant for the guard.
    """
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:  # noqa: SIM105 -- contextlib would cost the hook an import
                os.close(int(name))
            except OSError:  # that of the listing itself
                pass


def _sweep(folder: bytes) -> None:
    """Remove the pipes of guards that were killed: nobody reads them."""
    for name in os.listdir(folder):
        if not name.startswith(_PREFIX) or not name.endswith(_ASKS):
            continue
        path = os.path.join(folder, name)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            _remove(path.removesuffix(_ASKS))


def _remove(path: bytes) -> None:
    for end in (_ASKS, _ANSWERS):
        try:  # noqa: SIM105 -- as above
            os.unlink(path + end)
        except OSError:  # noqa: PERF203 -- it was never made
            pass
