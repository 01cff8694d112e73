"""What can happen to a program under `agentlock run`, each made to happen for real.

The tests hold the code to these scenes, and docs/evidence/run.md is made of them.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from support import AGENTLOCK, HOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Repo
    from typing_extensions import Self

PATIENCE = 20.0  # seconds
RUN = (*AGENTLOCK, "run", "--as", HOLDER, "--reserve", "src/**", "--")
SLEEP = ("sh", "-c", "echo $$ >pid; exec sleep 60")
# Starts what is named as its child, and waits for nothing.
PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(60)"


class Seen(NamedTuple):
    """How `run` ended (None: it was killed), what it left held, and what else was seen."""

    code: int | None
    held: bool
    more: str = ""


class Scene(NamedTuple):
    """One thing that happens, and what must be seen then."""

    what: str
    play: Callable[[Repo], Seen]
    expected: Seen


def until(there: Callable[[], object]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, there
        time.sleep(0.02)


def started(repo: Repo, *command: str) -> subprocess.Popen[bytes]:
    """In a process group of its own, as a shell starts it: no SIGTSTP stops an orphaned group."""
    return subprocess.Popen(
        (*RUN, *command),
        cwd=repo.path,
        stderr=subprocess.PIPE,
        preexec_fn=os.setpgrp,  # noqa: PLW1509 -- process_group= needs CPython 3.11
    )


def program_of(repo: Repo) -> int:
    """The process of the program, which writes its number into the file ``pid``."""
    path = repo.path / "pid"
    until(lambda: path.exists() and path.read_text(encoding="utf-8").strip())
    return int(path.read_text(encoding="utf-8"))


def state(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
    return ""


def is_held(repo: Repo) -> bool:
    return any(agent == HOLDER for agent, _, _ in repo.live())


def ended(repo: Repo, run: subprocess.Popen[bytes], more: str = "") -> Seen:
    _, said = run.communicate(timeout=PATIENCE)
    assert b"Traceback" not in said, said
    return Seen(run.returncode, is_held(repo), more)


def it_ends(repo: Repo) -> Seen:
    return ended(repo, started(repo, "sh", "-c", "exit 3"))


def it_is_killed(repo: Repo) -> Seen:
    run = started(repo, *SLEEP)
    os.kill(program_of(repo), signal.SIGKILL)
    return ended(repo, run)


def it_is_not_there(repo: Repo) -> Seen:
    return ended(repo, started(repo, "no-such-program"))


def it_is_no_program(repo: Repo) -> Seen:
    repo.write("plain", "text\n")
    return ended(repo, started(repo, "./plain"))


def run_is_terminated(repo: Repo) -> Seen:
    """The program gets the signal, and ends as it likes."""
    run = started(repo, "sh", "-c", "trap 'exit 9' TERM; echo $$ >pid; while :; do sleep 0.1; done")
    program_of(repo)
    run.terminate()
    return ended(repo, run)


def run_is_killed(repo: Repo) -> Seen:
    run = subprocess.Popen((*RUN, *SLEEP), cwd=repo.path, stderr=subprocess.DEVNULL)
    program = program_of(repo)
    run.kill()
    run.wait()
    left = lease(repo)
    lives = state(program) in ("S", "R")
    os.kill(program, signal.SIGKILL)
    within = "within 2m" if 0 < left <= 120 else f"in {left:.0f} s"
    return Seen(None, is_held(repo), f"program lives: {lives}; lease ends {within}")


def its_parent_is_killed(repo: Repo) -> Seen:
    parent = subprocess.Popen((sys.executable, "-c", PARENT, *RUN, *SLEEP), cwd=repo.path)
    program = program_of(repo)
    parent.kill()
    parent.wait()
    run = ancestor(program)
    lives = state(run) in ("S", "R") and is_held(repo)
    os.kill(program, signal.SIGTERM)
    until(lambda: state(run) in ("", "Z"))
    return Seen(None, is_held(repo), f"goes on: {lives}; released at the program's end")


def it_is_stopped(repo: Repo) -> Seen:
    run = started(repo, *SLEEP)
    program = program_of(repo)
    os.kill(program, signal.SIGSTOP)
    until(lambda: state(run.pid) == "T")
    os.kill(program, signal.SIGCONT)
    until(lambda: state(run.pid) == "S")
    os.kill(program, signal.SIGTERM)
    return ended(repo, run, "run stops and goes on with it")


def run_is_stopped(repo: Repo) -> Seen:
    run = started(repo, *SLEEP)
    program = program_of(repo)
    os.kill(run.pid, signal.SIGTSTP)
    until(lambda: state(program) == "T" and state(run.pid) == "T")
    os.kill(run.pid, signal.SIGCONT)
    until(lambda: state(program) == "S" and state(run.pid) == "S")
    os.kill(program, signal.SIGTERM)
    return ended(repo, run, "both stop, both go on")


def it_is_killed_while_it_is_stopped(repo: Repo) -> Seen:
    run = started(repo, *SLEEP)
    program = program_of(repo)
    os.kill(program, signal.SIGSTOP)
    until(lambda: state(run.pid) == "T")
    os.kill(program, signal.SIGKILL)
    return ended(repo, run)


def it_stands_in_a_pipe(repo: Repo) -> Seen:
    data = os.urandom(1 << 18)
    run = subprocess.Popen(
        (*RUN, "cat"),
        cwd=repo.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    passed, _ = run.communicate(data, timeout=PATIENCE)
    same = "same" if passed == data else "other"
    return Seen(run.returncode, is_held(repo), f"the {same} 256 KiB come out")


def its_reader_goes_away(repo: Repo) -> Seen:
    """`head` ends, and the program gets SIGPIPE as it would without run."""
    run = subprocess.Popen((*RUN, "yes"), cwd=repo.path, stdout=subprocess.PIPE, stderr=-3)
    assert run.stdout is not None
    run.stdout.read(100)
    run.stdout.close()
    return Seen(run.wait(PATIENCE), is_held(repo))


def interrupted_at_a_terminal(repo: Repo) -> Seen:
    script = "trap 'echo asked; exit 5' INT; echo ready; while :; do sleep 0.1; done"
    with Terminal(repo, *RUN, "sh", "-c", script) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("asked")
        code = terminal.wait()
    return Seen(code, is_held(repo), "the program decides what ^C means")


def hung_up(repo: Repo) -> Seen:
    with Terminal(repo, *RUN, "sh", "-c", "echo $$ >pid; echo ready; exec sleep 60") as terminal:
        terminal.expect("ready")
        program = program_of(repo)
        os.close(terminal.controller)
        code = terminal.process.wait(PATIENCE)
    assert state(program) in ("", "Z")
    return Seen(code, is_held(repo), "both end")


def vim_at_a_terminal(repo: Repo) -> Seen:
    """An interactive shell starts vim under run; ^Z, fg, a change, and its end."""
    repo.write("src/a.txt", "one\n")
    shell = ("bash", "--norc", "--noprofile", "-i")
    with Terminal(repo, *shell, env={"PS1": "$ ", "TERM": "xterm"}) as terminal:
        words = " ".join(f"'{word}'" for word in (*RUN, "vim", "-u", "NONE", "src/a.txt"))
        terminal.type(f"{words}\n")
        terminal.expect("one")
        while_it_runs = terminal.at_rest()
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.type("echo back=$((40+2))\n")
        terminal.expect("back=42")
        at_the_prompt = terminal.at_rest()
        terminal.type("fg\n")
        until(lambda: terminal.settings() == while_it_runs)
        terminal.type(":s/$/and more/\n:wq\n")
        until(lambda: "oneand more" in (repo.path / "src/a.txt").read_text(encoding="utf-8"))
        until(lambda: terminal.settings() == at_the_prompt)
        terminal.type("echo ended=$?\n")
        terminal.expect("ended=0")
        same = at_the_prompt == terminal.at_rest() != while_it_runs
        terminal.type("exit\n")
        terminal.wait()
    how = "as it was" if same else "changed"
    return Seen(0, is_held(repo), f"^Z and fg work; the terminal is {how}")


SCENES = (
    Scene("the program ends with 3", it_ends, Seen(3, held=False)),
    Scene("kill -9 of the program", it_is_killed, Seen(137, held=False)),
    Scene("there is no such program", it_is_not_there, Seen(127, held=False)),
    Scene("the file cannot be executed", it_is_no_program, Seen(126, held=False)),
    Scene("TERM to `run`; the program handles it", run_is_terminated, Seen(9, held=False)),
    Scene(
        "kill -9 of `run`",
        run_is_killed,
        Seen(None, held=True, more="program lives: True; lease ends within 2m"),
    ),
    Scene(
        "kill -9 of the parent of `run`",
        its_parent_is_killed,
        Seen(None, held=False, more="goes on: True; released at the program's end"),
    ),
    Scene(
        "SIGSTOP and SIGCONT to the program, then TERM",
        it_is_stopped,
        Seen(143, held=False, more="run stops and goes on with it"),
    ),
    Scene(
        "SIGTSTP and SIGCONT to `run`, then TERM to the program",
        run_is_stopped,
        Seen(143, held=False, more="both stop, both go on"),
    ),
    Scene(
        "kill -9 of the program while it is stopped",
        it_is_killed_while_it_is_stopped,
        Seen(137, held=False),
    ),
    Scene("in a pipe", it_stands_in_a_pipe, Seen(0, held=False, more="the same 256 KiB come out")),
    Scene("the reader of its pipe goes away", its_reader_goes_away, Seen(141, held=False)),
    Scene(
        "^C at a terminal",
        interrupted_at_a_terminal,
        Seen(5, held=False, more="the program decides what ^C means"),
    ),
    Scene("the terminal is closed", hung_up, Seen(129, held=False, more="both end")),
    Scene(
        "vim at a terminal: ^Z, fg, a change, :wq",
        vim_at_a_terminal,
        Seen(0, held=False, more="^Z and fg work; the terminal is as it was"),
    ),
)


def lease(repo: Repo) -> float:
    """How many seconds the longest lease of the agent still lasts; 0 if it holds nothing."""
    rows = repo.sql("SELECT max(expires_ts) FROM file_reservations WHERE released_ts IS NULL")
    return float(rows[0][0] or 0) / 1_000_000 - time.time()


def ancestor(process: int) -> int:
    """The parent of a process."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    return int(text.rpartition(") ")[2].split()[1])


class Terminal:
    """A program that has a terminal, and what it shows there."""

    def __init__(self, repo: Repo, *command: str, env: dict[str, str] | None = None) -> None:
        self.controller, self._terminal = pty.openpty()
        self.process = subprocess.Popen(
            (sys.executable, "-c", _OWN_TERMINAL, *command),
            cwd=repo.path,
            env={**os.environ, **(env or {})},
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
        )
        self._shown = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        with suppress(OSError):
            os.close(self.controller)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def type(self, text: str) -> None:
        os.write(self.controller, text.encode())

    def expect(self, text: str) -> None:
        """Read until this is shown; what is typed may be shown too, so ask for something else."""
        end = time.monotonic() + PATIENCE
        while text.encode() not in self._shown:
            left = end - time.monotonic()
            assert left > 0, (text, self._shown)
            if select.select([self.controller], [], [], left)[0]:
                self._shown += os.read(self.controller, 65536)
        self._shown = self._shown.partition(text.encode())[2]

    def settings(self) -> object:
        import termios

        with suppress(OSError):
            if select.select([self.controller], [], [], 0)[0]:
                self._shown += os.read(self.controller, 65536)
        return termios.tcgetattr(self._terminal)[:4]

    def at_rest(self) -> object:
        """The settings once they stay: a shell changes them while it starts a command."""
        found = self.settings()
        while True:
            time.sleep(0.2)
            before, found = found, self.settings()
            if before == found:
                return found

    def wait(self) -> int:
        """The exit code; what is still shown is read, so that nothing blocks."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.controller], [], [], 0.05)[0]:
                with suppress(OSError):
                    self._shown += os.read(self.controller, 65536)
        return self.process.wait(1)


_OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
