"""The JSON that programs read: exact keys, RFC 3339 times in UTC, names of any bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo, run

if TYPE_CHECKING:
    from pathlib import Path

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
RESERVATION = [
    "id",
    "agent",
    "pattern",
    "exclusive",
    "reason",
    "created_ts",
    "expires_ts",
    "released_ts",
    "fence",
    "worktree",
    "offer",
    "automatic",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("json")


@pytest.fixture
def table(place: Path, home: Path) -> Repo:
    """BlueLake holds src/; no test changes that."""
    assert home.exists()
    repo = Repo(place / "repo")
    if not repo.path.exists():
        repo.path.mkdir()
        repo.must("init", "-q")
        repo.write("src/a.py")
        repo.write("docs/y.md")
        repo.commit_unguarded("start")
        assert repo.agentlock("init").code == 0
        repo.reserve(HOLDER, "src/", "--reason", 'bd-42 "quoted" ü')
    return repo


def assert_reservation(held: dict[str, Any]) -> None:
    assert list(held)[: len(RESERVATION)] == RESERVATION
    assert isinstance(held["id"], int)
    assert isinstance(held["fence"], int)
    assert isinstance(held["exclusive"], bool)
    assert isinstance(held["agent"], str)
    assert isinstance(held["pattern"], str)
    assert isinstance(held["reason"], str)
    assert TIME.fullmatch(held["created_ts"])
    assert TIME.fullmatch(held["expires_ts"])
    assert held["released_ts"] is None or TIME.fullmatch(held["released_ts"])


def test_reserve_prints_what_was_granted(table: Repo) -> None:
    done = table.agentlock("reserve", "--json", "one.py", "two/", "--shared", agent=OTHER)
    assert done.code == 0
    assert list(done.json) == ["granted", "conflicts", "stale"]
    assert done.json["conflicts"] == []
    assert [held["pattern"] for held in done.json["granted"]] == ["/one.py", "/two/"]
    for held in done.json["granted"]:
        assert_reservation(held)
        assert list(held) == RESERVATION
        assert held["exclusive"] is False
        assert held["agent"] == OTHER


def test_a_refused_reserve_prints_its_conflicts(table: Repo) -> None:
    done = table.agentlock("reserve", "--json", "src/a.py", "**/*.py", agent=OTHER)
    assert done.code == 1
    assert list(done.json) == ["granted", "conflicts", "stale"]
    assert done.json["granted"] == []
    first, second = done.json["conflicts"]
    for conflict in (first, second):
        assert list(conflict) == ["pattern", "witness", "reservation"]
        assert_reservation(conflict["reservation"])
        assert list(conflict["reservation"]) == [*RESERVATION, "holder"]
        assert conflict["reservation"]["reason"] == 'bd-42 "quoted" ü'
    assert (first["pattern"], first["witness"]) == ("/src/a.py", "src/a.py")
    assert second["pattern"] == "**/*.py"
    assert second["witness"] is None or second["witness"].endswith(".py")


@pytest.mark.parametrize(
    ("arguments", "agent", "verdict", "checked", "paths"),
    [
        (("src/a.py", "docs/y.md"), OTHER, "refuse", 2, ["src/a.py"]),
        (("src/a.py", "docs/y.md"), None, "refuse", 2, ["src/a.py"]),
        (("src/a.py", "docs/y.md"), HOLDER, "allow", 2, []),
        (("docs/y.md",), OTHER, "allow", 1, []),
        ((), OTHER, "allow", 0, []),
        (("--staged",), OTHER, "allow", 0, []),
        (("src",), OTHER, "refuse", 1, None),
    ],
)
def test_check_prints_the_verdict(
    table: Repo,
    arguments: tuple[str, ...],
    agent: str | None,
    verdict: str,
    checked: int,
    paths: list[str] | None,
) -> None:
    done = table.agentlock("check", "--json", *arguments, agent=agent)
    assert done.code == (1 if verdict == "refuse" else 0)
    assert list(done.json)[:3] == ["verdict", "checked", "conflicts"]
    assert (done.json["verdict"], done.json["checked"]) == (verdict, checked)
    for conflict in done.json["conflicts"]:
        assert list(conflict) == ["path", "reservation"]
        assert list(conflict["reservation"]) == [*RESERVATION, "holder"]
    if paths is not None:
        assert [conflict["path"] for conflict in done.json["conflicts"]] == paths


def test_check_reads_nul_separated_names_from_stdin(table: Repo) -> None:
    names = b"src/new\nline.py\0src/\xff\0docs/y.md\0-rf\0"
    done = table.agentlock("check", "--json", "--stdin", agent=OTHER, stdin=names)
    assert done.code == 1
    assert done.json["checked"] == 4
    found = [os.fsencode(conflict["path"]) for conflict in done.json["conflicts"]]
    assert found == [b"src/new\nline.py", b"src/\xff"]


def test_list_prints_an_array(table: Repo) -> None:
    listed = table.agentlock("list", "--json", "--agent", HOLDER)
    assert listed.code == 0
    (held,) = listed.json
    assert list(held) == [*RESERVATION, "holder"]
    assert_reservation(held)
    assert table.agentlock("list", "--json", "--agent", "Nobody").json == []


def test_show_prints_one_with_its_history(table: Repo) -> None:
    shown = table.agentlock("show", "1", "--json").json
    assert_reservation(shown)
    assert list(shown)[len(RESERVATION) :] == ["holder", "typed", "history"]
    assert shown["typed"] == "src/"
    assert [list(one) for one in shown["history"]] == [["ts", "kind", "agent", "detail"]]
    assert shown["history"][0]["kind"] == "granted"
    assert TIME.fullmatch(shown["history"][0]["ts"])


def test_renew_and_release_print_what_they_changed(table: Repo) -> None:
    table.reserve(OTHER, "mine.py")
    renewed = table.agentlock("renew", "--json", "mine.py", agent=OTHER).json
    assert list(renewed) == ["renewed"]
    assert list(renewed["renewed"][0]) == RESERVATION
    released = table.agentlock("release", "--json", "mine.py", agent=OTHER).json
    assert list(released) == ["released"]
    assert list(released["released"][0]) == RESERVATION
    assert_reservation(released["released"][0])
    assert released["released"][0]["released_ts"] is not None


def test_the_other_commands_print_these_keys(table: Repo) -> None:
    def keys(*command: str) -> list[str]:
        data = table.agentlock(*command, "--json", agent=OTHER).json
        return list(data[0] if isinstance(data, list) else data)

    assert keys("whoami") == ["agent", "source", "status"]
    assert keys("agent", "list")[:10] == [
        *("name", "program", "model", "template", "teams", "registered_ts"),
        *("status", "why", "since_ts", "last_active_ts"),
    ]
    assert keys("log") == ["id", "ts", "kind", "agent", "reservation", "pattern", "detail"]
    assert keys("hooks", "status") == ["hook", "state", "path", "detail"]
    assert keys("db", "path") == ["path", "id"]
    assert keys("db", "migrate") == ["before", "after"]
    assert keys("init") == ["database", "project", "created", "hooks"]
    assert keys("status") == [
        "agent",
        "source",
        "status",
        "guarded",
        "hooks",
        "database",
        "project",
        "enforcement",
        "holds",
        "waits",
        "blocked_by",
        "uncovered",
        "messages",
        "unread",
        "interventions",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("release", "--id", "1"), 1, "refused"),
        (("renew", "nothing.py"), 1, "refused"),
        (("reserve", "../x"), 2, "pattern"),
        (("reserve", "x", "--agent", "-"), 2, "identity"),
        (("reserve", "x", "--ttl", "1"), 2, "usage"),
        (("frobnicate",), 2, "usage"),
        (("list", "--timeout", "x"), 2, "usage"),
    ],
)
def test_an_error_is_an_object_on_stdout_and_nothing_is_on_stderr(
    table: Repo, arguments: tuple[str, ...], code: int, kind: str
) -> None:
    done = table.agentlock(*arguments, "--json", agent=OTHER)
    assert done.code == code
    assert list(done.json) == ["error"]
    error = done.json["error"]
    assert list(error) == ["code", "kind", "message", "hint"]
    assert (error["code"], error["kind"]) == (code, kind)
    assert done.err == ""


@pytest.mark.parametrize(
    "command",
    [
        ("reserve", "src/a.py"),
        ("reserve", "docs/new", "x[1].py"),
        ("check", "src/a.py"),
        ("explain", "docs/*"),
        ("init",),
        ("db", "check"),
        ("guide", "--write", "NOTES.md"),
    ],
)
def test_with_json_nothing_else_is_printed(table: Repo, command: tuple[str, ...]) -> None:
    assert table.agentlock(*command, "--json", agent=OTHER).err == ""


def test_a_table_that_cannot_be_read_is_error_3_on_stdout(repo: Repo) -> None:
    repo.database.unlink()
    for command in (("list",), ("check",), ("reserve", "x"), ("status",), ("log",)):
        done = repo.agentlock(*command, "--json", agent=OTHER)
        assert done.code == 3
        assert (done.json["error"]["code"], done.json["error"]["kind"]) == (3, "database")
        assert "is missing" in done.json["error"]["message"]


def test_a_repository_without_init_is_error_3(table: Repo, tmp_path: Path) -> None:
    assert table.path.exists()
    assert run("git", "init", "-q", "fresh", cwd=tmp_path).code == 0
    done = run(*AGENTLOCK, "list", "--json", cwd=tmp_path / "fresh")
    assert done.code == 3
    assert done.json["error"]["kind"] == "configuration"
    assert done.json["error"]["hint"] == "agentlock init"


def test_a_bug_ends_with_70_and_a_log_to_attach(repo: Repo, tmp_path: Path) -> None:
    repo.sql("ALTER TABLE agents RENAME COLUMN name TO nom")
    repo.sql("ALTER TABLE agents ADD COLUMN name BLOB")
    repo.sql(
        "INSERT INTO agents (project_id, nom, name, registered_ts, last_active_ts) "
        "VALUES (1, 'x', x'ff', 0, 0)"
    )
    done = repo.agentlock("agent", "list", "--json", env={"TMPDIR": str(tmp_path)})
    assert done.code == 70
    assert done.json["error"]["code"] == 70
    assert done.json["error"]["kind"] == "bug"
    assert "Traceback" not in done.out
    (log,) = tmp_path.glob("agentlock-bug-*.log")
    assert str(log) in done.json["error"]["message"]
    told = log.read_text()
    assert "Traceback" in told
    assert f"Python {sys.version}" in told
    assert told.endswith(run("git", "version", cwd=tmp_path).out)


NAMES = [b"\xff\xfe.py", b"caf\xc3\xa9.py", b"new\nline", b'q"uote', b"\x1b[31m", b"\xed\xb3\xbf"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_bytes_survives_json(repo: Repo, name: bytes) -> None:
    command = (*AGENTLOCK, "reserve", "--json", "--literal", b"./" + name)
    environment = {**os.environ, "AGENTLOCK_AGENT": HOLDER}
    done = subprocess.run(command, cwd=repo.path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done
    assert done.stdout.isascii()
    (held,) = json.loads(done.stdout)["granted"]
    assert os.fsencode(held["pattern"]) == b"/" + name.replace(b"[", b"\\[")
    conflict = repo.agentlock("check", "--json", b"./" + name, agent=OTHER).json["conflicts"][0]
    assert os.fsencode(conflict["path"]) == name
    (listed,) = repo.agentlock("list", "--json").json
    assert listed["pattern"] == held["pattern"]
    assert repo.agentlock("show", "--json", "1").json["pattern"] == held["pattern"]
    assert repo.agentlock("log", "--json").json[-1]["pattern"] == held["pattern"]
    refused = repo.agentlock("reserve", "--json", "--literal", b"./" + name, agent=OTHER)
    assert os.fsencode(refused.json["conflicts"][0]["witness"]) == name
    released = repo.agentlock("release", "--json", os.fsencode(held["pattern"]), agent=HOLDER)
    assert released.code == 0


def test_json_is_ascii_in_any_locale(repo: Repo) -> None:
    repo.reserve(HOLDER, "ü.py", "--reason", "größer")
    for locale in ("C", "C.UTF-8", "POSIX"):
        environment = {"LC_ALL": locale, "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
        for command in (("list",), ("show", "1"), ("log",), ("status",)):
            done = repo.agentlock(*command, "--json", agent=HOLDER, env=environment)
            assert done.code == 0, done
            assert done.out.isascii()
            assert repo.agentlock(*command, agent=HOLDER, env=environment).code == 0
