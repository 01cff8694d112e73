"""What git tells a hook: lines on its stdin; the pre-commit framework uses variables instead."""

from __future__ import annotations

import os

from agentlock.environment import FRAMEWORK_PUSH
from agentlock.errors import GitError, UsageError
from agentlock.git.process import is_oid, output
from agentlock.hook_kinds import FRAMEWORK
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_STDIN = 64 << 20
_LINES_TO_ALL = "a hook that runs earlier must pass its lines on"


class RefUpdate(Value):
    """One line that git gives a pre-push hook; an oid of zeros means "none".

    Of pre-receive, ``remote_ref`` is a ref of this repository, and ``local_ref`` is not known.
    """

    local_ref: bytes
    local_oid: bytes
    remote_ref: bytes
    remote_oid: bytes

    @property
    def deletes(self) -> bool:
        return not self.local_oid.strip(b"0")

    @property
    def creates(self) -> bool:
        return not self.remote_oid.strip(b"0")


def lines() -> list[bytes]:
    """The lines that git wrote to stdin; GitError if it cannot be read, or beyond 64 MiB."""
    chunks = []
    room = _MOST_STDIN
    try:
        while chunk := os.read(0, 1 << 20):
            chunks.append(chunk)
            room -= len(chunk)
            if room < 0:
                most = f"{_MOST_STDIN >> 20} MiB"
                raise GitError(f"git lists more than {most} of refs", fix="push fewer at once")
    except OSError as error:
        raise GitError(
            f"what git pushes cannot be read from stdin: {error.strerror}", fix="git push again"
        ) from error
    return b"".join(chunks).splitlines()


def pushed_refs(arguments: Sequence[str]) -> tuple[str, str, list[RefUpdate]]:
    """pre-push: the remote's name, its URL, and the refs that are pushed."""
    if FRAMEWORK in arguments:
        return _pushed_by_framework()
    if not arguments:
        raise UsageError("pre-push needs the remote's name and its URL, as git gives them")
    updates = []
    for line in lines():
        # Local ref, local oid, remote ref, remote oid. The first may have spaces: HEAD@{1 day}.
        fields = line.rsplit(b" ", 3)
        if len(fields) != 4 or not (is_oid(fields[1]) and is_oid(fields[3])):
            raise _odd_line("pre-push", line, f"push with git itself; {_LINES_TO_ALL}")
        updates.append(RefUpdate(*fields))
    return arguments[0], arguments[-1], updates


def received_refs() -> list[RefUpdate]:
    """pre-receive: the refs that a push changes on this server."""
    updates = []
    for line in lines():
        fields = line.split(b" ", 2)  # old oid, new oid, ref
        if len(fields) != 3 or not (is_oid(fields[0]) and is_oid(fields[1])):
            raise _odd_line("pre-receive", line, _LINES_TO_ALL)
        old, new, ref = fields
        updates.append(RefUpdate(b"", new, ref, old))
    if not updates:
        raise GitError("pre-receive was given no ref update", fix=_LINES_TO_ALL)
    return updates


def _pushed_by_framework() -> tuple[str, str, list[RefUpdate]]:
    """The framework names one ref in variables and passes no stdin.

    It also sets PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF, but not at a first push, so a caller
    could set those. What the remote has is asked elsewhere, and its old oid taken as none.
    """
    variables = [os.environ.get(name, "") for name in FRAMEWORK_PUSH]
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


def _odd_line(hook: str, line: bytes, fix: str) -> GitError:
    return GitError(f"{hook} was given a line that is no ref update: {line[:60]!r}", fix=fix)
