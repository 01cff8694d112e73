"""What a push brings to a remote, what it drops there, and what the remote really has."""

from __future__ import annotations

import os

from agentlock.environment import GIT_DIR
from agentlock.errors import GitError
from agentlock.git.commits import listed, listed_in, listing, listing_changes
from agentlock.git.hook_input import pushed_refs
from agentlock.git.process import Running
from agentlock.git.remotes import missing
from agentlock.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentlock.git.hook_input import RefUpdate

BRANCHES = b"refs/heads/"
_AT_ONCE = 8  # git commands: a mirror may push thousands of refs


class Push(Value):
    """The commits that a push brings, and those that it drops, each as its oid and its parents'.

    Seen from the client, the remote has what lies at and below ``tracked`` by the word of its
    remote-tracking refs alone; ``told`` are the oids that it told git of, and ``unknown`` those
    that are not here: what the push would drop there is not among what it drops. ``answer`` is
    what git said they bring (``git.commits.changed_by``), if it was asked.
    """

    brings: tuple[bytes, ...]
    drops: tuple[bytes, ...]
    tracked: tuple[bytes, ...] = ()
    told: tuple[bytes, ...] = ()
    unknown: tuple[bytes, ...] = ()
    answer: bytes | None = None


class Told:
    """A push as git tells of it, and what git lists of it while Python loads the rest of the guard.

    What is listed counts only if the remote's name turns out to mean what it usually does.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Read what git gives its hook pre-push; ``refs`` raises what is wrong with it."""
        self.remotes = Running("remote")
        self.guess: tuple[list[str], Running] | None = None
        self._failed: BaseException | None = None
        self._refs: tuple[str, str, list[RefUpdate]] = ("", "", [])
        try:
            self._refs = pushed_refs(arguments)
        except BaseException as error:  # noqa: BLE001 -- ``guard.run`` knows what to say of it
            self._failed = error
            return
        name, _, updates = self._refs
        asked = _asked([update for update in updates if not update.deletes])
        if asked and not _is_partial_clone():
            known = _known_of(name, [name])
            self.guess = (known, listing_changes(asked, *known))

    def refs(self) -> tuple[str, str, list[RefUpdate]]:
        """The remote's name, its URL, and the refs that are pushed."""
        if self._failed is not None:
            raise self._failed
        return self._refs


def sent(remote: str, updates: Iterable[RefUpdate], begun: Told | None = None) -> Push:
    """What a push brings that the remote does not have, and what a forced push drops.

    Complete as far as the remote-tracking refs of ``remote`` tell the truth, and nothing is
    unknown. ``begun`` is what git was asked of these updates before.
    """
    updates = [update for update in updates if not update.deletes]
    if not updates:
        return Push((), ())
    told = _told(updates)
    tips = [update.local_oid for update in updates]
    names = (Running("remote") if begun is None else begun.remotes).output()
    known = _known_of(remote, names.decode("utf-8", "surrogateescape").splitlines())
    answer = None
    try:
        if begun is not None and begun.guess is not None and begun.guess[0] == known:
            answer = begun.guess[1].output()
            brings = listed_in(answer)
            drops = () if _moves_forward(updates, brings) else dropped(updates)
        else:
            bringing = listing(_asked(updates), *known)
            drops = dropped(updates)
            brings = bringing.output().splitlines()
    except GitError:
        unknown = missing(told)
        if not unknown:
            raise
        nothing = b"0" * len(unknown[0])
        as_new = [
            update.replace(remote_oid=nothing) if update.remote_oid in unknown else update
            for update in updates
        ]
        return sent(remote, as_new).replace(unknown=tuple(unknown))
    tracked: set[bytes] = set()
    if known:
        tracked = {oid for line in brings for oid in line.split()}.union(tips)
        tracked -= {*told, *map(_oid, brings)}
    return Push(tuple(brings), drops, tuple(sorted(tracked)), tuple(told), answer=answer)


def _told(updates: Iterable[RefUpdate]) -> list[bytes]:
    return sorted({update.remote_oid for update in updates if not update.creates})


def _asked(updates: Sequence[RefUpdate]) -> list[bytes]:
    return [*(update.local_oid for update in updates), *_excluded(_told(updates))]


def _moves_forward(updates: Sequence[RefUpdate], brings: Iterable[bytes]) -> bool:
    """Whether it is plain that the one ref of a push moves forward, and so drops nothing.

    All that is brought lies at or below its tip.
    """
    return len(updates) == 1 and any(updates[0].remote_oid in line.split()[1:] for line in brings)


def dropped(updates: Iterable[RefUpdate]) -> tuple[bytes, ...]:
    """The commits that forced pushes take away from a ref; a tag that moves takes none."""
    moved = [
        (update.remote_oid, b"^" + update.local_oid)
        for update in updates
        if not update.creates and not update.remote_ref.startswith(b"refs/tags/")
    ]
    found: list[bytes] = []
    for start in range(0, len(moved), _AT_ONCE):
        for one in [listing(revisions) for revisions in moved[start : start + _AT_ONCE]]:
            found += one.output().splitlines()
    return tuple(dict.fromkeys(found))


def taken_away(updates: Iterable[RefUpdate]) -> list[RefUpdate]:
    """The refs that a push deletes, and that can drop something: a tag drops nothing."""
    return [
        update
        for update in updates
        if update.deletes and not update.creates and not update.remote_ref.startswith(b"refs/tags/")
    ]


def pushed_to_branches(updates: Iterable[RefUpdate]) -> list[bytes]:
    """The commits to which a push moves branches."""
    return [
        update.local_oid
        for update in updates
        if not update.deletes and update.remote_ref.startswith(BRANCHES)
    ]


def vouched_for(
    push: Push, told: Sequence[bytes] = (), most: int | None = None
) -> list[bytes] | None:
    """The commits that the remote has by the word of its tracking refs alone, as ``listed``.

    ``told`` are more oids that the remote itself told of. None where there are more than ``most``.
    """
    if not push.tracked:
        return []
    limit = [] if most is None else [f"--max-count={most + 1}"]
    commits = listed([*push.tracked, *_excluded([*push.told, *told])], *limit)
    if most is not None and len(commits) > most:
        return None
    new = set(map(_oid, push.brings))
    return [line for line in commits if _oid(line) not in new]


def _excluded(oids: Iterable[bytes]) -> list[bytes]:
    return [b"^" + oid for oid in oids]


def require_known(oids: Sequence[bytes]) -> None:
    """GitError if the remote holds a commit that is not here."""
    lacking = missing(oids)
    if lacking:
        raise GitError(
            f"the remote is at {lacking[0].decode()[:12]}, which this repository does not have, "
            "so agentlock cannot tell what the push would drop there",
            fix="git fetch, then push again",
        )


def _is_partial_clone() -> bool:
    """Whether git may have to fetch trees, which then is done at once (``git.treeless``)."""
    folder = os.fsencode(os.environ.get(GIT_DIR, ".git"))
    try:
        with open(os.path.join(folder, b"commondir"), "rb") as file:
            folder = os.path.join(folder, file.read().rstrip(b"\n"))
    except OSError:
        pass
    try:
        return any(name.endswith(b".promisor") for name in os.listdir(folder + b"/objects/pack"))
    except OSError:  # no repository at all, or none that is found so easily
        return True


def _known_of(remote: str, names: Sequence[str]) -> list[str]:
    """Options that leave out what the remote-tracking refs say that a remote has.

    ``names`` are those of all remotes.

    A push by URL gives the URL as the name; then nothing is known to be there already, as with a
    name that `--remotes` would read as a glob over others'. Those of `origin/b` are not `origin`'s.
    """
    if remote not in names or any(letter in remote for letter in "*?[\\"):
        return []
    below = [name[len(remote) :] for name in names if name.startswith(remote + "/")]
    if any(letter in name for name in below for letter in "*?[\\"):
        return []
    return ["--not", *(f"--exclude={remote}{name}/*" for name in below), f"--remotes={remote}"]


def _oid(line: bytes) -> bytes:
    return line.partition(b" ")[0]
