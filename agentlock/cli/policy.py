"""`agentlock policy show` and `agentlock policy set`."""

from __future__ import annotations

from textwrap import fill

from agentlock.cli import declared
from agentlock.cli.output import print_json, put_cells
from agentlock.cli.owner import Owner, owner_options, reason_for
from agentlock.cli.workspace import Workspace, agent_option, completed, json_option, timeout_option
from agentlock.errors import UsageError
from agentlock.model import SETTINGS
from agentlock.rules.policy import as_json as policy_json
from agentlock.rules.policy import change, parsed, shown, values_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.model import Policy


@declared.group()
def policy() -> None:
    """The project's rules, for all its worktrees and clones.

    \b
    Example:
      agentlock policy show
      agentlock policy set require_reservation on --reason 'too many agents in src'
    """


@policy.command()
@json_option
@timeout_option
def show(as_json: bool, timeout: str | None) -> None:
    """Show every setting.

    \b
    Example:
      agentlock policy show --json
    """
    workspace = Workspace(timeout=timeout)
    with workspace.store(read_only=True) as store:
        current = store.policy.read()
    _print(current, as_json=as_json)


def _settings() -> str:
    """A paragraph for each setting, in two columns, at most 76 characters wide."""
    return "\n".join(
        fill(
            f"{values_of(setting)}: {setting.meaning}",
            width=76,
            initial_indent=f"{name:21}",
            subsequent_indent=" " * 21,
        )
        for name, setting in SETTINGS.items()
    )


_SET_HELP = f"""Change one setting (NAME VALUE), or several (NAME=VALUE ...).

\b
{_settings()}

\b
Example:
  agentlock policy set max_ttl 8h --reason 'short shifts'
  agentlock policy set exempt 'docs/**' '*.md' --reason 'anybody may write docs'
"""


@policy.command("set", help=_SET_HELP)
@declared.argument(
    "settings",
    nargs=-1,
    required=True,
    metavar="NAME VALUE...",
    shell_complete=completed("settings"),
)
@declared.option(
    "--reason", default="", metavar="TEXT", help="Why (required): every agent sees it."
)
@owner_options
@agent_option
@json_option
@timeout_option
def set_policy(
    settings: Sequence[str],
    reason: str,
    owner: Owner,
    agent: str | None,
    as_json: bool,
    timeout: str | None,
) -> None:
    workspace = Workspace(agent, timeout)
    changes = {name: parsed(name, values) for name, values in _pairs(settings)}
    reason = reason_for("policy set", reason)
    owner.require(workspace.repository, "policy set", timeout=workspace.timeout)
    with workspace.store() as store:
        who = workspace.identity.name or ""
        changed = change(store, changes, agent=who, reason=reason)
    _print(changed, as_json=as_json)


def _pairs(settings: Sequence[str]) -> list[tuple[str, list[str]]]:
    first, *values = settings
    if "=" not in first:
        return [(first, values)]
    pairs = []
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise UsageError(f"{setting!r} is not NAME=VALUE", see="agentlock policy set --help")
        listed = name in SETTINGS and SETTINGS[name].kind == "patterns"
        pairs.append((name, value.split() if listed else [value]))
    return pairs


def _print(current: Policy, *, as_json: bool) -> None:
    if as_json:
        print_json(policy_json(current))
        return
    for name in SETTINGS:
        put_cells((name, shown(current, name)))
