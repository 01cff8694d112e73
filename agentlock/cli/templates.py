"""`agentlock template set|list|show|remove`: what agents of one kind are started with."""

from __future__ import annotations

from agentlock.agents import templates
from agentlock.cli import declared
from agentlock.cli.output import print_json, put, table
from agentlock.cli.workspace import Workspace, json_option, timeout_option
from agentlock.duration import format_duration, parse_duration
from agentlock.errors import UsageError
from agentlock.shapes import template_json
from agentlock.text import foreign, shell_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlock.store.templates import Template

_NAME = declared.argument("name", metavar="NAME")


@declared.group()
def template() -> None:
    """Templates: what agents of one kind are started with.

    \b
    Example:
      agentlock template set tester --reserve 'tests/**' -- claude -p
    """


@template.command("set")
@_NAME
@declared.option(
    "--role", default="", metavar="TEXT", help="What such an agent does, in a few words."
)
@declared.option(
    "--bootstrap",
    multiple=True,
    metavar="FILE",
    help="A file that it is told to read at its start (repeatable).",
)
@declared.option(
    "--reserve",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Reserved as long as its program runs, from the root (repeatable).",
)
@declared.option("--ttl", metavar="DURATION", help="How long each lease is, renewed (default 2m).")
@json_option
@timeout_option
@declared.argument("command", nargs=-1, metavar="-- COMMAND...")
def set_template(
    name: str,
    role: str,
    bootstrap: Sequence[str],
    patterns: Sequence[str],
    ttl: str | None,
    as_json: bool,
    timeout: str | None,
    command: Sequence[str],
) -> None:
    """Set a template, in the place of an older one of this name.

    \b
    Example:
      agentlock template set tester --role 'mends tests' --reserve 'tests/**' -- claude -p
    """
    if not command:
        raise UsageError(
            "the program is not named", fix=f"agentlock template set {shell_word(name)} -- claude"
        )
    lease = None if ttl is None else parse_duration(ttl)
    with Workspace(timeout=timeout).store() as store:
        made = templates.set_template(
            *(store, name, command),
            role=role,
            bootstrap=bootstrap,
            patterns=patterns,
            ttl=lease,
        )
    if as_json:
        print_json(template_json(made))
    else:
        put(f"set the template {made.name}: {_command(made)}")


@template.command("list")
@json_option
@timeout_option
def list_templates(as_json: bool, timeout: str | None) -> None:
    """List the templates.

    \b
    Example:
      agentlock template list
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        found = store.templates.all()
    if as_json:
        print_json([template_json(one) for one in found])
        return
    rows = [
        (one.name, foreign(one.role), _command(one), " ".join(map(foreign, one.patterns)))
        for one in found
    ]
    table(("name", "role", "command", "reserves"), rows)


@template.command()
@_NAME
@json_option
@timeout_option
def show(name: str, as_json: bool, timeout: str | None) -> None:
    """Show a template.

    \b
    Example:
      agentlock template show tester
    """
    with Workspace(timeout=timeout).store(read_only=True) as store:
        one = templates.template(store, name)
    if as_json:
        print_json(template_json(one))
        return
    put(f"template {one.name}")
    put(f"  role       {foreign(one.role) or '-'}")
    put(f"  command    {_command(one)}")
    put(f"  reserves   {' '.join(map(foreign, one.patterns)) or '-'}")
    put(f"  ttl        {'-' if one.ttl is None else format_duration(one.ttl)}")
    put(f"  bootstrap  {' '.join(map(foreign, one.bootstrap)) or '-'}")


@template.command()
@_NAME
@timeout_option
def remove(name: str, timeout: str | None) -> None:
    """Remove a template that no team needs.

    \b
    Example:
      agentlock template remove tester
    """
    with Workspace(timeout=timeout).store() as store:
        templates.remove_template(store, name)
    put(f"removed the template {name}")


def _command(one: Template) -> str:
    return foreign(" ".join(map(shell_word, one.command)))
