"""Templates, and what an agent is started with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, HOLDER, OTHER
from waiting.project import Project

from agentlock.agents.templates import set_team, set_template, teams_of

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo

LIST = (*AGENTLOCK, "list")


def test_both_stores_keep_templates_and_teams(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for location in (
        str(tmp_path / "table" / "agentlock.sqlite3"),
        request.getfixturevalue("postgresql").database(),
    ):
        store = Project(location).store
        made = set_template(store, "writer", ["a b", "ü\udcff"], patterns=["/x"], ttl=60_000_000)
        assert (made.program, made.command, made.ttl) == ("a b", ("a b", "ü\udcff"), 60_000_000)
        again = set_template(store, "writer", ["vim"], role="writes", bootstrap=["README.md"])
        assert (again.created_ts, again.role, again.ttl) == (made.created_ts, "writes", None)
        set_team(store, "garden", {HOLDER: "writer", OTHER: "writer"})
        assert [dict(one.members) for one in store.teams.all()] == [
            {HOLDER: "writer", OTHER: "writer"}
        ]
        assert teams_of(store) == {HOLDER: ["garden"], OTHER: ["garden"]}
        store.close()


def test_a_template_is_set_listed_shown_and_removed(repo: Repo) -> None:
    given = ("--role", "mends tests", "--reserve", "tests/**", "--ttl", "5m", "--bootstrap", "a.md")
    made = repo.agentlock(
        "template", "set", "tester", *given, "--json", "--", "claude", "-p", "x y"
    )
    assert made.code == 0, made
    assert {**made.json, "created_ts": None, "updated_ts": None} == {
        "name": "tester",
        "role": "mends tests",
        "program": "claude",
        "command": ["claude", "-p", "x y"],
        "bootstrap": ["a.md"],
        "reserve": ["tests/**"],
        "ttl": "5m",
        "created_ts": None,
        "updated_ts": None,
    }
    assert repo.agentlock("template", "list", "--json").json == [made.json]
    assert "claude -p 'x y'" in repo.agentlock("template", "show", "tester").out
    assert repo.agentlock("template", "list").out.startswith("tester\t")
    assert repo.agentlock("team", "set", "t", f"{HOLDER}=tester").code == 0
    needed = repo.agentlock("template", "remove", "tester")
    assert (needed.code, "fix: agentlock team remove t" in needed.err) == (2, True)
    assert repo.agentlock("team", "remove", "t").code == 0
    assert repo.agentlock("template", "remove", "tester").code == 0
    unknown = repo.agentlock("template", "show", "tester")
    assert (unknown.code, "there is no template 'tester'" in unknown.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("template", "set", "x"), "the program is not named"),
        (("template", "set", "a b", "--", "vim"), "is not a valid name of a template"),
        (("template", "set", "x", "--ttl", "5s", "--", "vim"), "less than a minute"),
        (("team", "set", "t", HOLDER), "does not name a template"),
        (("team", "set", "t", f"{HOLDER}=none"), "there is no template 'none'"),
        (("team", "show", "none"), "there is no team 'none'"),
        (("team", "run", "none"), "there is no team 'none'"),
        (("run", "--template", "none"), "there is no template 'none'"),
    ],
)
def test_wrong_use_is_a_sentence(repo: Repo, arguments: tuple[str, ...], said: str) -> None:
    done = repo.agentlock(*arguments)
    assert done.code == 2, done
    assert said in done.err


def test_a_program_is_started_from_its_template(repo: Repo) -> None:
    repo.write("docs/a.md", "twelve bytes")
    script = (
        "import os, subprocess, sys; subprocess.run(sys.argv[1:-1]); "
        "print(os.environ['AGENTLOCK_READ_FIRST'], sys.argv[-1])"
    )
    given = ("--reserve", "docs/**", "--ttl", "10m", "--bootstrap", "docs/a.md")
    command = (sys.executable, "-c", script, *LIST)
    assert repo.agentlock("template", "set", "writer", *given, "--", *command).code == 0
    done = repo.agentlock(
        *("run", "--as", HOLDER, "--template", "writer", "--", "hello"), cwd=repo.path / "docs"
    )
    assert done.code == 0, done
    assert f"\t{HOLDER} (you)\texclusive\tdocs/**\t" in done.out
    assert "(9m" in done.out or "(10m" in done.out
    assert done.out.endswith("\ndocs/a.md hello\n")
    assert repo.live() == []
    rows = repo.sql("SELECT source, files, size FROM bootstrap_history")
    assert rows == [("template writer", "docs/a.md", 12)]
    (agent,) = [
        one for one in repo.agentlock("agent", "list", "--json").json if one["name"] == HOLDER
    ]
    assert agent["template"] == "writer"
    (repo.path / "docs/a.md").unlink()
    missing = repo.agentlock("run", "--as", HOLDER, "--template", "writer")
    assert (missing.code, "gives docs/a.md: No such file" in missing.err) == (2, True)
    assert repo.live() == []


def test_damaged_templates_and_teams_are_found_repaired_and_exported(repo: Repo) -> None:
    for name in ("good", "bad"):
        assert repo.agentlock("template", "set", name, "--", "vim", "a b").code == 0
    assert repo.agentlock("team", "set", "t", f"{HOLDER}=good", f"{OTHER}=bad").code == 0
    assert repo.agentlock("db", "check").code == 0
    repo.sql("UPDATE agent_configs SET command = 'vim' WHERE name = 'bad'")
    damaged = repo.agentlock("template", "show", "bad")
    assert damaged.code == 3
    assert (
        "the row of the template bad is damaged\n  fix: agentlock db check --repair" in damaged.err
    )
    checked = repo.agentlock("db", "check")
    assert checked.code == 1
    assert "wrong: the row of the template bad is damaged" in checked.err
    assert "wrong: the team t needs a template that is not there: bad" in checked.err
    assert repo.agentlock("db", "check", "--repair").code == 0
    (team,) = repo.agentlock("team", "list", "--json").json
    assert team["members"] == [{"agent": HOLDER, "template": "good"}]
    exported = repo.agentlock("db", "export", "templates", "--format", "csv").out
    assert '"[""vim"", ""a b""]"' in exported
    for what in ("agents", "sessions", "teams"):
        assert repo.agentlock("db", "export", what).code == 0
