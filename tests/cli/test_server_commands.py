"""`init --server` and the other commands in a bare repository."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

import pytest
from support import AGENTLOCK, HOLDER, NO_HOOKS, Repo, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Result
    from support.postgresql import Server

NAMED = ("--identity-variable", "REMOTE_USER")


@pytest.fixture
def bare(repo: Repo, tmp_path: Path) -> Repo:
    """A bare clone in which agentlock was never run, of a repository with a table."""
    run("git", "clone", "-q", "--bare", str(repo.path), "bare.git", cwd=tmp_path)
    return Repo(tmp_path / "bare.git")


@pytest.fixture
def served(repo: Repo, bare: Repo) -> Repo:
    """The same, guarded."""
    result = init(bare, "--database", str(repo.database), *NAMED)
    assert result.code == 0, result
    return bare


def init(bare: Repo, *options: str) -> Result:
    return bare.agentlock("init", "--server", *options)


def push(repo: Repo, bare: Repo, who: str) -> Result:
    """Push a new commit of a file that the holder has reserved, past the hooks of the clone."""
    repo.write("README.md", f"by {who}\n")
    repo.commit_unguarded(f"by {who}")
    command = (*NO_HOOKS, "push", str(bare.path), "+HEAD:main")
    return repo.git(*command, env={"REMOTE_USER": who})


def put_hook(bare: Repo, script: str, name: str = "pre-receive") -> Path:
    path = bare.path / "hooks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--server",), "a server needs the table"),
        ((), "this is a bare repository"),
        (("--database", "table"), "this is a bare repository"),
        (
            ("--server", "--database", "table", "--identity-variable", "A B"),
            "not the name of a variable",
        ),
        (
            ("--server", "--database", "table", "--identity-variable", ""),
            "not the name of a variable",
        ),
    ],
)
def test_what_makes_no_sense_in_a_bare_repository_changes_nothing(
    bare: Repo, options: tuple[str, ...], sentence: str
) -> None:
    before = (bare.path / "config").read_bytes()
    result = bare.agentlock("init", *options)
    assert result.code == 2, result
    assert sentence in result.err
    assert (bare.path / "config").read_bytes() == before
    assert not (bare.path / "hooks" / "pre-receive").exists()
    assert not (bare.path / "table").exists()


def test_a_worktree_is_no_server(repo: Repo, new_repo: Callable[..., Repo]) -> None:
    for one in (repo, new_repo("other")):
        result = one.agentlock("init", "--server", "--database", str(repo.database))
        assert result.code == 2
        assert "has a worktree" in result.err
    assert repo.agentlock("init", *NAMED).code == 2


def test_init_may_be_repeated_and_says_whom_it_believes(repo: Repo, bare: Repo) -> None:
    first = init(bare, "--database", str(repo.database))
    assert "no variable names the agent that pushes" in first.err
    assert "pre-receive installed" in first.out
    hook = bare.path / "hooks" / "pre-receive"
    written = hook.read_bytes()
    again = init(bare, *NAMED, "--json").json
    assert again["identity_variables"] == ["REMOTE_USER"]
    assert again["hooks"] == [{"hook": "pre-receive", "state": "installed"}]
    assert init(bare, "--json").json["identity_variables"] == ["REMOTE_USER"]
    assert hook.read_bytes() == written


def test_the_only_project_of_a_table_is_meant_and_of_several_one_is_named(
    repo: Repo, bare: Repo, new_repo: Callable[..., Repo], tmp_path: Path
) -> None:
    table = ("--database", str(repo.database))
    known = repo.agentlock("init", "--json").json["project"]
    assert new_repo("other").agentlock("init", *table, "--project", "other").code == 0
    refused = init(bare, *table)
    assert refused.code == 2
    assert f"{known}, other" in refused.err
    assert init(bare, *table, "--project", "other", "--json").json["project"] == "other"

    fresh = tmp_path / "fresh.git"
    run("git", "clone", "-q", "--bare", str(bare.path), str(fresh), cwd=tmp_path)
    told = init(Repo(fresh), "--database", str(tmp_path / "new.sqlite3"))
    key = str(tmp_path / "fresh")
    assert f"in each clone: agentlock init --database {tmp_path}/new.sqlite3 --project {key}" in (
        told.err
    )
    run("git", "clone", "-q", str(fresh), "clone", cwd=tmp_path)
    clone = Repo(tmp_path / "clone").agentlock("init", "--database", f"{tmp_path}/new.sqlite3")
    assert f"project: {key}" in clone.out  # from its origin alone


def test_a_hook_that_was_there_runs_first_and_comes_back_to_the_byte(
    repo: Repo, bare: Repo, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    hook = put_hook(bare, f'cat > "{seen}"; [ ! -e "{tmp_path}/no" ] || exit 7')
    former = hook.read_bytes()
    assert init(bare, "--database", str(repo.database), *NAMED).code == 0
    repo.reserve(HOLDER, "README.md")
    refused = push(repo, bare, "GreenHill")
    assert refused.code == 1
    assert "agentlock: push refused" in refused.err
    assert seen.read_text(encoding="ascii").endswith(" refs/heads/main\n")
    (tmp_path / "no").touch()
    theirs = push(repo, bare, HOLDER)
    assert theirs.code == 1
    assert "agentlock" not in theirs.err
    (tmp_path / "no").unlink()
    assert push(repo, bare, HOLDER).code == 0

    assert "pre-receive" in bare.agentlock("hooks", "uninstall").out
    assert hook.read_bytes() == former
    assert push(repo, bare, "GreenHill").code == 0


def test_status_and_doctor_say_whether_pushes_are_guarded(served: Repo) -> None:
    status = served.agentlock("status", "--json").json
    assert status["guarded"] is True
    assert status["identity_variables"] == ["REMOTE_USER"]
    assert "named by REMOTE_USER" in served.agentlock("status").out
    healthy = served.agentlock("doctor")
    assert healthy.code == 0, healthy
    assert "pre-receive: git runs our hook, and it refuses (proven)" in healthy.out
    assert not served.must("for-each-ref", "refs/heads/agentlock-probe")

    hook = served.path / "hooks" / "pre-receive"
    hook.chmod(0o644)
    assert served.agentlock("hooks", "status").code == 1
    assert served.agentlock("doctor").code == 1
    assert served.agentlock("hooks", "install").code == 0
    assert served.agentlock("doctor").code == 0

    served.must("config", "agentlock.identityVariable", "AGENTLOCK_AGENT")
    assert "whoever pushes can claim any name" in served.agentlock("doctor").out
    served.must("config", "--unset", "agentlock.identityVariable")
    assert "no variable names the agent that pushes" in served.agentlock("doctor").out


def test_what_needs_files_says_that_there_are_none(repo: Repo, served: Repo) -> None:
    repo.reserve(HOLDER, "README.md")
    for command in (("reserve", "x"), ("check",), ("check", "x"), ("explain", "x")):
        result = served.agentlock(*command, agent=HOLDER)
        assert result.code == 2, result
        assert "is a bare repository, and has no files" in result.err
    assert served.agentlock("list", "--json").json[0]["agent"] == HOLDER
    assert push(repo, served, HOLDER).code == 0
    assert served.agentlock("check", "--range", "main~1..main", agent="GreenHill").code == 0
    assert served.agentlock("release", "--id", "1", "--force", "--reason", "x", agent="a").code == 0


def test_worktrees_of_a_server_have_their_own_hooks(served: Repo, tmp_path: Path) -> None:
    served.must("worktree", "add", "-q", str(tmp_path / "tree"), "main")
    tree = Repo(tmp_path / "tree")
    for _ in range(2):
        assert tree.agentlock("init").code == 0
        assert served.agentlock("hooks", "status").code == 0
        assert tree.agentlock("hooks", "status").code == 0
        assert init(served).code == 0
    taken = served.agentlock("hooks", "uninstall", "--json").json["removed"]
    assert {"pre-commit", "pre-push", "pre-receive"} <= set(taken)


def test_a_global_hooks_folder_does_not_lead_round_the_gate(
    repo: Repo, bare: Repo, home: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    run("git", "config", "--global", "core.hooksPath", str(shared), cwd=tmp_path)
    put_hook(Repo(tmp_path), "exit 0", "pre-commit")
    put_hook(Repo(tmp_path), "exit 0", "pre-receive")
    shutil.move(tmp_path / "hooks", shared)
    assert (home / ".gitconfig").exists()
    assert init(bare, "--database", str(repo.database), *NAMED).code == 0
    assert bare.agentlock("hooks", "status").code == 0
    bare.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "tree"))
    assert Repo(tmp_path / "tree").agentlock("init").code == 0  # knows of pre-receive too
    repo.reserve(HOLDER, "README.md")
    assert push(repo, bare, "GreenHill").code == 1
    assert push(repo, bare, HOLDER).code == 0


DISPATCHER = """\
lines=$(cat)
for script in "${0}.d"/*; do
    echo "$lines" | "$script" || exit 1
done"""


def test_a_dispatcher_may_run_the_gate_and_must_pass_its_lines_on(repo: Repo, bare: Repo) -> None:
    """As forges do it: their own pre-receive runs what lies in a folder beside it."""
    assert init(bare, "--no-hooks", "--database", str(repo.database), *NAMED).code == 0
    put_hook(bare, f"exec {shlex.join(AGENTLOCK)} hook pre-receive", "pre-receive.d/agentlock")
    put_hook(bare, DISPATCHER)
    repo.reserve(HOLDER, "README.md")
    refused = push(repo, bare, "GreenHill")
    assert refused.code == 1
    assert "README.md  BlueLake" in refused.err
    assert push(repo, bare, HOLDER).code == 0

    put_hook(bare, DISPATCHER.replace('echo "$lines" |', "</dev/null"))
    refused = push(repo, bare, HOLDER)
    assert refused.code == 1
    assert "pre-receive was given no ref update" in refused.err


def test_the_table_may_be_on_a_server_too(
    new_repo: Callable[..., Repo], tmp_path: Path, postgresql: Server
) -> None:
    repo = new_repo("agents")
    url = postgresql.database()
    assert repo.agentlock("init", "--database", url).code == 0
    run("git", "clone", "-q", "--bare", str(repo.path), "bare.git", cwd=tmp_path)
    bare = Repo(tmp_path / "bare.git")
    assert init(bare, "--database", url, *NAMED).code == 0
    repo.reserve(HOLDER, "README.md")
    refused = push(repo, bare, "GreenHill")
    assert refused.code == 1
    assert "README.md  BlueLake" in refused.err
    assert push(repo, bare, HOLDER).code == 0
