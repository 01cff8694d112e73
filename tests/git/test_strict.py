"""`init --strict`: reference-transaction stops what makes a commit known, and nothing else."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support import HOLDER, OTHER, Repo, run

if TYPE_CHECKING:
    from pathlib import Path

    from support import Result

NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
TRANSACTION = "reference-transaction"
REFUSED = "agentlock: branch update refused: "


@pytest.fixture
def scene(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Main in sync with a remote, src/ reserved by the holder, and commits that no branch has.

    ``evil`` is a tag on top of main that changes src/x.py, ``fine`` one that changes docs/y.md;
    the remote has the pull request refs/pull/1/head, which changes src/x.py, and a commit more.
    """
    model = tmp_path_factory.getbasetemp() / "strict-scene"
    if not model.exists():
        draft = tmp_path_factory.mktemp("draft")
        _make_scene(draft)
        os.replace(draft, model)
    shutil.copytree(model, tmp_path / "scene", symlinks=True)
    repo = Repo(tmp_path / "scene" / "repo")
    repo.must("remote", "set-url", "origin", "../remote.git")
    return repo


def _make_scene(folder: Path) -> None:
    (folder / "repo").mkdir()
    repo = Repo(folder / "repo")
    repo.must("init", "-q")
    for name in ("src/x.py", "src/y.py", "docs/y.md"):
        repo.write(name, f"start of {name}\n")
    repo.commit_unguarded("start")
    repo.write("docs/y.md", "second\n")
    repo.commit_unguarded("second")
    run("git", "clone", "-q", "--bare", "repo", "remote.git", cwd=folder)
    repo.must("remote", "add", "origin", "../remote.git")
    for name, path in (("evil", "src/x.py"), ("fine", "docs/y.md"), ("pull", "src/x.py")):
        repo.must("checkout", "-q", "--detach", "main")
        repo.write(path, f"{name}\n")
        repo.commit_unguarded(name)
        repo.must("tag", name)
    repo.must("push", "-q", "origin", "pull:refs/pull/1/head")
    repo.must("tag", "-d", "pull")
    repo.must("checkout", "-q", "--detach", "main")
    repo.write("src/y.py", "upstream\n")
    repo.commit_unguarded("upstream")
    repo.must("push", "-q", "origin", "HEAD:main")
    repo.must("checkout", "-q", "main")
    repo.must("update-ref", "refs/remotes/origin/main", "main")
    repo.must("reflog", "expire", "--expire=now", "--all")
    repo.write("docs/y.md", "mine\n")
    assert repo.agentlock("init", "--strict").code == 0
    repo.must("checkout", "-q", "docs/y.md")
    repo.reserve(HOLDER, "src/")


def shell(repo: Repo, script: str, agent: str = OTHER) -> Result:
    return run("sh", "-ec", script, cwd=repo.path, agent=agent)


def state(repo: Repo) -> tuple[str, ...]:
    """All that a refusal must leave, or give back: HEAD, branches, index, worktree."""
    return (
        (repo.path / ".git" / "HEAD").read_text(encoding="utf-8"),
        repo.must("for-each-ref", "refs/heads"),
        repo.must("ls-files", "--stage"),
        repo.must("status", "--porcelain"),
        repo.must("diff", "HEAD"),
    )


class Stopped(NamedTuple):
    """What makes a commit known, and how the former state comes back ("": it never left)."""

    script: str
    back: str = ""
    before: str = ":"


GO_BACK = "git read-tree -m -u "
STOPPED = {
    "update-ref": Stopped("git update-ref refs/heads/main evil"),
    "update-ref of several": Stopped(
        "printf 'create refs/heads/%s\\n' 'a fine' 'b evil' | git update-ref --stdin"
    ),
    "commit-tree": Stopped(
        "git update-ref HEAD $(git commit-tree -p HEAD -m x evil^{tree})",
    ),
    "branch -f": Stopped("git branch -f side evil", before="git branch side"),
    "branch": Stopped("git branch side evil"),
    "checkout -b": Stopped("git checkout -q -b side evil", GO_BACK),
    "checkout -B": Stopped("git checkout -q -B main evil", GO_BACK),
    "switch -C": Stopped("git switch -q -C main evil", GO_BACK),
    "worktree add -b": Stopped("git worktree add -q -b side ../linked evil"),
    "fast-forward": Stopped("git merge -q --ff-only evil", GO_BACK),
    "fast-forward beside staged and unstaged changes": Stopped(
        "git merge -q --ff-only evil",
        GO_BACK,
        "echo staged > staged; git add staged; echo edited > docs/y.md",
    ),
    "reset --hard": Stopped("git reset -q --hard evil", GO_BACK),
    "reset --keep": Stopped("git reset -q --keep evil", GO_BACK, "echo edited > docs/y.md"),
    "reset --mixed": Stopped("git reset -q evil", "git reset -q"),
    "reset --soft": Stopped("git reset -q --soft evil"),
    "merge": Stopped(
        "git merge -q --no-ff --no-edit evil",
        "git merge --abort",
    ),
    "cherry-pick by fast-forward": Stopped("git cherry-pick --ff evil", GO_BACK),
    "rebase --apply onto": Stopped(
        "git rebase -q --apply evil",
        GO_BACK,
        "git checkout -q -b side; echo > new; git add new; git commit -q -m x",
    ),
    "rebase onto": Stopped(
        "git rebase -q evil",
        "git rebase --abort",
        "git checkout -q -b side; git commit -q --allow-empty -m x",
    ),
    "rebase onto what HEAD was at": Stopped(
        "git rebase -q evil",
        "git rebase --abort",
        "git checkout -q evil; git checkout -q -b side main; git commit -q --allow-empty -m x",
    ),
    "fast-import": Stopped(
        "printf 'reset refs/heads/main\\nfrom %s\\n\\n' $(git rev-parse evil) | "
        "git fast-import --quiet",
    ),
    "detached HEAD": Stopped("git update-ref --no-deref HEAD evil", before="git switch -q -d main"),
    "a commit that amends the holder's": Stopped(
        "git commit -q --amend -a -m x",
        before="git update-ref refs/remotes/origin/main main~1; echo mine > docs/y.md",
    ),
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_makes_a_commit_known_is_stopped_and_can_be_gone_back_from(
    scene: Repo, name: str
) -> None:
    case = STOPPED[name]
    if "amends" in name:
        make_branch(scene, "main", "src/y.py")
    assert shell(scene, case.before).code == 0
    before = state(scene)
    stopped = shell(scene, case.script)
    assert stopped.code != 0, stopped
    assert REFUSED in stopped.err
    assert "src/" in stopped.err
    printed = [line[11:] for line in stopped.err.splitlines() if line.startswith("  go back: ")]
    assert [line[: len(case.back)] for line in printed] == ([case.back] if case.back else [])
    if printed and state(scene) != before:
        gone_back = shell(scene, printed[0])
        assert gone_back.code == 0, gone_back
    assert state(scene) == before
    passed = shell(scene, case.script, agent=HOLDER)
    assert passed.code == 0, passed


def test_filter_branch_is_stopped_although_it_keeps_the_reason_to_itself(scene: Repo) -> None:
    assert shell(scene, "echo mine > docs/y.md; git commit -q -a -m mine").code == 0
    before = state(scene)
    script = "git filter-branch -f --tree-filter 'echo x > src/x.py' main~1..main"
    stopped = shell(scene, f"FILTER_BRANCH_SQUELCH_WARNING=1 {script}")
    assert "Could not rewrite refs/heads/main" in stopped.err
    assert state(scene) == before


def make_branch(repo: Repo, branch: str, path: str) -> None:
    """A commit on a branch that no hook has seen."""
    at = repo.must("branch", "--show-current")
    repo.must(*NO_HOOKS, "checkout", "-q", "-B", branch)
    repo.write(path, f"{branch}\n")
    repo.commit_unguarded(branch)
    repo.must("checkout", "-q", at)


FETCH = "git fetch -q origin refs/pull/1/head; "
UNDISTURBED = {
    "fetch": "git fetch -q",
    "fetch of a pull request into a branch": "git fetch -q origin refs/pull/1/head:pr",
    "fetch of several into branches": "git fetch -q --no-write-fetch-head --atomic origin "
    "refs/pull/1/head:pr main:upstream",
    "forced fetch into a branch": "git fetch -q origin refs/pull/1/head:pr; "
    "git fetch -q origin +main:pr",
    "checkout of FETCH_HEAD": FETCH + "git checkout -q FETCH_HEAD",
    "switch to FETCH_HEAD": FETCH + "git switch -q --detach FETCH_HEAD",
    "a branch from FETCH_HEAD": FETCH + "git checkout -q -b pr FETCH_HEAD",
    "worktree of FETCH_HEAD": FETCH + "git worktree add -q ../linked FETCH_HEAD",
    "worktree of FETCH_HEAD with a branch": FETCH
    + "git worktree add -q -b pr ../linked FETCH_HEAD",
    "worktree of a tag": "git worktree add -q ../linked evil",
    "checkout of a tag": "git checkout -q evil; git checkout -q main",
    "checkout by an alias": "git -c alias.co='checkout -q' co evil",
    "checkout with options of git's": "git -C src -c color.ui=false --no-pager checkout -q evil",
    "back to where HEAD was": "git checkout -q evil; git checkout -q --detach main; "
    "git reset -q --hard evil",
    "pull by fast-forward": "git pull -q --ff-only origin main",
    "pull of a pull request": "git pull -q --no-rebase origin refs/pull/1/head",
    "pull of a pull request by rebase": "git checkout -q -b side; echo > new; git add new; "
    "git commit -q -m x; git pull -q --rebase origin refs/pull/1/head",
    "pull that merges": "echo mine > docs/y.md; git commit -q -a -m x; "
    "git pull -q --no-rebase --no-edit origin main",
    "reset to the remote's": "git fetch -q; git reset -q --hard origin/main",
    "reset to where the branch was": "git fetch -q; git reset -q --hard origin/main; "
    "git reset -q --hard HEAD@{1}; git reset -q --hard ORIG_HEAD",
    "reset to where only the branch was": "git fetch -q origin refs/pull/1/head:pr; "
    "git fetch -q origin main; git checkout -q pr; git reset -q --hard main; "
    "git reset -q --hard ORIG_HEAD",
    "branch -m": "git fetch -q origin refs/pull/1/head:pr; git branch -m pr request",
    "branch -c": "git fetch -q origin refs/pull/1/head:pr; git branch -c pr request",
    "branch -D": "git fetch -q origin refs/pull/1/head:pr; git branch -q -D pr",
    "gc": "git fetch -q origin refs/pull/1/head:pr; git gc -q; git gc -q --prune=now",
    "pack-refs": "git fetch -q origin refs/pull/1/head:pr; git pack-refs --all",
    "stash": "echo new > src/x.py; git stash -q; git stash pop -q; git checkout -q src/x.py",
    "stash on a detached HEAD": "git checkout -q evil; echo new > src/x.py; git stash -q; "
    "git stash pop -q",
    "switch": "git fetch -q origin refs/pull/1/head:pr; git switch -q pr; git switch -q main",
    "symbolic-ref": "git symbolic-ref HEAD refs/heads/other",
    "tag": "git tag again evil; git tag -d again",
    "bisect": "git bisect start evil main~1; git bisect reset",
    "a commit elsewhere": "echo mine > docs/y.md; git commit -q -a -m mine",
    "a commit in a subfolder": "cd docs; echo mine > y.md; git commit -q -m mine y.md",
    "a commit on a detached HEAD": "git checkout -q evil; echo mine > docs/y.md; "
    "git commit -q -a -m mine; git commit -q --amend -m other",
    "a commit of a linked worktree": "git worktree add -q -b side ../linked; cd ../linked; "
    "echo mine > docs/y.md; git commit -q -a -m mine",
    "a first commit": "git checkout -q --orphan first; git rm -q -r --cached .; "
    "git add docs; git commit -q -m first",
    "rebase": "git checkout -q -b side main~1; echo > new; git add new; git commit -q -m new; "
    "git rebase -q main",
    "rebase of several branches": "git checkout -q -b side main~1; echo > new; git add new; "
    "git commit -q -m new; git branch below; echo more > new; git commit -q -a -m more; "
    "git -c rebase.updateRefs=true rebase -q main",
    "rebase --apply": "git checkout -q -b side main~1; echo > new; git add new; "
    "git commit -q -m new; git rebase -q --apply main",
    "a rebase of what passed before, given up": "git fetch -q origin refs/pull/1/head:pr; "
    "git checkout -q pr; ! git rebase -q --force-rebase main~1; git rebase --abort",
    "a rebase on a detached HEAD, given up": "git checkout -q evil; "
    "! git rebase -q --force-rebase main~1; git rebase --abort",
    "rebase --apply, given up": "git checkout -q evil; "
    "! git rebase -q --apply --force-rebase main~1; git rebase --abort",
    "a cherry-pick": "git cherry-pick -x fine",
    "am": "git format-patch -q -1 -o ../patches fine; git am -q ../patches/*",
    "a fast-forward to what is free": "git merge -q --ff-only fine",
    "a push": "echo mine > docs/y.md; git commit -q -a -m mine; git push -q origin HEAD:side",
}


@pytest.mark.parametrize("name", UNDISTURBED)
def test_what_makes_no_commit_over_a_reservation_is_not_disturbed(scene: Repo, name: str) -> None:
    done = shell(scene, UNDISTURBED[name])
    assert done.code == 0, done
    expected = ": commit refused" in done.err or "patch refused" in done.err
    assert ("agentlock" in done.err) == expected, done


# How it is put in place, and taken away


def transaction_hook(repo: Repo) -> Path:
    return repo.path / ".git" / "hooks" / TRANSACTION


def listed(repo: Repo) -> dict[str, str]:
    return {one["hook"]: one["state"] for one in repo.agentlock("hooks", "status", "--json").json}


def test_strict_stays_until_it_is_taken_back(repo: Repo) -> None:
    assert not transaction_hook(repo).exists()
    assert TRANSACTION not in listed(repo)
    assert repo.agentlock("hooks", "install", "--strict").code == 0
    for again in (("init",), ("hooks", "install")):
        transaction_hook(repo).unlink()
        assert repo.agentlock("hooks", "status").code == 1
        assert listed(repo)[TRANSACTION] == "missing"
        doctor = repo.agentlock("doctor", agent=HOLDER)
        assert doctor.code == 1, doctor
        assert f"hooks {TRANSACTION} in {repo.path}: missing; fix: " in doctor.out
        assert repo.agentlock(*again).code == 0
        assert listed(repo)[TRANSACTION] == "installed"
    assert "guard     in place, strict (" in repo.agentlock("status").out
    doctor = repo.agentlock("doctor", agent=HOLDER)
    assert doctor.code == 0, doctor
    assert f"{TRANSACTION}: git runs our hook, and it refuses (proven)" in doctor.out
    assert repo.agentlock("hooks", "install", "--no-strict").code == 0
    assert not transaction_hook(repo).exists()
    assert TRANSACTION not in listed(repo)


def test_uninstalling_forgets_strict(repo: Repo) -> None:
    assert repo.agentlock("hooks", "install", "--strict").code == 0
    assert repo.agentlock("hooks", "uninstall", "--json").json["removed"][-1] == TRANSACTION
    assert repo.agentlock("hooks", "install").code == 0
    assert not transaction_hook(repo).exists()


def test_strict_without_hooks_is_a_mistake(repo: Repo) -> None:
    result = repo.agentlock("init", "--strict", "--no-hooks")
    assert result.code == 2
    assert not transaction_hook(repo).exists()


@pytest.mark.parametrize("hooks_path", ["", "../theirs"])
def test_what_was_there_sees_every_state_and_can_refuse(repo: Repo, hooks_path: str) -> None:
    theirs = transaction_hook(repo)
    if hooks_path:
        repo.must("config", "core.hooksPath", hooks_path)
        theirs = repo.path / hooks_path / TRANSACTION
    theirs.parent.mkdir(exist_ok=True)
    script = '#!/bin/sh\n{ echo "$1"; cat; } >> "$SEEN"; ! [ "$1:$STOP" = prepared:yes ]\n'
    theirs.write_text(script, encoding="utf-8")
    theirs.chmod(0o755)
    seen = repo.path.parent / "seen"
    repo.must("tag", "before", env={"SEEN": str(seen)})
    alone = seen.read_text(encoding="utf-8").replace("refs/tags/before", "refs/tags/after")
    seen.unlink()
    assert repo.agentlock("hooks", "install", "--strict").code == 0
    repo.must("tag", "after", env={"SEEN": str(seen)})
    assert seen.read_text(encoding="utf-8") == alone
    assert repo.git("tag", "stopped", env={"SEEN": str(seen), "STOP": "yes"}).code != 0
    repo.reserve(HOLDER, "src/")
    make_evil(repo)
    refused = repo.git("branch", "side", "evil", env={"SEEN": str(seen)}, agent=OTHER)
    assert REFUSED in refused.err
    assert repo.agentlock("hooks", "install", "--no-strict").code == 0
    assert repo.git("branch", "side", "evil", env={"SEEN": str(seen)}, agent=OTHER).code == 0
    assert "refs/heads/side" in seen.read_text(encoding="utf-8")


def make_evil(repo: Repo) -> None:
    """A commit that only a tag knows."""
    repo.must(*NO_HOOKS, "checkout", "-q", "--detach")
    repo.write("src/x.py", "evil\n")
    repo.commit_unguarded("evil")
    repo.must(*NO_HOOKS, "tag", "evil")
    repo.must(*NO_HOOKS, "checkout", "-q", "main")


def test_a_cleared_index_serves_one_commit_of_the_same_content_only(
    scene: Repo, tmp_path: Path
) -> None:
    counter = tmp_path / "asked"
    for hook in ("pre-commit", "prepare-commit-msg", TRANSACTION):
        path = scene.path / ".git" / "hooks" / hook
        text = path.read_text(encoding="utf-8")
        counting = text.replace('    "$python" -', f'    echo {hook} >> {counter}; "$python" -', 1)
        assert counting != text
        path.write_text(counting, encoding="utf-8")
    once = ("-a", "pre-commit"), ("-o docs/y.md", "pre-commit"), ("-a -n", "prepare-commit-msg")
    for at, (options, asked) in enumerate(once):
        counter.write_text("", encoding="utf-8")
        assert shell(scene, f"echo {at} > docs/y.md; git commit -q -m x {options}").code == 0
        assert counter.read_text(encoding="utf-8").split() == [asked], options
    counter.write_text("", encoding="utf-8")
    shell(scene, "git checkout -q -b side main~2; git cherry-pick main~1 main")
    expected = ["prepare-commit-msg"] * counter.read_text(encoding="utf-8").count("prepare")
    assert counter.read_text(encoding="utf-8").split() == expected


def test_what_is_staged_after_an_index_was_cleared_is_judged(scene: Repo) -> None:
    later = scene.path / ".git" / "hooks" / "commit-msg"
    later.write_text("#!/bin/sh\necho evil > src/x.py; git add src/x.py\n", encoding="utf-8")
    later.chmod(0o755)
    counter = scene.path.parent / "asked"
    path = transaction_hook(scene)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('    "$python" -', f'    echo > {counter}; "$python" -', 1))
    assert shell(scene, "echo mine > docs/y.md; git commit -q -a -m mine").code == 0
    assert counter.exists()
    assert scene.must("show", "--format=", "--name-only", "HEAD") == "docs/y.md"


def test_a_word_about_a_cleared_index_serves_no_other_process(scene: Repo) -> None:
    scene.write("src/x.py", "evil\n")
    scene.must("add", "src/x.py")
    evil = scene.must("commit-tree", "-p", "HEAD", "-m", "x", scene.must("write-tree"))
    # exec keeps the shell's process for git, whose number the shell knows.
    word = "ln .git/index .git/agentlock-cleared-PID; echo PID reference-transaction > "
    word += ".git/agentlock-cleared; exec git "
    moving = f"update-ref refs/heads/main {evil} {scene.head}"
    other = shell(scene, word.replace("PID", "1") + moving)
    assert REFUSED in other.err
    assert REFUSED in shell(scene, word.replace("PID", "$$") + moving).err
    stat = "read -r stat <'/proc/self/stat'; set -- ${stat##*) }; "  # but for the stack the same
    assert REFUSED in shell(scene, stat + word.replace("PID", "$$.${20}.${26}") + moving).err


@pytest.mark.parametrize("options", ["", "-n"])
def test_a_commit_that_is_not_the_index_that_was_cleared_is_judged(
    scene: Repo, options: str
) -> None:
    """The tree is written before prepare-commit-msg, which judges the index as it is then."""
    scene.write("src/x.py", "evil\n")
    scene.write("docs/y.md", "mine\n")
    scene.must("add", "-A")
    resetting = scene.path / ".git" / "hooks.before-agentlock" / "prepare-commit-msg"
    resetting.parent.mkdir()
    resetting.write_text("#!/bin/sh\ngit reset -q src/x.py\n", encoding="utf-8")
    resetting.chmod(0o755)
    before = scene.head
    refused = shell(scene, f"git commit -q -m x {options}")
    assert "refused" in refused.err, refused
    assert scene.head == before


def test_a_linked_worktree_is_guarded_and_gone_back_in(scene: Repo) -> None:
    assert shell(scene, "git worktree add -q -b side ../linked").code == 0
    linked = Repo(scene.path.parent / "linked")
    linked.write("docs/y.md", "edited\n")
    linked.write("docs/z.md", "staged\n")
    linked.must("add", "docs/z.md")
    before = linked.must("status", "--porcelain")
    refused = shell(linked, "git merge -q --ff-only evil")
    assert REFUSED in refused.err
    assert linked.must("status", "--porcelain") != before
    shell(linked, refused.err.partition("go back: ")[2].partition("\n")[0])
    assert linked.must("status", "--porcelain") == before
    assert linked.head == scene.head


def test_a_repository_of_sha_256_is_guarded_before_its_first_commit(tmp_path: Path) -> None:
    (tmp_path / "long").mkdir()
    repo = Repo(tmp_path / "long")
    repo.must("init", "-q", "--object-format=sha256")
    assert repo.agentlock("init", "--strict").code == 0
    repo.reserve(HOLDER, "src/")
    repo.write("docs/y.md")
    assert repo.commit_all("first", agent=OTHER).code == 0
    make_evil(repo)
    assert REFUSED in repo.git("reset", "-q", "--hard", "evil", agent=OTHER).err
    assert repo.must("rev-list", "--count", "main") == "1"


def test_a_person_can_let_one_update_pass_and_it_is_recorded(scene: Repo) -> None:
    reason = {"AGENTLOCK_SKIP": "a hotfix"}
    assert scene.git("merge", "-q", "--ff-only", "evil", agent=OTHER, env=reason).code == 0
    skipped = scene.sql("SELECT detail FROM events WHERE kind = 'skipped'")
    assert len(skipped) == 1
    assert "a hotfix" in skipped[0][0]
    assert "src/x.py" in skipped[0][0]


def test_where_the_table_is_gone_only_new_commits_are_refused(scene: Repo) -> None:
    scene.database.unlink()
    for harmless in ("git fetch -q", "git branch side", "git gc -q", "git stash list"):
        assert shell(scene, harmless).code == 0
    refused = shell(scene, "git merge -q --ff-only fine")
    assert "agentlock: branch update refused: " in refused.err
    assert "is missing" in refused.err
    assert f"  go back: {GO_BACK}" in refused.err


def test_a_program_that_is_gone_refuses_new_commits_only(scene: Repo) -> None:
    path = transaction_hook(scene)
    text = path.read_text(encoding="utf-8").replace("\nuse '", "\nuse '/gone")
    path.write_text(text, encoding="utf-8")
    assert shell(scene, "git fetch -q; git branch side").code == 0
    refused = shell(scene, "git update-ref refs/heads/main fine")
    assert "the program that guards this repository is missing" in refused.err
