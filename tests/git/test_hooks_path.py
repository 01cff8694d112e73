"""Wherever core.hooksPath leads: theirs run, ours refuse, and uninstalling restores it all."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from setups.paths import SET_UPS, everything, put
from support import HOLDER, OTHER, Repo, run

from agentlock.git import version
from agentlock.git.rehearsal import CONFIGURED_SINCE
from agentlock.git.repository import discover
from agentlock.hook_kinds import KINDS
from agentlock.install.hooks import HOOKS as GUARDED
from agentlock.install.hooks import guarding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSED_ON = [kind.name for kind in KINDS.values() if kind.is_always_passed_on]


def install(repo: Repo) -> None:
    result = repo.agentlock("init")
    assert result.code == 0, result


def states(repo: Repo) -> dict[str, str]:
    found = repo.agentlock("hooks", "status", "--json").json
    return {one["hook"]: one["state"] for one in found}


@pytest.fixture
def plain(new_repo: Callable[..., Repo], tmp_path: Path) -> Repo:
    repo = new_repo("plain")
    repo.write(".gitignore", "/.husky/_\n/hooks\n/.githooks\n/.hooks\n")
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name)
    repo.commit_unguarded("files")
    assert run("git", "init", "-q", "--bare", str(tmp_path / "remote.git"), cwd=tmp_path).code == 0
    repo.must("remote", "add", "origin", str(tmp_path / "remote.git"))
    return repo


@pytest.mark.parametrize("name", SET_UPS)
def test_theirs_run_ours_refuse_and_uninstalling_restores(
    plain: Repo, home: Path, name: str
) -> None:
    folder = SET_UPS[name].arrange(plain)
    settings = (plain.path / ".git" / "config", home / ".gitconfig")
    before = everything(folder), [path.read_bytes() for path in settings]
    install(plain)
    assert states(plain) == dict.fromkeys(GUARDED, "installed")
    once = everything(plain.path / ".git" / "agentlock-guard" / "hooks"), settings[0].read_bytes()
    install(plain)
    assert plain.agentlock("hooks", "install").code == 0
    again = everything(plain.path / ".git" / "agentlock-guard" / "hooks"), settings[0].read_bytes()
    assert once == again
    assert everything(folder) == before[0], "nothing of ours is written into theirs"
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER)
    assert refused.code == 1
    assert refused.err.startswith("theirs: pre-commit 0\nagentlock: commit refused")
    passed = plain.commit_all(agent=HOLDER)
    assert (passed.code, passed.err) == (0, "theirs: pre-commit 0\ntheirs: commit-msg 1\n")
    plain.write("src/x.py", "behind the guard's back\n")
    plain.commit_unguarded("sneaked")
    pushed = plain.git("push", "-q", "origin", "main", agent=OTHER)
    assert pushed.code == 1
    assert pushed.err.startswith("theirs: pre-push 2\nagentlock: push refused")
    assert plain.git("checkout", "-q", "-b", "other").err == "theirs: post-checkout 3\n"
    assert plain.agentlock("hooks", "uninstall").out.startswith("removed: pre-commit")
    assert everything(folder) == before[0]
    assert not (plain.path / ".git" / "agentlock-guard" / "hooks").exists()
    plain.must("config", "--local", "--remove-section", "agentlock")
    assert [path.read_bytes() for path in settings] == before[1]
    plain.write("src/x.py", "changed again\n")
    assert plain.commit_all(agent=OTHER).code == 0


@pytest.mark.parametrize("name", SET_UPS)
def test_uninstalling_everywhere_restores_too(plain: Repo, home: Path, name: str) -> None:
    folder = SET_UPS[name].arrange(plain)
    before = everything(folder, plain.path / ".git", home)
    install(plain)
    result = plain.agentlock("hooks", "uninstall", "--everywhere")
    assert result.code == 0, result
    after = everything(folder, plain.path / ".git", home)
    assert {path: after[path] for path in before} == before
    assert not (plain.path / ".git" / "agentlock").exists()


def test_each_worktree_has_its_own_relative_folder_and_all_are_guarded(
    plain: Repo, tmp_path: Path
) -> None:
    SET_UPS["relative"].arrange(plain)
    plain.must("worktree", "add", "-q", "-b", "early", str(tmp_path / "early"))
    install(plain)
    plain.must("worktree", "add", "-q", "-b", "late", str(tmp_path / "late"))
    plain.reserve(HOLDER, "src/x.py")
    early, late = Repo(tmp_path / "early"), Repo(tmp_path / "late")
    put(late.path / ".husky" / "_", "pre-commit", "echo of the late one >&2")
    for worktree in (plain, early, late):
        worktree.write("src/x.py", "changed\n")
        refused = worktree.commit_all(agent=OTHER)
        assert "agentlock: commit refused" in refused.err
        assert ("theirs" in refused.err) is (worktree is not early)
        assert ("of the late one" in refused.err) is (worktree is late)
        assert states(worktree) == dict.fromkeys(GUARDED, "installed")


def test_hooks_that_are_put_there_later_run(plain: Repo) -> None:
    plain.must("config", "core.hooksPath", ".husky/_")
    install(plain)
    plain.write("src/x.py", "changed\n")
    assert plain.commit_all(agent=OTHER).err == ""
    for hook in (*PASSED_ON, "pre-commit", "prepare-commit-msg", "post-commit"):
        put(plain.path / ".husky" / "_", hook)
    plain.write("src/x.py", "changed again\n")
    said = [f"theirs: {hook}" for hook in ("pre-commit 0", "prepare-commit-msg 2", "commit-msg 1")]
    assert plain.commit_all(agent=OTHER).err.splitlines() == [*said, "theirs: post-commit 0"]
    assert plain.agentlock("hooks", "status").code == 0


def test_a_hook_of_theirs_that_refuses_still_refuses(plain: Repo) -> None:
    SET_UPS["relative"].arrange(plain)
    put(plain.path / ".husky" / "_", "commit-msg", "exit 7")
    install(plain)
    plain.write("src/x.py", "changed\n")
    assert plain.commit_all(agent=OTHER).code == 1
    script = plain.path / ".git" / "agentlock-guard" / "hooks" / "commit-msg"
    assert run(str(script), "file", cwd=plain.path).code == 7


def test_a_passed_on_hook_gets_arguments_stdin_and_environment(plain: Repo) -> None:
    SET_UPS["global"].arrange(plain)
    theirs = plain.path.parent / "for all"
    put(theirs, "post-rewrite", 'cat > got; printf "%s|" "$@" > args; env > environment')
    install(plain)
    script = str(plain.path / ".git" / "agentlock-guard" / "hooks" / "post-rewrite")
    run(script, "a b", "", "*", cwd=plain.path, stdin=b"two\n\n\n", env={"GIT_DIR": "x y"})
    assert (plain.path / "got").read_bytes() == b"two\n\n\n"
    assert (plain.path / "args").read_text() == "a b||*|"
    assert "GIT_DIR=x y\n" in (plain.path / "environment").read_text()


def test_hooks_whose_presence_changes_git_are_there_only_if_they_were(plain: Repo) -> None:
    SET_UPS["global"].arrange(plain)
    folder = plain.path.parent / "for all"
    put(folder, "post-index-change")
    install(plain)
    ours = plain.path / ".git" / "agentlock-guard" / "hooks"
    there = {path.name for path in ours.iterdir()}
    assert there == {*GUARDED, *PASSED_ON, "post-index-change"}
    put(folder, "reference-transaction")
    assert states(plain)["reference-transaction"] == "not passed on"
    shown = plain.agentlock("hooks", "status")
    assert shown.code == 0
    assert "agentlock hooks install" in shown.err
    assert plain.agentlock("hooks", "install").code == 0
    assert set(states(plain)) == set(GUARDED)
    said = plain.git("branch", "new").err
    assert "theirs: reference-transaction 1" in said


@pytest.mark.parametrize("how", ["set back", "set elsewhere", "our folder removed"])
def test_what_takes_ours_away_is_noticed_and_the_next_command_puts_the_guard_back(
    plain: Repo, how: str
) -> None:
    SET_UPS["relative"].arrange(plain)
    install(plain)
    if how == "our folder removed":
        shutil.rmtree(plain.path / ".git" / "agentlock-guard" / "hooks")
    else:
        put(plain.path / ".other", "pre-commit", "echo of the other one >&2")
        plain.must("config", "core.hooksPath", ".husky/_" if how == "set back" else ".other")
    assert plain.agentlock("hooks", "status").code == 1
    assert "agentlock hooks install" in plain.agentlock("hooks", "status").err
    told = plain.agentlock("reserve", "src/x.py", agent=HOLDER)
    assert "runs; the guard is back in place" in told.err
    assert plain.agentlock("hooks", "status").code == 0
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER)
    assert "theirs: pre-commit" in refused.err
    assert ("of the other one" in refused.err) is (how == "set elsewhere")
    assert "commit refused" in refused.err
    assert plain.agentlock("hooks", "uninstall").code == 0
    value = ".other" if how == "set elsewhere" else ".husky/_"
    assert plain.must("config", "core.hooksPath") == value


def test_a_global_setting_that_changes_or_goes_is_followed(plain: Repo) -> None:
    SET_UPS["global"].arrange(plain)
    install(plain)
    other = plain.path.parent / "another"
    put(other, "pre-commit", "echo of the other one >&2")
    plain.must("config", "--global", "core.hooksPath", str(other))
    assert states(plain)["pre-commit"] == "not passed on"
    assert plain.agentlock("hooks", "install").code == 0
    plain.write("src/x.py", "changed\n")
    assert "of the other one" in plain.commit_all(agent=OTHER).err
    plain.must("config", "--global", "--unset", "core.hooksPath")
    assert plain.agentlock("hooks", "install").code == 0
    assert plain.git("config", "core.hooksPath").code == 1
    assert states(plain) == dict.fromkeys(GUARDED, "installed")
    assert not (plain.path / ".git" / "agentlock-guard" / "hooks").exists()


def test_a_hooks_path_that_comes_after_a_plain_installation_is_chained_to(plain: Repo) -> None:
    install(plain)
    before = everything(plain.path / ".git" / "hooks")
    folder = SET_UPS["relative"].arrange(plain)
    assert plain.agentlock("hooks", "status").code == 1
    install(plain)
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER).err
    assert refused.startswith("theirs: pre-commit 0\nagentlock: commit refused")
    assert everything(plain.path / ".git" / "hooks") == before
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert not {*GUARDED} & {path.name for path in (plain.path / ".git" / "hooks").glob("*")}
    assert {"pre-commit", "pre-push"} < {path.name for path in folder.iterdir()}


def test_other_repositories_under_a_global_hooks_path_stay_free(
    plain: Repo, new_repo: Callable[..., Repo]
) -> None:
    other = new_repo("other")
    SET_UPS["global"].arrange(plain)
    install(plain)
    other.write("new.txt")
    assert other.commit_all(agent=OTHER).err == "theirs: pre-commit 0\ntheirs: commit-msg 1\n"


def test_a_repository_that_moved_is_noticed_and_mended(plain: Repo, tmp_path: Path) -> None:
    SET_UPS["relative"].arrange(plain)
    install(plain)
    moved = Repo(plain.path.rename(tmp_path / "moved"))
    assert moved.agentlock("hooks", "status").code == 1
    assert moved.agentlock("hooks", "install").code == 0
    moved.reserve(HOLDER, "src/x.py")
    moved.write("src/x.py", "changed\n")
    assert "theirs: pre-commit 0\nagentlock: commit refused" in moved.commit_all(agent=OTHER).err
    assert moved.agentlock("hooks", "uninstall").code == 0
    assert moved.must("config", "core.hooksPath") == ".husky/_"


def test_a_copy_does_not_rest_on_the_original(plain: Repo, tmp_path: Path) -> None:
    SET_UPS["relative"].arrange(plain)
    install(plain)
    copy = Repo(tmp_path / "copy")
    shutil.copytree(plain.path, copy.path)
    assert states(copy)["pre-commit"] == "broken"
    assert copy.agentlock("hooks", "install").code == 0
    assert set(states(copy).values()) == {"installed"}
    assert copy.agentlock("hooks", "uninstall").code == 0
    assert plain.agentlock("hooks", "status").code == 0
    assert copy.must("config", "core.hooksPath") == ".husky/_"


# every command puts the guard back


@pytest.mark.parametrize(
    "command", [["status"], ["list"], ["check", "src/x.py"], ["whoami"], ["log"], ["explain", "x"]]
)
def test_every_command_puts_the_guard_back_and_says_so_once(
    plain: Repo, command: list[str]
) -> None:
    SET_UPS["relative"].arrange(plain)
    install(plain)
    plain.must("config", "core.hooksPath", ".husky/_")  # as `npm install` does
    told = plain.agentlock(*command, agent=HOLDER).err
    assert (
        told.count(".husky/_, where no hook of agentlock runs; the guard is back in place\n") == 1
    )
    assert states(plain) == dict.fromkeys(GUARDED, "installed")
    assert "back in place" not in plain.agentlock(*command, agent=HOLDER).err
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert plain.must("config", "core.hooksPath") == ".husky/_"


def test_with_json_the_guard_is_put_back_and_nothing_else_is_printed(plain: Repo) -> None:
    install(plain)
    SET_UPS["relative"].arrange(plain)
    told = plain.agentlock("list", "--json")
    assert (told.json, told.err) == ([], "")
    assert states(plain) == dict.fromkeys(GUARDED, "installed")


@pytest.mark.parametrize("where", ["", "hooks", "absolute"])
def test_our_hooks_are_in_gits_own_folder_too_for_programs_that_point_there(
    plain: Repo, where: str
) -> None:
    SET_UPS["relative"].arrange(plain)
    install(plain)
    plain.reserve(HOLDER, "src/x.py")
    if where == "":
        plain.must("config", "--unset", "core.hooksPath")
    else:
        value = ".git/hooks" if where == "hooks" else str(plain.path / ".git" / "hooks")
        plain.must("config", "core.hooksPath", value)
    plain.write("src/x.py", "changed\n")
    assert "agentlock: commit refused" in plain.commit_all(agent=OTHER).err


def test_after_uninstalling_no_command_puts_the_guard_back(plain: Repo) -> None:
    SET_UPS["relative"].arrange(plain)
    install(plain)
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert plain.agentlock("list").err == ""
    assert "installed" not in states(plain).values()
    assert not {*GUARDED} & {path.name for path in (plain.path / ".git" / "hooks").glob("*")}


def test_a_hook_that_was_removed_from_the_right_folder_is_not_put_back_silently(
    plain: Repo,
) -> None:
    install(plain)
    (plain.path / ".git" / "hooks" / "pre-push").unlink()
    assert not plain.agentlock("status", "--json").json["guarded"]


def test_where_the_guard_cannot_be_put_back_the_command_answers_all_the_same(plain: Repo) -> None:
    install(plain)
    plain.write("extra.config", "[core]\n\thooksPath = elsewhere\n")
    plain.must("config", "include.path", str(plain.path / "extra.config"))
    plain.must("config", "core.hooksPath", "first")
    plain.must("config", "--add", "core.hooksPath", "second")
    told = plain.agentlock("reserve", "src/x.py", agent=HOLDER)
    assert told.code == 0
    assert "warning: pre-commit" in told.err


# a setting of one worktree alone


def worktree(plain: Repo, value: str) -> Repo:
    """A linked worktree whose own configuration sets core.hooksPath, as a program made it."""
    linked = plain.path.parent / "linked"
    plain.must("worktree", "add", "-q", str(linked))
    plain.must("config", "extensions.worktreeConfig", "true")
    plain.must("-C", str(linked), "config", "--worktree", "core.hooksPath", value)
    return Repo(linked)


@pytest.mark.parametrize("first", ["init", "worktree"])
def test_a_setting_of_one_worktree_is_taken_over_and_given_back(plain: Repo, first: str) -> None:
    SET_UPS["relative"].arrange(plain)
    shared = plain.path / ".git" / "config"
    theirs = str(plain.path / ".husky" / "_")
    if first == "init":
        install(plain)
        linked = worktree(plain, theirs)
    else:
        linked = worktree(plain, theirs)
        install(plain)
    assert linked.agentlock("hooks", "status").code == 1
    assert linked.agentlock("hooks", "install").code == 0
    assert states(linked) == dict.fromkeys(GUARDED, "installed")
    assert states(plain) == dict.fromkeys(GUARDED, "installed")
    once = shared.read_bytes()
    assert linked.agentlock("hooks", "install").code == 0
    assert shared.read_bytes() == once
    plain.reserve(HOLDER, "src/x.py")
    for repo in (plain, linked):
        repo.write("src/x.py", "changed\n")
        refused = repo.commit_all(agent=OTHER).err
        assert "theirs: pre-commit 0\nagentlock: commit refused" in refused
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert linked.must("config", "--worktree", "core.hooksPath") == theirs
    assert linked.git("config", "--worktree", "--get-regexp", "^agentlock").out == ""
    assert plain.must("config", "core.hooksPath") == ".husky/_"
    assert not (plain.path / ".git" / "worktrees" / "linked" / "agentlock-hooks").exists()


def test_a_worktree_whose_hooks_others_do_not_have_keeps_them(plain: Repo) -> None:
    install(plain)
    put(plain.path.parent / "its own", "pre-commit", "echo its own >&2")
    linked = worktree(plain, str(plain.path.parent / "its own"))
    assert linked.agentlock("list").err.endswith("the guard is back in place\n")
    plain.reserve(HOLDER, "src/x.py")
    for repo in (plain, linked):
        repo.write("src/x.py", "changed\n")
        refused = repo.commit_all(agent=OTHER).err
        assert "agentlock: commit refused" in refused
        assert ("its own" in refused) is (repo is linked)


def test_a_setting_of_the_main_worktree_alone_is_taken_over_too(plain: Repo) -> None:
    plain.must("config", "extensions.worktreeConfig", "true")
    put(plain.path / "my hooks", "pre-commit", "echo mine >&2")
    plain.must("config", "--worktree", "core.hooksPath", "my hooks")
    install(plain)
    assert states(plain) == dict.fromkeys(GUARDED, "installed")
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    assert "mine\nagentlock: commit refused" in plain.commit_all(agent=OTHER).err
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert plain.must("config", "--worktree", "core.hooksPath") == "my hooks"


# husky


def package(plain: Repo, **content: object) -> str:
    """What `init` says about husky with this package.json."""
    plain.write("package.json", json.dumps(content))
    said: str = plain.agentlock("init").err
    return said


def test_init_prints_the_line_that_installs_ours_after_husky(plain: Repo) -> None:
    line = '"prepare": "husky && (agentlock hooks install || true)"'
    assert line in package(plain, devDependencies={"husky": "^9"})
    built = package(plain, dependencies={"husky": "^9"}, scripts={"prepare": "husky && build"})
    assert '"prepare": "husky && build && (agentlock hooks install || true)"' in built


def test_init_says_nothing_of_husky_where_it_is_not_used_or_the_line_is_there(plain: Repo) -> None:
    assert "husky" not in package(plain, devDependencies={"jest": "1"})
    scripts = {"prepare": "husky && agentlock hooks install"}
    assert "husky" not in package(plain, devDependencies={"husky": "^9"}, scripts=scripts)
    for text in ("{", "[]", '{"devDependencies": [], "scripts": 1}', "[" * 100_000):
        plain.write("package.json", text)
        told = plain.agentlock("init")
        assert (told.code, "husky" in told.err) == (0, False)


def test_a_setting_for_one_command_is_refused(plain: Repo) -> None:
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": "/dev/null",
    }
    result = plain.agentlock("hooks", "install", env=environment)
    assert result.code == 3
    assert "for one command" in result.err
    assert "agentlock hooks install" in result.err


def test_an_included_file_that_counts_more_is_named(plain: Repo) -> None:
    included = plain.path / ".git" / "more"
    included.write_text("[core]\n\thooksPath = theirs\n")
    plain.must("config", "include.path", "more")
    result = plain.agentlock("hooks", "install")
    assert result.code == 3
    assert "sets core.hooksPath after the repository's own configuration does" in result.err
    assert "agentlock hooks install" in result.err


def test_two_local_values_are_refused_with_a_remedy(plain: Repo) -> None:
    for value in (".one", ".husky/_"):
        plain.must("config", "--add", "core.hooksPath", value)
    result = plain.agentlock("init", "--json")
    assert result.code == 3
    remedy = result.json["error"]["hint"].partition(", then")[0]
    assert run("sh", "-c", remedy, cwd=plain.path).code == 0
    install(plain)
    assert plain.agentlock("hooks", "uninstall").code == 0
    assert plain.must("config", "core.hooksPath") == ".husky/_"


def test_a_former_setting_that_switched_hooks_off_switches_off_theirs_alone(plain: Repo) -> None:
    put(plain.path / ".git" / "hooks", "pre-commit")
    plain.must("config", "--global", "core.hooksPath", "/dev/null")
    install(plain)
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    assert plain.commit_all(agent=OTHER).err.startswith("agentlock: commit refused")


def test_what_another_manager_writes_into_our_folder_is_chained_and_given_back(
    plain: Repo,
) -> None:
    SET_UPS["global"].arrange(plain)
    put(plain.path.parent / "for all", "post-checkout", "cat > first")
    install(plain)
    ours = plain.path / ".git" / "agentlock-guard" / "hooks"
    for hook in ("pre-commit", "post-checkout"):
        put(ours, hook, 'echo "from beside" >&2; cat > second')
    assert plain.agentlock("hooks", "status").code == 1
    assert states(plain)["post-checkout"] == "not passed on"
    assert plain.agentlock("hooks", "install").code == 0
    assert states(plain) == dict.fromkeys(GUARDED, "installed")
    plain.reserve(HOLDER, "src/x.py")
    plain.write("src/x.py", "changed\n")
    refused = plain.commit_all(agent=OTHER).err
    said = "theirs: pre-commit 0\ntheirs: pre-commit 0\nfrom beside\n"
    assert refused.startswith(f"{said}agentlock: commit refused")
    run(str(ours / "post-checkout"), "0", cwd=plain.path, stdin=b"a b\n\n")
    assert [(plain.path / name).read_bytes() for name in ("first", "second")] == [b"a b\n\n"] * 2
    removed = plain.agentlock("hooks", "uninstall")
    assert removed.code == 0
    assert sorted(path.name for path in ours.iterdir()) == ["post-checkout", "pre-commit"]
    assert f"{ours / 'pre-commit'} is kept: agentlock did not write it" in removed.err


@pytest.mark.parametrize("value", ["", "/nowhere"], ids=["empty", "elsewhere"])
def test_a_hooks_path_of_the_environment_is_told_with_the_fix_that_helps(
    plain: Repo, value: str
) -> None:
    install(plain)
    plain.write("src/x.py", "changed\n")
    counted = {"COUNT": "1", "KEY_0": "core.hooksPath", "VALUE_0": value}
    env = {f"GIT_CONFIG_{name}": one for name, one in counted.items()}
    stands_in = version.installed() >= CONFIGURED_SINCE
    said = f"the environment sets core.hooksPath to {value!r} (GIT_CONFIG_COUNT)"
    for command in (("check", "src/x.py"), ("list",), ("reserve", "src/x.py"), ("hooks", "status")):
        told = plain.agentlock(*command, agent=HOLDER, env=env)
        assert (said in told.err) is not stands_in
        assert "agentlock hooks install" not in told.out + told.err or stands_in
    assert "fix: unset GIT_CONFIG_COUNT" in plain.agentlock("status", env=env).out or stands_in
    doctor = plain.agentlock("doctor", agent=HOLDER, env=env)
    assert doctor.code == (0 if stands_in else 1)
    assert (said in doctor.out) is not stands_in
    assert said not in plain.agentlock("doctor", agent=HOLDER).out


@pytest.mark.parametrize(
    ("value", "linked"),
    [
        *((None, False), (None, True), ("{}/own/", False), ("{}/link", False), ("{}/link", True)),
        *(("{}/gone/../own", False), ("hooks", False), ("hooks", True), ("~/hooks", False)),
        ("", False),
    ],
)
def test_the_folder_of_the_hooks_is_the_one_that_git_says(
    plain: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, linked: bool
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to("own")
    at = plain
    if linked:
        plain.must("worktree", "add", "-q", str(tmp_path / "linked"))
        at = Repo(tmp_path / "linked")
    if value is not None:
        plain.must("config", "core.hooksPath", value.format(tmp_path))
    monkeypatch.chdir(at.path)
    asked = at.git("rev-parse", "--path-format=absolute", "--git-path", "hooks")
    folder = asked.out.rstrip("\n") if value != "" else ""
    assert {one.path for one in guarding(discover())} == {f"{folder}/{hook}" for hook in GUARDED}


def test_whether_the_hooks_are_strict_is_no_setting_of_one_worktree(plain: Repo) -> None:
    install(plain)
    plain.must("config", "extensions.worktreeConfig", "true")
    plain.must("config", "--worktree", "agentlock.strict", "true")
    assert "reference-transaction" not in states(plain)
    plain.must("config", "agentlock.strict", "true")
    assert states(plain)["reference-transaction"] == "missing"
