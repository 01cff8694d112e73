"""The gate on the server: real pushes into a bare repository, refused by its pre-receive hook."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, Result, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PUSHER = "TEST_PUSHER"  # what the server in these tests is told to believe


class Hub:
    """A guarded bare repository, and the clone of somebody who never ran `agentlock init`."""

    def __init__(self, server: Repo, clone: Repo, table: Path) -> None:
        self.server = server
        self.clone = clone
        self.table = table

    def push(
        self, *what: str, pusher: str | None = None, env: dict[str, str] | None = None
    ) -> Result:
        named = {} if pusher is None else {PUSHER: pusher}
        return self.clone.git("push", "origin", *what, env={**named, **(env or {})})

    def commit(self, name: str, text: str = "changed\n") -> str:
        self.clone.write(name, text)
        self.clone.must("add", "--all")
        self.clone.must("commit", "-q", "-m", f"change {name}")
        return self.clone.head

    def reserve(self, *patterns: str, agent: str = HOLDER) -> None:
        self.agents.reserve(agent, *patterns)

    @property
    def agents(self) -> Repo:
        return Repo(self.clone.path.parent / "agents")

    def has(self, ref: str) -> str:
        return self.server.git("rev-parse", "--verify", "-q", ref).out.strip()


@pytest.fixture
def hub(new_repo: Callable[..., Repo], tmp_path: Path) -> Hub:
    """A server with some files in main, a clone, and the agents' repository with the table."""
    table = tmp_path / "table" / "agentlock.sqlite3"
    agents = new_repo("agents")
    for name in ("src/x.py", "src/y.py", "docs/y.md", "free.txt"):
        agents.write(name, f"start of {name}\n")
    agents.commit_unguarded("files")
    run("git", "clone", "-q", "--bare", str(agents.path), "server.git", cwd=tmp_path)
    server = Repo(tmp_path / "server.git")
    assert agents.agentlock("init", "--database", str(table)).code == 0
    made = server.agentlock(
        "init", "--server", "--database", str(table), "--identity-variable", PUSHER
    )
    assert made.code == 0, made
    run("git", "clone", "-q", str(server.path), "clone", cwd=tmp_path)
    return Hub(server, Repo(tmp_path / "clone"), table)


def assert_refused(result: Result, *shown: str) -> None:
    assert result.code in (1, 255), result  # 255: send-pack
    assert "remote: agentlock: push refused: " in result.err
    assert "pre-receive hook declined" in result.err
    for text in shown:
        assert text in result.err
    assert "--no-verify" not in result.err
    assert "AGENTLOCK_SKIP" not in result.err


def test_a_push_is_refused_to_all_but_the_holder(hub: Hub) -> None:
    before = hub.has("main")
    hub.reserve("src/**")
    hub.commit("src/x.py")

    refused = hub.push("main", pusher=OTHER)
    assert_refused(refused, "src/x.py", HOLDER, "src/**", "agentlock show 1")
    assert_refused(
        hub.push("main"),
        f"this server is not told who pushes: {PUSHER} is not set",
        f"ask whoever runs the server to set {PUSHER} for each push",
    )
    assert hub.has("main") == before

    assert hub.push("main", pusher=HOLDER).code == 0
    assert hub.has("main") == hub.clone.head


def test_the_server_names_the_commits_too_and_what_a_push_would_drop(hub: Hub) -> None:
    hub.reserve("src/**")
    hub.commit("free.txt")
    made = hub.commit("src/x.py")
    ask = f"ask:    {HOLDER} to release src/**, then push again"
    row = f'remote:   {made[:12]}  no record  "change src/x.py"  main  changes src/x.py'
    refused = hub.push("main", pusher=OTHER)
    assert_refused(refused, row, f"remote:   {ask}")
    assert "change free.txt" not in refused.err
    assert "drop it" not in refused.err  # the server does not know what is checked out

    hub.clone.must("push", "-q", "origin", "main:refs/heads/only", env={PUSHER: HOLDER})
    refused = hub.push(":only", pusher=OTHER)
    why = "this push would drop it, changes src/x.py"
    assert_refused(
        refused,
        f'remote:   {made[:12]}  {HOLDER}  "change src/x.py"  only  {why}',
        "remote:   keep it: push it to another branch before this one is deleted",
    )


def test_what_nobody_holds_is_pushed_by_anyone(hub: Hub) -> None:
    hub.reserve("src/**")
    hub.reserve("docs/**")
    hub.commit("free.txt")
    assert hub.push("main").code == 0
    assert hub.push("main").code == 0  # up to date
    assert hub.has("main") == hub.clone.head


def test_one_bad_ref_refuses_all_of_a_push(hub: Hub) -> None:
    hub.reserve("src/**")
    hub.clone.must("switch", "-q", "-c", "good")
    hub.commit("free.txt")
    hub.clone.must("switch", "-q", "-c", "bad", "main")
    hub.commit("src/x.py")
    for options in ([], ["--atomic"]):
        assert_refused(hub.push(*options, "good", "bad", pusher=OTHER), "src/x.py")
        assert not hub.has("good")
        assert not hub.has("bad")
    assert hub.push("good", pusher=OTHER).code == 0


def test_send_pack_meets_the_gate_that_no_client_hook_guards(hub: Hub) -> None:
    hub.reserve("src/**")
    hub.commit("src/x.py")
    sent = hub.clone.git("send-pack", str(hub.server.path), "main", env={PUSHER: OTHER})
    assert_refused(sent, "src/x.py")


@pytest.mark.parametrize(
    "claim",
    [
        {"AGENTLOCK_AGENT": HOLDER},
        {"AGENT_NAME": HOLDER},
        {"REMOTE_USER": HOLDER, "GL_USERNAME": HOLDER},
        {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "agentlock.agent",
            "GIT_CONFIG_VALUE_0": HOLDER,
        },
        {"AGENTLOCK_SKIP": "because", PUSHER: OTHER},
    ],
)
def test_what_a_client_says_of_itself_is_not_believed(hub: Hub, claim: dict[str, str]) -> None:
    hub.reserve("src/**")
    hub.commit("src/x.py")
    assert_refused(hub.push("main", env=claim), "src/x.py")


def test_a_personal_configuration_names_no_variable(hub: Hub, home: Path) -> None:
    hub.server.must("config", "--unset", "agentlock.identityVariable")
    with (home / ".gitconfig").open("a", encoding="utf-8") as file:
        file.write("[agentlock]\n\tidentityVariable = AGENTLOCK_AGENT\n\tagent = BlueLake\n")
    hub.reserve("src/**")
    hub.commit("src/x.py")
    assert_refused(hub.push("main", env={"AGENTLOCK_AGENT": HOLDER}), "src/x.py")


def test_a_name_that_no_agent_can_have_is_refused(hub: Hub) -> None:
    hub.commit("free.txt")
    result = hub.push("main", pusher="somebody@example.invalid")
    assert result.code == 1
    assert "TEST_PUSHER" in result.err
    assert "on the server: " in result.err
    assert hub.push("main", pusher="").code == 0  # nobody, and nothing is held


def test_the_first_variable_that_is_set_counts(hub: Hub) -> None:
    assert (
        hub.server.agentlock(
            *("init", "--server", "--identity-variable", "REMOTE_USER"),
            *("--identity-variable", "GL_USERNAME"),
        ).code
        == 0
    )
    hub.reserve("src/**")
    hub.commit("src/x.py")
    assert_refused(hub.push("main", pusher=HOLDER))
    assert_refused(hub.push("main", env={"REMOTE_USER": OTHER, "GL_USERNAME": HOLDER}))
    assert hub.push("main", env={"REMOTE_USER": "", "GL_USERNAME": HOLDER}).code == 0


def test_a_new_branch_and_a_tag_are_judged_by_what_no_branch_has(hub: Hub) -> None:
    hub.reserve("src/**")
    assert hub.push("main:refs/heads/same", "main:refs/tags/v1", pusher=OTHER).code == 0
    hub.commit("src/x.py")
    hub.clone.must("tag", "-a", "-m", "annotated", "annotated")
    for ref in (
        "refs/heads/new",
        "refs/tags/v2",
        "refs/notes/commits",
        "refs/for/main",
        "refs/pull/1/head",
    ):
        assert_refused(hub.push(f"main:{ref}", pusher=OTHER), "src/x.py")
    assert_refused(hub.push("annotated", pusher=OTHER), "src/x.py")
    assert hub.push("annotated", pusher=HOLDER).code == 0


def test_the_default_branch_is_judged_by_all_that_it_gains(hub: Hub) -> None:
    made = hub.commit("src/x.py")
    hub.server.must("fetch", "-q", str(hub.clone.path), f"{made}:refs/heads/side")
    hub.reserve("src/")
    assert_refused(hub.push("HEAD:main", pusher=OTHER), "src/x.py")
    assert hub.push("HEAD:other", pusher=OTHER).code == 0


def test_a_tag_makes_no_commit_known(hub: Hub) -> None:
    made = hub.commit("src/x.py")
    hub.server.must("fetch", "-q", str(hub.clone.path), f"{made}:refs/tags/early")
    hub.reserve("src/**")
    assert_refused(hub.push("main", pusher=OTHER), "src/x.py")
    assert_refused(hub.push("main", "+main:refs/tags/early", pusher=OTHER), "src/x.py")


def test_a_tag_of_a_file_changes_nothing(hub: Hub) -> None:
    hub.reserve("src/**")
    hub.clone.must("tag", "blob", "HEAD:src/x.py")
    assert hub.push("blob", pusher=OTHER).code == 0


def test_a_merge_is_judged_by_what_it_did_itself(hub: Hub) -> None:
    hub.commit("src/x.py", "theirs\n")
    assert hub.push("main:theirs", pusher=HOLDER).code == 0
    hub.reserve("src/**")
    hub.clone.must("reset", "-q", "--hard", "HEAD~1")
    hub.commit("free.txt")
    hub.clone.must("merge", "-q", "--no-edit", "origin/theirs")
    assert hub.push("main", pusher=OTHER).code == 0

    hub.clone.write("src/y.py", "evil\n")
    hub.clone.must("add", "src/y.py")
    hub.clone.must("switch", "-q", "-c", "evil")
    hub.clone.must("commit", "-q", "--amend", "--no-edit")
    assert_refused(hub.push("evil", pusher=OTHER), "src/y.py")


def test_a_conflict_that_the_pusher_resolved_is_theirs(hub: Hub) -> None:
    hub.commit("src/x.py", "theirs\n")
    assert hub.push("main:theirs", pusher=HOLDER).code == 0
    hub.clone.must("reset", "-q", "--hard", "HEAD~1")
    hub.commit("src/x.py", "mine\n")
    assert hub.push("main", pusher=OTHER).code == 0
    hub.reserve("src/**")
    assert hub.clone.git("merge", "-q", "origin/theirs").code == 1
    hub.commit("src/x.py", "resolved\n")
    assert_refused(hub.push("main", pusher=OTHER), "src/x.py")
    assert hub.push("main", pusher=HOLDER).code == 0


def test_a_forced_push_is_judged_by_what_it_drops(hub: Hub) -> None:
    hub.commit("src/x.py")
    hub.commit("free.txt")
    assert hub.push("main").code == 0
    hub.reserve("src/**")
    assert_refused(hub.push("+main~2:main", pusher=OTHER), "src/x.py")
    assert hub.push("+main~1:main", pusher=OTHER).code == 0
    assert hub.push("+main~2:main", pusher=HOLDER).code == 0


def test_a_rebased_branch_is_forced_by_who_changed_only_its_own_files(hub: Hub) -> None:
    hub.clone.must("switch", "-q", "-c", "mine")
    hub.commit("free.txt")
    assert hub.push("mine", pusher=OTHER).code == 0
    hub.clone.must("switch", "-q", "main")
    hub.commit("src/x.py")
    assert hub.push("main", pusher=HOLDER).code == 0
    hub.reserve("src/**")
    hub.clone.must("rebase", "-q", "main", "mine")
    assert hub.push("+mine", pusher=OTHER).code == 0


def test_a_deleted_branch_is_judged_by_what_no_other_has(hub: Hub) -> None:
    hub.commit("free.txt")
    assert hub.push("main", "main:merged", pusher=OTHER).code == 0
    hub.clone.must("switch", "-q", "-c", "side")
    hub.commit("src/x.py")
    assert hub.push("side", "side:refs/heads/again", pusher=HOLDER).code == 0
    hub.reserve("src/**")
    assert hub.push(":merged", pusher=OTHER).code == 0
    assert hub.push(":again", pusher=OTHER).code == 0  # `side` has it still
    assert_refused(hub.push(":side", pusher=OTHER), "src/x.py")
    assert hub.push(":side", "side:renamed", pusher=OTHER).code == 0
    assert "agentlock" not in hub.push(":never-was", pusher=OTHER).err
    assert_refused(hub.push(":renamed", pusher=OTHER), "src/x.py")
    assert hub.push(":renamed", pusher=HOLDER).code == 0


def test_the_default_branch_stays_while_anything_is_held(hub: Hub) -> None:
    hub.server.must("config", "receive.denyDeleteCurrent", "ignore")
    hub.server.must("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    hub.server.must("branch", "copy", "main")
    hub.reserve("not/there/yet.txt")
    for pusher in (OTHER, HOLDER, None):
        for ref in ("main", "alias"):
            refused = hub.push(f":{ref}", pusher=pusher)
            assert_refused(refused, "refs/heads/main is the default branch", "not/there/yet.txt")
            assert hub.has("main")
    assert hub.agents.agentlock("release", "--all", agent=HOLDER).code == 0
    assert hub.push(":alias", pusher=OTHER).code == 0
    assert not hub.has("main")


def test_the_first_push_to_an_empty_server_is_judged_too(hub: Hub, tmp_path: Path) -> None:
    run("git", "init", "-q", "--bare", "empty.git", cwd=tmp_path)
    empty = Repo(tmp_path / "empty.git")
    assert empty.agentlock("init", "--server", "--database", str(hub.table)).code == 0
    hub.reserve("src/**")
    hub.clone.must("remote", "add", "empty", str(empty.path))
    hub.commit("src/y.py")
    refused = hub.clone.git("push", "empty", "main")
    assert_refused(refused, "src/y.py")
    assert "src/x.py" not in refused.err  # `init` made the table when that was there
    assert hub.agents.agentlock("release", "--all", agent=HOLDER).code == 0
    assert hub.clone.git("push", "empty", "main").code == 0


def test_what_was_there_before_the_table_is_pushed_while_the_server_lacks_other_branches(
    new_repo: Callable[..., Repo], tmp_path: Path
) -> None:
    agents, table = new_repo("agents"), ("--database", str(tmp_path / "table.sqlite3"))
    agents.write("src/x.py")
    agents.commit_unguarded("files")
    run("git", "clone", "-q", "--bare", str(agents.path), "server.git", cwd=tmp_path)
    for text in ("early", "later"):
        agents.write("src/x.py", text)
        agents.commit_unguarded(text)
    agents.must("switch", "-q", "-c", "private")
    agents.commit_unguarded("private")
    agents.must("switch", "-q", "main")
    assert agents.agentlock("init", *table).code == 0
    server = Repo(tmp_path / "server.git")
    assert server.agentlock("init", "--server", *table).code == 0
    agents.reserve(HOLDER, "src/")
    agents.must("remote", "add", "origin", str(server.path))
    assert agents.git("push", "origin", "main", agent=OTHER).code == 0
    assert server.head == agents.head


def test_a_shallow_clone_pushes_what_the_server_can_judge(hub: Hub, tmp_path: Path) -> None:
    hub.commit("free.txt")
    assert hub.push("main").code == 0
    url = f"file://{hub.server.path}"
    run("git", "clone", "-q", "--depth=1", url, "shallow", cwd=tmp_path)
    shallow = Repo(tmp_path / "shallow")
    hub.reserve("src/**")
    shallow.write("docs/y.md", "mine\n")
    shallow.must("commit", "-q", "-a", "-m", "docs")
    assert shallow.git("push", "origin", "main").code == 0
    shallow.write("src/x.py", "mine\n")
    shallow.must("commit", "-q", "-a", "-m", "src")
    assert_refused(shallow.git("push", "origin", "main"), "src/x.py")


def test_an_integrator_pushes_what_the_holder_committed(hub: Hub) -> None:
    hub.reserve("src/**")
    hub.agents.must("remote", "add", "origin", str(hub.server.path))
    hub.agents.write("src/x.py", "by the holder\n")
    assert hub.agents.commit_all(agent=HOLDER).code == 0
    pushed = hub.agents.git("push", "-q", "origin", "main", agent=OTHER, env={PUSHER: OTHER})
    assert pushed.code == 0, pushed


def test_what_a_push_brought_while_nobody_held_it_is_not_judged_again(hub: Hub) -> None:
    hub.commit("src/x.py")
    assert hub.push("main:refs/heads/early", pusher=OTHER).code == 0
    hub.server.must("update-ref", "-d", "refs/heads/early")
    hub.reserve("src/**")
    assert hub.push("main", pusher=OTHER).code == 0


def test_a_server_that_cannot_decide_refuses(hub: Hub) -> None:
    hub.commit("free.txt")
    os.rename(hub.table, hub.table.with_suffix(".away"))
    result = hub.push("main", pusher=OTHER)
    assert result.code == 1
    assert "remote: agentlock: push refused: " in result.err
    assert "is missing" in result.err
    assert "fix: on the server: " in result.err
    os.rename(hub.table.with_suffix(".away"), hub.table)
    hook = hub.server.path / "hooks" / "pre-receive"
    text = hook.read_text(encoding="utf-8")
    hook.write_text(text.replace("\nuse '", "\nuse '/gone"), encoding="utf-8")
    result = hub.push("main", pusher=OTHER)
    assert result.code == 1
    assert "the program that guards this repository is missing" in result.err
    hook.write_text(text, encoding="utf-8")
    assert "GIT_NAMESPACE" in hub.push("main", env={"GIT_NAMESPACE": "a"}).err
    assert hub.push("main", pusher=OTHER).code == 0
