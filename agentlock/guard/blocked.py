"""Which commits a push is refused for, and what to do: loaded only if a push is refused."""

from __future__ import annotations

from agentlock.duration import format_remaining
from agentlock.git.commits import described, listed, oid_of
from agentlock.git.process import git
from agentlock.guard.report import pattern_of
from agentlock.model import Blocked, Value
from agentlock.records import REVOKED
from agentlock.text import and_more, path_name, printable, quoted, shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from agentlock.git.hook_input import RefUpdate
    from agentlock.guard.take_in import Reader
    from agentlock.model import Verdict
    from agentlock.records import Entry

_SHOWN = 5
_MOST_BRANCHES = 50  # that are looked through for the one that has a commit
_BRANCHES = "refs/heads/"
_SHORT = 12  # letters of an oid

# Why a commit does not pass
_UNKNOWN, _OLD, _REVOKED, _HELD_NOW, _LOST = "unknown", "old", "revoked", "held now", "lost"
_MEANWHILE = "meanwhile"
_WHY = {
    _UNKNOWN: "",
    _OLD: "recorded by an earlier version, ",
    _REVOKED: "its entry was revoked, ",
    _MEANWHILE: "reserved by another agent before the commit was made, ",
    _HELD_NOW: "allowed when it was made (landing is now), ",
    _LOST: "this push would drop it, ",
}
_KEEP_BELOW = "rebase onto what the branch has there, and push without --force"
_KEEP_ELSEWHERE = "push it to another branch before this one is deleted"


class Refused(Value):
    """What a push is refused for.

    ``paths`` are those of each commit that it brings, ``lost`` those of each that it would drop.
    ``bound`` are the commits that land only while nobody but their maker holds their paths.
    """

    paths: Mapping[str, Collection[bytes]]
    lost: Mapping[str, Collection[bytes]]
    bound: Collection[str]


def blocked(
    refused: Refused,
    verdict: Verdict,
    now: int,
    reader: Reader,
    updates: Sequence[RefUpdate],
    *,
    on_server: bool,
) -> Blocked:
    """The first of the commits in text, and one next step for each kind of them."""
    kinds = {oid: _kind(reader.record(oid), bound=oid in refused.bound) for oid in refused.paths}
    kinds |= dict.fromkeys(refused.lost, _LOST)
    shown = list(kinds)[: _SHOWN - 1] if refused.lost else list(kinds)[:_SHOWN]
    shown = list(dict.fromkeys([*shown, *list(refused.lost)[:1]]))
    branches = _branches(shown, refused.lost, updates)
    rows = []
    for one in described([oid.encode() for oid in shown]):
        entry = reader.record(one.oid)
        agent = "no record" if entry is None else entry.agent or "no name"
        paths = sorted(refused.lost.get(one.oid) or refused.paths[one.oid])
        why = f"{_WHY[kinds[one.oid]]}changes {path_name(paths[0])}{and_more(len(paths) - 1)}"
        branch = printable(branches.get(one.oid, "").removeprefix(_BRANCHES))
        rows.append((one.oid[:_SHORT], agent, quoted(one.subject), branch, why))
    steps = []
    if verdict.conflicts:
        steps = _steps(set(kinds.values()), verdict, now)
        if refused.lost:
            gone = [
                one.remote_ref.decode("utf-8", "surrogateescape") for one in updates if one.deletes
            ]
            deleted = branches.get(shown[-1]) in gone
            steps.append(("keep it:", _KEEP_ELSEWHERE if deleted else _KEEP_BELOW))
        unknown = [oid for oid in shown if kinds[oid] == _UNKNOWN]
        if unknown and not on_server and (command := _dropping(unknown[0], updates)):
            steps.append(("or drop it:", command))
    return Blocked(tuple(rows), len(kinds) - len(rows), tuple(steps))


def _kind(entry: Entry | None, *, bound: bool) -> str:
    if entry is None:
        return _UNKNOWN
    if entry.counts:
        return _HELD_NOW if bound else _MEANWHILE
    return _REVOKED if entry.how == REVOKED else _OLD


def _steps(kinds: Collection[str], verdict: Verdict, now: int) -> list[tuple[str, str]]:
    """What to do about each kind of what a push brings: ask, or wait."""
    held = verdict.conflicts[0].reservation
    others = {one.reservation.agent for one in verdict.conflicts} - {held.agent}
    pattern = printable(pattern_of(held))
    steps = []
    if not {_UNKNOWN, _OLD, _REVOKED, _MEANWHILE}.isdisjoint(kinds):
        what = "what they hold of this" if others else pattern
        whom = f"{held.agent}{and_more(len(others))}"
        steps.append(("ask:", f"{whom} to release {what}, then push again"))
    if _HELD_NOW in kinds:
        last = max(one.reservation.expires_ts for one in verdict.conflicts)
        until = f"it runs out in {format_remaining(last - now)}"
        steps.append(("wait:", f"until {held.agent} has released {pattern} ({until}), then push"))
    return steps


def _branches(
    oids: Iterable[str], lost: Collection[str], updates: Sequence[RefUpdate]
) -> dict[str, str]:
    """The ref of the push that brings each commit, or that would lose it."""
    found: dict[str, str] = {}
    left = set(oids)
    for update in updates[:_MOST_BRANCHES]:
        name = update.remote_ref.decode("utf-8", "surrogateescape")
        for tip, asked in (
            (update.local_oid, left.difference(lost)),
            (update.remote_oid, left.intersection(lost)),
        ):
            if asked and tip.strip(b"0"):
                beyond = listed([*(oid.encode() for oid in asked), b"^" + tip])
                had = asked - {oid_of(line) for line in beyond}
                found |= dict.fromkeys(had, name)
                left -= had
    return found


def _dropping(oid: str, updates: Sequence[RefUpdate]) -> str:
    """The command that takes one commit out of the branch that is checked out; "" if none is sure.

    It names the branch, so that git refuses it in another worktree. Merges are not replayed.
    """
    here = git("rev-parse", "HEAD", "--symbolic-full-name", "HEAD").stdout.split()
    tip, head = here if len(here) == 2 else (b"", b"")
    if not head.startswith(_BRANCHES.encode()) or not any(
        one.local_ref in (b"HEAD", head) and one.local_oid == tip for one in updates
    ):
        return ""
    own = oid.encode()
    if any(line.count(b" ") != 1 for line in listed([tip, own, b"^%b^@" % own])):
        return ""
    short = oid[:_SHORT]
    return f"git rebase --onto {short}~ {short} {shell_word(head[len(_BRANCHES) :])}"
