"""The open sessions of this host, one small file for each in git's folder.

A session is one run of an agent's program. The files let a git hook and a command know whose they
are without asking the table: by the session's id in the environment, or by the program's process
among their ancestors. Without any session that costs one look at a folder.
"""

from __future__ import annotations

import os
import time

from agentlock.environment import SESSION, SESSION_IDS
from agentlock.git.identity import SESSIONS
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentlock.git.repository import Repository

WAKER = b".waker"  # of a file that names the process which waits to wake the session's agent
BEFORE = b".before"  # what a file's name ends with that says what differed before a shell command
TOOLS = b".tools"  # of a file with a line for each tool that began or ended in the session's turn
_MOST_ANCESTORS = 50
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-")
_LONGEST_ID = 120


class Session(Value):
    """An open session: the agent's name, and the program's process as no other process has it.

    ``process`` is 0 where nobody can tell (no /proc); ``started`` is its start in ticks since boot.
    """

    agent: str
    program: str
    id: str
    process: int
    started: int
    place: str  # the boot and the pid namespace in which the process number means this process


class Tool(Value):
    """A shell command that runs: since when, and for how long, in microseconds.

    ``age`` leaves out the time in which the machine slept.
    """

    began_ts: int
    age: int


def folder_of(repository: Repository) -> bytes:
    return os.path.join(repository.common_dir, SESSIONS)


def folder_at(root: bytes) -> bytes:
    """The same folder of the worktree at this root, without asking git; "" if it is none."""
    git_dir = os.path.join(root, b".git")
    if not os.path.isdir(git_dir):
        try:
            with open(git_dir, "rb") as file:
                named = file.read(8192).removeprefix(b"gitdir:").strip()
            git_dir = os.path.join(root, named)
            if os.path.exists(common := os.path.join(git_dir, b"commondir")):
                with open(common, "rb") as file:
                    git_dir = os.path.join(git_dir, file.read(8192).strip())
        except OSError:
            return b""
    return os.path.join(git_dir, SESSIONS)


def path_of(repository: Repository, program: str, session: str) -> bytes:
    """The file of an open session."""
    return os.path.join(folder_of(repository), _name(program, session))


def are_several(repository: Repository) -> bool:
    """Whether more than one session is open, also if a process has ended unseen."""
    return len(_names(folder_of(repository))) > 1


def may_be_several(root: bytes) -> bool:
    """The same of the worktree at this root, as far as one look tells it."""
    git_dir = os.path.join(root, b".git")
    return not os.path.isdir(git_dir) or len(_names(os.path.join(git_dir, SESSIONS))) > 1


def known(repository: Repository, program: str, session: str) -> Session | None:
    """The open session of this program with this id."""
    return _read(path_of(repository, program, session))


def all_open(repository: Repository) -> list[Session]:
    """Every open session, also those whose process has ended unseen."""
    folder = folder_of(repository)
    read = (_read(os.path.join(folder, name)) for name in _names(folder))
    return [one for one in read if one is not None]


def open_here(repository: Repository) -> Session | None:
    """The session that this process belongs to.

    By the id that a program gives its shell, if ids of only one program are set; otherwise by the
    nearest ancestor that is a session's process. A process with sessions of several agents decides
    nothing.
    """
    folder = folder_of(repository)
    names = _names(folder)
    if not names:
        return None
    named = dict.fromkeys(_named_in_environment())
    if len({program for program, _ in named}) == 1:
        for program, session in named:
            found = known(repository, program, session)
            if found is not None:
                return found
    from agentlock.processes import ancestors, boot_and_namespace

    place = boot_and_namespace()
    by_process: dict[tuple[int, int], list[Session]] = {}
    for one in all_open(repository):
        if one.process and one.place == place:
            by_process.setdefault((one.process, one.started), []).append(one)
    if by_process:
        for number, _, started in ancestors(_MOST_ANCESTORS):
            found_there = by_process.get((number, started), [])
            if found_there:
                return found_there[0] if len({one.agent for one in found_there}) == 1 else None
    return None


def save(repository: Repository, session: Session) -> None:
    """Note an open session, in one step for readers. OSError if it cannot be written."""
    folder = folder_of(repository)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, _name(session.program, session.id))
    text = "".join(f"{getattr(session, field)}\n" for field in Session._fields)
    from agentlock.files import replace_file  # an edit hook only reads

    replace_file(path, text.encode())


def forget(repository: Repository, session: Session) -> None:
    path = path_of(repository, session.program, session.id)
    for file in (path, path + BEFORE, path + WAKER, path + TOOLS):
        if os.path.exists(file):
            os.unlink(file)


def waker_of(repository: Repository, session: Session) -> str:
    """The process that waits to wake the session's agent at its prompt; "" if none does."""
    try:
        path = path_of(repository, session.program, session.id) + WAKER
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def set_waker(repository: Repository, session: Session, process: str) -> None:
    """Let this process alone wake the session's agent; "" for none."""
    path = path_of(repository, session.program, session.id) + WAKER
    if process:
        with open(path, "w", encoding="ascii") as file:
            file.write(process)
    elif os.path.exists(path):
        os.unlink(path)


def tool_begins(folder: bytes, program: str, session: str, tool: str) -> None:
    """Note that a shell command begins in a session, if it is open. OSError if that fails.

    ``tool`` is the program's own name for this use of its tool; "" where it has none.
    """
    path = os.path.join(folder, _name(program, session))
    if os.path.exists(path):
        began = f"{_clock()} {time.time_ns() // 1000}"
        _append(path + TOOLS, f"+ {began} {_one_word(tool)}\n")


def tool_ends(folder: bytes, program: str, session: str, tool: str, *, failed: bool) -> None:
    """Note that a tool of an open session has ended. OSError if that fails."""
    path = os.path.join(folder, _name(program, session))
    if os.path.exists(path):
        _append(path + TOOLS, f"{'!' if failed else '-'} {_one_word(tool)}\n")


def tools_running(folder: bytes, program: str, session: str) -> list[Tool]:
    """The shell commands of a session that have begun and not ended.

    A program says nothing of one that somebody interrupts or refuses, so it may run no more.
    """
    running: dict[str, tuple[int, int]] = {}
    for line in _lines(os.path.join(folder, _name(program, session)) + TOOLS):
        sign, *words = line.split(" ")
        if sign in ("-", "!"):
            running.pop("".join(words), None)
        elif sign == "+" and len(words) == 3 and words[0].isdigit() and words[1].isdigit():
            running[words[2]] = (int(words[0]), int(words[1]))
    now = _clock()
    return [Tool(at, now - clock) for clock, at in running.values() if clock <= now]


def take_tools(folder: bytes, program: str, session: str) -> tuple[int, int]:
    """How many tools have ended since the last call, and how many failed; none runs any more.

    OSError if the file cannot be removed.
    """
    path = os.path.join(folder, _name(program, session)) + TOOLS
    if not os.path.exists(path):
        return 0, 0
    os.rename(path, path + b"-taken")  # what ends meanwhile is counted the next time
    lines = _lines(path + b"-taken")
    os.unlink(path + b"-taken")
    failed = sum(line.startswith("!") for line in lines)
    return failed + sum(line.startswith("-") for line in lines), failed


def has_ended(session: Session) -> bool:
    """Whether its process is proven to have ended; False where nobody here can tell."""
    from agentlock import processes

    return processes.has_ended(session.process, session.started, session.place)


def is_another_process(session: Session) -> bool:
    """Whether it is proven to run, in a process that is no ancestor of this one."""
    from agentlock.processes import ancestors, boot_and_namespace

    if not session.process or session.place != boot_and_namespace() or has_ended(session):
        return False
    process = (session.process, session.started)
    return all((number, started) != process for number, _, started in ancestors(_MOST_ANCESTORS))


def _clock() -> int:
    """Microseconds of a clock that all processes share until the machine starts again.

    It stands still while the machine sleeps, and nobody sets it.
    """
    return time.monotonic_ns() // 1000


def _append(path: bytes, line: str) -> None:
    """Add a line, in one write, so that none of two processes at once is lost."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.write(file, line.encode("utf-8", "replace"))
    finally:
        os.close(file)


def _lines(path: bytes) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except OSError:
        return []


def _one_word(text: str) -> str:
    return "".join(text.split())[:_LONGEST_ID]


def _named_in_environment() -> Iterable[tuple[str, str]]:
    program, _, session = os.environ.get(SESSION, "").partition(":")
    if session:
        return [(program, session)]
    return [(name, os.environ[one]) for one, name in SESSION_IDS.items() if os.environ.get(one)]


def _names(folder: bytes) -> list[bytes]:
    try:
        return [name for name in os.listdir(folder) if b"." not in name]
    except OSError:
        return []


def _name(program: str, session: str) -> bytes:
    """The name of its file; an id can hold anything, so what is not plain is written in hex."""
    plain = session[:_LONGEST_ID]
    if not _PLAIN.issuperset(session) or len(session) > _LONGEST_ID:
        plain = session.encode("utf-8", "surrogateescape").hex()[:_LONGEST_ID]
    return f"{program}-{plain}".encode()


def _read(path: bytes) -> Session | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            agent, program, session, process, started, place = file.read().split("\n")[:6]
        return Session(agent, program, session, int(process), int(started), place)
    except (OSError, ValueError):
        return None
