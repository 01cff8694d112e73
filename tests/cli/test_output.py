"""What is printed: plain lines in a pipe, a table in a terminal, no raw control character."""

from __future__ import annotations

import os
import re
import select
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo
from support.terminal import in_a_terminal, without_colours

from agentlock.cli.output import RESERVATION_HEADERS
from agentlock.store.migrations import schema_version

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "\x1b[31mred\x1b]0;title\x07\r\n\x9b2J\u202egnp.exe\u2028end"
EVIL_PATH = "src/\x1b[2Jgone\x07\r\n\u202e.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("output")


@pytest.fixture
def table(place: Path, home: Path) -> Repo:
    """BlueLake holds src/** (1) and, shared, README.md (2); 3 is released. No test changes that."""
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


def test_list_prints_a_line_for_each_reservation_with_tabs_between_the_cells(table: Repo) -> None:
    listed = table.agentlock("list")
    assert listed.err == ""
    first, second = listed.out.splitlines()
    seen = r"working, last seen \d+s ago in .*"
    assert re.fullmatch(
        rf"1\tBlueLake\texclusive\tsrc/\*\*\tuntil [-: \d]+ \(4\dm\)\tbd-42\t{seen}", first
    )
    assert re.fullmatch(rf"2\tBlueLake\tshared\tREADME\.md\tuntil .*\(\d+[hm]\)\t\t{seen}", second)
    assert "released" in table.agentlock("list", "--all").out.splitlines()[2]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--agent", HOLDER), [1, 2]),
        (("--agent", OTHER), []),
        (("--agent", OTHER, "--all"), [3]),
        (("--mine",), []),
        (("--mine", "--all"), [3]),
        (("--all",), [1, 2, 3]),
        (("--path", "src/a.py"), [1]),
        (("--path", "src/not/there/yet.py"), [1]),
        (("--path", "src"), [1]),
        (("--path", "."), [1, 2]),
        (("--path", "README.md"), [2]),
        (("--path", "docs/x"), []),
        (("--path", "old.py", "--all"), [3]),
    ],
)
def test_the_options_of_list_choose_what_it_shows(
    table: Repo, options: tuple[str, ...], numbers: list[int]
) -> None:
    listed = table.agentlock("list", *options, agent=OTHER)
    assert listed.code == 0
    assert [int(line.partition("\t")[0]) for line in listed.out.splitlines()] == numbers


def test_show_prints_a_reservation_and_its_history(table: Repo) -> None:
    shown = table.agentlock("show", "1").out
    for word in ("reservation 1", "/src/**", HOLDER, "exclusive", "bd-42", "granted", "fence"):
        assert word in shown
    assert "released" in table.agentlock("show", "3").out


def test_the_log_prints_the_events_in_order(table: Repo) -> None:
    lines = table.agentlock("log").out.splitlines()
    kinds = [line.split("  ")[1] for line in lines]
    assert kinds == ["initialised", "granted", "granted", "granted", "released"]
    assert len(table.agentlock("log", "--agent", OTHER).out.splitlines()) == 2
    assert len(table.agentlock("log", "--path", "src/a.py").out.splitlines()) == 1
    assert len(table.agentlock("log", "--path", "src").out.splitlines()) == 1
    assert table.agentlock("log", "--since", "2001-01-01").out.splitlines() == lines
    assert table.agentlock("log", "--since", "1d").out.splitlines() == lines
    assert table.agentlock("log", "--since", "2099-01-01T00:00:00Z").out == ""


def test_following_the_log_prints_new_events(repo: Repo) -> None:
    repo.reserve(HOLDER, "first.py")
    with subprocess.Popen(
        (*AGENTLOCK, "log", "--follow"), cwd=repo.path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while select.select([process.stdout], [], [], 1.0)[0] == []:
            repo.reserve(OTHER, "second.py")
        assert "second.py" in process.stdout.readline()
        process.terminate()


def test_following_since_a_time_begins_there(repo: Repo) -> None:
    repo.reserve(HOLDER, "first.py")
    with subprocess.Popen(
        (*AGENTLOCK, "log", "--follow", "--since", "1h"),
        cwd=repo.path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "initialised" in process.stdout.readline()
        assert "first.py" in process.stdout.readline()
        process.terminate()


def test_the_log_is_the_last_twenty_events_in_columns(repo: Repo) -> None:
    repo.reserve(HOLDER, *(f"{number}.py" for number in range(30)))
    lines = repo.agentlock("log").out.splitlines()
    assert len(lines) == 20
    assert "  29.py" in lines[-1]
    assert len({line.index(HOLDER) for line in lines}) == 1
    assert len({line.index(".py") for line in lines}) == 1
    assert len(repo.agentlock("log", "--since", "1h").out.splitlines()) == 31
    assert len(repo.agentlock("log", "--limit", "25").out.splitlines()) == 25
    assert len(repo.agentlock("log", "--limit", "2", "--path", "3.py").out.splitlines()) == 1
    assert len(repo.agentlock("log", "--json").json) == 31
    assert len(repo.agentlock("log", "--json", "--limit", "3").json) == 3


def test_the_log_has_colours_in_a_terminal(repo: Repo) -> None:
    repo.reserve(HOLDER, "a.py")
    assert repo.agentlock("reserve", "a.py", agent=OTHER).code == 1
    _, shown = in_a_terminal(repo, "log")
    assert "\x1b[31mrefused" in shown
    assert "\x1b[32mgranted" in shown
    assert "\x1b" not in repo.agentlock("log").out
    _, plain = in_a_terminal(repo, "log", env={"NO_COLOR": "1"})
    assert "\x1b[3" not in plain


def test_list_marks_what_is_mine_and_what_ends_soon(repo: Repo) -> None:
    repo.reserve(HOLDER, "long.py", "--ttl", "119m")
    repo.reserve(OTHER, "short.py", "--ttl", "5m")
    first, second = repo.agentlock("list", agent=HOLDER).out.splitlines()
    assert f"\t{HOLDER} (you)\t" in first
    assert re.search(r"\tuntil [-: \d]*\d\d:\d\d \(1h5\dm\)\t", first)
    assert f"\t{OTHER}\t" in second
    assert re.search(r"\tuntil [-: \d]*\d\d:\d\d \([45]m, soon\)\t", second)


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (("--limit", "2"), [2, 3]),
        (("--expiring", "10m"), [3, 2]),
        (("--expiring", "10m", "--limit", "1"), [3]),
        (("--expiring", "4m"), [3]),
        (("--limit", "9"), [1, 2, 3]),
    ],
)
def test_list_can_be_cut_to_the_newest_or_to_what_ends_next(
    repo: Repo, options: tuple[str, ...], numbers: list[int]
) -> None:
    for name, ttl in (("a.py", "2h"), ("b.py", "5m"), ("c.py", "2m")):
        repo.reserve(HOLDER, name, "--ttl", ttl)
    listed = repo.agentlock("list", *options)
    assert [int(line.partition("\t")[0]) for line in listed.out.splitlines()] == numbers
    assert ("more reservation" in listed.err) == (options == ("--limit", "2") or len(options) == 4)
    assert [one["id"] for one in repo.agentlock("list", "--json", *options).json] == numbers


@pytest.mark.parametrize("width", [40, 80])
def test_a_pattern_is_broken_only_after_a_slash(repo: Repo, width: int) -> None:
    names = [f"{letter * 9}-{letter * 5}" for letter in "abcdef"]
    repo.reserve(HOLDER, "/".join(names) + "/*.py", "--reason", "some words for the reason")
    _, shown = in_a_terminal(repo, "list", width=width)
    for name in names:
        assert f"{name}/" in without_colours(shown)


def test_in_a_terminal_of_80_columns_no_mode_is_broken(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/auth/token.py", "--reason", "bd-42: rotate the keys of all clients")
    _, shown = in_a_terminal(repo, "list", width=80)
    words = without_colours(shown).split()
    assert {"exclusive", "src/auth/token.py"} <= set(words), shown


def test_status_shows_the_agent_the_guard_the_reservations_and_what_blocks(repo: Repo) -> None:
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


def test_whoami_says_where_the_name_comes_from(table: Repo) -> None:
    env = {"AGENT_NAME": "Three"}
    assert (
        table.agentlock("whoami", "--agent", "One", agent="Two", env=env).out == "One (--agent)\n"
    )
    assert table.agentlock("whoami", agent="Two", env=env).out == "Two (AGENTLOCK_AGENT)\n"
    assert table.agentlock("whoami", env=env).out == "Three (AGENT_NAME)\n"


def test_the_configuration_counts_before_a_variable_that_is_not_ours(repo: Repo) -> None:
    repo.must("config", "agentlock.agent", "Four")
    for ignored in ({}, {"AGENT_NAME": "Three"}, {"AGENT_NAME": ""}, {"AGENTLOCK_AGENT": ""}):
        told = repo.agentlock("whoami", env=ignored)
        assert told.out == "Four (git config agentlock.agent)\n"


@pytest.mark.parametrize(
    "env",
    [
        {"AGENT_NAME": "CI agent 7"},
        {"AGENT_NAME": "build01", "TF_BUILD": "True"},
        {"AGENT_NAME": "build01", "CI": "true"},
        {"AGENT_NAME": "build01", "JENKINS_URL": "https://ci.example.invalid"},
    ],
)
def test_the_name_of_a_build_machine_is_no_agent(repo: Repo, env: dict[str, str]) -> None:
    told = repo.agentlock("whoami", env=env)
    assert told.code == 2
    assert "no agent name is set" in told.err
    assert repo.agentlock("whoami", env=env, agent="Two").out == "Two (AGENTLOCK_AGENT)\n"


def test_the_agent_of_a_worktree_overrides_the_agent_of_the_repository(
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


def test_agent_list_counts_what_each_agent_holds(table: Repo) -> None:
    lines = table.agentlock("agent", "list").out.splitlines()
    rows = {line.partition("\t")[0]: line.split("\t") for line in lines}
    assert rows[HOLDER][1:5] == ["working", "2", "0", "0"]
    assert rows[HOLDER][6:] == ["shell", "m1", str(table.path), "main"]
    assert rows[OTHER][2] == "0"


def test_db_path_and_migrate(table: Repo) -> None:
    assert table.agentlock("db", "path").out == f"{table.database}\n"
    assert table.agentlock("db", "migrate").out == f"schema {schema_version()}, nothing to do\n"


def test_data_goes_to_stdout_and_notes_and_refusals_to_stderr(table: Repo) -> None:
    noted = table.agentlock("reserve", "new-one", agent=OTHER)
    assert noted.out.startswith("reserved new-one exclusive (id ")
    assert "note: 'new-one' does not exist and is read as a file" in noted.err
    refused = table.agentlock("reserve", "src/a.py", agent=OTHER)
    assert refused.out == ""
    assert refused.err.startswith("agentlock: reserve refused: 1 conflict")
    assert table.agentlock("release", "--all", agent=OTHER).out.startswith("released new-one")


def test_a_closed_stdout_ends_it_without_a_message(table: Repo) -> None:
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
        (("list",), ["id", "agent", "mode", "pattern", "lease", "reason", "holder"]),
        (
            ("agent", "list"),
            [
                *("agent", "status", "holds", "waits", "unread", "last active"),
                *("program", "model", "worktree", "branch"),
            ],
        ),
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


def test_a_narrow_terminal_folds_cells_and_cuts_none(table: Repo) -> None:
    code, shown = in_a_terminal(table, "list", width=30)
    assert code == 0
    lines = without_colours(shown).splitlines()
    assert max(map(len, lines)) <= 30
    rows = [line.split("\t") for line in table.agentlock("list").out.splitlines()]
    expected = [
        "".join(column) for column in zip((*RESERVATION_HEADERS, "holder"), *rows, strict=True)
    ]
    assert columns_of(lines) == [without_lease(text) for text in expected]


def columns_of(lines: list[str]) -> list[str]:
    """The text of each column of a table, its folded cells joined, without spaces."""
    cells = [line.ljust(max(map(len, lines))) for line in lines]
    used = "".join(" " if set(letters) == {" "} else "x" for letters in zip(*cells, strict=True))
    columns = [slice(*found.span()) for found in re.finditer(r"x+(?: x+)*", used)]
    return [without_lease("".join(line[column] for line in cells)) for column in columns]


def without_lease(text: str) -> str:
    """The text without spaces, and without the time left, which may change between two calls."""
    return re.sub(r"until[-:\d]+\(\d+[hm]\)|\d+sago", "", text.replace(" ", ""))


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_are_printed_if_the_environment_says_so(
    table: Repo, variables: dict[str, str]
) -> None:
    code, shown = in_a_terminal(table, "list", env=variables)
    assert code == 0
    assert "\x1b[3" not in shown
    assert "BlueLake" in shown


def test_markup_in_a_name_or_reason_is_shown_as_it_is(repo: Repo) -> None:
    repo.reserve(HOLDER, "--literal", "src/[bold]x[/bold]", "--reason", "[red]:smile:[/red]")
    _, shown = in_a_terminal(repo, "list", width=200)
    assert "[red]:smile:[/red]" in shown
    assert "[bold]" in shown.replace("\\", "")


def test_a_character_that_the_terminal_cannot_show_is_escaped(repo: Repo) -> None:
    repo.reserve(HOLDER, "--literal", "gr\u00fc\u00df\u65e5.py", "--reason", "sch\u00f6n")
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    for command in (("list",), ("show", "1"), ("status",), ("log",)):
        code, shown = in_a_terminal(repo, *command, agent=HOLDER, width=200, env=ascii_only)
        assert code == 0, shown
        assert r"gr\xfc\xdf\u65e5.py" in shown, command


# Control characters


def clean(text: str, *, terminal: bool) -> str:
    """The output without agentlock's own colours and line ends."""
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
        assert left
        assert left.isprintable(), (command, left)
    refused = repo.git("commit", "-qm", "x", agent=OTHER)
    assert refused.code == 1
    assert refused.err.replace("\n", "").isprintable()
