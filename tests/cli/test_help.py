"""Every command explains itself with an example that runs, under both of its names."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from support import AGENTLOCK, Repo, run

from agentlock.cli.tree import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent


def walk(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*path, name))


TREE = dict(walk(cli, ()))


def example_lines(command: click.Command) -> list[str]:
    """The command lines below "Example:" in a command's help."""
    block = (command.help or "").rpartition("Example:\n")[2]
    return [line.strip() for line in block.splitlines() if line.strip()]


def calls_of_agentlock(text: str) -> list[list[str]]:
    """The arguments of each call of agentlock in a line of shell."""
    text = text.replace('"$(', "( ").replace(')"', " )")
    words = list(shlex.shlex(text, posix=True, punctuation_chars="|;&()"))
    calls: list[list[str]] = []
    inside = False
    for word in words:
        if word == "agentlock":
            calls.append([])
            inside = True
        elif word in ("|", ";", "&&", "||", "(", ")"):
            inside = False
        elif inside:
            calls[-1].append(word)
    return calls


def test_the_tree_has_every_command_of_the_contract() -> None:
    names = {" ".join(path) for path in TREE}
    assert names >= {
        *("init", "reserve", "renew", "release", "list", "show", "check", "status", "whoami"),
        *("agent list", "policy show", "policy set", "log", "guide", "demo", "hook"),
        *("hooks install", "hooks uninstall", "hooks status", "db path", "db migrate"),
    }


@pytest.mark.parametrize("path", TREE, ids=lambda path: " ".join(path) or "agentlock")
def test_every_command_has_help_with_an_example_and_a_word_on_each_option(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    told = run(*AGENTLOCK, *path, "--help", cwd=tmp_path)
    assert told.code == 0
    assert told.err == ""
    assert told.out.startswith(f"Usage: {' '.join(('agentlock', *path))} ")
    command = TREE[path]
    lines = example_lines(command)
    assert lines
    for line in lines:
        assert line in told.out, "the example is not shown as it was written"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.name}"


@pytest.mark.parametrize("path", [path for path in TREE if isinstance(TREE[path], click.Group)])
def test_the_summary_of_each_command_fits_a_terminal_of_80_columns(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    told = run(*AGENTLOCK, *path, "--help", cwd=tmp_path, env={"COLUMNS": "80"})
    summaries = told.out.partition("\nCommands:\n")[2].splitlines()
    assert summaries
    assert [line for line in summaries if line.endswith("...") or len(line) > 80] == []


@pytest.mark.parametrize("path", TREE, ids=lambda path: " ".join(path) or "agentlock")
def test_every_example_is_a_command_line_that_parses(path: tuple[str, ...]) -> None:
    lines = [line.partition("   (")[0] for line in example_lines(TREE[path])]
    calls = [call for line in lines for call in calls_of_agentlock(line)]
    assert calls
    for call in calls:
        words = list(call)
        command: click.Command = cli
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, call
            command = found
        command.make_context("example", words)


def test_options_that_mean_the_same_are_called_the_same() -> None:
    said: dict[str, set[str]] = {}
    for command in TREE.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name in ("as_json", "timeout"):
                said.setdefault(parameter.opts[0], set()).add(str(parameter.help))
    assert said.keys() == {"--json", "--timeout"}
    assert all(len(texts) == 1 for texts in said.values())


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_need_no_repository(tmp_path: Path, option: str) -> None:
    told = run(*AGENTLOCK, option, cwd=tmp_path)
    assert told.code == 0
    assert "agentlock" in told.out


@pytest.fixture
def both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (SCRIPTS / "git-agentlock").exists()
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("both_names")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("-h",),
        ("reserve", "--help"),
        ("list", "--json"),
        ("frobnicate",),
        ("show", "77", "--json"),
        ("check", "held.py"),
        ("whoami",),
    ],
)
def test_git_agentlock_is_the_same_program(repo: Repo, arguments: tuple[str, ...]) -> None:
    repo.reserve("BlueLake", "held.py", "--ttl", "150m")  # "for 2h" for half an hour
    ours = run("agentlock", *arguments, cwd=repo.path)
    gits = repo.git("agentlock", *arguments)
    others = repo.agentlock(*arguments)
    # Times pass between the three calls, and a name that is proposed is drawn anew.
    varying = r"last seen \d+[sm] ago|until [-: \d]+\(\w+\)|AGENTLOCK_AGENT=\S+"
    texts = {re.sub(varying, "", f"{one.out}{one.err}") for one in (ours, gits, others)}
    assert ours.code == gits.code == others.code
    assert len(texts) == 1


@pytest.mark.usefixtures("both_names")
def test_git_agentlock_works_in_a_subdirectory_and_with_git_c(repo: Repo, tmp_path: Path) -> None:
    repo.write("src/a.py")
    done = repo.git("agentlock", "reserve", "a.py", agent="BlueLake", cwd=repo.path / "src")
    assert done.code == 0
    listed = run("git", "-C", str(repo.path), "agentlock", "list", "--json", cwd=tmp_path)
    assert [held["pattern"] for held in listed.json] == ["/src/a.py"]


@pytest.mark.usefixtures("both_names")
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_script_of_each_shell_is_printed(tmp_path: Path, shell: str) -> None:
    documented = f"_AGENTLOCK_COMPLETE={shell}_source agentlock >"
    assert documented in (ROOT / "docs" / "how-to" / "completion.md").read_text(encoding="utf-8")
    environment = {"_AGENTLOCK_COMPLETE": f"{shell}_source"}
    script = run("agentlock", cwd=tmp_path, env=environment)
    assert script.code == 0
    assert "_agentlock_completion" in script.out
    assert f"{shell}_complete" in script.out
    if shutil.which(shell):
        (tmp_path / "script").write_text(script.out)
        assert run(shell, "-n", "script", cwd=tmp_path).code == 0


@pytest.mark.usefixtures("both_names")
@pytest.mark.parametrize(
    ("words", "at", "offered", "not_offered"),
    [
        ("agentlock re", 1, {"reserve", "release", "renew"}, {"list"}),
        ("agentlock reserve --s", 2, {"--shared"}, {"--ttl"}),
        ("agentlock policy ", 2, {"show", "set"}, {"reserve"}),
    ],
)
def test_the_program_completes_commands_and_options(
    repo: Repo, words: str, at: int, offered: set[str], not_offered: set[str]
) -> None:
    environment = {
        "_AGENTLOCK_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(at),
    }
    done = run("agentlock", cwd=repo.path, env=environment)
    found = {line.partition(",")[2] for line in done.out.splitlines()}
    assert offered <= found
    assert not not_offered & found


@pytest.mark.usefixtures("both_names")
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_git_agentlock_with_the_function_of_the_documentation(
    tmp_path: Path,
) -> None:
    document = (ROOT / "docs" / "how-to" / "completion.md").read_text(encoding="utf-8")
    function = document.partition("```bash\n")[2].partition("```")[0]
    script = f"""{function}
COMP_WORDS=(git agentlock rel); COMP_CWORD=2
_git_agentlock
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run("bash", "-c", script, cwd=tmp_path)
    assert done.out.split() == ["release"]
