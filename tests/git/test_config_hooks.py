"""Hooks of git's configuration stand in where git looks into another hooks folder.

What git makes of them can be seen with git 2.54 and newer alone: with an older one the tests that
need it are skipped. AGENTLOCK_TEST_GIT names the folder of a newer git for the whole run.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, Result, run
from support.doctoring import doctor, pasted, prepare, wrong

from agentlock.git.rehearsal import CONFIGURED_SINCE
from agentlock.install.config_hooks import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OURS = set(EVENTS)
NO_FOLDER = ("-c", "core.hooksPath=/dev/null")


@pytest.fixture
def runs_them(tmp_path: Path) -> None:
    """Only with a git that runs hooks of its configuration."""
    version = run("git", "version", cwd=tmp_path).out.split()[2]
    if tuple(int(number) for number in version.split(".")[:2]) < CONFIGURED_SINCE:
        pytest.skip(f"git {version} runs no hooks of its configuration")


@pytest.fixture
def held(repo: Repo) -> Repo:
    """src/x.py is reserved by HOLDER, and changed."""
    repo.write("src/x.py")
    repo.commit_unguarded("files")
    repo.reserve(HOLDER, "src/x.py")
    repo.write("src/x.py", "changed\n")
    repo.must("add", "--all")
    return repo


def states(repo: Repo) -> set[tuple[str, str]]:
    found = repo.agentlock("hooks", "status", "--json").json
    return {(one["hook"], one["detail"]) for one in found if one["state"] == "not configured"}


def refusals(repo: Repo) -> int:
    (count,) = repo.sql("SELECT count(*) FROM events WHERE kind = 'refused'")[0]
    return int(count)


def made_by(repo: Repo, commit: str) -> list[str]:
    rows = repo.sql(
        "SELECT name FROM commits JOIN agents ON agents.id = agent_id WHERE oid = ?", commit
    )
    return [name for (name,) in rows]


@pytest.mark.parametrize(
    "text",
    [
        "",
        '# mine\n[user]\n\tname = A # me\n; the end\n[hook "lint"]\n\tcommand = true\n\n',
        '[alias]\n\tst = status\n[Core]\n\tautocrlf = false\n[core "odd"]\nx=1\n',
    ],
    ids=["nothing", "comments", "unusual"],
)
def test_the_configuration_comes_back_to_the_byte(new_repo: Callable[..., Repo], text: str) -> None:
    plain = new_repo()
    settings = plain.path / ".git" / "config"
    settings.write_text(settings.read_text() + text)
    before = settings.read_bytes()
    assert plain.agentlock("init").code == 0
    once = settings.read_bytes()
    assert plain.agentlock("hooks", "install").code == 0
    assert settings.read_bytes() == once
    assert plain.must("config", "hook.agentlock-pre-push.event") == "pre-push"
    assert states(plain) == set()
    assert plain.agentlock("hooks", "uninstall").code == 0
    plain.must("config", "--local", "--remove-section", "agentlock")
    assert settings.read_bytes() == before
    assert not (plain.path / ".git" / "agentlock-guard" / "configured").exists()


def test_comments_that_were_written_beside_ours_stay(repo: Repo) -> None:
    settings = repo.path / ".git" / "config"
    settings.write_text(f"{settings.read_text()}# mine, after ours\n[my]\n\tkey = value\n")
    assert repo.agentlock("hooks", "uninstall").code == 0
    assert settings.read_text().endswith("# mine, after ours\n[my]\n\tkey = value\n")
    assert "command" not in settings.read_text()


WAYS = {
    "switched off here": ("--local", "hook.agentlock-pre-push.enabled", "off"),
    "switched off everywhere": ("--global", "hook.agentlock-pre-push.enabled", "false"),
    "switched off in one worktree": ("--worktree", "hook.agentlock-pre-push.enabled", "no"),
    "all of one event switched off": ("--global", "hook.pre-push.enabled", "false"),
    "another command here": ("--local", "hook.agentlock-pre-push.command", "true"),
    "another command in one worktree": ("--worktree", "hook.agentlock-pre-push.command", "true"),
    "no event in one worktree": ("--worktree", "hook.agentlock-pre-push.event", ""),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_keeps_git_from_running_ours_is_named_and_mended(
    repo: Repo, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, monkeypatch)
    repo.must("config", "extensions.worktreeConfig", "true")
    scope, key, value = WAYS[way]
    if scope == "--global":  # read before the repository's own: what comes last counts
        repo.git("config", "--local", "--unset-all", key)
    repo.must("config", scope, key, value)
    ((hook, detail),) = states(repo)
    assert hook == "pre-push"
    assert key in detail
    assert repo.agentlock("status", "--json").json["guarded"]
    assert f"pre-push is not configured: {key}" in repo.agentlock("status").out
    assert "fix: " in repo.agentlock("hooks", "status").err
    result = doctor(repo)
    assert result.code == 0
    assert any(key in line for line in wrong(result)), result
    pasted(repo, result)
    assert states(repo) == set()
    assert not wrong(doctor(repo))


def test_hooks_of_an_older_version_are_named_until_they_are_installed_again(repo: Repo) -> None:
    for event in OURS:
        repo.must("config", "--remove-section", f"hook.agentlock-{event}")
    shutil.rmtree(repo.path / ".git" / "agentlock-guard" / "configured")
    assert {hook for hook, _ in states(repo)} == OURS
    assert repo.agentlock("hooks", "status").code == 0
    assert repo.agentlock("hooks", "install").code == 0
    assert states(repo) == set()


@pytest.mark.usefixtures("runs_them")
@pytest.mark.parametrize("more", [(), ("--no-verify",)], ids=["plainly", "--no-verify"])
def test_commits_are_judged_once_whether_git_finds_the_folder_or_not(
    held: Repo, more: tuple[str, ...]
) -> None:
    for number, folder in enumerate(((), NO_FOLDER), 1):
        refused = held.git(*folder, "commit", "-q", *more, "-m", "change", agent=OTHER)
        assert refused.code == 1
        assert refused.err.count("commit refused") == 1
        assert refusals(held) == number
    assert held.git(*NO_FOLDER, "commit", "-q", *more, "-m", "x", agent=HOLDER).code == 0
    assert held.agentlock("log").out.count("refused") == 2


@pytest.mark.usefixtures("runs_them")
def test_pushes_are_judged_once_whether_git_finds_the_folder_or_not(held: Repo) -> None:
    held.commit_unguarded("change")
    remote = held.path.parent / "remote.git"
    held.must("init", "-q", "--bare", str(remote))
    for number, folder in enumerate(((), NO_FOLDER), 1):
        refused = held.git(*folder, "push", "-q", str(remote), "main", "main:two", agent=OTHER)
        assert refused.code == 1
        assert refused.err.count("push refused") == 1
        assert refusals(held) == number
    assert held.git(*NO_FOLDER, "push", "-q", str(remote), "main", agent=HOLDER).code == 0


@pytest.mark.usefixtures("runs_them")
def test_a_cherry_pick_and_a_squashed_merge_are_judged_without_the_folder(held: Repo) -> None:
    held.must("stash")
    held.must("checkout", "-q", "-b", "side")
    held.must("stash", "pop")
    held.commit_unguarded("change")
    held.must("checkout", "-q", "main")
    held.write("docs/y.md")
    held.commit_unguarded("more")
    picked = held.git(*NO_FOLDER, "cherry-pick", "side", agent=OTHER)
    assert picked.code != 0
    assert "src/x.py" in picked.err
    held.must("cherry-pick", "--abort")
    squashed = held.git(*NO_FOLDER, "merge", "-q", "--squash", "side", agent=OTHER)
    assert squashed.code == 0
    merged = held.git(*NO_FOLDER, "commit", "-q", "-m", "all of it", agent=OTHER)
    assert "src/x.py" in merged.err
    assert merged.code == 1


@pytest.mark.usefixtures("runs_them")
def test_a_relative_hooks_path_unguards_no_worktree(held: Repo, tmp_path: Path) -> None:
    held.must("worktree", "add", "-q", "-b", "side", str(tmp_path / "it's aside"))
    held.must("config", "core.hooksPath", ".husky/_")  # as `npm install` does after ours
    theirs = held.write(".husky/_/pre-commit", "#!/bin/sh\necho theirs >&2\n")
    theirs.chmod(0o755)
    side = Repo(tmp_path / "it's aside")
    side.write("src/x.py", "changed\n")
    for worktree, said in ((held, 1), (side, 0)):
        refused = worktree.commit_all(agent=OTHER)
        assert refused.code == 1
        assert refused.err.count("commit refused") == 1
        assert refused.err.count("theirs") == said
        assert worktree.agentlock("hooks", "status").code == 0  # the refused commit put it back
    assert side.commit_all(agent=HOLDER).code == 0


@pytest.mark.usefixtures("runs_them")
def test_a_repository_that_was_moved_away_from_its_hooks_path_is_guarded(held: Repo) -> None:
    held.must("config", "core.hooksPath", "theirs")
    assert held.agentlock("hooks", "install").code == 0
    moved = Repo(held.path.rename(held.path.parent / 'moved "to" $HOME'))
    assert not (held.path / ".git").exists()
    refused = moved.git("commit", "-q", "-m", "change", agent=OTHER)
    assert refused.code == 1
    assert "commit refused" in refused.err


@pytest.mark.usefixtures("runs_them")
@pytest.mark.parametrize("gone", ["stand-in", "prepare-commit-msg", "pre-push"])
def test_without_its_scripts_git_refuses(held: Repo, gone: str) -> None:
    (held.path / ".git" / "agentlock-guard" / "configured" / gone).unlink()
    if gone != "pre-push":
        refused = held.git(*NO_FOLDER, "commit", "-q", "-m", "change", agent=HOLDER)
        assert refused.code == 1
        assert "prepare-commit-msg" in refused.err or "agentlock hooks install" in refused.err
    held.commit_unguarded("change")
    remote = held.path.parent / "remote.git"
    held.must("init", "-q", "--bare", str(remote))
    if gone != "prepare-commit-msg":
        assert held.git(*NO_FOLDER, "push", "-q", str(remote), "main", agent=HOLDER).code == 1
    assert {hook for hook, _ in states(held)} >= {gone} - {"stand-in"}
    assert held.agentlock("hooks", "install").code == 0
    assert held.git(*NO_FOLDER, "push", "-q", str(remote), "main", agent=HOLDER).code == 0


@pytest.mark.usefixtures("runs_them")
def test_the_folder_and_the_configuration_are_both_proven(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, monkeypatch)
    result = doctor(repo)
    assert result.code == 0
    assert "our hook stands in if git finds no hooks folder (proven)" in result.out
    script = repo.path / ".git" / "agentlock-guard" / "configured" / "pre-push"
    script.write_text(script.read_text().replace("\n", "\nexit 0\n", 1))
    named = doctor(repo)
    assert any("did not refuse what it must" in line for line in wrong(named)), named
    pasted(repo, named)
    assert not wrong(doctor(repo))


@pytest.mark.usefixtures("runs_them")
def test_hooks_of_others_in_the_configuration_run_and_stay(held: Repo) -> None:
    for name in ("agentlock-of-mine", "lint"):
        held.must("config", f"hook.{name}.command", f"echo {name} >&2")
        held.must("config", f"hook.{name}.event", "pre-commit")
    refused = held.git("commit", "-q", "-m", "change", agent=OTHER)
    assert refused.err.startswith("agentlock-of-mine\nlint\nagentlock: commit refused")
    assert held.agentlock("hooks", "uninstall").code == 0
    assert held.git("commit", "-q", "-m", "x", agent=OTHER).err == "agentlock-of-mine\nlint\n"


@pytest.mark.usefixtures("runs_them")
def test_the_gate_of_a_server_stands_in_too(held: Repo, tmp_path: Path) -> None:
    held.must("clone", "-q", "--bare", ".", str(tmp_path / "server.git"))
    server = Repo(tmp_path / "server.git")
    shared = (
        "--database",
        str(held.database),
        "--project",
        held.must("config", "agentlock.project"),
    )
    assert server.agentlock("init", "--server", "--identity-variable", "PUSHER", *shared).code == 0
    server.must("config", "core.hooksPath", "/nowhere")
    held.commit_unguarded("change")
    push = (*NO_HOOKS, "push", "-q", str(server.path), "main")
    refused = held.git(*push, env={"PUSHER": OTHER})
    assert refused.code == 1
    assert refused.err.count("agentlock: push refused") == 1
    assert held.git(*push, env={"PUSHER": HOLDER}).code == 0
    server.must("config", "--unset", "core.hooksPath")
    assert (
        "pre-receive: our hook stands in if git finds no hooks folder (proven)"
        in doctor(server).out
    )


# A configuration hook puts core.hooksPath back. Here a shell runs its command as git 2.54 does, so
# that any git can show it.


def as_git_runs_it(repo: Repo, event: str, *arguments: str, parent: str = "") -> Result:
    """The command of the hook's setting; with ``parent``, from another process than this one."""
    command = repo.must("config", f"hook.agentlock-{event}.command")
    shell = ("sh", "-c", f'{command} "$@"', command, *arguments)
    # "; exit" keeps the outer shell from replacing itself with the inner one
    outer = ("sh", "-c", '"$@"; exit', parent) if parent else ()
    return run(*outer, *shell, cwd=repo.path, agent=OTHER)


def test_a_configuration_hook_puts_the_guard_back_and_still_decides_for_this_git_command(
    held: Repo,
) -> None:
    held.must("config", "core.hooksPath", ".husky/_")
    first = as_git_runs_it(held, "prepare-commit-msg", ".git/COMMIT_EDITMSG")
    assert first.code == 1
    assert "core.hooksPath led git to" in first.err
    assert "commit refused" in first.err
    assert held.must("config", "core.hooksPath") == f"{held.path}/.git/agentlock-guard/hooks"
    # git has read the setting before; it still runs no hook of the folder that is named now
    again = as_git_runs_it(held, "prepare-commit-msg", ".git/COMMIT_EDITMSG")
    assert again.code == 1
    assert "core.hooksPath" not in again.err
    assert "commit refused" in again.err
    later = as_git_runs_it(held, "prepare-commit-msg", ".git/COMMIT_EDITMSG", parent="git")
    assert (later.code, later.err) == (0, "")


def test_what_a_single_command_sets_is_no_reason_to_change_the_configuration(held: Repo) -> None:
    before = (held.path / ".git" / "config").read_bytes()
    result = held.git(*NO_FOLDER, "config", "core.hooksPath")
    assert result.out == "/dev/null\n"
    command = held.must("config", "hook.agentlock-prepare-commit-msg.command")
    env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": "/dev/null",
    }
    told = run("sh", "-c", command, cwd=held.path, agent=OTHER, env=env)
    assert told.code == 1
    assert "commit refused" in told.err
    assert "core.hooksPath" not in told.err
    assert (held.path / ".git" / "config").read_bytes() == before
    assert held.agentlock("hooks", "uninstall").code == 0
    assert not (held.path / ".git" / "agentlock-guard" / "configured").exists()
