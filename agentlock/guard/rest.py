"""How to commit the rest of a refused commit: one command that is safe to paste, or none.

`git commit --only` takes each file as it is in the worktree, so it is named only where that is what
was staged, and only with the message that was given: without one it would open an editor. Otherwise
what is refused is to be unstaged, after which the same commit passes.
"""

from __future__ import annotations

import os

from agentlock.environment import GIT_INDEX_FILE, GIT_PREFIX
from agentlock.git import changes
from agentlock.git.command_line import put_aside_by_framework, typed
from agentlock.git.process import git, output
from agentlock.text import shell_word, storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from agentlock.git.repository import Repository
    from agentlock.model import Verdict

_MOST = 12  # paths in a command
_COMMIT = "commit the rest"
_UNSTAGE = "unstage, then commit the rest"


def way_to_commit(
    repository: Repository, paths: Sequence[bytes], verdict: Verdict, *, framework: bool = False
) -> tuple[str, str] | None:
    """A label and a command that commits ``paths`` without those that are refused.

    ``framework``: the pre-commit framework asks.
    """
    refused = {conflict.path for conflict in verdict.conflicts}.union(verdict.uncovered)
    free = len(set(paths) - refused)
    if free == 0 or min(free, len(refused)) > _MOST:  # neither half fits into a command
        return None
    index = _index(repository)
    if index is None or changes.takes_all(repository):
        return None
    unborn, halves = _halves_of_renames(refused)
    unstaged = sorted({*refused, *halves})
    rest = sorted(set(paths).difference(unstaged))
    if not rest:
        return None
    command = typed()
    place = command.place if command else ""
    hidden = framework and index == "index" and put_aside_by_framework()
    differs = set(paths) if hidden else _differing(repository)
    if command and command.commit and not halves and _is_as_staged(repository, rest, differs):
        only = f"git{place}{command.settings} commit --only{command.commit}"
        return _COMMIT, f"{only} -- {_pathspecs(rest)}"
    # `git commit -a` and `git commit PATH…` would stage the same again. What is staged and nowhere
    # else would be lost to a holder who works here too, and git rm refuses to remove it.
    partly = not differs.isdisjoint(paths)
    unsafe = partly and (unborn or _is_shared(repository, verdict))
    if index != "index" or len(unstaged) > _MOST or unsafe:
        return None
    unstage = "rm --cached" if unborn else "restore --staged"
    return _UNSTAGE, f"git{place} {unstage} -- {_pathspecs(unstaged)}"


def _is_shared(repository: Repository, verdict: Verdict) -> bool:
    """Whether a holder of what is refused was last seen in this worktree, or nobody knows where."""
    here = storable(repository.root)
    holders = [verdict.holders.get(one.reservation.agent) for one in verdict.conflicts]
    return any(holder is None or holder.agent.worktree in ("", here) for holder in holders)


def _index(repository: Repository) -> str | None:
    """Which index git commits: "index", or a temporary one for ``-a`` or for paths.

    None: an index that somebody chose with GIT_INDEX_FILE, which a pasted command would not use.
    """
    folder, name = os.path.split(os.path.realpath(os.environ.get(GIT_INDEX_FILE, "")))
    if GIT_INDEX_FILE not in os.environ:
        return "index"
    if os.fsencode(folder) != os.path.realpath(repository.git_dir):
        return None
    known = name in ("index", "index.lock") or name.startswith("next-index-")
    return name if known else None


def _halves_of_renames(refused: Collection[bytes]) -> tuple[bool, list[bytes]]:
    """Whether HEAD is unborn, and what was renamed from or to a path that is refused."""
    found = git(
        *("diff-index", "--cached", "--name-status", "-z", "--find-renames", "-l1000"),
        *("--diff-filter=R", "HEAD", "--"),
    )
    if found.code != 0:
        return True, []
    fields = found.stdout.split(b"\0")
    halves = []
    for old, new in zip(fields[1::3], fields[2::3], strict=False):
        halves += [new] if old in refused else [old] if new in refused else []
    return False, [path for path in halves if path not in refused]


def _differing(repository: Repository) -> set[bytes]:
    """The paths whose file is not what is staged."""
    raw = output("diff-files", *changes.RAW, cwd=repository.root)
    return set(changes.parse([raw]).paths)


def _is_as_staged(repository: Repository, paths: Sequence[bytes], differs: set[bytes]) -> bool:
    """Whether `git commit --only` would commit of these few paths exactly what is staged.

    It would commit another state of files that git was told not to look at (sparse,
    assume-unchanged), and of a removed path whose file still exists.
    """
    if len(paths) > _MOST or not differs.isdisjoint(paths):
        return False
    listed = output(
        *("--literal-pathspecs", "ls-files", "-v", "-z", "--", *map(os.fsdecode, paths)),
        cwd=repository.root,
    )
    entries = [entry for entry in listed.split(b"\0") if entry]
    removed = set(paths).difference(entry[2:] for entry in entries)
    return all(entry[:1] == b"H" for entry in entries) and not any(
        os.path.lexists(os.path.join(repository.root, path)) for path in removed
    )


def _pathspecs(paths: Iterable[bytes]) -> str:
    """Paths as arguments of a git command that is typed in the same folder as `git commit`.

    git's hooks run at the root, so the paths are relative to that.
    """
    magic = ":(top,literal)" if os.environ.get(GIT_PREFIX) else ""
    return " ".join(shell_word((magic or _literal(path)) + os.fsdecode(path)) for path in paths)


def _literal(path: bytes) -> str:
    return ":(literal)" if path[:1] == b":" or any(one in path for one in b"*?[\\") else ""
