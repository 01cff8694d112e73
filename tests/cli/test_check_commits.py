"""`check --range` and `--since`: which commits a push would be refused for, now or back then."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import (
    AGENTLOCK,
    HOLDER,
    NO_HOOKS,
    OTHER,
    Repo,
    assert_passed,
    assert_refused,
    publish,
    run,
)

if TYPE_CHECKING:
    from support import Result

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def scene(repo: Repo) -> Repo:
    """src/ reserved by the holder; commits since `start`: a free one, a refused one."""
    repo.must("tag", "start")
    repo.reserve(HOLDER, "src/", "--reason", "bd-42")
    add(repo, "docs/y.md")
    add(repo, "src/x.py", "src/z.py")
    return repo


def add(repo: Repo, *names: str) -> str:
    for name in names:
        repo.write(name, f"change of {name} on {repo.head}\n")
    repo.commit_unguarded(f"change {names[0]}")
    return repo.head


def made_by(repo: Repo, agent: str, oid: str) -> None:
    repo.sql(
        "INSERT INTO commits (project_id, oid, agent, created_ts) SELECT id, ?, ?, 1 FROM projects",
        *(oid, agent),
    )


def check(repo: Repo, *arguments: str, agent: str | None = OTHER) -> Result:
    return repo.agentlock("check", "--json", *arguments, agent=agent)


def test_the_range_names_each_refused_commit_and_its_paths(scene: Repo) -> None:
    first = scene.head
    second = add(scene, "src/x.py")
    add(scene, "README.md")
    made_by(scene, OTHER, second)
    done = check(scene, "--range", "start..HEAD")
    assert done.code == 1
    assert (done.json["verdict"], done.json["checked"]) == ("refuse", 4)
    assert [one["path"] for one in done.json["conflicts"]] == ["src/x.py", "src/z.py"]
    assert [
        (one["oid"], one["subject"], one["agent"], [found["path"] for found in one["conflicts"]])
        for one in done.json["commits"]
    ] == [
        (second, "change src/x.py", OTHER, ["src/x.py"]),
        (first, "change src/x.py", None, ["src/x.py", "src/z.py"]),
    ]
    assert done.json["commits"][0]["conflicts"][0]["reservation"]["agent"] == HOLDER


def test_in_text_each_refused_commit_has_a_line(scene: Repo) -> None:
    done = scene.agentlock("check", "--range", "start..HEAD", agent=OTHER)
    assert done.code == 1
    assert done.out == f"{scene.head[:12]}  -  change src/x.py: src/x.py, src/z.py\n"
    assert "agentlock: check refused: 2 of 3 paths are reserved by others" in done.err


def test_without_a_name_only_what_the_holder_made_is_allowed(scene: Repo) -> None:
    assert check(scene, "--range", "start..HEAD", agent=None).code == 1
    made_by(scene, HOLDER, scene.head)
    done = check(scene, "--range", "start..HEAD", agent=None)
    assert (done.code, done.json["commits"], done.json["conflicts"]) == (0, [], [])


def test_what_the_holder_made_is_left_out_and_what_others_made_is_not(scene: Repo) -> None:
    made_by(scene, HOLDER, scene.head)
    other = add(scene, "src/x.py")
    done = check(scene, "--range", "start..HEAD")
    assert [one["oid"] for one in done.json["commits"]] == [other]
    assert [one["path"] for one in done.json["conflicts"]] == ["src/x.py"]


def test_a_push_of_the_range_gets_the_same_verdict(scene: Repo, tmp_path: Path) -> None:
    run("git", "init", "-q", "--bare", "remote.git", cwd=tmp_path)
    scene.must("push", "-q", str(tmp_path / "remote.git"), "start:refs/heads/main")
    scene.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    scene.must("fetch", "-q", "origin")
    for agent, code in ((OTHER, 1), (HOLDER, 0)):
        assert check(scene, "--range", "origin/main..HEAD", agent=agent).code == code
        assert scene.git("push", "-q", "--dry-run", "origin", "main", agent=agent).code == code


def test_a_merge_is_judged_by_what_it_changed_itself(scene: Repo) -> None:
    scene.must("checkout", "-q", "-b", "side", "start")
    add(scene, "docs/side.md")
    scene.must(*NO_HOOKS, "merge", "-q", "--no-edit", "main")
    clean = scene.head
    assert check(scene, "--range", "main..HEAD").code == 0
    scene.write("src/x.py", "evil\n")
    scene.must("add", "-A")
    scene.must(*NO_HOOKS, "commit", "-q", "--amend", "--no-edit")
    done = check(scene, "--range", "main..HEAD")
    assert clean != scene.head
    assert [one["oid"] for one in done.json["commits"]] == [scene.head]


@pytest.mark.parametrize("text", ["HEAD", "main...HEAD", "nowhere..HEAD", "-x..HEAD", "a b"])
def test_what_is_not_a_range_is_refused(scene: Repo, text: str) -> None:
    done = check(scene, f"--range={text}")
    assert (done.code, done.json["error"]["hint"]) == (2, "write it as A..B")


@pytest.mark.parametrize("text", ["start..HEAD", "HEAD~1..HEAD", "HEAD^!"])
def test_a_shallow_clone_is_told_what_is_missing(scene: Repo, tmp_path: Path, text: str) -> None:
    add(scene, "docs/y.md")
    depth = "--depth=1"
    url = f"file://{scene.path}"
    run("git", "clone", "-q", depth, "--no-tags", url, "shallow", cwd=tmp_path)
    shallow = Repo(tmp_path / "shallow")
    joined = shallow.agentlock(
        *("init", "--no-hooks", "--database", str(scene.database)),
        *("--project", scene.must("config", "agentlock.project")),
    )
    assert joined.code == 0, joined
    done = check(shallow, "--range", text)
    assert done.code == 3, done
    assert "only a part of the history" in done.json["error"]["message"]
    assert "fetch-depth: 0" in done.json["error"]["hint"]
    shallow.must("fetch", "-q", "--unshallow", "--tags")
    assert check(shallow, "--range", text).code == (1 if text == "start..HEAD" else 0)


def test_since_judges_a_commit_by_what_was_reserved_when_it_was_made(scene: Repo) -> None:
    refused = scene.head
    made = int(scene.must("show", "-s", "--format=%ct")) * 1_000_000
    begin = "UPDATE file_reservations SET created_ts = ?, expires_ts = ?, released_ts = ?"
    cases = (
        (made - 60_000_000, made + 60_000_000, None, True),
        (made - 60_000_000, made + 60_000_000, made + 1_000_000, True),
        (made - 60_000_000, made + 60_000_000, made - 1_000_000, False),
        (made - 60_000_000, made - 1, None, False),
        (made + 1_000_000, made + 60_000_000, None, False),
    )
    for created, expires, released, counts in cases:
        scene.sql(begin, created, expires, released)
        done = check(scene, "--since", "2026-01-01T00:00:00Z")
        assert [one["oid"] for one in done.json["commits"]] == ([refused] if counts else [])
        assert done.code == int(counts)
    assert check(scene, "--range", "start..HEAD").code == 0  # nothing is live now


def test_since_leaves_out_what_is_older_and_what_the_holder_made(scene: Repo) -> None:
    scene.sql("UPDATE file_reservations SET created_ts = 1")
    assert check(scene, "--since", "2026-01-31T11:00:00Z").code == 1
    assert check(scene, "--since", "2026-01-31T13:00:00Z").code == 0
    made_by(scene, HOLDER, scene.head)
    assert check(scene, "--since", "2026-01-31T11:00:00Z").code == 0
    wrong = check(scene, "--since", "yesterday")
    assert wrong.code == 2
    assert "neither a duration nor a time" in wrong.json["error"]["message"]


def test_since_lists_what_a_gate_warned_of_and_what_a_person_skipped(scene: Repo) -> None:
    scene.must("reset", "-q", "--hard", "start")
    policy = ("policy", "set", "--reason", "trial", "enforcement")
    assert scene.agentlock(*policy, "warn").code == 0
    scene.write("src/x.py", "warned of\n")
    assert scene.commit_all("warned", agent=OTHER).code == 0
    warned = scene.head
    bypassed = add(scene, "src/z.py")
    made = int(scene.must("show", "-s", "--format=%ct")) * 1_000_000
    scene.sql("UPDATE file_reservations SET created_ts = ?", made - 1)
    both = check(scene, "--since", "2026-01-01T00:00:00Z")
    assert [(one["oid"], one["how"]) for one in both.json["commits"]] == [
        (bypassed, None),
        (warned, "warned"),
    ]
    assert both.code == 1  # although the project only warns
    scene.must("reset", "-q", "--hard", warned)

    assert scene.agentlock(*policy, "block").code == 0
    scene.write("src/x.py", "skipped\n")
    scene.must("add", "-A")
    skip = {"AGENTLOCK_SKIP": "the build is red"}
    assert scene.git("commit", "-q", "-m", "skip", agent=OTHER, env=skip).code == 0
    skipped = scene.head
    done = check(scene, "--since", "2026-01-01T00:00:00Z")
    assert [(one["oid"], one["agent"], one["how"]) for one in done.json["commits"]] == [
        (skipped, OTHER, "skipped"),
        (warned, OTHER, "warned"),
    ]
    assert (done.code, done.json["conflicts"]) == (1, [])
    text = scene.agentlock("check", "--since", "2026-01-01T00:00:00Z", agent=OTHER)
    assert text.code == 1
    assert text.out == (
        f'{skipped[:12]}  {OTHER}  skip: skipped "the build is red"\n'
        f"{warned[:12]}  {OTHER}  warned: warned\n"
    )
    now = check(scene, "--range", "start..HEAD")  # what was let pass is not refused again
    assert (now.code, now.json["commits"]) == (0, [])


def guarded(repo: Repo, name: str, agent: str) -> str:
    repo.write(name, f"changed by {agent}\n")
    assert_passed(repo.commit_all(f"{agent}: {name}", agent=agent))
    return repo.head


def test_the_range_to_a_protected_branch_knows_that_landing_is_now(
    scene: Repo, tmp_path: Path
) -> None:
    scene.must("reset", "-q", "--hard", "start")
    assert_passed(scene.agentlock("release", "--all", agent=HOLDER))
    publish(scene, tmp_path)
    scene.must(*NO_HOOKS, "push", "-q", "origin", "main:topic")
    scene.must("fetch", "-q", "origin")
    made = guarded(scene, "src/x.py", OTHER)
    scene.reserve(HOLDER, "src/")
    begins = ("origin/main", "start", "main~1", "origin/topic")
    assert [check(scene, "--range", f"{begin}..HEAD").code for begin in begins] == [0] * 4
    landing = ("policy", "set", "landing", "now", "--reason", "test")
    assert_passed(scene.agentlock(*landing))
    assert [check(scene, "--range", f"{begin}..HEAD").code for begin in begins] == [1, 1, 1, 0]
    done = check(scene, "--range", "origin/main..HEAD")
    assert [(one["oid"], one["agent"]) for one in done.json["commits"]] == [(made, OTHER)]
    refused = scene.git("push", "-q", "--dry-run", "origin", "main", agent=OTHER)
    assert_refused(refused, "src/x.py", what="push")


def test_the_range_to_what_the_remote_has_of_the_branch_knows_what_a_forced_push_drops(
    scene: Repo, tmp_path: Path
) -> None:
    scene.must("reset", "-q", "--hard", "start")
    scene.must("checkout", "-q", "-b", "topic")
    made = guarded(scene, "src/x.py", HOLDER)
    publish(scene, tmp_path)
    assert_passed(scene.git("push", "-q", "origin", "topic", agent=HOLDER))
    scene.must("reset", "-q", "--hard", "start")
    guarded(scene, "docs/y.md", OTHER)
    done = check(scene, "--range", "origin/topic..topic")
    assert [(one["oid"], one["agent"], one["how"]) for one in done.json["commits"]] == [
        (made, HOLDER, "dropped")
    ]
    text = scene.agentlock("check", "--range", "origin/topic..HEAD", agent=OTHER)
    row = f"{made[:12]}  {HOLDER}  {HOLDER}: src/x.py: dropped by a push: src/x.py\n"
    assert (text.code, text.out) == (1, row)
    forced = scene.git("push", "-q", "--dry-run", "origin", "+topic", agent=OTHER)
    assert_refused(forced, "src/x.py", what="push")
    # What the branch never had is no drop: it waits for a pull.
    scene.must("reflog", "expire", "--expire=all", "refs/heads/topic")
    assert check(scene, "--range", "origin/topic..topic").code == 0
    scene.must("reset", "-q", "--hard", made)
    scene.must("reset", "-q", "--hard", "HEAD@{1}")
    # Another branch is not what a push of this one would move; and what a copy has is kept.
    assert check(scene, "--range", f"{made}..topic").code == 0
    assert_passed(scene.git("cherry-pick", made, agent=HOLDER))
    assert check(scene, "--range", "origin/topic..topic").code == 0


def test_neither_range_nor_since_judge_other_histories_or_what_was_there_before(
    scene: Repo,
) -> None:
    before = scene.head  # was sneaked in
    scene.must("checkout", "-q", "--orphan", "pages")
    scene.write("src/x.py", "of another history\n")
    scene.commit_unguarded("foreign")
    foreign = scene.head
    made = int(scene.must("show", "-s", "--format=%ct")) * 1_000_000
    scene.sql("UPDATE file_reservations SET created_ts = ?", made - 1)
    since = ("--since", "2026-01-01T00:00:00Z")
    assert check(scene, *since).code == 0
    assert check(scene, "--range", f"{before}..HEAD").code == 0
    scene.must("checkout", "-q", "main")
    join = ("merge", "-q", "--allow-unrelated-histories", "--no-edit", "-X", "theirs", foreign)
    scene.must(*NO_HOOKS, *join)
    for judged in (check(scene, "--range", f"{before}..HEAD"), check(scene, *since)):
        assert judged.json["commits"][0]["oid"] == scene.head
        paths = [one["path"] for one in judged.json["commits"][0]["conflicts"]]
        assert paths == ["src/x.py"]
    assert check(scene, "--range", "start..HEAD~1").code == 1
    scene.sql("UPDATE commits SET oid = ? WHERE how = 'before'", before)
    assert check(scene, "--range", "start..HEAD~1").code == 0


def test_ways_to_name_commits_exclude_each_other(scene: Repo) -> None:
    assert check(scene, "--range", "start..HEAD", "--since", "2h").code == 2


def test_a_folder_is_covered_if_everything_in_it_is(scene: Repo) -> None:
    policy = ("policy", "set", "require_reservation", "on", "--reason", "strict")
    assert scene.agentlock(*policy).code == 0
    done = check(scene, "docs/")
    assert (done.code, done.json["uncovered"]) == (1, ["docs/y.md"])
    scene.write("docs/new.md")
    scene.reserve(OTHER, "docs/y.md")
    assert check(scene, "docs").json["uncovered"] == ["docs/new.md"]
    scene.reserve(OTHER, "docs/")
    assert check(scene, "docs/").code == 0


def recipe(language: str) -> str:
    """The commands of a recipe in docs/how-to/ci.md, as the shell of a runner gets them."""
    text = (DOCS / "how-to" / "ci.md").read_text(encoding="utf-8")
    block = text.partition(f"## {language}\n")[2].partition("```yaml\n")[2].partition("```")[0]
    lines = [line.strip().removeprefix("- ") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(("agentlock check ", "git config "))]
    return "\n".join(commands) + "\n"


@pytest.mark.parametrize("language", ["GitHub Actions", "GitLab CI"])
def test_the_recipe_for_ci_passes_and_fails_as_it_says(
    scene: Repo, tmp_path: Path, language: str
) -> None:
    script = recipe(language)
    assert script.count("\n") == 4, script
    agentlock = f'agentlock() {{ {shlex.join(AGENTLOCK)} "$@"; }}\n'
    run("git", "clone", "-q", str(scene.path), "runner", cwd=tmp_path)
    env = {
        "AGENTLOCK_DATABASE": scene.agentlock("db", "path").out.strip(),
        "AGENTLOCK_DATABASE_ID": scene.must("config", "agentlock.databaseId"),
        "AGENTLOCK_PROJECT": scene.must("config", "agentlock.project"),
        "BASE": scene.must("rev-parse", "start"),
        "HEAD": scene.head,
    }

    def pipeline(**changes: str) -> Result:
        command = ("sh", "-e", "-c", agentlock + script)
        return run(*command, cwd=tmp_path / "runner", env=env | changes)

    refused = pipeline()
    assert refused.code == 1, refused
    assert "change src/x.py: src/x.py, src/z.py" in refused.out
    passed = pipeline(HEAD=scene.must("rev-parse", "HEAD~1"))
    assert passed.code == 0, passed
    for wrong in (
        {"AGENTLOCK_DATABASE": str(tmp_path / "nowhere.sqlite3")},
        {"AGENTLOCK_DATABASE_ID": "another"},
        {"AGENTLOCK_PROJECT": "another"},
    ):
        undecided = pipeline(**wrong)
        assert undecided.code == 3, undecided
