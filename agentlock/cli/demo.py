"""`agentlock demo`: two agents in a scratch repository, one refused commit, explained."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import click

from agentlock.cli import declared
from agentlock.environment import AGENT, AGENT_NAME
from agentlock.errors import AgentlockError
from agentlock.text import single_quoted

_EDIT = "echo '# mine' >> src/auth/login.py; echo more >> docs/guide.md"
# explanation, agent, command
_STORY = (
    ("A scratch repository with one commit.", None, "git init -q -b main ."),
    ("", None, "git add . && git commit -q -m start"),
    ("Make the reservation table and install the hooks.", None, "agentlock init"),
    (
        "BlueLake reserves the login code for an hour.",
        "BlueLake",
        "agentlock reserve 'src/auth/**' --ttl 1h --reason bd-42",
    ),
    ("GreenHill edits there anyway, and a guide too.", "GreenHill", _EDIT),
    ("Git refuses the commit.", "GreenHill", "git commit -q -a -m both"),
    (
        "The rest can be committed; the message said how.",
        "GreenHill",
        "git commit -q --only -m both -- docs/guide.md",
    ),
    ("Asking before an edit is cheaper.", "GreenHill", "agentlock check src/auth/login.py"),
    ("BlueLake is done and releases.", "BlueLake", "agentlock release --all"),
    ("Now GreenHill's commit passes.", "GreenHill", "git commit -q -a -m login"),
    ("Everything is on record.", None, "agentlock log"),
)
_REFUSED_STEPS = (5, 7)


@declared.command()
def demo() -> None:
    """Show two agents and a refused commit in a scratch repository.

    \b
    Example:
      agentlock demo
    """
    with tempfile.TemporaryDirectory(prefix="agentlock-demo-") as folder:
        scratch = os.path.join(folder, "shop")
        os.makedirs(os.path.join(scratch, "src", "auth"))
        os.makedirs(os.path.join(scratch, "docs"))
        for name in ("src/auth/login.py", "docs/guide.md"):
            with open(os.path.join(scratch, name), "w", encoding="utf-8") as file:
                file.write("start\n")
        for number, (explanation, agent, command) in enumerate(_STORY):
            _step(explanation, agent, command, scratch, refused=number in _REFUSED_STEPS)
    click.echo("\nIn your own repository: agentlock init")


def _step(
    explanation: str, agent: str | None, command: str, scratch: str, *, refused: bool
) -> None:
    if explanation:
        click.secho(f"\n# {explanation}", bold=True)
    if not command:
        return
    click.secho(f"{agent + ' ' if agent else ''}$ {command}", fg="cyan")
    sys.stdout.flush()
    done = subprocess.run(  # noqa: S602 -- the demo's own fixed commands, shown as typed
        command, shell=True, cwd=scratch, env=_environment(agent, scratch), check=False
    )
    if (done.returncode != 0) != refused:
        raise AgentlockError(
            f"the demo's step {command!r} ended with {done.returncode}, which was not expected",
            fix="please report it, with your git version",
        )


def _environment(agent: str | None, scratch: str) -> dict[str, str]:
    """Nothing of the user's own set-up: no git configuration, no identity, no data folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "AGENTLOCK_", "PRE_COMMIT", "XDG_")) and name != AGENT_NAME
    }
    program = os.path.join(os.path.dirname(scratch), "bin", "agentlock")
    os.makedirs(os.path.dirname(program), exist_ok=True)
    with open(program, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {single_quoted(sys.executable)} -m agentlock "$@"\n')
    os.chmod(program, 0o700)
    people = agent or "Demo"
    kept |= {
        "PATH": os.path.dirname(program) + os.pathsep + os.environ.get("PATH", os.defpath),
        "HOME": os.path.dirname(scratch),
        "XDG_DATA_HOME": os.path.join(os.path.dirname(scratch), "data"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": people,
        "GIT_AUTHOR_EMAIL": f"{people}@example.invalid",
        "GIT_COMMITTER_NAME": people,
        "GIT_COMMITTER_EMAIL": f"{people}@example.invalid",
    }
    return kept | ({AGENT: agent} if agent else {})
