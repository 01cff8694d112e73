"""What people see: plain lines in a pipe, a table in a terminal, never a raw control character."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo

from agentlock.cli.guide import GUIDE
from agentlock.store.migrations import schema_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVIL = "\x1b[31mred\x1b]0;title\x07\r\n\x9b2J\u202egnp.exe\u2028end"
EVIL_PATH = "src/\x1b[2Jgone\x07\r\n\u202e.py"
BEGIN, END = "<!-- agentlock:begin -->", "<!-- agentlock:end -->"


def in_a_terminal(
    repo: Repo,
    *arguments: str,
    agent: str | None = None,
    width: int = 120,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run agentlock on a real terminal; its exit code and all that it wrote there."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(width), **(env or {})}
    if agent is not None:
        environment["AGENTLOCK_AGENT"] = agent
    process = subprocess.Popen(
        (*AGENTLOCK, *arguments),
        cwd=repo.path,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    chunks = []
    with contextlib.suppress(OSError):  # Linux says EIO where the other end is closed
        while select.select([controller], [], [], 20)[0]:
            chunk = os.read(controller, 65536)
            if not chunk:
                break
            chunks.append(chunk)
    os.close(controller)
    return process.wait(20), b"".join(chunks).decode("utf-8", "backslashreplace")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("output")


@pytest.fixture
def table(place: Path, home: Path) -> Repo:
    """BlueLake holds src/** (1) and, shared, README.md (2); 3 is released. Nobody changes that."""
    assert home.exists()
    repo = Repo(place / "repo")
    if not repo.path.exists():
        repo.path.mkdir()
        repo.must("init", "-q")
        repo.write("README.md")
        repo.write("src/a.py")
        repo.commit_unguarded("start")
        assert repo.agentlock("init").code == 0
        repo.reserve(HOLDER, "src/**", "--reason", "bd-42", "--ttl", "45m")
        repo.reserve(HOLDER, "README.md", "--shared", "--program", "shell", "--model", "m1")
        repo.reserve(OTHER, "old.py")
        assert repo.agentlock("release", "--all", agent=OTHER).code == 0
    return repo


# Plain lines


def test_list_prints_a_line_for_each_with_tabs_between_the_cells(table: Repo) -> None:
    listed = table.agentlock("list")
    assert listed.err == ""
    first, second = listed.out.splitlines()
    assert re.fullmatch(r"1\tBlueLake\texclusive\tsrc/\*\*\tfor 4\dm more\tbd-42", first)
    assert re.fullmatch(r"2\tBlueLake\tshared\tREADME\.md\tfor \d+[hm] more\t", second)
    assert "released" in table.agentlock("list", "--all").out.splitlines()[2]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--agent", HOLDER), "12"),
        (("--agent", OTHER), ""),
        (("--agent", OTHER, "--all"), "3"),
        (("--mine",), ""),
        (("--mine", "--all"), "3"),
        (("--all",), "123"),
        (("--path", "src/a.py"), "1"),
        (("--path", "src/not/there/yet.py"), "1"),
        (("--path", "src"), "1"),
        (("--path", "."), "12"),
        (("--path", "README.md"), "2"),
        (("--path", "docs/x"), ""),
        (("--path", "old.py", "--all"), "3"),
    ],
)
def test_list_shows_those_that_are_asked_for(
    table: Repo, options: tuple[str, ...], numbers: str
) -> None:
    listed = table.agentlock("list", *options, agent=OTHER)
    assert listed.code == 0
    assert "".join(line.partition("\t")[0] for line in listed.out.splitlines()) == numbers


def test_show_tells_all_about_one(table: Repo) -> None:
    shown = table.agentlock("show", "1").out
    for word in ("reservation 1", "/src/**", HOLDER, "exclusive", "bd-42", "granted", "fence"):
        assert word in shown
    assert "released" in table.agentlock("show", "3").out


def test_the_log_tells_what_happened_in_order(table: Repo) -> None:
    lines = table.agentlock("log").out.splitlines()
    kinds = [line.split("  ")[1] for line in lines]
    assert kinds == ["initialised", "granted", "granted", "granted", "released"]
    assert len(table.agentlock("log", "--agent", OTHER).out.splitlines()) == 2
    assert len(table.agentlock("log", "--path", "src/a.py").out.splitlines()) == 1
    assert len(table.agentlock("log", "--path", "src").out.splitlines()) == 1
    assert table.agentlock("log", "--since", "2001-01-01").out.splitlines() == lines
    assert table.agentlock("log", "--since", "1d").out.splitlines() == lines
    assert table.agentlock("log", "--since", "2099-01-01T00:00:00Z").out == ""


def test_following_the_log_prints_what_happens_next(repo: Repo) -> None:
    repo.reserve(HOLDER, "first.py")
    with subprocess.Popen(
        (*AGENTLOCK, "log", "--follow"), cwd=repo.path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        repo.reserve(OTHER, "second.py")
        lines.append(process.stdout.readline())
        process.terminate()
    assert ["initialised" in lines[0], "first.py" in lines[1], "second.py" in lines[2]] == [
        True
    ] * 3


def test_status_says_who_where_what_and_what_would_block(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/")
    repo.reserve(OTHER, "docs/")
    repo.write("src/new.py")
    repo.write("docs/y.md")
    told = repo.agentlock("status", agent=OTHER).out
    assert "agent     GreenHill (AGENTLOCK_AGENT)" in told
    assert "guard     in place" in told
    assert "holds     1 reservation\n" in told
    assert "docs/" in told
    assert "blocked   1 of 2 uncommitted paths" in told
    assert f"src/new.py  {HOLDER}  src/  (id 1)" in told
    assert str(repo.database) in told
    assert "no agent name is set" in repo.agentlock("status").out
    (repo.path / ".git" / "hooks" / "pre-commit").unlink()
    assert "guard     NOT in place: pre-commit is missing" in repo.agentlock("status").out


def test_whoami_says_where_the_name_comes_from_first_that_is_set(table: Repo) -> None:
    env = {"AGENT_NAME": "Three"}
    assert (
        table.agentlock("whoami", "--agent", "One", agent="Two", env=env).out == "One (--agent)\n"
    )
    assert table.agentlock("whoami", agent="Two", env=env).out == "Two (AGENTLOCK_AGENT)\n"
    assert table.agentlock("whoami", env=env).out == "Three (AGENT_NAME)\n"
    git_config = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "agentlock.agent",
        "GIT_CONFIG_VALUE_0": "Four",
    }
    for ignored in ({}, {"AGENT_NAME": "CI agent 7"}, {"AGENT_NAME": ""}, {"AGENTLOCK_AGENT": ""}):
        told = table.agentlock("whoami", env={**git_config, **ignored})
        assert told.out == "Four (git config agentlock.agent)\n"


def test_the_configuration_of_a_worktree_names_its_agent_before_the_repositorys(
    repo: Repo, tmp_path: Path
) -> None:
    repo.must("config", "extensions.worktreeConfig", "true")
    repo.must("config", "agentlock.agent", "Everywhere")
    repo.must("worktree", "add", "-q", str(tmp_path / "side"))
    side = Repo(tmp_path / "side")
    side.must("config", "--worktree", "agentlock.agent", "Side")
    assert side.agentlock("whoami").out == "Side (git config agentlock.agent)\n"
    assert repo.agentlock("whoami").out == "Everywhere (git config agentlock.agent)\n"
    side.reserve("Side", "a.py")
    side.write("a.py")
    assert side.commit_all().code == 0


def test_agent_list_says_what_each_holds(table: Repo) -> None:
    blue, green = table.agentlock("agent", "list").out.splitlines()
    assert blue.split("\t")[:2] == [HOLDER, "2"]
    assert blue.split("\t")[3:] == ["shell", "m1"]
    assert green.split("\t")[:2] == [OTHER, "0"]


def test_db_path_and_migrate(table: Repo) -> None:
    assert table.agentlock("db", "path").out == f"{table.database}\n"
    assert table.agentlock("db", "migrate").out == f"schema {schema_version()}, nothing to do\n"


def test_what_is_data_is_on_stdout_and_what_is_said_on_stderr(table: Repo) -> None:
    noted = table.agentlock("reserve", "new-one", agent=OTHER)
    assert noted.out.startswith("reserved new-one exclusive (id ")
    assert "note: 'new-one' does not exist and is read as a file" in noted.err
    refused = table.agentlock("reserve", "src/a.py", agent=OTHER)
    assert refused.out == ""
    assert refused.err.startswith("agentlock: reserve refused: 1 conflict")
    assert table.agentlock("release", "--all", agent=OTHER).out.startswith("released new-one")


def test_a_reader_that_goes_away_is_no_fault(table: Repo) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        (*AGENTLOCK, "list", "--json"),
        cwd=table.path,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""


# A terminal


@pytest.mark.parametrize(
    ("command", "header"),
    [
        (("list",), ["id", "agent", "mode", "pattern", "lease", "reason"]),
        (("agent", "list"), ["agent", "holds", "last active", "program", "model"]),
        (("hooks", "status"), ["hook", "state", "path", "detail"]),
    ],
)
def test_a_terminal_gets_a_table_with_a_header(
    table: Repo, command: tuple[str, ...], header: list[str]
) -> None:
    code, shown = in_a_terminal(table, *command, width=300)
    assert code == 0
    assert "\x1b[1m" in shown
    lines = without_colours(shown).splitlines()
    assert re.split(r"\s{2,}|(?<=id) ", lines[0].strip()) == header
    assert "\t" not in shown
    assert len(lines) == 1 + len(table.agentlock(*command).out.splitlines())


def test_a_narrow_terminal_loses_no_word(table: Repo) -> None:
    code, shown = in_a_terminal(table, "list", width=30)
    assert code == 0
    letters = re.sub(r"\s", "", without_colours(shown))
    for word in ("B", "l", "u", "1", "2"):
        assert word in letters
    assert "…" not in shown


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(table: Repo, variables: dict[str, str]) -> None:
    code, shown = in_a_terminal(table, "list", env=variables)
    assert code == 0
    assert "\x1b[3" not in shown
    assert "BlueLake" in shown


def test_markup_in_a_name_or_reason_is_shown_as_it_is(repo: Repo) -> None:
    repo.reserve(HOLDER, "--literal", "src/[bold]x[/bold]", "--reason", "[red]:smile:[/red]")
    _, shown = in_a_terminal(repo, "list", width=200)
    assert "[red]:smile:[/red]" in shown
    assert "[bold]" in shown.replace("\\", "")


def test_a_terminal_that_cannot_show_a_letter_gets_its_escape(repo: Repo) -> None:
    repo.reserve(HOLDER, "--literal", "gr\u00fc\u00df\u65e5.py", "--reason", "sch\u00f6n")
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    for command in (("list",), ("show", "1"), ("status",), ("log",)):
        code, shown = in_a_terminal(repo, *command, agent=HOLDER, width=200, env=ascii_only)
        assert code == 0, shown
        assert r"gr\xfc\xdf\u65e5.py" in shown, command


def test_init_in_a_terminal_offers_the_guide_and_elsewhere_never_asks(repo: Repo) -> None:
    assert "agentlock guide --write AGENTS.md" in repo.agentlock("init").err
    assert not (repo.path / "AGENTS.md").exists()


# Nothing raw


def clean(text: str, *, terminal: bool) -> str:
    """What is left once the colours and line ends that are ours are taken out."""
    return without_colours(text) if terminal else text


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_no_control_character_of_a_reason_or_path_reaches_the_terminal(
    repo: Repo, terminal: bool
) -> None:
    repo.reserve(HOLDER, "--literal", EVIL_PATH, "src/", "--reason", EVIL, "--model", EVIL)
    repo.reserve(OTHER, "own.py", "--program", EVIL)
    forced = ("release", "own.py", "--force", "--reason", EVIL)
    assert repo.agentlock(*forced, agent=HOLDER).code == 0
    assert repo.agentlock("policy", "set", "max_ttl", "9h", "--reason", EVIL).code == 0
    path = os.path.join(os.fsencode(repo.path), EVIL_PATH.encode())
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(b"text\n")
    repo.must("add", "-A")
    commands = [
        ("list",),
        ("show", "1"),
        ("log",),
        ("status",),
        ("agent", "list"),
        ("check",),
        ("check", EVIL_PATH),
        ("reserve", "--literal", EVIL_PATH),
        ("release", EVIL_PATH),
        ("list", "--agent", EVIL),
        ("log", "--since", EVIL),
        (EVIL,),
        ("reserve", "--" + EVIL),
        ("guide", "--write", f"no/such/folder/{EVIL}"),
        ("policy", "set", "exempt", EVIL_PATH.replace("\n", ""), "--reason", EVIL),
        ("policy", "show"),
    ]
    for command in commands:
        if terminal:
            code, shown = in_a_terminal(repo, *command, agent=OTHER, width=400)
        else:
            done = repo.agentlock(*command, agent=OTHER)
            code, shown = done.code, done.out + done.err
        assert code in (0, 1, 2), (command, shown)
        left = clean(shown, terminal=terminal).replace("\n", "").replace("\t", "")
        assert left.isprintable(), (command, left)
    refused = repo.git("commit", "-qm", "x", agent=OTHER)
    assert refused.code == 1
    assert refused.err.replace("\n", "").isprintable()


# The guide


def test_the_guide_teaches_the_four_commands(table: Repo) -> None:
    told = table.agentlock("guide")
    assert told.out == GUIDE
    for word in ("agentlock reserve", "agentlock check", "agentlock renew", "agentlock release"):
        assert word in told.out


def write_guide(repo: Repo, file: Path, before: bytes | None) -> bytes:
    if before is not None:
        file.write_bytes(before)
    done = repo.agentlock("guide", "--write", str(file))
    assert done.code == 0, done
    return file.read_bytes()


BLOCK = f"{BEGIN}\n{GUIDE}{END}\n".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, BLOCK),
        (b"", BLOCK),
        (b"# Rules\n", b"# Rules\n\n" + BLOCK),
        (b"no newline", b"no newline\n\n" + BLOCK),
        (
            f"top\r\n\ttab  \n{BEGIN}\nold\n{END}\nbelow\r\n\r\nend".encode(),
            b"top\r\n\ttab  \n" + BLOCK + b"below\r\n\r\nend",
        ),
        (f"\ufeffü\n{BEGIN}{END}".encode(), "\ufeffü\n".encode() + BLOCK),
    ],
)
def test_the_guide_is_kept_between_its_markers_and_all_else_to_the_byte(
    table: Repo, tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    file = tmp_path / "AGENTS.md"
    assert write_guide(table, file, before) == after
    assert write_guide(table, file, None) == after
    assert sorted(os.listdir(tmp_path)) == ["AGENTS.md", "home"]


@pytest.mark.parametrize(
    "before",
    [
        f"{BEGIN}\nno end\n".encode(),
        f"{END}\n{BEGIN}\n".encode(),
        f"{BEGIN}{END}{BEGIN}{END}".encode(),
        b"\xff\xfe is no UTF-8",
    ],
)
def test_a_file_that_cannot_be_understood_is_left_alone(
    table: Repo, tmp_path: Path, before: bytes
) -> None:
    file = tmp_path / "AGENTS.md"
    file.write_bytes(before)
    done = table.agentlock("guide", "--write", str(file))
    assert done.code == 2
    assert str(file) in done.err
    assert file.read_bytes() == before


def test_the_guide_keeps_a_files_mode_and_follows_a_symlink(table: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    real = folder / "rules.md"
    real.write_text("rules\n")
    real.chmod(0o640)
    link = tmp_path / "CLAUDE.md"
    link.symlink_to("shared/rules.md")
    write_guide(table, link, None)
    assert link.is_symlink()
    assert real.read_bytes() == b"rules\n\n" + BLOCK
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_guide_that_cannot_be_written_is_said_and_leaves_nothing(
    table: Repo, tmp_path: Path
) -> None:
    done = table.agentlock("guide", "--write", str(tmp_path / "none" / "AGENTS.md"))
    assert done.code == 2
    assert "cannot be written" in done.err
    done = table.agentlock("guide", "--write", str(tmp_path))
    assert done.code == 2
    assert os.listdir(tmp_path) == ["home"]
