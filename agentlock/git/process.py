"""Run git, and nothing else.

It uses ``posix_spawn`` and a poll loop, because importing ``subprocess`` costs a hook more than the
git command that it would run.
"""

from __future__ import annotations

import os

from agentlock.errors import GitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# What git really has is the question, not what replace refs and grafts pretend; a question
# takes no lock that a commit might wait for. Its words are read, so they must be English.
_ALWAYS = {
    b"GIT_NO_REPLACE_OBJECTS": b"1",
    b"GIT_GRAFT_FILE": b"",
    b"GIT_OPTIONAL_LOCKS": b"0",
    b"LC_ALL": b"C",
}
# Variables that would change what our questions mean. GIT_CONFIG shows `git config` one file and
# not the repository, GIT_SHALLOW_FILE ends history before what a push brings, and the others change
# how git reads the paths that we name.
_NEVER = (
    *(b"GIT_CONFIG", b"GIT_SHALLOW_FILE", b"GIT_LITERAL_PATHSPECS", b"GIT_GLOB_PATHSPECS"),
    *(b"GIT_NOGLOB_PATHSPECS", b"GIT_ICASE_PATHSPECS", b"GIT_INTERNAL_SUPER_PREFIX"),
)
_WORDS = ("fatal: ", "error: ")
_CHUNK = 1 << 20
_FITS_A_PIPE = 4096  # bytes that every system lets one write before anybody reads (PIPE_BUF)
_SIGPIPE, _SIGTERM = 13, 15  # the module `signal` costs an enum


class Result:
    """How a git command ended: exit code (negative: the signal), stdout and stderr as bytes."""

    __slots__ = ("arguments", "code", "stderr", "stdout")

    def __init__(self, arguments: Sequence[str], code: int, stdout: bytes, stderr: bytes) -> None:
        self.arguments = arguments
        self.code = code
        self.stdout = stdout
        self.stderr = stderr

    def error(self) -> GitError:
        """The GitError to raise if the caller cannot use this result."""
        how = f"exit code {self.code}" if self.code >= 0 else f"signal {-self.code}"
        command = next(word for word in self.arguments if word[0] != "-" and "=" not in word)
        return GitError(f"`git {command}` failed ({how}): {self.said()}", fix=self.advice())

    def said(self) -> str:
        """Why git failed, in its own words. GIT_TRACE may have put other lines before and after."""
        lines = self.stderr.decode("utf-8", "backslashreplace").strip().split("\n")
        why = next((line for line in reversed(lines) if line.startswith(_WORDS)), lines[-1])
        return why.strip() or "it said nothing"

    def advice(self) -> str:
        """The command that git itself names as the way on, on an indented line; "" without one."""
        lines = self.stderr.decode("utf-8", "backslashreplace").split("\n")
        return next((line.strip() for line in lines if line.startswith("\tgit ")), "")


class Running:
    """A git command that is running while its caller does something else."""

    def __init__(
        self,
        *arguments: str,
        stdin: bytes = b"",
        cwd: bytes | None = None,
        environment: Mapping[bytes, bytes] | None = None,
        source: Running | None = None,
    ) -> None:
        """Start ``git ARGUMENTS``; if that fails, ``result`` raises the error.

        Its stdin is ``stdin``, or the stdout of a command that is still running, its ``source``.
        """
        self._arguments = arguments
        self._source = source
        self.each: Callable[[bytes], object] | None = None
        """What is given each part of stdout while git goes on, if it is set before ``result``."""
        command, variables = _prepared(arguments, cwd, environment)
        self.process: _Spawned | None = None
        self._failed: OSError | None = None
        try:
            before = None if source is None else source.process
            self.process = _Spawned(command, stdin, variables, before)
        except OSError as error:
            self._failed = error

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the end, at most ``timeout`` seconds.

        GitError only where git could not be started at all, or has not ended by then.
        """
        try:
            if self.process is None:
                raise self._failed or OSError
            self.process.each = self.each
            return Result(self._arguments, *self.process.wait(timeout))
        except TimeoutError as error:
            raise GitError("git gave no answer in time", fix="try again") from error
        except OSError as error:
            raise GitError(f"git cannot be started: {error.strerror}") from error

    def partial(self, timeout: float) -> Result:
        """The same, but of a command that has not ended by then, what it has said (code -15)."""
        try:
            return self.result(timeout)
        except GitError:
            if self.process is None:
                raise
            return Result(self._arguments, -_SIGTERM, *self.process.received())

    def output(self) -> bytes:
        """Wait for the stdout of a command that must succeed, as its source must; else GitError."""
        result = self.result()
        if self._source is not None:
            source = self._source.result()
            if source.code != 0 and (result.code == 0 or source.code != -_SIGPIPE):
                raise source.error()
        if result.code != 0:
            raise result.error()
        return result.stdout


class Answering:
    """A git command that answers one question after the other: for a process that has many.

    It ends when this object is closed, or when this process has ended.
    """

    def __init__(self, *arguments: str) -> None:
        """Start ``git ARGUMENTS``; OSError if it cannot be started."""
        command, variables = _prepared(arguments, None, None)
        child_in, self._questions = os.pipe()
        self._answers, child_out = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, child_in, 0), (os.POSIX_SPAWN_DUP2, child_out, 1)]
        try:
            self._pid = os.posix_spawnp(command[0], command, variables, file_actions=actions)
        except BaseException:
            self._close()
            raise
        finally:
            os.close(child_in)
            os.close(child_out)

    def answer(self, question: bytes, end: bytes) -> bytes:
        """What git says to a question, up to ``end``, which git repeats. GitError if it is gone."""
        os.write(self._questions, question + end)
        said = b""
        while not said.endswith(end):
            chunk = os.read(self._answers, _CHUNK)
            if not chunk:
                raise GitError("git ended before it answered", fix="try again")
            said += chunk
        return said[: -len(end)]

    def close(self) -> None:
        self._close()
        os.waitpid(self._pid, 0)

    def _close(self) -> None:
        os.close(self._questions)
        os.close(self._answers)


def is_oid(text: bytes) -> bool:
    """Whether this is the full name of an object, of either length."""
    return len(text) in (40, 64) and not text.strip(b"0123456789abcdef")


def git(
    *arguments: str,
    stdin: bytes = b"",
    cwd: bytes | None = None,
    environment: Mapping[bytes, bytes] | None = None,
) -> Result:
    """Run ``git ARGUMENTS`` and wait. GitError only if git cannot be started."""
    return Running(*arguments, stdin=stdin, cwd=cwd, environment=environment).result()


def output(*arguments: str, stdin: bytes = b"", cwd: bytes | None = None) -> bytes:
    """The stdout of a git command that must succeed; GitError if it fails."""
    return Running(*arguments, stdin=stdin, cwd=cwd).output()


def _prepared(
    arguments: Sequence[str], cwd: bytes | None, environment: Mapping[bytes, bytes] | None
) -> tuple[list[str], dict[bytes, bytes]]:
    """The command line and the variables of ``git ARGUMENTS``."""
    variables = {**(os.environb if environment is None else environment), **_ALWAYS}
    for name in _NEVER:
        variables.pop(name, None)
    return ["git", *_place(cwd, variables), *arguments], variables


def _place(cwd: bytes | None, variables: dict[bytes, bytes]) -> list[str]:
    """The options that say where git works: ``cwd``, by default the current directory.

    A folder of git's own is named as such. git might not look for it by itself
    (safe.bareRepository, which agents' programs set for their children).
    """
    folder = cwd or b""
    place = [] if cwd is None else ["-C", os.fsdecode(cwd)]
    if cwd is None and b"GIT_DIR" in variables:
        return place
    if not _is_git_folder(folder):
        return place
    variables.pop(b"GIT_COMMON_DIR", None)
    variables[b"GIT_IMPLICIT_WORK_TREE"] = b"0"  # the folder is not the worktree as well
    return [*place, f"--git-dir={os.fsdecode(os.path.abspath(folder))}"]


def _is_git_folder(folder: bytes) -> bool:
    """Whether git would take it for a repository as it is (setup.c, is_git_directory)."""
    inside = [os.path.join(folder, name) for name in (b"HEAD", b"objects", b"refs", b".git")]
    return [os.path.lexists(path) for path in inside] == [True, True, True, False]


class _Spawned:
    """A child with three pipes; ``pipes`` are the ends of ours that are still open."""

    def __init__(
        self,
        command: list[str],
        stdin: bytes,
        variables: Mapping[bytes, bytes],
        source: _Spawned | None = None,
    ) -> None:
        """``source`` is a child whose stdout this one reads as its stdin."""
        self._source = source
        self.each: Callable[[bytes], object] | None = None
        self._rest = memoryview(stdin)
        pipes: list[int] = []
        try:
            for _ in range(3):
                pipes.extend(os.pipe())
            child_in, to_child, from_child, child_out, errors_from_child, child_errors = pipes
            if len(stdin) <= _FITS_A_PIPE:  # then git need not wait until it is waited for
                os.write(to_child, stdin)
                self._rest = self._rest[:0]
            actions = [
                (os.POSIX_SPAWN_DUP2, child_in if source is None else source.stdout, 0),
                (os.POSIX_SPAWN_DUP2, child_out, 1),
                (os.POSIX_SPAWN_DUP2, child_errors, 2),
            ]
            self._pid = os.posix_spawnp(command[0], command, variables, file_actions=actions)
        except BaseException:
            for end in pipes:
                os.close(end)
            raise
        for end in (child_in, child_out, child_errors):
            os.close(end)
        if source is not None:
            source.close(source.stdout)
        self.stdout: int = from_child
        self.stderr: int = errors_from_child
        self.found: dict[int, list[bytes]] = {from_child: [], errors_from_child: []}
        self.pipes = [from_child, errors_from_child]
        if self._rest:
            os.set_blocking(to_child, False)
            self.pipes.append(to_child)
        else:
            os.close(to_child)

    def wait(self, timeout: float | None) -> tuple[int, bytes, bytes]:
        try:
            self._exchange(timeout)
        except TimeoutError:
            os.kill(self._pid, _SIGTERM)
            raise
        finally:
            for end in list(self.pipes):
                self.close(end)
            _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status), *self.received()

    def received(self) -> tuple[bytes, bytes]:
        """What the child has written on stdout and stderr so far."""
        return b"".join(self.found[self.stdout]), b"".join(self.found[self.stderr])

    def close(self, end: int) -> None:
        os.close(end)
        self.pipes.remove(end)

    def _exchange(self, timeout: float | None) -> None:
        """Feed the rest of stdin and collect both outputs, as each is ready: no pipe fills up.

        The same is done for the source, which may have more to read, and to say, meanwhile.
        """
        import select
        import time

        deadline = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        children = (self,) if self._source is None else (self._source, self)
        owners = {end: child for child in children for end in child.pipes}
        for end, child in owners.items():
            reads = end in child.found
            poll.register(end, select.POLLIN | select.POLLHUP if reads else select.POLLOUT)
        while self.pipes:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0) * 1000
            ready = poll.poll(left)
            if not ready:
                raise TimeoutError
            for end, _ in ready:
                if not owners[end].moves(end):
                    poll.unregister(end)
                    owners[end].close(end)

    def moves(self, end: int) -> bool:
        """Move what one of the pipes has or takes; whether it has or takes more."""
        if end in self.found:
            chunk = os.read(end, _CHUNK)
            self.found[end].append(chunk)
            if self.each is not None and end == self.stdout:
                self.each(chunk)
            return bool(chunk)
        try:
            self._rest = self._rest[os.write(end, self._rest[:_CHUNK]) :]
        except BrokenPipeError:  # git has ended; its exit code says why
            return False
        return bool(self._rest)
