"""A remote-tracking ref hides no conflict at push: the remote itself says what it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support import Result


@pytest.fixture
def remote(repo: Repo, tmp_path: Path) -> Repo:
    """A remote that has all there is, in which src/ is reserved by the holder."""
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("files")
    path = tmp_path / "remote.git"
    run("git", "init", "-q", "--bare", str(path), cwd=tmp_path)
    repo.must("remote", "add", "origin", str(path))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "main")
    repo.reserve(HOLDER, "src/")
    return Repo(path)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often `git ls-remote` was run so far, by git's own trace."""
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2", str(trace))

    def count() -> int:
        return trace.read_text(encoding="utf-8").count("cmd_name ls-remote")

    return count


def sneak(repo: Repo, name: str = "src/x.py") -> str:
    repo.write(name, "behind the guard's back\n")
    repo.commit_unguarded(f"sneak into {name}")
    return repo.head


def forge(repo: Repo, oid: str, ref: str = "refs/remotes/origin/zz") -> None:
    repo.must("update-ref", ref, oid)


def assert_refused(result: Result) -> None:
    assert result.code == 1, result
    assert "agentlock: push refused: " in result.err, result
    assert "src/x.py" in result.err


@pytest.mark.parametrize("target", ["main", "new"])
def test_a_forged_ref_hides_no_commit(repo: Repo, remote: Repo, target: str) -> None:
    forge(repo, sneak(repo))
    refused = repo.git("push", "origin", f"HEAD:refs/heads/{target}", agent=OTHER)
    assert_refused(refused)
    if target == "new":  # a protected branch is judged by all that it gains in any case
        assert "origin does not show that it has" in refused.err
        assert "git fetch origin" in refused.err
    assert remote.git("rev-parse", "--verify", "-q", f"refs/heads/{target}").out.strip() != (
        repo.head
    )


def test_a_forged_ref_under_newer_commits_hides_nothing(repo: Repo, remote: Repo) -> None:
    forge(repo, sneak(repo))
    sneak(repo, "docs/y.md")
    assert_refused(repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER))
    assert remote.must("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_moving_the_ref_of_the_branch_itself_hides_nothing(repo: Repo, remote: Repo) -> None:
    assert remote.path.exists()
    forge(repo, sneak(repo), "refs/remotes/origin/main")
    assert_refused(repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER))


@pytest.mark.parametrize("annotated", [(), ("-a", "-m", "tag")])
def test_a_tag_of_what_a_forged_ref_hides_is_judged(
    repo: Repo, remote: Repo, annotated: tuple[str, ...]
) -> None:
    assert remote.path.exists()
    forge(repo, sneak(repo))
    repo.must("tag", *annotated, "v1")
    assert_refused(repo.git("push", "origin", "v1", agent=OTHER))


def test_what_the_remote_really_has_passes(repo: Repo, remote: Repo) -> None:
    theirs = sneak(repo)
    repo.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/theirs")
    sneak(repo, "docs/y.md")
    pushed = repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER)
    assert pushed.code == 0, pushed
    assert remote.must("rev-parse", "new~1") == theirs


def test_a_remote_that_moved_on_since_the_last_fetch_is_believed_without_a_ref(
    repo: Repo, remote: Repo, tmp_path: Path
) -> None:
    sneak(repo)
    repo.must(*NO_HOOKS, "push", "-q", "origin", "HEAD:refs/heads/theirs")
    run("git", "clone", "-q", "-b", "theirs", str(remote.path), "clone", cwd=tmp_path)
    elsewhere = Repo(tmp_path / "clone")
    sneak(elsewhere, "docs/z.md")
    elsewhere.must("push", "-q", "origin", "theirs")
    before = repo.must("for-each-ref")
    pushed = repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER)
    assert pushed.code == 0, pushed
    now = [line for line in repo.must("for-each-ref").splitlines() if "/new" not in line]
    assert now == before.splitlines()
    assert not (repo.path / ".git" / "FETCH_HEAD").exists()


def test_what_the_holder_made_is_pushed_without_asking(
    repo: Repo, remote: Repo, asked: Callable[[], int]
) -> None:
    oid = sneak(repo)
    repo.sql(
        "INSERT INTO commits (project_id, oid, agent, created_ts) SELECT id, ?, ?, 1 FROM projects",
        *(oid, HOLDER),
    )
    forge(repo, oid)
    assert repo.git("push", "origin", "HEAD:main", agent=OTHER).code == 0
    assert remote.must("rev-parse", "main") == oid
    assert asked() == 0


def test_the_ordinary_push_does_not_ask_the_remote(
    repo: Repo, remote: Repo, asked: Callable[[], int]
) -> None:
    sneak(repo, "docs/y.md")
    assert repo.git("push", "origin", "main", agent=OTHER).code == 0
    assert repo.git("push", "origin", "HEAD:refs/heads/merged", agent=HOLDER).code == 0
    sneak(repo, "src/x.py")
    assert asked() == 0
    assert_refused(repo.git("push", "origin", "main", agent=OTHER))
    assert asked() == 2  # before a refusal it is
    assert repo.agentlock("release", "--all", agent=HOLDER).code == 0
    assert repo.git("push", "origin", "HEAD:refs/heads/free", agent=OTHER).code == 0
    assert remote.must("rev-parse", "free") == repo.head
    assert asked() == 2


def test_a_new_branch_on_a_touched_file_asks_once(
    repo: Repo, remote: Repo, asked: Callable[[], int]
) -> None:
    sneak(repo, "docs/y.md")
    assert repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER).code == 0
    assert remote.must("rev-parse", "new") == repo.head
    assert asked() == 2  # the second only reads the settings: --get-url


def test_a_long_history_is_not_looked_through(
    repo: Repo, remote: Repo, asked: Callable[[], int]
) -> None:
    stream = "".join(
        f"commit refs/heads/long\ncommitter C <c@e> {at} +0000\ndata 1\n.\n"
        f"{'from refs/heads/main^0' if at == 1 else ''}\n"
        for at in range(1, 1_101)
    )
    repo.must("fast-import", "--quiet", stdin=stream.encode())
    repo.must(*NO_HOOKS, "push", "-q", "origin", "long")
    assert repo.git("push", "origin", "long:refs/heads/new", agent=OTHER).code == 0
    assert asked() == 2
    repo.must("checkout", "-q", "long")
    forge(repo, sneak(repo))
    assert_refused(repo.git("push", "origin", "HEAD:refs/heads/newer", agent=OTHER))
    assert repo.agentlock("release", "--all", agent=HOLDER).code == 0
    assert repo.git("push", "origin", "HEAD:refs/heads/newest", agent=OTHER).code == 0
    assert asked() == 4
    assert remote.must("rev-parse", "newest") == repo.head


def test_a_treeless_clone_fetches_at_once_and_never_commit_by_commit(
    repo: Repo, remote: Repo, tmp_path: Path
) -> None:
    one = (
        "commit refs/heads/main\ncommitter C <c@e> {} +0000\ndata 1\n.\n"
        "{}M 644 inline docs/{}\ndata 1\n.\n"
    )
    first = "from refs/heads/main^0\n"
    stream = "".join(one.format(at, "" if at > 1 else first, at) for at in range(1, 31))
    remote.must("fast-import", "--quiet", stdin=stream.encode())
    remote.must("config", "uploadpack.allowFilter", "true")
    remote.must("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = ("clone", "-q", "--filter=tree:0", f"file://{remote.path}", "treeless")
    assert run("git", *clone, cwd=tmp_path).code == 0
    treeless = Repo(tmp_path / "treeless")
    assert treeless.agentlock("init", "--database", str(repo.database)).code == 0
    treeless.write("docs/new.md")
    assert treeless.commit_all(agent=OTHER).code == 0
    run("git", "clone", "-q", "--bare", "--depth=1", f"file://{remote.path}", "fork", cwd=tmp_path)
    treeless.must("remote", "add", "fork", str(tmp_path / "fork"))
    for name, most in (("origin", 0), ("fork", 1)):  # the fork lacks all but one commit
        trace = tmp_path / f"trace {name}"
        push = ("push", "-q", name, "HEAD:refs/heads/new")
        passed = treeless.git(*push, agent=OTHER, env={"GIT_TRACE2": str(trace)})
        assert passed.code == 0, passed
        assert trace.read_text(encoding="utf-8").count("cmd_name fetch") <= most


def test_a_remote_that_does_not_answer_refuses(repo: Repo, remote: Repo) -> None:
    oid = sneak(repo)
    forge(repo, oid)
    line = f"HEAD {oid} refs/heads/new {'0' * 40}\n".encode()
    remote.path.rename(remote.path.with_suffix(".gone"))
    hook = ("hook", "pre-push", "origin", str(remote.path))
    refused = repo.agentlock(*hook, agent=OTHER, stdin=line)
    assert refused.code == 3, refused
    assert "origin did not say what it has" in refused.err
    assert "git ls-remote origin" in refused.err


def test_a_remote_that_does_not_answer_is_asked_once(
    repo: Repo, remote: Repo, tmp_path: Path
) -> None:
    sneak(repo)
    remote.path.rename(remote.path.with_suffix(".gone"))
    trace = tmp_path / "trace"
    line = f"refs/heads/main {repo.head} refs/heads/new {'0' * 40}\n".encode()
    hook = ("hook", "pre-push", "origin", str(remote.path))
    refused = repo.agentlock(*hook, agent=OTHER, stdin=line, env={"GIT_TRACE2": str(trace)})
    assert_refused(refused)
    asked = trace.read_text(encoding="utf-8").count("cmd_name ls-remote")
    assert asked == 2  # what its URL is, and what it has


def test_a_remote_that_never_answers_refuses(repo: Repo, remote: Repo, tmp_path: Path) -> None:
    assert remote.path.exists()
    oid = sneak(repo)
    forge(repo, oid)
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    silent.chmod(0o755)
    line = f"HEAD {oid} refs/heads/new {'0' * 40}\n".encode()
    hook = ("hook", "pre-push", "origin", "ssh://example.invalid/x")
    env = {"GIT_SSH_COMMAND": str(silent), "AGENTLOCK_TIMEOUT": "1"}
    refused = repo.agentlock(*hook, agent=OTHER, stdin=line, env=env)
    assert refused.code == 3, refused
    assert "git gave no answer in time" in refused.err


def decoy(repo: Repo, tmp_path: Path) -> Path:
    """Another bare repository, which has what the remote lacks."""
    path = tmp_path / "decoy.git"
    run("git", "clone", "-q", "--bare", str(repo.path), str(path), cwd=tmp_path)
    return path


@pytest.mark.parametrize(
    "trick",
    [
        "url.{decoy}.insteadOf={remote}",
        "remote.{remote}.url={decoy}",
        "remote.origin.url={decoy}",
    ],
)
def test_no_setting_leads_the_question_to_another_repository(
    repo: Repo, remote: Repo, tmp_path: Path, trick: str
) -> None:
    oid = sneak(repo)
    forge(repo, oid)
    places = {"decoy": decoy(repo, tmp_path), "remote": remote.path}
    line = f"HEAD {oid} refs/heads/new {'0' * 40}\n".encode()
    hook = ("hook", "pre-push", "origin", str(remote.path))
    name, _, value = trick.format(**places).rpartition("=")
    repo.must("config", name, value)
    refused = repo.agentlock(*hook, agent=OTHER, stdin=line)
    assert refused.code in (1, 3), refused
    assert "agentlock: push refused: " in refused.err


@pytest.mark.parametrize("setting", ["remote.origin.pushurl", "url.{remote}.pushInsteadOf"])
def test_the_repository_that_is_pushed_to_is_asked(
    repo: Repo, remote: Repo, tmp_path: Path, setting: str
) -> None:
    forge(repo, sneak(repo))
    has_it = decoy(repo, tmp_path)
    repo.must("remote", "set-url", "origin", str(has_it))
    if setting == "remote.origin.pushurl":
        repo.must("config", setting, str(remote.path))
    else:
        repo.must("config", setting.format(remote=remote.path), str(has_it))
    assert_refused(repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER))
    assert remote.must("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_the_frameworks_push_is_judged_by_what_the_remote_has(repo: Repo, remote: Repo) -> None:
    forge(repo, sneak(repo))
    variables = {
        "PRE_COMMIT_REMOTE_NAME": "origin",
        "PRE_COMMIT_REMOTE_URL": str(remote.path),
        "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/main",
        "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/main",
    }
    hook = ("hook", "pre-push", "--framework")
    assert_refused(repo.agentlock(*hook, agent=OTHER, env=variables))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "main")
    assert repo.agentlock(*hook, agent=OTHER, env=variables).code == 0


def test_a_repository_of_sha256_asks_too(tmp_path: Path, home: Path) -> None:
    assert home.exists()
    path = tmp_path / "sha256"
    for name, options in (("sha256", ()), ("remote.git", ("--bare",))):
        run("git", "init", "-q", "--object-format=sha256", *options, name, cwd=tmp_path)
    repo = Repo(path)
    repo.write("src/x.py")
    repo.commit_unguarded("start")
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    repo.must("push", "-q", "origin", "main")
    assert repo.agentlock("init").code == 0
    repo.reserve(HOLDER, "src/")
    forge(repo, sneak(repo))
    assert_refused(repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER))
    repo.must(*NO_HOOKS, "push", "-q", "origin", "main")
    assert repo.git("push", "origin", "HEAD:refs/heads/new", agent=OTHER).code == 0
