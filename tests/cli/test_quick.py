"""What reads an ordinary command line without click reads it as click does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import click
import pytest
from support import HOLDER, Repo

from agentlock.cli import quick
from agentlock.cli.commands import COMMANDS, find
from agentlock.cli.declared import Command, Group
from agentlock.cli.tree import made
from agentlock.environment import MODEL, PROGRAM
from agentlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = (
    *("a.py", "src/**", "", "-", "--", "-1", "1", "0", "007", "+3", " 5", "1_0", "9" * 25, "70000"),
    *("1h", "10m", "ä", "high", "urgent", "BlueLake", "--nonsense", "-h", "--help", "--json=1"),
    *("--wait", "--queue", "--wait=2h", "--agent=", "--agent=X", "--id=3", "x=y", "--json"),
)


def walk(name: str, command: Command | None) -> Iterator[tuple[str, Command]]:
    assert command is not None, name
    yield name, command
    if isinstance(command, Group):
        for word, below in command.commands.items():
            yield from walk(f"{name} {word}", below)


TREE = dict(pair for name in COMMANDS for pair in walk(name, find(name)))
EVERYDAY = [
    *("reserve a b --ttl 2h --reason why", "renew --all", "release --id 3 --id 4 --json"),
    *("check", "check a --agent A", "check --staged", "status --json", "inbox --unread --limit 3"),
    *("inbox --wait 5m", "queue list --mine", "whoami", "reserve a --wait", "read 3 4", "list"),
    *("send A --subject s --body b --importance high", "ask A question", "show 3", "log"),
]


def read(name: str, words: list[str]) -> dict[str, Any] | str | None:
    """The parameters; a refusal by its sentence; None if it is left to click."""
    try:
        found = quick.read(find, [*name.split(), *words])
    except UsageError as error:
        return error.message
    if found is None:
        return None
    command, parameters = found
    assert command is TREE[name]
    return parameters


def read_by_click(name: str, words: list[str]) -> dict[str, Any] | str | None:
    """The same by click; None if it refuses the line, or explains it."""
    try:
        context = made(TREE[name]).make_context(name, list(words))
    except UsageError as error:
        return error.message
    except (click.ClickException, click.exceptions.Exit):
        return None
    return context.params


@pytest.mark.parametrize("variables", [{}, {PROGRAM: "claude", MODEL: ""}])
@pytest.mark.parametrize("name", TREE)
def test_every_line_that_is_read_without_click_is_read_as_by_click(
    name: str,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for variable in (PROGRAM, MODEL):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    command = TREE[name]
    if isinstance(command, Group):
        assert read(name, []) is None
        return
    options = [word for one in command.parameters for word in one.options]
    words = (*options, *options, *WORDS)
    chance = random.Random(name)  # noqa: S311 -- the same lines every time
    for length in range(40):
        line = [chance.choice(words) for _ in range(length % 5)]
        found = read(name, line)
        if found is not None:
            assert found == read_by_click(name, line), line
    capsys.readouterr()  # what click prints for --help


@pytest.mark.parametrize("line", EVERYDAY)
def test_what_agents_call_all_day_is_read_without_click(line: str) -> None:
    found = quick.read(find, line.split())
    assert found is not None
    name = next(name for name in reversed(TREE) if f"{line} ".startswith(f"{name} "))
    assert found[1] == read_by_click(name, line.split()[len(name.split()) :])


@pytest.mark.parametrize(
    "line",
    [
        *("", "--help", "--version", "nonsense", "queue", "queue nonsense", "policy"),
        *("reserve --help", "reserve -h a", "reserve --tll 1h a", "reserve --ttl", "read"),
        *("release --id x", "inbox --limit 0", "send A --importance loud", "status more"),
        *("status --json=yes", "hook pre-commit", "mcp", "init --no-hooks", "show"),
    ],
)
def test_whatever_is_wrong_or_asks_for_help_is_left_to_click(line: str) -> None:
    assert quick.read(find, line.split()) is None


def test_a_shell_that_completes_is_answered_by_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_AGENTLOCK_COMPLETE", "bash_complete")
    assert quick.read(find, ["status"]) is None


def test_the_parameters_of_a_command_are_those_of_its_function() -> None:
    for name, command in TREE.items():
        names = [one.name for one in command.parameters]
        assert len(names) == len(set(names)), name
        assert [one.name for one in made(command).params] == names, name


def test_an_option_given_twice_counts_once_and_the_last_one(repo: Repo) -> None:
    repo.reserve(HOLDER, "a.py")
    told = repo.agentlock("check", "a.py", "--agent", "X", "--agent", HOLDER)
    assert told.out.startswith("mine")
