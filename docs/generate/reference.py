"""Print the reference of all commands, made from their own help: docs/reference/commands.md.

python docs/generate/reference.py > docs/reference/commands.md
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from support.scripts import arguments

from agentlock import environment
from agentlock.cli.tree import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = """\
# Commands, exit codes, environment variables

Written by `make docs` from the commands' own help; a test fails if it is out of date. `agentlock`
and `git agentlock` are the same program.

| exit code | meaning |
|---:|---|
| 0 | yes |
| 1 | refused |
| 2 | wrong usage or input |
| 3 | agentlock could not decide, and therefore refused |
| 70 | a bug in agentlock; the message names a log file to attach to a report |
| 130 | interrupted |
"""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """(path, help) of a command and of all below it, in their own order."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                below = click.Context(child, info_name=name, parent=context, max_content_width=96)
                yield from commands(child, below)


def reference() -> str:
    """The whole page."""
    root = click.Context(cli, info_name="agentlock", max_content_width=96, terminal_width=96)
    parts = [HEADER]
    for path, text in commands(cli, root):
        parts.append(f"\n## `{path}`\n\n```text\n{text}\n```\n")
    parts.append("\n## Environment variables\n")
    for named in (environment.OURS, environment.OTHERS):
        rows = [f"| `{name}` | {line} |\n" for name, line in named.items()]
        parts += ["\n| variable | what it is for |\n|---|---|\n", *rows]
    return "".join(parts)


if __name__ == "__main__":
    arguments(__doc__).parse_args()
    sys.stdout.write(reference())
