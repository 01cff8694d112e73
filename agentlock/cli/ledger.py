"""`agentlock ledger`: which commits were judged when they were made, and how they passed."""

from __future__ import annotations

import os

from agentlock.cli import declared
from agentlock.cli.output import print_json, put, table
from agentlock.cli.owner import reason_for
from agentlock.cli.workspace import Workspace, agent_option, json_option, timeout_option
from agentlock.errors import EXIT_OK, EXIT_REFUSED
from agentlock.git.commits import named_commits
from agentlock.guard.revoking import looked_up, revoke
from agentlock.moments import local_time, rfc3339
from agentlock.text import and_more, count, foreign, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agentlock.records import Entry


@declared.group()
def ledger() -> None:
    """The commits that were judged and let pass.

    \b
    Example:
      agentlock ledger show HEAD
    """


@ledger.command()
@declared.argument("commits", nargs=-1, required=True, metavar="COMMIT...")
@json_option
@timeout_option
def show(commits: Sequence[str], as_json: bool, timeout: str | None) -> int:
    """Show who made commits, and how they passed. Exit 1 if one was not judged.

    A commit that was judged stays allowed: no later merge or push judges it again.

    \b
    Example:
      agentlock ledger show HEAD
      agentlock ledger show main feature --json
    """
    workspace = Workspace(timeout=timeout)
    oids = named_commits(commits)
    with workspace.store(read_only=True) as store:
        found = looked_up(store, workspace.repository, oids)
    if as_json:
        print_json([_json(oid, found.get(oid)) for oid in oids])
    else:
        table(
            ("commit", "agent", "how", "judged", "reason"),
            [_row(oid, found.get(oid)) for oid in oids],
        )
    judged = all((entry := found.get(oid)) is not None and entry.counts for oid in oids)
    return EXIT_OK if judged else EXIT_REFUSED


@ledger.command("revoke")
@declared.argument("commits", nargs=-1, required=True, metavar="COMMIT...")
@declared.option(
    "--reason", default="", metavar="TEXT", help="Why (required): every agent sees it."
)
@agent_option
@timeout_option
def take_back(commits: Sequence[str], reason: str, agent: str | None, timeout: str | None) -> None:
    """Take back that commits were allowed; the next push judges them.

    It also holds for what was made of them by rebase or cherry-pick.

    \b
    Example:
      agentlock ledger revoke 1403f33 --reason 'skipped by mistake'
    """
    workspace = Workspace(agent, timeout)
    oids = named_commits(commits)
    reason = reason_for("ledger revoke", reason)
    with workspace.store() as store:
        number = revoke(store, workspace.repository, oids, workspace.identity.name or "", reason)
    put(f"revoked: {count(number, 'commit')}")


def _row(oid: str, entry: Entry | None) -> tuple[str, ...]:
    if entry is None:
        return (oid[:12], "-", "no record", "", "")
    how = entry.how or "made by"
    if entry.counts and entry.void_paths:
        void = sorted(entry.void)
        how += f", but not {printable(void[0])}{and_more(len(void) - 1)}"
    judged = local_time(entry.created_ts) if entry.created_ts else ""
    return (oid[:12], entry.agent or "-", how, judged, foreign(entry.reason))


def _json(oid: str, entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        entry_fields: dict[str, Any] = dict.fromkeys(("agent", "how", "origin", "base", "fence"))
        return {"oid": oid, **entry_fields, "judged_ts": None, "reason": "", "void_paths": []}
    return {
        "oid": oid,
        "agent": entry.agent or None,
        "how": entry.how,
        "origin": entry.origin,
        "base": entry.base or None,
        "fence": entry.fence,
        "judged_ts": rfc3339(entry.created_ts),
        "reason": entry.reason,
        "void_paths": [os.fsdecode(path) for path in sorted(entry.void)],
    }
