"""Fetch at once what a treeless clone lacks; git itself would fetch the trees one by one."""

from __future__ import annotations

from agentlock.git.process import git, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def fetch_trees(remote: str, commits: Iterable[bytes]) -> None:
    """Fetch the missing trees of these commits (as ``listed``) and their parents, if there are two.

    What does not come is fetched by git when it is needed, or is told as git's error there.
    """
    oids = dict.fromkeys(oid for line in commits for oid in line.split())
    if not oids:
        return
    listing = ("--objects", "--filter=tree:1", "--missing=print", "--no-walk=unsorted", "--stdin")
    known = output("rev-list", *listing, stdin=b"\n".join(oids) + b"\n").splitlines()
    lacking = [line[1:] for line in known if line.startswith(b"?")]
    if len(lacking) > 1:
        git(
            *("-c", "fetch.negotiationAlgorithm=noop", "-c", "maintenance.auto=false"),
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none"),
            *("--recurse-submodules=no", "--stdin", "--end-of-options", remote),
            stdin=b"\n".join(lacking) + b"\n",
        )
