"""The commits that git's post hooks have named in this repository, for the reader of the ledger."""

from __future__ import annotations

import os

from agentlock.git.process import is_oid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentlock.git.repository import Repository

MADE = b"agentlock-made"  # in git's common directory; hooks/record.sh and ``name`` write it
MOST_NAMED = 5_000  # commits that are looked at once: more than that are old ones
_TAKEN = b"agentlock-made.taken"  # the part that is being entered


def is_any(repository: Repository) -> bool:
    """Whether a commit is named that nobody has entered yet."""
    folder = repository.common_dir
    return any(os.path.exists(os.path.join(folder, name)) for name in (MADE, _TAKEN))


def name(repository: Repository, oids: Iterable[str]) -> None:
    """Name commits, as the post hooks do, so that the next reader enters them."""
    path = os.path.join(repository.common_dir, MADE)
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.write(file, "".join(f"{oid}\n" for oid in oids).encode())
        finally:
            os.close(file)
    except OSError:  # then who asks for one of them finds its note
        pass


def names(repository: Repository) -> tuple[list[str], list[tuple[str, str]]]:
    """The commits that the post hooks named, and the pairs of a replaced one and its successor."""
    lines: list[list[str]] = []
    for name in (_TAKEN, MADE):
        try:
            with open(os.path.join(repository.common_dir, name), "rb") as file:
                lines += [
                    line.split() for line in file.read().decode("ascii", "replace").split("\n")
                ]
        except OSError:  # noqa: PERF203 -- two files
            continue
    words = [words for words in lines if words and all(is_oid(word.encode()) for word in words[:2])]
    named = list(dict.fromkeys(one[:2][-1] for one in words))
    pairs = [(one[0], one[1]) for one in words if len(one) > 1]
    return named[-MOST_NAMED:], pairs[-MOST_NAMED:]


def take(repository: Repository) -> None:
    """Set the names aside, so that none is lost that a hook writes meanwhile."""
    folder = repository.common_dir
    taken = os.path.join(folder, _TAKEN)
    if not os.path.exists(taken):
        _try(os.replace, os.path.join(folder, MADE), taken)


def forget(repository: Repository) -> None:
    _try(os.unlink, os.path.join(repository.common_dir, _TAKEN))


def _try(change: Callable[..., None], *paths: bytes) -> None:
    try:  # noqa: SIM105 -- contextlib would cost a push an import
        change(*paths)
    except OSError:
        pass
