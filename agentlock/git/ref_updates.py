"""What a reference-transaction hook is told: which commits would become known, and who moves refs.

githooks(5): a line for each ref, old oid, new oid, name. A commit is new where no branch here or
on a remote has it; a tag makes none known.
"""

from __future__ import annotations

import os

from agentlock.environment import GIT_DIR
from agentlock.errors import GitError
from agentlock.git.commits import listed
from agentlock.git.process import git, is_oid
from agentlock.model import Value
from agentlock.processes import ancestors, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.repository import Repository

_BRANCHES = b"refs/heads/"
_MOST_ANCESTORS = 8  # of a hook, up to the git command that it serves
# These bring what others made, and make nothing: their own gates, or the push, decide.
_BRINGING = ("fetch", "receive-pack")
# These may look at any commit, as long as no branch comes to it.
_LOOKING = ("bisect", "checkout", "switch", "worktree")
_UNDER_WAY = {
    "am": (b"rebase-apply",),
    "cherry-pick": (b"CHERRY_PICK_HEAD", b"sequencer"),
    "merge": (b"MERGE_HEAD",),
    "rebase": (b"rebase-merge", b"rebase-apply"),
    "revert": (b"REVERT_HEAD", b"sequencer"),
}
# Options of git's own that are followed by a value.
_VALUED = ("-C", "-c", "--attr-source", "--config-env", "--git-dir", "--namespace", "--work-tree")


class Move(Value):
    """A branch, or HEAD, that would move to the commit ``new``."""

    new: bytes
    ref: bytes


def moves(lines: Iterable[bytes]) -> list[Move]:
    """The moves of a transaction that can bring a new commit. GitError for an unexpected line."""
    found = []
    for line in lines:
        old, _, rest = line.partition(b" ")
        new, _, ref = rest.partition(b" ")
        if ref != b"HEAD" and not ref.startswith(_BRANCHES):
            continue
        if new == old or new.startswith(b"ref:"):
            continue
        if not is_oid(new):
            raise GitError(f"reference-transaction was given an unexpected line: {line[:120]!r}")
        if new.strip(b"0"):
            found.append(Move(new, ref))
    return found


def brought(moved: Sequence[Move], known: Iterable[bytes] = ()) -> list[bytes]:
    """The commits that no branch has.

    What HEAD is at may come along where HEAD alone moves. ``known`` and their ancestors are left
    out too.
    """
    branches = {move.new for move in moved if move.ref != b"HEAD"}
    heads = {move.new for move in moved} - branches
    leaving = [b"^" + oid for oid in known]
    new = _beyond(branches, leaving)
    if heads:
        new += _beyond(heads, [*leaving, *_not_head()])
    return new


def made_here(repository: Repository, moved: Sequence[Move], process: str) -> list[bytes]:
    """The new commits that no ordinary operation brings from elsewhere, or back.

    Known are also what was fetched last, what a branch has been at, where a rebase began, and
    what the picks of one have made; for HEAD alone, where it has been: except in a rebase, which
    gives what HEAD comes to to a branch. ``process`` is git's.
    """
    command = command_of(process)[:1]
    if command and command[0] in _BRINGING:
        return []
    alone = all(move.ref == b"HEAD" for move in moved)
    if alone and ((command and command[0] in _LOOKING) or _is_new_worktree(repository)):
        return []
    known = [*_fetched(repository), *logged("--branches")]
    rebase = _rebase(repository.git_dir)
    if alone and (rebase or command == ["rebase"]):
        known += _words(rebase, b"orig-head")
    elif alone:
        known += logged("HEAD")
    elif rebase and all(move.ref in (b"HEAD", *_words(rebase, b"head-name")) for move in moved):
        known += [oid[1:] for oid in _not_head()]
    return brought(moved, known)


def command_of(process: str) -> list[str]:
    """The git command that a process runs, without git's own options; [] if it is unknown.

    An alias is seen as what it stands for: git starts that as a process of its own. A shell or a
    proxy that stands between git and the hook is looked past: the nearest git above it counts.
    """
    for number in (process, *_above(process)):
        if found := _git_command(_words_of(number)):
            return found
    return []


def _words_of(number: str) -> list[str]:
    """The command line of a process."""
    try:
        return list(map(os.fsdecode, words_of(number)))
    except OSError:
        return _listed_by_ps(number)


def _is_of_subtree(process: str) -> bool:
    """Whether `git subtree add` runs a git command, which has put files into the worktree."""
    programs = [word for number in _above(process) for word in _words_of(number)[:2]]
    return "git-subtree" in map(os.path.basename, programs)


def _above(process: str) -> list[str]:
    """The processes that started this one, the nearest first; [] if that cannot be told."""
    chain = [str(number) for number, _, _ in ancestors(_MOST_ANCESTORS)]
    return chain[chain.index(process) + 1 :] if process in chain else []


def _git_command(words: Sequence[str]) -> list[str]:
    if not words:
        return []
    name, rest = os.path.basename(words[0]), list(words[1:])
    if name.startswith("git-"):
        return [name[len("git-") :], *rest]
    while rest and rest[0].startswith("-"):
        rest = rest[2 if rest[0] in _VALUED else 1 :]
    return rest if name == "git" else []


def restoring(process: str, new: str = "") -> str:
    """The command that restores what git had changed before it asked; "" where that is nothing.

    ``new`` is the commit that would have come to HEAD, "" while it is still to be made. Then only
    a revert leaves something behind that it cannot abort: it has begun with a clean index.

    Where nothing is under way that could be aborted, a fast-forward, a switch with -B or -C and a
    reset have the commit ``new`` in index and worktree by then. read-tree with two trees goes back
    as it came, and keeps what was not committed.
    """
    name, *options = command_of(process) or [""]
    git_dir = os.fsencode(os.environ.get(GIT_DIR, ".git"))
    if name == "am" and _rebase(git_dir):
        name = "rebase"
    if any(os.path.exists(os.path.join(git_dir, one)) for one in _UNDER_WAY.get(name, ())):
        return f"git {name} --abort"
    if not new:
        return "git reset --merge" if name == "revert" else ""
    resets_files = {"--hard", "--merge", "--keep"}.intersection(options)
    if name == "reset" and not resets_files and not _is_of_subtree(process):
        return "" if "--soft" in options else "git reset -q"
    if name in _UNDER_WAY or name in ("checkout", "switch", "reset"):
        return f"git read-tree -m -u {new} HEAD"
    return ""


def _beyond(oids: set[bytes], leaving: list[bytes]) -> list[bytes]:
    if not oids:
        return []
    pruned = ("--ignore-missing",) if leaving else ()  # reflogs may outlive their commits
    return listed([*oids, *leaving], *pruned, "--not", "--branches", "--remotes")


def _not_head() -> list[bytes]:
    head = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return [b"^" + head.stdout.strip()] if head.code == 0 else []


def _fetched(repository: Repository) -> list[bytes]:
    """What FETCH_HEAD holds, here and in the other worktrees: a new one starts from another's."""
    folders = [repository.git_dir, repository.common_dir]
    linked = os.path.join(repository.common_dir, b"worktrees")
    if os.path.isdir(linked):
        folders += [os.path.join(linked, name) for name in os.listdir(linked)]
    found = []
    for folder in dict.fromkeys(folders):
        try:
            with open(os.path.join(folder, b"FETCH_HEAD"), "rb") as file:
                found += [line.split(b"\t")[0] for line in file if line.strip()]
        except OSError:  # noqa: PERF203 -- there are few worktrees
            continue
    return found


def logged(refs: str) -> list[bytes]:
    """The commits that refs have been at, as far as their reflogs know."""
    result = git("rev-list", "--walk-reflogs", refs, "--")
    return result.stdout.split() if result.code == 0 else []


def _rebase(git_dir: bytes) -> bytes | None:
    """The folder of the rebase that is in progress."""
    for name, mark in ((b"rebase-merge", b""), (b"rebase-apply", b"rebasing")):
        folder = os.path.join(git_dir, name)
        if os.path.exists(os.path.join(folder, mark)):
            return folder
    return None


def _words(folder: bytes | None, name: bytes) -> list[bytes]:
    if folder is None:
        return []
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read().split()
    except OSError:
        return []


def _is_new_worktree(repository: Repository) -> bool:
    """`git worktree add` sets the first HEAD by a command of its own, below git 2.42 or so."""
    head = _words(repository.git_dir, b"HEAD")
    return len(head) == 1 and not head[0].strip(b"0")


def _listed_by_ps(process: str) -> list[str]:
    """Where there is no /proc. Spaces within arguments are lost, which no question here minds."""
    import subprocess

    try:
        done = subprocess.run(
            ("ps", "-o", "args=", "-p", process), capture_output=True, check=False
        )
    except OSError:
        return []
    return os.fsdecode(done.stdout).split()
