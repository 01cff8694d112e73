"""Hooks that were there before run first, unharmed, and come back to the byte."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, run

from agentlock.hook_kinds import JUDGES, with_role
from agentlock.install.hooks import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEFORE = ".before-agentlock"


def put_hook(repo: Repo, name: str, script: str, mode: int = 0o755) -> Path:
    path = repo.path / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(mode)
    return path


def install(repo: Repo) -> None:
    result = repo.agentlock("init")
    assert result.code == 0, result


def snapshot(folder: Path) -> dict[str, tuple[int, str | bytes]]:
    """Mode and content (or target) of everything in a folder."""
    found: dict[str, tuple[int, str | bytes]] = {}
    for path in sorted(folder.iterdir()):
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes()
        found[path.name] = (path.lstat().st_mode, content)
    return found


@pytest.fixture
def plain(new_repo: Callable[..., Repo]) -> Repo:
    repo = new_repo("plain")
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name)
    repo.commit_unguarded("files")
    return repo


@pytest.fixture
def remote(plain: Repo, tmp_path: Path) -> Path:
    path = tmp_path / "remote.git"
    assert run("git", "init", "-q", "--bare", str(path), cwd=tmp_path).code == 0
    plain.must("remote", "add", "origin", str(path))
    return path


def test_theirs_runs_first_and_ours_judges_what_it_staged(plain: Repo) -> None:
    put_hook(plain, "pre-commit", "echo formatted >> src/x.py; git add src/x.py; echo theirs >&2")
    install(plain)
    plain.reserve(HOLDER, "src/x.py")
    plain.write("docs/y.md", "mine\n")
    refused = plain.commit_all(agent=OTHER)
    assert refused.code == 1
    assert refused.err.index("theirs") < refused.err.index("agentlock: commit refused")
    assert "src/x.py" in refused.err
    assert plain.commit_all(agent=HOLDER).code == 0


@pytest.mark.parametrize("hook", HOOKS)
def test_the_exit_code_of_theirs_is_kept_and_ours_is_not_asked(plain: Repo, hook: str) -> None:
    put_hook(plain, hook, "echo theirs >&2; exit 7")
    install(plain)
    shutil.move(plain.database, plain.database.with_suffix(".away"))
    shim = plain.path / ".git" / "hooks" / hook
    result = run(str(shim), "origin", "url", cwd=plain.path)
    assert (result.code, result.err) == (7, "theirs\n")


@pytest.mark.parametrize("hook", with_role(JUDGES))
def test_theirs_passing_is_not_enough(plain: Repo, hook: str) -> None:
    put_hook(plain, hook, "exit 0")
    install(plain)
    shutil.move(plain.database, plain.database.with_suffix(".away"))
    result = run(str(plain.path / ".git" / "hooks" / hook), "origin", "url", cwd=plain.path)
    assert result.code == 3
    assert "is missing" in result.err


@pytest.mark.parametrize("stdin", [b"", b"one line\n", b"no newline at the end", b"two\n\n\n"])
def test_theirs_gets_the_same_arguments_and_stdin_to_the_byte(plain: Repo, stdin: bytes) -> None:
    arguments = ["origin", "a url with 'quotes' \"and\" $PATH \\n", "", "*", "-n"]
    put_hook(
        plain, "pre-push", 'cat > got; for one in "$@"; do printf \'%s\\0\' "$one"; done > args'
    )
    install(plain)
    run(str(plain.path / ".git/hooks/pre-push"), *arguments, cwd=plain.path, stdin=stdin)
    assert (plain.path / "got").read_bytes() == stdin
    assert (plain.path / "args").read_bytes().split(b"\0")[:-1] == list(map(str.encode, arguments))


@pytest.mark.parametrize("hook", ["pre-commit", "pre-merge-commit"])
def test_theirs_inherits_the_environment_and_folder_that_git_gave(plain: Repo, hook: str) -> None:
    put_hook(plain, hook, 'pwd -P > "$OUT"; echo "$GIT_INDEX_FILE" >> "$OUT"')
    install(plain)
    out = plain.path.parent / "out"
    environment = {"GIT_INDEX_FILE": ".git/index", "OUT": str(out)}
    shim = str(plain.path / ".git" / "hooks" / hook)
    assert run(shim, cwd=plain.path, env=environment, agent=OTHER).code == 0
    assert out.read_text() == f"{os.path.realpath(plain.path)}\n.git/index\n"


def changed_unguarded(repo: Repo) -> None:
    """A commit that no gate has judged; what was there before `init` is in the ledger."""
    repo.write("src/x.py", "changed\n")
    repo.commit_unguarded()


def test_both_hooks_read_the_refs_of_a_real_push(plain: Repo, remote: Path) -> None:
    put_hook(plain, "pre-push", "cat > refs")
    install(plain)
    changed_unguarded(plain)
    plain.reserve(HOLDER, "src/x.py")
    refused = plain.git("push", "-q", "origin", "main", "main:other", agent=OTHER)
    assert refused.code == 1
    assert "agentlock: push refused" in refused.err
    assert len((plain.path / "refs").read_text().splitlines()) == 2
    assert run("git", "for-each-ref", cwd=remote).out == ""
    assert plain.git("push", "-q", "origin", "main", agent=HOLDER).code == 0


@pytest.mark.parametrize("reads", ["cat > got", "exit 0"], ids=["reads", "does-not-read"])
def test_refs_longer_than_a_pipe_holds_reach_both(plain: Repo, reads: str) -> None:
    put_hook(plain, "pre-push", reads)
    install(plain)
    changed_unguarded(plain)
    zero = "0" * 40
    deletion = f"(delete) {zero} refs/heads/{{}} {plain.head}\n"
    lines = "".join(deletion.format(f"branch-{number:04}") for number in range(1000))
    real = f"refs/heads/main {plain.head} refs/heads/main {zero}\n"
    assert len(lines) > 65536
    plain.reserve(HOLDER, "src/x.py")
    shim = str(plain.path / ".git" / "hooks" / "pre-push")
    stdin = (lines + real).encode()
    result = run(shim, "origin", "url", cwd=plain.path, agent=OTHER, stdin=stdin)
    assert result.code == 1, result
    assert "src/x.py" in result.err
    if reads != "exit 0":
        assert (plain.path / "got").read_bytes() == stdin
    passed = run(shim, "origin", "url", cwd=plain.path, agent=OTHER, stdin=lines.encode())
    assert passed.code == 0, passed


def test_a_hook_without_its_run_bit_is_kept_and_not_run(plain: Repo) -> None:
    path = put_hook(plain, "pre-commit", "exit 9", mode=0o644)
    before = snapshot(path.parent)
    install(plain)
    plain.write("new.txt")
    assert plain.commit_all(agent=OTHER).code == 0
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert snapshot(path.parent) == before


def test_a_hook_that_gets_its_run_bit_later_runs_again(plain: Repo) -> None:
    path = put_hook(plain, "pre-commit", "exit 9", mode=0o644)
    install(plain)
    path.with_name("pre-commit" + BEFORE).chmod(0o755)
    plain.write("new.txt")
    assert plain.commit_all(agent=OTHER).code == 1


def test_a_symlinked_hook_runs_and_comes_back_as_the_same_symlink(plain: Repo) -> None:
    target = plain.write("tools/hook.sh", "#!/bin/sh\necho linked >&2\n")
    target.chmod(0o755)
    folder = plain.path / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    (folder / "pre-commit").symlink_to("../../tools/hook.sh")
    (folder / "pre-push").symlink_to("/nowhere/at/all")
    before = snapshot(folder)
    install(plain)
    assert not (folder / "pre-commit").is_symlink()
    assert target.read_text() == "#!/bin/sh\necho linked >&2\n"
    committed = plain.commit_all(agent=OTHER)
    assert committed.code == 0
    assert "linked" in committed.err
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert snapshot(folder) == before


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o555, 0o644])
def test_uninstalling_restores_every_hook_to_the_byte(plain: Repo, mode: int) -> None:
    folder = plain.path / ".git" / "hooks"
    folder.mkdir(exist_ok=True)
    for number, hook in enumerate(HOOKS):
        (folder / hook).write_bytes(b"#!/bin/sh\r\n\xff\0" + bytes([number]) * number)
        (folder / hook).chmod(mode)
    (folder / "commit-msg").write_bytes(b"not ours")
    before = snapshot(folder)
    install(plain)
    install(plain)
    during = snapshot(folder)
    assert {name + BEFORE for name in HOOKS} < set(during)
    assert all(during[name + BEFORE] == before[name] for name in HOOKS)
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert snapshot(folder) == before
    assert plain.agentlock("hooks", "uninstall").out == "there is no agentlock hook here\n"
    assert snapshot(folder) == before


def test_installing_twice_changes_nothing(plain: Repo) -> None:
    put_hook(plain, "pre-commit", "exit 0")
    install(plain)
    once = snapshot(plain.path / ".git" / "hooks")
    settings = (plain.path / ".git" / "config").read_bytes()
    assert plain.agentlock("hooks", "install").code == 0
    install(plain)
    assert snapshot(plain.path / ".git" / "hooks") == once
    assert (plain.path / ".git" / "config").read_bytes() == settings


def test_a_foreign_hook_over_ours_beside_a_kept_one_is_refused_and_nothing_is_lost(
    plain: Repo,
) -> None:
    put_hook(plain, "pre-commit", "echo first")
    install(plain)
    put_hook(plain, "pre-commit", "echo second")
    before = snapshot(plain.path / ".git" / "hooks")
    result = plain.agentlock("hooks", "install")
    assert result.code == 3
    assert "both hooks that agentlock did not write" in result.err
    assert snapshot(plain.path / ".git" / "hooks") == before


def test_the_hook_status_follows_what_git_would_run(plain: Repo) -> None:
    put_hook(plain, "pre-push", "exit 0")
    assert plain.agentlock("init", "--no-hooks").code == 0

    def states() -> list[str]:
        listed = plain.agentlock("hooks", "status", "--json").json
        assert [one["hook"] for one in listed] == list(HOOKS)
        return [one["state"] for one in listed]

    assert states() == ["foreign" if hook == "pre-push" else "missing" for hook in HOOKS]
    assert plain.agentlock("hooks", "status").code == 1
    install(plain)
    assert states() == ["installed"] * len(HOOKS)
    assert plain.agentlock("hooks", "status").code == 0
    shim = plain.path / ".git" / "hooks" / "pre-commit"
    shim.chmod(0o644)
    assert states()[0] == "not executable"
    shim.chmod(0o755)
    shim.write_text(shim.read_text().replace(sys.executable, "/nowhere/python"))
    assert states()[0] == "broken"
    assert plain.agentlock("hooks", "status").code == 1
    plain.write("new.txt")
    refused = plain.commit_all(agent=OTHER)
    assert refused.code == 1  # git's own; the hook's is 3
    assert "is missing" in refused.err
    assert "agentlock hooks install" in refused.err


def test_one_install_guards_linked_worktrees_made_before_and_after(
    plain: Repo, tmp_path: Path
) -> None:
    plain.must("worktree", "add", "-q", "-b", "early", str(tmp_path / "early"))
    assert Repo(tmp_path / "early").agentlock("init").code == 0
    plain.must("worktree", "add", "-q", "-b", "late", str(tmp_path / "late"))
    plain.reserve(HOLDER, "src/x.py")
    for worktree in (plain, Repo(tmp_path / "early"), Repo(tmp_path / "late")):
        worktree.write("src/x.py", "changed\n")
        assert "commit refused" in worktree.commit_all(agent=OTHER).err
        assert worktree.agentlock("hooks", "status").code == 0
    assert not (plain.path / ".git" / "worktrees" / "early" / "hooks").exists()
    assert Repo(tmp_path / "late").agentlock("hooks", "uninstall").code == 0
    assert plain.agentlock("hooks", "status").code == 1


@pytest.mark.parametrize("name", ["with space", "it's", 'quo"te', "$HOME `id`", "new\nline", "-x"])
def test_any_repository_path_is_guarded_with_a_chained_hook(
    new_repo: Callable[..., Repo], name: str
) -> None:
    repo = new_repo(f"outer/{name}")
    put_hook(repo, "pre-commit", "echo theirs >&2")
    install(repo)
    repo.reserve(HOLDER, "a.py")
    repo.write("a.py")
    refused = repo.commit_all(agent=OTHER)
    assert refused.code == 1, refused
    assert "theirs" in refused.err
    assert "commit refused" in refused.err
    assert repo.commit_all(agent=HOLDER).code == 0


def test_an_absolute_hooks_path_inside_the_repository_is_used(plain: Repo) -> None:
    folder = plain.path / ".git" / "my hooks"
    folder.mkdir()
    (folder / "pre-commit").write_text("#!/bin/sh\necho theirs >&2\n")
    (folder / "pre-commit").chmod(0o755)
    before = snapshot(folder)
    plain.must("config", "core.hooksPath", str(folder))
    install(plain)
    assert set(HOOKS) < set(os.listdir(folder))
    assert not (plain.path / ".git" / "hooks" / "pre-push").exists()
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER)
    assert "theirs" in refused.err
    assert "commit refused" in refused.err
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert snapshot(folder) == before


def test_uninstalling_leaves_no_trace_where_nothing_was(plain: Repo) -> None:
    hooks = plain.path / ".git" / "hooks"
    before = snapshot(hooks) if hooks.exists() else None
    install(plain)
    assert stat.S_IMODE((hooks / "pre-push").stat().st_mode) == 0o755
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert (snapshot(hooks) if hooks.exists() else None) == before
