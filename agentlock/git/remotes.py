"""What remotes really have: their branches, asked of the remotes themselves."""

from __future__ import annotations

import os

from agentlock.environment import FINDING_THE_REPOSITORY
from agentlock.errors import GitError
from agentlock.git.process import Running, git, output
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.repository import Repository

USUAL = (b"refs/heads/main", b"refs/heads/master")  # default branches
_DEFAULTS = (*map(os.fsdecode, USUAL), "refs/remotes/*/HEAD")
_BRANCHES = b"refs/heads/"
_PLAIN = frozenset(b"/-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Remote(Value):
    """A remote: its name, and the URL that is asked, or that git pushes to.

    ``timeout`` is how long the remote may take to say what it has, in seconds.
    """

    name: str
    url: str
    timeout: float


class Heads(Value):
    """The branches of a remote by their full names, and the one that its HEAD names (or b"")."""

    branches: dict[bytes, bytes]
    default: bytes

    def here(self, *, without: Iterable[bytes] = ()) -> list[bytes]:
        """The oids of the branches that are here too, without some of the branches."""
        left_out = set(without)
        oids = {oid for name, oid in self.branches.items() if name not in left_out}
        return sorted(oids - set(missing(sorted(oids))))


def heads_of(remote: Remote, *, fetch: bool = False, refs: Iterable[bytes] = ()) -> Heads:
    """The branches that a remote has now; it asks the remote.

    No setting may lead this question elsewhere: `url.*.insteadOf` has been applied to the URL
    already, and a remote may be called like a URL. ``fetch``: the commits of branches that are not
    here are fetched, and those of other ``refs``, without a ref.
    """
    url = remote.url
    itself = f"--config-env=url.{url}.insteadOf=AGENTLOCK_URL"
    environment = {**os.environb, b"AGENTLOCK_URL": os.fsencode(url)}
    asked = git(itself, "ls-remote", "--get-url", "--", url, environment=environment)
    if os.fsdecode(asked.stdout) != url + "\n":
        raise GitError(
            f"git's settings send a fetch from {remote.name} to another URL than a push",
            see="git config --get-regexp '^(url|remote)'",
        )
    asking = Running(
        *(itself, "ls-remote", "--quiet", "--symref", "--", url, "HEAD", "refs/heads/*"),
        environment=environment,
    )
    answer = asking.result(remote.timeout)
    if answer.code != 0:
        raise GitError(
            f"{remote.name} did not say what it has, so agentlock cannot tell what this push "
            f"brings or drops there ({answer.error().message})",
            fix=f"git ls-remote {remote.name}, then push again",
        )
    heads = _read(answer.stdout)
    lacking = set(missing(sorted(set(heads.branches.values())))) if fetch else set()
    wanted = [*(name for name, oid in heads.branches.items() if oid in lacking), *refs]
    if wanted:
        names = [os.fsdecode(name) for name in dict.fromkeys(wanted)]
        fetching = Running(
            *(itself, "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "fetch.prune=false"),
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap="),
            *("--recurse-submodules=no", "--", url, *names),
            environment=environment,
        )
        fetching.result(remote.timeout)  # what does not come is not counted as known
    return heads


def others(repository: Repository, name: str, url: str, timeout: float) -> list[Remote]:
    """The other remotes, but for this repository itself and clones that share its table."""
    found = []
    for other in output("remote").decode("utf-8", "surrogateescape").splitlines():
        if other == name:
            continue
        asked = git("remote", "get-url", "--", other)
        place = os.fsdecode(asked.stdout.rstrip(b"\n"))
        if asked.code == 0 and place != url and not _shares(repository, place):
            found.append(Remote(other, place, timeout))
    return found


def default_branch(name: str, common_dir: bytes) -> bytes:
    """The branch that refs/remotes/NAME/HEAD names, as the remote calls it; b"" if none does."""
    prefix = os.fsencode(f"refs/remotes/{name}/")
    ref = _symbolic_ref(prefix + b"HEAD", common_dir)
    return _BRANCHES + ref[len(prefix) :] if ref.startswith(prefix) else b""


def _symbolic_ref(name: bytes, common_dir: bytes) -> bytes:
    """What a symbolic ref names; b"" if it is none. Reading its file saves a git command."""
    if _PLAIN.issuperset(name) and b".." not in name:
        target = _link_in(common_dir, name)
        if target is None and not os.path.isdir(os.path.join(common_dir, b"reftable")):
            return b""  # git packs no symbolic ref
        if target and _PLAIN.issuperset(target) and not _link_in(common_dir, target):
            return target
    return git("symbolic-ref", "--quiet", os.fsdecode(name)).stdout.rstrip(b"\n")


def _link_in(common_dir: bytes, name: bytes) -> bytes | None:
    """What the file of a ref names; b"" if that is no other ref, None if there is no file."""
    try:
        with open(os.path.join(common_dir, name), "rb") as file:
            found = file.read(4096)
    except FileNotFoundError:
        return None
    except OSError:
        return b""
    return found[len(b"ref: ") :].strip() if found.startswith(b"ref: ") else b""


def is_beyond_a_default(oid: str, git_dir: bytes) -> bool:
    """Whether HEAD, which is at a commit, is at a default branch that this clone knows, or beyond.

    It is a short walk from there to such a branch, and none if HEAD names it.
    """
    if _link_in(git_dir, b"HEAD") in USUAL:
        return True
    asked = git("for-each-ref", "--count=1", f"--merged={oid}", *_DEFAULTS)
    return asked.code == 0 and bool(asked.stdout)


def defaults_here() -> dict[bytes, bytes]:
    """The default branches, as far as this clone knows without asking, and what they are at.

    They are main and master, and what the HEAD of each remote names.
    """
    answer = output("for-each-ref", "--format=%(objectname) %(refname) %(symref)", *_DEFAULTS)
    found: dict[bytes, bytes] = {}
    for line in answer.splitlines():
        oid, name, target = line.split(b" ", 2)
        remote = name[: -len(b"HEAD")]
        branch = target[len(remote) :] if target.startswith(remote) else b""
        found[_BRANCHES + branch if branch else name] = oid
    return found


def missing(oids: Sequence[bytes]) -> list[bytes]:
    """The oids that this repository does not have."""
    if not oids:
        return []
    answer = output("cat-file", "--batch-check", stdin=b"\n".join(oids) + b"\n")
    return [line.split()[0] for line in answer.splitlines() if line.endswith(b" missing")]


def _read(answer: bytes) -> Heads:
    branches: dict[bytes, bytes] = {}
    default = b""
    for line in answer.splitlines():
        value, _, name = line.partition(b"\t")
        if value.startswith(b"ref: ") and name == b"HEAD":
            default = value[len(b"ref: ") :]
        elif name.startswith(_BRANCHES):
            branches[name] = value
    return Heads(branches, default)


def _shares(repository: Repository, place: str) -> bool:
    """Whether a local path is this repository, or one that is guarded by the same table."""
    if "://" in place and not place.startswith("file://"):
        return False
    path = os.fsencode(place.removeprefix("file://"))
    if not os.path.isdir(path):
        return False
    # In a linked worktree git gives its hooks GIT_DIR, which would lead back to this repository.
    leading = set(map(os.fsencode, FINDING_THE_REPOSITORY))
    there = {name: value for name, value in os.environb.items() if name not in leading}
    asking = ("rev-parse", "--path-format=absolute", "--git-common-dir")
    common = git(*asking, cwd=path, environment=there)
    if os.path.realpath(common.stdout.rstrip(b"\n")) == os.path.realpath(repository.common_dir):
        return True
    bare = git("rev-parse", "--is-bare-repository", cwd=path, environment=there)
    recorded = ("config", "--local", "--get", "agentlock.databaseId")
    kept = git(*recorded, cwd=path, environment=there)
    same = kept.stdout.strip() == os.fsencode(repository.database_id or "")
    return same and bare.stdout.strip() != b"true"
