"""Run git, and nothing else.

``posix_spawn`` with a poll loop serves where the system has it: importing ``subprocess`` costs a
hook more than the git command that it would run. Elsewhere ``subprocess`` stands in.
"""

from __future__ import annotations

import os

from agentlock.errors import GitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What git really has is the question, not what replace refs and grafts pretend; a question
# takes no lock that a commit might wait for.
_ALWAYS = {b"GIT_NO_REPLACE_OBJECTS": b"1", b"GIT_GRAFT_FILE": b"", b"GIT_OPTIONAL_LOCKS": b"0"}
_CHUNK = 1 << 20


class Result:
    """How a git command ended: exit code (negative: the signal), stdout and stderr as bytes."""

    __slots__ = ("arguments", "code", "stderr", "stdout")

    def __init__(self, arguments: Sequence[str], code: int, stdout: bytes, stderr: bytes) -> None:
        self.arguments = arguments
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    def error(self) -> GitError:
        """What to raise where this result was none that the caller can use."""
        said = self.stderr.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
        how = f"exit code {self.code}" if self.code >= 0 else f"signal {-self.code}"
        command = next(word for word in self.arguments if word[0] != "-" and "=" not in word)
        return GitError(f"`git {command}` failed ({how}): {said or 'it said nothing'}")


def git(
    *arguments: str,
    stdin: bytes = b"",
    cwd: bytes | None = None,
    environment: Mapping[bytes, bytes] | None = None,
) -> Result:
    """Run ``git ARGUMENTS`` and wait. GitError only where git cannot be started at all."""
    variables = {**(os.environb if environment is None else environment), **_ALWAYS}
    variables.pop(b"GIT_CONFIG", None)  # it would show `git config` one file and not the repository
    variables.pop(b"GIT_SHALLOW_FILE", None)  # it would end history before what a push brings
    command = ["git", *(("-C", os.fsdecode(cwd)) if cwd is not None else ()), *arguments]
    try:
        if hasattr(os, "posix_spawnp"):
            code, stdout, stderr = _spawn(command, stdin, variables)
        else:
            code, stdout, stderr = _subprocess(command, stdin, variables)
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror}") from error
    return Result(arguments, code, stdout, stderr)


def output(*arguments: str, stdin: bytes = b"", cwd: bytes | None = None) -> bytes:
    """The stdout of a git command that must succeed; GitError where it does not."""
    result = git(*arguments, stdin=stdin, cwd=cwd)
    if result.code != 0:
        raise result.error()
    return result.stdout


def _subprocess(
    command: list[str], stdin: bytes, variables: Mapping[bytes, bytes]
) -> tuple[int, bytes, bytes]:
    import subprocess

    environment = {os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()}
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _spawn(
    command: list[str], stdin: bytes, variables: Mapping[bytes, bytes]
) -> tuple[int, bytes, bytes]:
    pipes: list[int] = []
    try:
        for _ in range(3):
            pipes.extend(os.pipe())
        child_in, to_child, from_child, child_out, errors_from_child, child_errors = pipes
        actions = [
            (os.POSIX_SPAWN_DUP2, child_in, 0),
            (os.POSIX_SPAWN_DUP2, child_out, 1),
            (os.POSIX_SPAWN_DUP2, child_errors, 2),
        ]
        pid = os.posix_spawnp(command[0], command, variables, file_actions=actions)
        for end in (child_in, child_out, child_errors):
            os.close(end)
            pipes.remove(end)
        try:
            stdout, stderr = _exchange(pipes, to_child, stdin, from_child, errors_from_child)
        finally:
            for end in pipes:
                os.close(end)
            pipes.clear()
            _, status = os.waitpid(pid, 0)
    finally:
        for end in pipes:
            os.close(end)
    return os.waitstatus_to_exitcode(status), stdout, stderr


def _exchange(
    pipes: list[int], to_child: int, stdin: bytes, from_child: int, errors_from_child: int
) -> tuple[bytes, bytes]:
    """Feed stdin and collect both outputs, whichever is ready, so that no pipe fills up."""
    import select

    def done(end: int) -> None:
        poll.unregister(end)
        os.close(end)
        pipes.remove(end)

    poll = select.poll()
    received: dict[int, list[bytes]] = {from_child: [], errors_from_child: []}
    for end in received:
        poll.register(end, select.POLLIN | select.POLLHUP)
    rest = memoryview(stdin)
    if rest:
        os.set_blocking(to_child, False)
        poll.register(to_child, select.POLLOUT)
    else:
        os.close(to_child)
        pipes.remove(to_child)
    while pipes:
        for end, _ in poll.poll():
            if end == to_child:
                try:
                    rest = rest[os.write(end, rest[:_CHUNK]) :]
                except BrokenPipeError:  # git has ended; its exit code says why
                    rest = rest[:0]
                if not rest:
                    done(end)
            elif chunk := os.read(end, _CHUNK):
                received[end].append(chunk)
            else:
                done(end)
    return b"".join(received[from_child]), b"".join(received[errors_from_child])
