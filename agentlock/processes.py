"""The processes that this one was started by. Only Linux tells of them (/proc)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


_answers_for = 0


def answer_for(parent: int) -> None:
    """From now on this process counts as a child of that one, whose later children it stands for.

    A process that outlives its parent is given another one.
    """
    global _answers_for  # noqa: PLW0603 -- a fact about this process, as its real parent is
    _answers_for = parent


def ancestors(most: int, first: int = 0) -> Iterator[tuple[int, str, int]]:
    """Number, name and start (ticks since boot) of this process's parent, of its parent, and so on.

    ``first`` begins with another process. A number and a start together are one process only.
    """
    number = first or _answers_for or os.getppid()
    for _ in range(most):
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                before, _, after = file.read().rpartition(b")")  # the name may hold anything
        except OSError:
            return
        fields = after.split()  # proc(5): state is the third field of the line, the start its 22nd
        yield number, os.fsdecode(before.partition(b"(")[2]), int(fields[19])
        number = int(fields[1])


def boot_and_namespace() -> str:
    """Where process numbers mean what they mean here; "" if nobody can tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def has_ended(number: int | None, started: int | None, place: str) -> bool:
    """Whether the process with this number and start is proven to have ended.

    ``place`` is the boot and the pid namespace in which the number means it. False where nobody
    here can tell.
    """
    if not number or not started or not place or place != boot_and_namespace():
        return False
    return next((one for _, _, one in ancestors(1, number)), None) != started


def name_of_git(number: str) -> str:
    """What hooks/process.sh calls a process that runs git: no other process has ever this name.

    "" if it is another program, or if that cannot be told.
    """
    try:
        if os.readlink("/proc/self") != str(os.getpid()):  # it tells of other processes
            return ""
        with open(f"/proc/{number}/stat", "rb") as file:
            before, _, after = file.read().rpartition(b") ")
    except OSError:
        return ""
    program = before.partition(b" (")[2]
    if program != b"git" and not program.startswith(b"git-"):
        return ""
    fields = after.split()
    return f"{number}.{fields[19].decode()}.{fields[25].decode()}"


def words_of(number: int | str) -> list[bytes]:
    """The command line of a process, word by word. OSError if it cannot be read."""
    with open(f"/proc/{number}/cmdline", "rb") as file:
        return file.read().split(b"\0")[:-1]
