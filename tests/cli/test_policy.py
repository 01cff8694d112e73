"""Every setting of the project's policy is enforced, by `check`, by commits and by pushes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support import AGENTLOCK, HOLDER, OTHER, Repo, Result, copy_repository, make_guarded, run

from agentlock.cli.commands import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from support.repositories import MadeOnce

SKIP = "AGENTLOCK_SKIP"
NEVER_SAID = (SKIP, "--no-verify")


def _project(folder: Path) -> None:
    names = ("src/x.py", "docs/y.md", "docs/keep.md", "bin/tool", "outside.py")
    make_guarded(folder, *names).reserve(HOLDER, "src/")


@pytest.fixture
def project(made_once: MadeOnce, tmp_path: Path) -> Repo:
    """BlueLake holds src/."""
    return copy_repository(made_once(_project), tmp_path / "repo")


def set_policy(repo: Repo, *settings: str, **options: Any) -> None:
    why = () if "--reason" in settings else ("--reason", "because")
    result = repo.agentlock("policy", "set", *why, *settings, **options)
    assert result.code == 0, result


def change(repo: Repo, *names: str) -> None:
    for name in names:
        repo.write(name, "changed\n")
    repo.must("add", "-A")


def commit(repo: Repo, *names: str, agent: str | None = OTHER, **options: Any) -> Result:
    change(repo, *names)
    result = repo.git("commit", "-qm", "change", agent=agent, **options)
    for word in NEVER_SAID:
        assert word not in result.out + result.err
    return result


def events(repo: Repo, kind: str) -> list[dict[str, Any]]:
    return [one for one in repo.agentlock("log", "--json").json if one["kind"] == kind]


# show and set


def test_the_default_policy_blocks_and_requires_no_reservation(project: Repo) -> None:
    shown = project.agentlock("policy", "show", "--json").json
    assert shown == {
        "enforcement": "block",
        "require_reservation": False,
        "exempt": [],
        "max_ttl": "24h",
        "allow_skip": True,
        "retention": None,
        "stale": "note",
        "protected": [],
        "landing": "made",
        "max_hold": None,
        "offer": "5m",
        "idle_limit": "15m",
        "on_edit": "reserve",
        "edit_ttl": "30m",
        "release_on": "commit",
        "keep_turns": "counts",
    }
    assert project.agentlock("policy", "show").out.splitlines() == [
        "enforcement\tblock",
        "require_reservation\toff",
        "exempt\t",
        "max_ttl\t24h",
        "allow_skip\ton",
        "retention\toff",
        "stale\tnote",
        "protected\t",
        "landing\tmade",
        "max_hold\toff",
        "offer\t5m",
        "idle_limit\t15m",
        "on_edit\treserve",
        "edit_ttl\t30m",
        "release_on\tcommit",
        "keep_turns\tcounts",
    ]


def test_one_or_several_settings_are_changed_and_logged_with_agent_and_reason(
    project: Repo,
) -> None:
    set_policy(project, "max_ttl", "8h", "--reason", "short shifts", agent=OTHER)
    set_policy(project, "enforcement=warn", "allow_skip=no", "exempt=docs/** !docs/keep.md")
    shown = project.agentlock("policy", "show", "--json").json
    assert shown["max_ttl"] == "8h"
    assert shown["enforcement"] == "warn"
    assert shown["allow_skip"] is False
    assert shown["exempt"] == ["docs/**", "!docs/keep.md"]
    first, second = events(project, "policy")
    assert (first["agent"], first["detail"]) == (OTHER, "max_ttl=8h (short shifts)")
    settings = "enforcement=warn, allow_skip=off, exempt=docs/** !docs/keep.md"
    assert second["detail"] == f"{settings} (because)"
    set_policy(project, "exempt")
    assert project.agentlock("policy", "show", "--json").json["exempt"] == []


def test_one_wrong_setting_among_several_changes_nothing(project: Repo) -> None:
    before = project.agentlock("policy", "show").out
    assert project.agentlock("policy", "set", "enforcement=warn", "max_ttl=1s").code == 2
    assert project.agentlock("policy", "show").out == before
    assert events(project, "policy") == []


# enforcement


def test_with_enforcement_block_a_commit_is_refused(project: Repo) -> None:
    assert commit(project, "src/x.py").code == 1


def test_with_enforcement_warn_a_commit_passes_with_a_warning(project: Repo) -> None:
    set_policy(project, "enforcement", "warn")
    change(project, "src/x.py")
    checked = project.agentlock("check", "--json", agent=OTHER)
    assert checked.code == 0
    assert checked.json["verdict"] == "allow"
    assert [conflict["path"] for conflict in checked.json["conflicts"]] == ["src/x.py"]
    passed = commit(project, "src/x.py")
    assert passed.code == 0
    assert "commit warning (this project only warns): 1 of 1 path is reserved" in passed.err
    assert HOLDER in passed.err
    assert "only warns" in project.agentlock("status", agent=OTHER).out


def test_with_enforcement_warn_an_unreadable_table_still_refuses(project: Repo) -> None:
    set_policy(project, "enforcement", "warn")
    project.database.write_bytes(b"nonsense")
    assert commit(project, "docs/y.md").code == 1


# require_reservation and exempt


def test_a_commit_must_be_covered_by_ones_own_reservation(project: Repo) -> None:
    set_policy(project, "require_reservation", "on")
    refused = commit(project, "docs/y.md")
    assert refused.code == 1
    assert "1 of 1 path is not reserved by you" in refused.err
    assert "agentlock reserve docs/y.md" in refused.err
    status = project.agentlock("status", "--json", agent=OTHER)
    assert status.json["uncovered"] == ["docs/y.md"]
    assert "docs/y.md" in project.agentlock("status", agent=OTHER).out
    checked = project.agentlock("check", "--json", agent=OTHER)
    assert (checked.code, checked.json["uncovered"]) == (1, ["docs/y.md"])
    project.reserve(OTHER, "docs/", "--shared")
    assert commit(project, "docs/y.md").code == 0
    assert commit(project, "src/x.py", agent=HOLDER).code == 0


@pytest.mark.parametrize("ended", ["expired", "released", "somebody else's"])
def test_only_a_live_reservation_of_ones_own_covers(project: Repo, ended: str) -> None:
    set_policy(project, "require_reservation", "on")
    if ended == "somebody else's":
        project.reserve(HOLDER, "docs/", "--shared")
    else:
        project.reserve(OTHER, "docs/")
        if ended == "expired":
            project.expire()
        else:
            assert project.agentlock("release", "--all", agent=OTHER).code == 0
    assert commit(project, "docs/y.md").code == 1
    assert commit(project, "docs/y.md", agent=None).code == 1


def test_a_path_that_is_both_held_and_not_covered_is_shown_once(project: Repo) -> None:
    set_policy(project, "require_reservation", "on")
    refused = commit(project, "src/x.py", "outside.py")
    assert "1 of 2 paths is reserved by others, 1 of 2 paths is not reserved by you" in refused.err
    assert refused.err.partition("holder:")[0].count("src/x.py") == 1


@pytest.mark.parametrize(
    ("exempt", "names", "code"),
    [
        (("docs/**",), ("docs/y.md",), 0),
        (("docs/**",), ("docs/y.md", "outside.py"), 1),
        (("docs/",), ("docs/y.md",), 0),
        (("*.md",), ("docs/y.md",), 0),
        (("docs/*.txt",), ("docs/y.md",), 1),
        (("docs/**", "!docs/keep.md"), ("docs/keep.md",), 1),
        (("docs/**", "!docs/keep.md"), ("docs/y.md",), 0),
        (("!docs/keep.md", "docs/**"), ("docs/keep.md",), 0),
        (("docs/**", "!docs/**", "docs/y.md"), ("docs/y.md",), 0),
        (("docs/**", "!docs/**", "docs/y.md"), ("docs/keep.md",), 1),
        (("outside.py",), ("outside.py",), 0),
        (("outside.py",), ("docs/outside.py",), 1),
    ],
)
def test_exempt_files_need_no_reservation_and_the_last_pattern_decides(
    project: Repo, exempt: tuple[str, ...], names: tuple[str, ...], code: int
) -> None:
    set_policy(project, "require_reservation", "on")
    set_policy(project, "exempt", "--", *exempt)
    assert commit(project, *names).code == code


def test_an_exempt_pattern_never_means_a_folder_outside_the_repository(
    project: Repo, tmp_path: Path
) -> None:
    """/bin, /lib, /tmp and /var may be symbolic links; bin/ here is still only bin/."""
    assert tmp_path.exists()
    set_policy(project, "require_reservation", "on")
    set_policy(project, "exempt", "bin/**", "lib/x.py", "tmp/**", "var/*")
    names = ("bin/tool", "lib/x.py", "tmp/a/b", "var/x")
    assert commit(project, *names).code == 0


def test_an_exempt_file_that_another_agent_holds_is_refused(project: Repo) -> None:
    set_policy(project, "require_reservation", "on")
    set_policy(project, "exempt", "src/**")
    assert commit(project, "src/x.py").code == 1


def test_a_push_must_be_covered_too(project: Repo, tmp_path: Path) -> None:
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    project.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    assert commit(project, "docs/y.md").code == 0  # judged when nothing had to be covered
    set_policy(project, "require_reservation", "on")
    assert project.git("push", "-q", "origin", "main", agent=OTHER).code == 0
    change(project, "docs/keep.md")
    project.commit_unguarded()
    pushed = project.git("push", "-q", "origin", "main", agent=OTHER)
    assert pushed.code == 1
    assert "not reserved by you" in pushed.err


# max_ttl


@pytest.mark.parametrize("command", [("reserve", "a.py"), ("renew", "--all")])
def test_no_lease_is_longer_than_max_ttl(project: Repo, command: tuple[str, ...]) -> None:
    set_policy(project, "max_ttl", "2h")
    assert project.agentlock(*command, "--ttl", "121m", agent=HOLDER).code == 2
    assert project.agentlock(*command, "--ttl", "2h", agent=HOLDER).code == 0


def test_a_default_lease_over_max_ttl_is_refused_and_the_fix_works(project: Repo) -> None:
    set_policy(project, "max_ttl", "30m")
    refused = project.agentlock("reserve", "a.py", agent=OTHER)
    assert refused.code == 2
    assert "--ttl 30m" in refused.err
    assert project.agentlock("reserve", "a.py", "--ttl", "30m", agent=OTHER).code == 0


# allow_skip


@pytest.mark.parametrize("agent", [OTHER, None])
def test_a_skip_lets_one_commit_pass_and_is_logged(project: Repo, agent: str | None) -> None:
    passed = commit(project, "src/x.py", "docs/y.md", agent=agent, env={SKIP: "prod is down"})
    assert passed.code == 0, passed
    said = "agentlock: commit let through by a skip, which is logged: 1 of 2 paths is reserved by"
    assert passed.err.startswith(said)
    assert f"\n  src/x.py  {HOLDER}  exclusive  src/  for " in passed.err
    assert not [word for word in NEVER_SAID if word in passed.err]
    (event,) = events(project, "skipped")
    assert event["agent"] == (agent or "")
    assert "commit by C O Mitter <committer@example.invalid>: prod is down" in event["detail"]
    assert "1 of 2 paths: src/x.py" in event["detail"]
    assert event["reservation"] == 1
    project.write("src/x.py", "changed again\n")
    assert commit(project, "src/x.py", agent=agent).code == 1


def test_a_skip_lets_a_push_pass_and_is_logged(project: Repo, tmp_path: Path) -> None:
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    project.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    change(project, "src/x.py")
    project.commit_unguarded()
    pushed = project.git("push", "-q", "origin", "main", agent=OTHER, env={SKIP: "release"})
    assert pushed.code == 0
    (event,) = events(project, "skipped")
    assert event["detail"].startswith("push by ")


def test_a_skip_of_a_commit_that_would_pass_anyway_is_not_logged(project: Repo) -> None:
    assert commit(project, "docs/y.md", env={SKIP: "just in case"}).code == 0
    assert events(project, "skipped") == []


def test_status_shows_every_agent_for_a_day_what_changed_or_bypassed_the_rules(
    project: Repo,
) -> None:
    set_policy(project, "max_ttl", "8h", "--reason", "short shifts", agent=OTHER)
    forced = ("release", "src/", "--force", "--reason", "it has crashed")
    assert project.agentlock(*forced, agent=OTHER).code == 0
    project.reserve(HOLDER, "src/")
    assert commit(project, "src/x.py", env={SKIP: "prod is down"}).code == 0
    for agent in (HOLDER, "SomebodyElse", None):
        seen = project.agentlock("status", "--json", agent=agent).json["interventions"]
        assert [one["kind"] for one in seen] == ["policy", "force-released", "skipped"]
        assert [one["agent"] for one in seen] == [OTHER] * 3
        assert seen == [one for one in project.agentlock("log", "--json").json if one in seen]
        said = project.agentlock("status", agent=agent).out
        for why in ("max_ttl=8h (short shifts)", "it has crashed", "prod is down"):
            assert why in said
    project.sql("DROP TRIGGER events_are_not_rewritten")
    project.sql("UPDATE events SET created_ts = created_ts - 86400000000")
    assert project.agentlock("status", "--json").json["interventions"] == []


def test_status_shows_an_agent_each_change_of_the_rules_once(project: Repo) -> None:
    project.reserve(HOLDER, "docs/")
    set_policy(project, "max_ttl", "8h", "--reason", "short shifts", agent=OTHER)
    assert "short shifts" not in project.agentlock("status", agent=OTHER).out
    for _ in range(2):  # what JSON shows is not marked
        assert len(project.agentlock("status", "--json", agent=HOLDER).json["interventions"]) == 1
    assert "short shifts" in project.agentlock("status", agent=HOLDER).out
    assert "short shifts" not in project.agentlock("status", agent=HOLDER).out
    set_policy(project, "max_ttl", "9h", "--reason", "longer ones", agent=OTHER)
    told = project.agentlock("status", agent=HOLDER).out
    assert "longer ones" in told
    assert "short shifts" not in told
    assert "short shifts" in project.agentlock("status").out  # nobody is told anything for good


def test_status_shows_the_newest_of_many_interventions(project: Repo) -> None:
    for hours in range(1, 13):
        set_policy(project, "max_ttl", f"{hours}h")
    said = project.agentlock("status").out
    assert [line for line in said.splitlines() if "max_ttl=12h" in line]
    assert not [line for line in said.splitlines() if "max_ttl=1h" in line]
    assert "and 2 more: agentlock log --since 24h" in said


def test_doctor_warns_about_skips_and_still_calls_the_guard_in_place(project: Repo) -> None:
    assert commit(project, "src/x.py", env={SKIP: "prod is down"}).code == 0
    doctor = project.agentlock("doctor", "--json", agent=OTHER)
    assert doctor.code == 0
    (warned,) = [one for one in doctor.json["findings"] if one["check"] == "skips"]
    assert warned["level"] == "warning"
    assert "1 command was let pass" in warned["message"]
    assert "prod is down" in warned["message"]
    assert SKIP not in doctor.out


@pytest.mark.parametrize("reason", ["", " ", "\t\n"])
def test_a_skip_without_a_reason_is_refused(project: Repo, reason: str) -> None:
    assert commit(project, "src/x.py", env={SKIP: reason}).code == 1
    assert events(project, "skipped") == []
    (refused,) = events(project, "refused")
    assert refused["detail"].startswith("commit, and a skip without a reason (1 of 1 path")


def test_a_skip_with_too_long_a_reason_is_refused_and_the_limit_is_shown(project: Repo) -> None:
    change(project, "src/x.py")
    shim = str(project.path / ".git" / "hooks" / "pre-commit")
    refused = run(shim, cwd=project.path, agent=OTHER, env={SKIP: "r" * 1001})
    assert refused.code == 3
    assert "commit refused: a reason of 1001 characters is too long" in refused.err
    assert "1000 characters at most" in refused.err
    assert commit(project, "src/x.py", env={SKIP: "r" * 1001}).code == 1
    assert events(project, "skipped") == []
    assert commit(project, "src/x.py", env={SKIP: "r" * 1000}).code == 0


def test_a_project_can_forbid_skips(project: Repo) -> None:
    set_policy(project, "allow_skip", "off")
    refusal = commit(project, "src/x.py", env={SKIP: "prod is down"})
    assert refusal.code == 1
    assert refusal.err.endswith(
        "\n  the skip was ignored: the policy of this project allows none\n"
    )
    assert "the skip was ignored" not in commit(project, "src/x.py").err
    assert events(project, "skipped") == []
    refused, _ = events(project, "refused")
    assert refused["detail"].startswith("commit, and a skip without a policy that allows it (")


def test_a_skip_that_cannot_be_logged_is_refused(project: Repo) -> None:
    environment = {SKIP: "prod is down", "AGENTLOCK_TIMEOUT": "0.3"}
    with closing(sqlite3.connect(project.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        refused = commit(project, "src/x.py", env=environment)
        connection.execute("ROLLBACK")
    assert refused.code == 1
    assert "commit refused" in refused.err
    assert "stayed locked" in refused.err
    assert events(project, "skipped") == []
    shim = str(project.path / ".git" / "hooks" / "pre-commit")
    with closing(sqlite3.connect(project.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert run(shim, cwd=project.path, agent=OTHER, env=environment).code == 3
        connection.execute("ROLLBACK")


def test_a_skip_is_refused_if_the_table_is_missing(project: Repo) -> None:
    project.database.unlink()
    assert commit(project, "docs/y.md", env={SKIP: "prod is down"}).code == 1
    assert not project.database.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_skip_is_refused_if_the_table_is_read_only(project: Repo) -> None:
    project.database.chmod(0o400)
    assert commit(project, "src/x.py", env={SKIP: "prod is down"}).code == 1


def test_no_help_text_and_no_guide_mentions_a_bypass(project: Repo) -> None:
    subcommands: list[tuple[str, ...]] = [(name,) for name in COMMANDS]
    subcommands += [("policy", "set"), ("policy", "show"), ("hooks", "install")]
    for words in [(), *subcommands]:
        told = run(*AGENTLOCK, *words, "--help", cwd=project.path)
        assert told.code == 0
        assert not [word for word in NEVER_SAID if word in told.out + told.err], words
    told = project.agentlock("guide")
    assert not [word for word in NEVER_SAID if word in told.out]
