"""Hooks that were there before run first, unharmed, and come back to the byte."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, OTHER, Repo, run

from agentlock.hook_kinds import JUDGES, RECORDS, with_role
from agentlock.install.hooks import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def put_hook(repo: Repo, name: str, script: str, mode: int = 0o755) -> Path:
    path = repo.path / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(mode)
    return path


def kept(hook: Path) -> Path:
    """Where it is kept, and run from, while ours has its place."""
    return hook.parent.with_name(hook.parent.name + ".before-agentlock") / hook.name


def install(repo: Repo) -> None:
    result = repo.agentlock("init")
    assert result.code == 0, result


def snapshot(folder: Path) -> dict[str, tuple[int, str | bytes]]:
    """Mode and content (or target) of everything in a folder."""
    found: dict[str, tuple[int, str | bytes]] = {}
    for path in sorted(folder.iterdir()):
        is_link, is_folder = path.is_symlink(), path.is_dir()
        content = str(path.readlink()) if is_link else b"" if is_folder else path.read_bytes()
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


@pytest.mark.parametrize("hook", with_role(JUDGES, RECORDS))
def test_the_exit_code_of_theirs_is_kept_if_ours_refuses_nothing(plain: Repo, hook: str) -> None:
    put_hook(plain, hook, "echo theirs >&2; exit 7")
    install(plain)
    program = str(plain.path / ".git" / "hooks" / hook)
    pushed = f"{'0' * 40} {plain.head} refs/heads/new\n" if hook == "pre-receive" else ""
    result = run(program, "origin", "url", cwd=plain.path, stdin=pushed.encode())
    assert (result.code, result.err) == (7, "theirs\n")


@pytest.mark.parametrize("hook", with_role(JUDGES))
def test_where_theirs_refuses_ours_is_asked_all_the_same(plain: Repo, hook: str) -> None:
    put_hook(plain, hook, "echo theirs >&2; exit 7")
    install(plain)
    shutil.move(plain.database, plain.database.with_suffix(".away"))
    result = run(str(plain.path / ".git" / "hooks" / hook), "origin", "url", cwd=plain.path)
    assert result.code == 3
    assert result.err.startswith("theirs\nagentlock: ")


def test_a_commit_that_theirs_and_ours_refuse_names_both_reasons(plain: Repo, remote: Path) -> None:
    for hook in ("pre-commit", "pre-push"):
        put_hook(plain, hook, f"echo lint of {hook} fails >&2; exit 1")
    install(plain)
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER)
    assert "lint of pre-commit fails" in refused.err
    assert "agentlock: commit refused" in refused.err
    assert refused.code == 1
    holder = plain.commit_all(agent=HOLDER)
    assert (holder.code, "agentlock" in holder.err) == (1, False)
    plain.write("src/x.py", "not judged\n")
    plain.commit_unguarded()
    pushed = plain.git("push", "origin", "main", agent=OTHER)
    assert "lint of pre-push fails" in pushed.err
    assert "agentlock: push refused" in pushed.err
    assert pushed.code == 1
    assert run("git", "for-each-ref", cwd=remote).out == ""


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
def test_refs_longer_than_a_pipe_holds_reach_both(plain: Repo, remote: Path, reads: str) -> None:
    plain.must("push", "-q", "origin", "HEAD:refs/heads/kept")  # so that deleting drops nothing
    put_hook(plain, "pre-push", reads)
    install(plain)
    known = plain.head
    changed_unguarded(plain)
    zero = "0" * 40
    deletion = f"(delete) {zero} refs/heads/{{}} {known}\n"
    lines = "".join(deletion.format(f"branch-{number:04}") for number in range(1000))
    real = f"refs/heads/main {plain.head} refs/heads/main {zero}\n"
    assert len(lines) > 65536
    plain.reserve(HOLDER, "src/x.py")
    shim = str(plain.path / ".git" / "hooks" / "pre-push")
    stdin = (lines + real).encode()
    result = run(shim, "origin", str(remote), cwd=plain.path, agent=OTHER, stdin=stdin)
    assert result.code == 1, result
    assert "src/x.py" in result.err
    if reads != "exit 0":
        assert (plain.path / "got").read_bytes() == stdin
    passed = run(shim, "origin", str(remote), cwd=plain.path, agent=OTHER, stdin=lines.encode())
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
    kept(path).chmod(0o755)
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
    during = snapshot(kept(folder / "any").parent)
    assert set(during) == {*HOOKS, "commit-msg"}
    assert all(during[name] == before[name] for name in HOOKS)
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


def test_two_versions_of_different_people_both_run_and_uninstalling_names_the_older(
    plain: Repo,
) -> None:
    folder = plain.path / ".git" / "hooks"
    for name in ("pre-commit", "pre-push"):
        put_hook(plain, name, f"echo first {name} >&2; cat > first")
    install(plain)
    for name in ("pre-commit", "pre-push"):
        put_hook(plain, name, f"echo second {name} >&2; cat > second")
    assert plain.agentlock("hooks", "status").code == 1
    assert plain.agentlock("hooks", "install").code == 0
    assert plain.agentlock("hooks", "status").code == 0
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER).err
    both = "first pre-commit\nsecond pre-commit\nagentlock: commit refused"
    assert refused.startswith(both)
    run(str(folder / "pre-push"), "origin", "url", cwd=plain.path, stdin=b"refs\n")
    assert [(plain.path / name).read_bytes() for name in ("first", "second")] == [b"refs\n"] * 2
    removed = plain.agentlock("hooks", "uninstall")
    assert removed.code == 0
    assert "second" in (folder / "pre-commit").read_text()
    older = kept(folder / "pre-commit")
    assert "first" in older.read_text()
    assert f"{older} is kept: agentlock did not write it, and git does not run it" in removed.err
    everything = [path for path in folder.parent.glob("hooks*/*") if ".sample" not in path.name]
    names = {"pre-commit", "pre-push"}
    assert {path.name for path in everything} == names
    assert len(everything) == len(names) * 2


@pytest.mark.parametrize(
    "head",
    [
        "# File generated by some-manager 1.{}: https://example.org",
        "[ -z $SKIP_SIMPLE_GIT_HOOKS ] || exit {}",
    ],
)
def test_a_manager_that_writes_its_hook_anew_replaces_its_former_one(
    plain: Repo, head: str
) -> None:
    put_hook(plain, "pre-commit", f"{head.format(0)}\necho former >&2")
    install(plain)
    put_hook(plain, "pre-commit", f"{head.format(1)}\necho newer >&2")
    assert plain.agentlock("hooks", "install").code == 0
    plain.write("new.txt")
    assert plain.commit_all(agent=OTHER).err == "newer\n"
    assert plain.agentlock("hooks", "uninstall").err.count("did not write it") == 0
    assert "newer" in (plain.path / ".git" / "hooks" / "pre-commit").read_text()
    assert not (plain.path / ".git" / "hooks.before-agentlock").exists()


def test_a_hook_finds_its_own_name_and_what_lies_next_to_it(plain: Repo) -> None:
    """As overcommit, git-lfs's rivals and home-made dispatchers do."""
    folder = plain.path / ".git" / "hooks"
    dispatch = (
        'here=$(dirname "$0"); . "$here/common.sh"; "$here/helper" "$(basename "$0")"; '
        'for one in "$0".d/*; do "$one"; done; "$here/commit-msg"; '
        'echo root: $(cd "$here/../.." && pwd -P) >&2'
    )
    put_hook(plain, "dispatch", dispatch)
    put_hook(plain, "common.sh", "echo common >&2", mode=0o644)
    put_hook(plain, "helper", 'echo "helper of $1" >&2')
    put_hook(plain, "commit-msg", "echo neighbour >&2")
    (folder / "pre-commit.d").mkdir()
    put_hook(plain, "pre-commit.d/one", "echo part >&2")
    (folder / "pre-commit").symlink_to("dispatch")
    before = snapshot(folder)
    install(plain)
    plain.write("new.txt")
    said = plain.commit_all(agent=OTHER).err.splitlines()
    assert said[:4] == ["common", "helper of pre-commit", "part", "neighbour"]
    assert said[4] == f"root: {os.path.realpath(plain.path)}"
    put_hook(plain, "later", "exit 0")  # found after the next installation
    assert plain.agentlock("hooks", "install").code == 0
    assert kept(folder / "later").exists()
    (folder / "later").unlink()
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert snapshot(folder) == before
    assert not kept(folder / "any").parent.exists()


def test_gitbutler_over_ours_runs_it_and_is_in_place(plain: Repo) -> None:
    """Its hook runs the one that it found as NAME-user, and stands in the same way for ours."""
    managed = '# GITBUTLER_MANAGED_HOOK_V1\n"$(dirname "$0")/pre-commit-user" "$@" || exit\n'
    hook = put_hook(plain, "pre-commit", "echo mine >&2")
    install(plain)
    hook.rename(hook.with_name("pre-commit-user"))
    put_hook(plain, "pre-commit", managed + "echo workspace >&2")
    plain.reserve(HOLDER, "src/x.py")
    for _ in range(2):  # before and after ours is put first again
        assert plain.agentlock("hooks", "status").code == 0
        plain.write("src/x.py", "changed\n")
        refused = plain.commit_all(agent=OTHER)
        assert refused.err.count("mine") == 1
        assert "agentlock: commit refused" in refused.err
        assert plain.agentlock("hooks", "install").code == 0
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert "workspace" in hook.read_text()
    assert "mine" in hook.with_name("pre-commit-user").read_text()


def test_what_an_earlier_version_kept_next_to_its_own_hook_is_taken_over(plain: Repo) -> None:
    install(plain)
    put_hook(plain, "pre-commit.before-agentlock", "echo kept long ago >&2")
    assert plain.agentlock("hooks", "install").code == 0
    plain.write("new.txt")
    assert plain.commit_all(agent=OTHER).err == "kept long ago\n"
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert "kept long ago" in (plain.path / ".git" / "hooks" / "pre-commit").read_text()


def test_a_hooks_folder_that_is_a_link_to_a_tracked_one_is_left_alone(plain: Repo) -> None:
    hooks = plain.path / ".git" / "hooks"
    if hooks.exists():
        shutil.rmtree(hooks)
    tracked = plain.write("githooks/pre-commit", "#!/bin/sh\necho theirs in $0 >&2\n").parent
    (tracked / "pre-commit").chmod(0o755)
    plain.commit_unguarded("hooks")
    hooks.symlink_to("../githooks")
    install(plain)
    assert plain.must("status", "--porcelain") == ""
    assert plain.agentlock("hooks", "status").code == 0
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER).err
    assert refused.startswith(f"theirs in {hooks}/pre-commit\nagentlock: commit refused")
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert hooks.is_symlink()
    assert plain.git("config", "core.hooksPath").code == 1
    assert plain.must("status", "--porcelain", "githooks") == ""


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
    assert set(HOOKS) <= set(os.listdir(folder))
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
