"""Wrong input: one sentence with the offending text, exit 2, and nothing in the table changes.

All these commands share one repository, because none of them may change it; each test compares a
dump of the whole database from before with one from after.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support import HOLDER, OTHER, Repo, run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad-input")


@pytest.fixture
def table(place: Path, home: Path) -> Repo:
    """A repository where BlueLake holds /held.py (id 1) and GreenHill /mine.py (2) and /c.py (3).

    It is made by the first test that asks, in that test's sealed environment.
    """
    assert home.exists()
    repo = Repo(place / "repo")
    if not repo.path.exists():
        repo.path.mkdir()
        repo.must("init", "-q")
        repo.write("README.md")
        repo.write("src/a.py")
        repo.commit_unguarded("start")
        assert repo.agentlock("init").code == 0
        repo.reserve(HOLDER, "held.py")
        repo.reserve(OTHER, "mine.py", "c.py")
        assert (
            repo.agentlock("policy", "set", "max_ttl", "8h", "--reason", "short shifts").code == 0
        )
    return repo


def dump(repo: Repo) -> list[str]:
    with closing(sqlite3.connect(repo.database)) as connection:
        return list(connection.iterdump())


def refused(
    repo: Repo, arguments: tuple[str | bytes, ...], offending: str, code: int = 2
) -> dict[str, object]:
    """The error object, after checking everything that all refusals have in common."""
    before = dump(repo)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    result = repo.agentlock(*arguments[:end], "--json", *arguments[end:], agent=OTHER)
    assert result.code == code, result
    assert dump(repo) == before
    assert result.err == ""
    assert "Traceback" not in result.out
    assert "agentlock-bug" not in result.out
    assert list(result.json) == ["error"]
    error: dict[str, object] = result.json["error"]
    assert list(error) == ["code", "kind", "message", "hint"]
    assert error["code"] == code
    assert offending in str(error["message"]).encode("utf-8", "backslashreplace").decode()
    return error


@pytest.mark.parametrize(
    "name",
    ["two words", "-dash", ".dot", "_under", "a/b", "é", "a" * 65, "a\nb", "", "x;y", "\x1b[31m"],
)
@pytest.mark.parametrize("command", [("reserve", "x.py"), ("release", "--all"), ("whoami",)])
def test_an_invalid_agent_name_is_refused(table: Repo, command: tuple[str, ...], name: str) -> None:
    shown = repr(name)[1:-1].encode("unicode_escape").decode() if "\\" in repr(name) else name
    error = refused(table, (*command, f"--agent={name}"), "is not a valid agent name")
    assert error["kind"] == "identity"
    assert shown.replace("\\\\", "\\") in str(error["message"])


@pytest.mark.parametrize("command", ["list", "log"])
@pytest.mark.parametrize("name", ["two words", b"\xff"])
def test_no_invalid_name_can_be_looked_for(table: Repo, command: str, name: str | bytes) -> None:
    refused(table, (command, "--agent", name), "is not a valid agent name")


def test_an_invalid_name_in_the_environment_is_shown_with_its_variable(table: Repo) -> None:
    result = table.agentlock("reserve", "x.py", env={"AGENTLOCK_AGENT": "not a name"})
    assert result.code == 2
    assert "'not a name' (AGENTLOCK_AGENT) is not a valid agent name" in result.err


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.5h", "h", "-5m", "1w", "1 h", "+1h", "1H", "٣h", "30m1h", "1h30", "0x10s", "1e3s"],
)
@pytest.mark.parametrize("command", [("reserve", "x.py"), ("renew", "--all")])
def test_an_invalid_duration_is_refused(table: Repo, command: tuple[str, ...], text: str) -> None:
    refused(table, (*command, f"--ttl={text}"), f"invalid duration {text!r}")


@pytest.mark.parametrize("command", [("reserve", "x.py"), ("renew", "--all")])
@pytest.mark.parametrize("text", ["0s", "59s", "0d"])
def test_a_lease_under_a_minute_is_refused(
    table: Repo, command: tuple[str, ...], text: str
) -> None:
    error = refused(table, (*command, "--ttl", text), "too short")
    assert error["hint"] == "--ttl 60s"


@pytest.mark.parametrize("command", [("reserve", "x.py"), ("renew", "--all")])
@pytest.mark.parametrize("text", ["9h", "481m", "300d"])
def test_a_lease_over_the_policys_limit_is_refused_and_the_limit_is_shown(
    table: Repo, command: tuple[str, ...], text: str
) -> None:
    error = refused(table, (*command, "--ttl", text), f"a TTL of {text} is more than")
    assert "8h" in str(error["hint"])


def test_a_lease_of_more_than_a_year_is_refused(table: Repo) -> None:
    refused(table, ("reserve", "x.py", "--ttl", "367d"), "'367d' is more than a year")


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "-1", "1e99", "5x"])
def test_an_invalid_time_out_is_refused(table: Repo, text: str) -> None:
    refused(table, ("reserve", "x.py", f"--timeout={text}"), f"{text!r}")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("../elsewhere.py", "outside the repository"),
        ("/etc/passwd", "outside the repository"),
        ("../**", "outside the repository"),
        (".git/config", "inside .git"),
        ("src/../.git/**", "inside .git"),
        (".GIT/hooks/", "inside .git"),
        ("!src/**", "negation is not supported"),
        ("!x", "negation is not supported"),
        ("[", "'[' has a `[` that is never closed"),
        ("src/[a-", "'src/[a-' has a `[` that is never closed"),
        ("a//b", "'a//b' has an empty name"),
        ("a//*", "'a//*' has an empty name"),
        ("*.py\\", r"'*.py\\' ends with a backslash"),
        ("x\\", r"'x\\' ends with a backslash"),
        ("", "is empty"),
        (".", "whole repository"),
        ("*", "whole repository"),
        ("**", "whole repository"),
        ("**/*", "whole repository"),
        ("src/..", "whole repository"),
        ("{" + ",".join(f"n{number}" for number in range(101)) + "}", "more than 100 patterns"),
        ("{a,b}" * 7, "more than 100 patterns"),
        ("x" * 9000, "9000 bytes long"),
    ],
)
def test_a_pattern_that_is_malformed_or_too_wide_is_refused(
    table: Repo, pattern: str, why: str
) -> None:
    error = refused(table, ("reserve", "ok.py", "--", pattern), why)
    assert error["kind"] == "pattern"


def test_a_non_utf8_pattern_that_is_wrong_is_shown_escaped(table: Repo) -> None:
    refused(table, ("reserve", b"!\xff\x1b[31m"), r"cff\x1b[31m' begins with `!`")


@pytest.mark.parametrize("command", [("reserve", "x.py"), ("release", "--all"), ("renew", "--all")])
def test_without_an_agent_name_nothing_can_be_held(table: Repo, command: tuple[str, ...]) -> None:
    before = dump(table)
    result = table.agentlock(*command, "--json")
    assert result.code == 2
    assert result.json["error"]["message"].startswith("no agent name is set")
    assert result.json["error"]["kind"] == "identity"
    assert dump(table) == before


def test_an_agent_name_that_a_ci_system_sets_is_not_used(table: Repo) -> None:
    result = table.agentlock("reserve", "x.py", env={"AGENT_NAME": "CI agent 7"})
    assert result.code == 2
    assert "no agent name is set" in result.err


@pytest.mark.parametrize("command", ["renew", "release"])
@pytest.mark.parametrize(
    ("naming", "why"),
    [
        ((), "no reservation is named"),
        (("mine.py", "--id", "2"), "exclude each other"),
        (("mine.py", "--all"), "exclude each other"),
        (("--id", "2", "--all"), "exclude each other"),
    ],
)
def test_reservations_are_named_in_exactly_one_way(
    table: Repo, command: str, naming: tuple[str, ...], why: str
) -> None:
    refused(table, (command, *naming), why)


@pytest.mark.parametrize(
    ("arguments", "offending"),
    [
        (("frobnicate",), "No such command 'frobnicate'"),
        (("hooks", "frobnicate"), "No such command 'frobnicate'"),
        (("reserve", "x.py", "--frobnicate"), "--frobnicate"),
        (("reserve",), "no pattern is given"),
        (("reserve", "x.py", "--json", "--ttl"), "invalid duration '--json'"),
        (("reserve", "x.py", "--shared=yes"), "Option '--shared' does not take a value"),
        (("show",), "Missing argument 'ID'"),
        (("show", "first"), "'first' is not a valid integer"),
        (("show", "99"), "there is no reservation 99"),
        (("show", "0"), "'0' is not the number of a reservation"),
        (("show", f"{2**63}"), f"'{2**63}' is not the number of a reservation"),
        (("renew", "--id", f"{2**63}"), f"'{2**63}' is not the number of a reservation"),
        (("session", "show", f"{2**63}"), "larger than any in a table"),
        (("log", "--limit", f"{2**63}"), "larger than any in a table"),
        (("release", "--id", "-1"), "'-1' is not the number of a reservation"),
        (("release", "--id", "99"), "there is no reservation 99"),
        (("release", "--id", "two"), "'two' is not a valid integer"),
        (("release", "--id", "2", "--force"), "--force needs a reason"),
        (("release", "--id", "2", "--force", "--reason", "  "), "--force needs a reason"),
        (("reserve", "x.py", "--reason", "r" * 1001), "1001 characters"),
        (("reserve", "x.py", "--literal", "--glob"), "--literal and --glob exclude each other"),
        (("reserve", "x.py", "--ttl", "48h"), "a TTL of 48h is more than"),
        (("renew", "--all", "--ttl", "48h"), "a TTL of 48h is more than"),
        (("check", "--range", "no..where"), "'no..where' is not a range of commits"),
        (("check", "--range", "--all"), "'--all' is not a range of commits"),
        (("list", "--mine", "--agent", "A"), "--mine and --agent exclude each other"),
        (("list", "--path", "../x"), "outside the repository"),
        (("log", "--path", "/etc"), "outside the repository"),
        (("log", "--since", "yesterday"), "'yesterday'"),
        (("log", "--since", "2026-13-45"), "'2026-13-45'"),
        (("log", "--since", "0001-01-01"), "'0001-01-01'"),
        (("check", "x.py", "--staged"), "exclude each other"),
        (("check", "../x"), "outside the repository"),
        (("check", "--", ""), "is empty"),
        (("policy", "set"), "NAME VALUE"),
        (("policy", "set", "enforcement", "warn"), "policy set needs a reason"),
        (("policy", "set", "enforcement", "warn", "--reason", " "), "policy set needs a reason"),
        (("db", "prune", "--owner-key-file", "x", "--owner-key-fd", "3"), "exclude each other"),
        (("db", "prune", "--owner-key-fd", "-1"), "--owner-key-fd"),
        (("policy", "set", "colour", "red"), "'colour'"),
        (("policy", "set", "enforcement", "maybe"), "'maybe'"),
        (("policy", "set", "enforcement", "warn", "block"), "enforcement takes one value"),
        (("policy", "set", "max_ttl", "59s"), "'59s'"),
        (("policy", "set", "max_ttl", "long"), "'long'"),
        (("policy", "set", "allow_skip", "perhaps"), "'perhaps'"),
        (("policy", "set", "exempt", "["), "'['"),
        (("policy", "set", "exempt", "ok", ""), "''"),
        (("policy", "set", "exempt", "a\nb"), r"a\nb"),
        (("policy", "set", "enforcement=warn", "max_ttl"), "'max_ttl'"),
        (("policy", "set", "enforcement=warn", "max_ttl=soon"), "'soon'"),
    ],
)
def test_wrong_commands_options_and_values_are_refused(
    table: Repo, arguments: tuple[str, ...], offending: str
) -> None:
    refused(table, arguments, offending)


@pytest.mark.parametrize("command", [(), ("hooks",), ("db",), ("policy",), ("agent",)])
def test_a_missing_command_is_an_error_and_shows_the_help(
    table: Repo, command: tuple[str, ...]
) -> None:
    result = table.agentlock(*command)
    assert result.code == 2
    assert result.out == ""
    assert "\nCommands:\n" in result.err
    assert "agentlock: no command is given\n" in result.err


@pytest.mark.parametrize(
    "command", [("list",), ("reserve", "x.py"), ("status",), ("check",), ("log",), ("init",)]
)
@pytest.mark.parametrize("kind", ["folder", "bare", "inside-git", "bare-worktree-less"])
def test_outside_a_worktree_every_command_says_so(
    table: Repo, place: Path, kind: str, command: tuple[str, ...]
) -> None:
    folder = {"inside-git": table.path / ".git"}.get(kind, place / kind)
    folder.mkdir(exist_ok=True)
    if kind.startswith("bare"):
        assert run("git", "init", "-q", "--bare", ".", cwd=folder).code == 0
    result = table.agentlock(*command, "--json", agent=OTHER, cwd=folder)
    assert result.code == 2, result
    assert result.json["error"]["kind"] == "not-a-repository"
    message = result.json["error"]["message"]
    assert ("is not in a git repository" in message) == (kind == "folder")
    assert ("not a worktree" in message) == (kind != "folder")
    assert not (folder / "agentlock").exists() or kind == "inside-git"


@pytest.mark.parametrize("command", ["renew", "release"])
@pytest.mark.parametrize(
    "naming", [("--id", "1"), ("--id", "2", "--id", "1"), ("held.py",), ("mine.py", "held.py")]
)
def test_what_another_agent_holds_is_refused_and_the_holder_is_named(
    table: Repo, command: str, naming: tuple[str, ...]
) -> None:
    error = refused(table, (command, *naming), f" is held by {HOLDER}", 1)
    assert str(error["message"]).endswith(f", not by {OTHER}")
    assert error["kind"] == "refused"


@pytest.mark.parametrize("command", ["renew", "release"])
@pytest.mark.parametrize("naming", [("free.py",), ("mine.py", "free.py")])
def test_what_nobody_holds_is_refused(table: Repo, command: str, naming: tuple[str, ...]) -> None:
    refused(table, (command, *naming), f"{OTHER} holds no reservation of 'free.py'", 1)


@pytest.mark.parametrize("command", ["renew", "release"])
def test_one_unknown_number_among_several_changes_nothing(table: Repo, command: str) -> None:
    refused(table, (command, "--id", "2", "--id", "77", "--id", "3"), "77")


def test_one_wrong_pattern_among_several_reserves_nothing(table: Repo) -> None:
    refused(table, ("reserve", "new.py", "a//b", "other.py"), "a//b")


@pytest.mark.parametrize(
    "arguments",
    [
        ("reserve", "x.py", "--reason", b"\xff"),
        ("reserve", "x.py", "--model", b"\xff", "--program", b"\xfe"),
        ("policy", "set", "exempt", b"docs/\xff/**", "--reason", "docs"),
        ("policy", "set", "allow_skip", "on", "--reason", b"\xff"),
        ("init", "--project", b"\xff"),
    ],
)
def test_text_that_is_not_utf8_is_accepted(repo: Repo, arguments: tuple[str | bytes, ...]) -> None:
    result = repo.agentlock(*arguments, "--json", agent=OTHER)
    assert result.code == 0, result
    assert repo.agentlock("log", "--json").code == 0
    assert repo.agentlock("policy", "show").code == 0
    assert repo.agentlock("agent", "list").code == 0


def test_a_repository_whose_path_is_not_utf8_is_guarded(tmp_path: Path, home: Path) -> None:
    assert home.exists()
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    repo = Repo(Path(folder))
    repo.path.mkdir()
    repo.must("init", "-q")
    repo.commit_unguarded("start")
    assert repo.agentlock("init").code == 0
    repo.reserve(HOLDER, "a.py")
    repo.write("a.py")
    assert repo.commit_all(agent=OTHER).code == 1
    assert repo.commit_all(agent=HOLDER).code == 0


def test_no_test_above_has_changed_the_table(table: Repo) -> None:
    listed = table.agentlock("list", "--all", "--json").json
    assert [(held["id"], held["agent"], held["pattern"]) for held in listed] == [
        (1, HOLDER, "/held.py"),
        (2, OTHER, "/mine.py"),
        (3, OTHER, "/c.py"),
    ]
    assert table.sql("SELECT count(*) FROM agents") == [(2,)]
