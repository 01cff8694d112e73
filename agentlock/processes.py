"""The processes that this one was started by. Only Linux tells of them (/proc)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def ancestors(most: int) -> Iterator[tuple[int, str]]:
    """The number and the name of this process's parent, of its parent, and so on."""
    number = os.getppid()
    for _ in range(most):
        try:
            with open(f"/proc/{number}/stat", "rb") as file:
                before, _, after = file.read().rpartition(b")")  # the name may hold anything
        except OSError:
            return
        yield number, os.fsdecode(before.partition(b"(")[2])
        number = int(after.split()[1])


def words_of(number: int | str) -> list[bytes]:
    """The command line of a process, word by word. OSError if it cannot be read."""
    with open(f"/proc/{number}/cmdline", "rb") as file:
        return file.read().split(b"\0")[:-1]
