"""A refused commit names one command for the rest that is safe to paste, or none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import HOLDER, NO_HOOKS, OTHER, Repo, Result, copy_repository, make_guarded, run

from agentlock.git.command_line import Typed, parse

if TYPE_CHECKING:
    from pathlib import Path

    from support.repositories import MadeOnce

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
COMMIT, UNSTAGE = "commit the rest", "unstage, then commit the rest"
START = "".join(f"line {number}\n" for number in range(20))


def _scene(folder: Path) -> None:
    made = make_guarded(folder)
    for name in ("src/x.py", "docs/y.md", "docs/z.md"):
        made.write(name, f"{name}\n{START}")
    made.commit_unguarded("files")
    made.reserve(HOLDER, "src/")


@pytest.fixture
def scene(made_once: MadeOnce, tmp_path: Path) -> Repo:
    """BlueLake holds src/. GreenHill has changed a file there, and another one."""
    repo = copy_repository(made_once(_scene), tmp_path / "repo")
    for name in ("src/x.py", "docs/y.md"):
        repo.write(name, f"{name}\n{START}changed\n")
    return repo


def offered(refused: Result) -> tuple[str, str]:
    """The label and the command of the line about the rest; two empty texts if there is none."""
    assert refused.code == 1, refused
    lines = [line for line in refused.err.splitlines() if "the rest:" in line]
    assert len(lines) <= 1, refused
    label, _, command = "".join(lines).strip().partition(":")
    return label, command.strip()


def paste(repo: Repo, command: str, shell: str = "sh") -> None:
    """Run an offered command, in which an editor must not open."""
    done = run(shell, "-c", command, cwd=repo.path, agent=OTHER, env={"GIT_EDITOR": "false"})
    assert done.code == 0, (command, done)


def changed(repo: Repo) -> list[str]:
    """The paths that the last commit changed."""
    return repo.must("show", "--format=", "--name-only", "--no-renames").split()


def works_in(repo: Repo, folder: Path) -> None:
    """Let the holder be seen in a worktree, as if the last time was long ago."""
    repo.sql("UPDATE agents SET located_ts = 0 WHERE name = ?", HOLDER)
    assert repo.agentlock("renew", "--all", agent=HOLDER, cwd=folder).code == 0


@pytest.mark.parametrize(
    "message",
    [
        ("-m", "both"),
        ("-mboth",),
        ("--message=both",),
        ("-qm", "both"),
        ("-m", "it's `both` $HOME"),
        ("-m", "both", "-m", "and why"),
        (
            "-m",
            "both\n\nIn two lines\nof 100% \\n 'text'!\n\nCo-Authored-By: A <a@example.invalid>",
        ),
        ("-F", "message.txt"),
        ("-s", "-m", "both", "--author=Some Body <s@example.invalid>"),
    ],
)
@pytest.mark.parametrize("everything", [(), ("-a",)])
def test_the_rest_is_committed_with_the_message_that_was_given(
    scene: Repo, message: tuple[str, ...], everything: tuple[str, ...]
) -> None:
    scene.write("message.txt", "both\n\nfrom a file\n")
    if not everything:
        scene.must("add", "src", "docs")
    label, command = offered(scene.git("commit", "-q", *everything, *message, agent=OTHER))
    assert label == COMMIT
    paste(scene, command)
    assert changed(scene) == ["docs/y.md"]
    made = scene.must("log", "-1", "--format=%an%n%B")
    scene.must("add", "src")
    scene.must(*NO_HOOKS, "commit", "-q", "--amend", "--no-edit", *message)
    assert made == scene.must("log", "-1", "--format=%an%n%B")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_message_of_several_lines_is_one_line_to_paste(scene: Repo, shell: str) -> None:
    message = "One\n\n-n \x1b[31m\ttwo %s\n'three' \\ \"four\" $(five) !six äö"
    refused = scene.git("commit", "-qam", message, agent=OTHER)
    assert "\x1b" not in refused.err
    paste(scene, offered(refused)[1], shell)
    assert scene.must("log", "-1", "--format=%B").rstrip("\n") == message


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-e", "-m", "both"),
        ("-F", "-"),
        ("-t", "message.txt"),
        ("--amend", "-m", "both"),
        ("-C", "HEAD"),
    ],
)
def test_without_a_message_to_repeat_what_is_refused_is_unstaged_and_the_commit_made_again(
    scene: Repo, options: tuple[str, ...]
) -> None:
    scene.write("message.txt", "a template\n")
    scene.must("add", "src", "docs")
    again: dict[str, Any] = {
        "agent": OTHER,
        "env": {"GIT_EDITOR": "printf both >"},
        "stdin": b"both",
    }
    label, command = offered(scene.git("commit", "-q", *options, **again))
    assert (label, command) == (UNSTAGE, "git restore --staged -- src/x.py")
    paste(scene, command)
    assert scene.git("commit", "-q", *options, **again).code == 0
    assert "src/x.py" in scene.must("diff", "--name-only")
    assert "docs/y.md" in changed(scene)


@pytest.mark.parametrize("options", [("-a",), ("--", "src/x.py", "docs/y.md")])
def test_no_command_is_named_if_the_same_commit_would_stage_it_again(
    scene: Repo, options: tuple[str, ...]
) -> None:
    refused = scene.git("commit", *options, agent=OTHER, env={"GIT_EDITOR": "false"})
    assert offered(refused) == ("", "")


def test_a_hunk_that_was_not_staged_is_never_committed(scene: Repo) -> None:
    scene.must("add", "src", "docs")
    scene.write("docs/y.md", "something else\n")
    refused = scene.git("commit", "-qm", "both", agent=OTHER)
    assert "--only" not in refused.err


@pytest.mark.parametrize("name", ["docs/y.md", "src/x.py"])
def test_what_is_partly_staged_where_the_holder_works_too_is_left_alone(
    scene: Repo, name: str
) -> None:
    works_in(scene, scene.path)
    scene.must("add", "src", "docs")
    scene.write(name, "something else\n")
    refused = scene.git("commit", "-q", agent=OTHER, env={"GIT_EDITOR": "false"})
    assert offered(refused) == ("", "")


@pytest.mark.parametrize("name", ["docs/y.md", "src/x.py"])
def test_what_is_partly_staged_where_the_holder_does_not_work_is_unstaged(
    scene: Repo, tmp_path: Path, name: str
) -> None:
    scene.must("worktree", "add", "-q", str(tmp_path / "theirs"))
    works_in(scene, tmp_path / "theirs")
    scene.must("add", "src", "docs")
    scene.write(name, "something else\n")
    again: dict[str, Any] = {"agent": OTHER, "env": {"GIT_EDITOR": "printf both >"}}
    label, command = offered(scene.git("commit", "-q", **again))
    assert (label, command) == (UNSTAGE, "git restore --staged -- src/x.py")
    paste(scene, command)
    assert scene.git("commit", "-q", **again).code == 0
    assert changed(scene) == ["docs/y.md"]
    assert "changed" in scene.must("show", "HEAD:docs/y.md")


@pytest.mark.parametrize("hide", ["--skip-worktree", "--assume-unchanged"])
def test_a_file_that_git_does_not_look_at_is_not_committed_by_its_name(
    scene: Repo, hide: str
) -> None:
    scene.must("add", "src", "docs")
    scene.must("update-index", hide, "docs/y.md")
    scene.write("docs/y.md", "something else\n")
    assert offered(scene.git("commit", "-qm", "both", agent=OTHER))[0] == UNSTAGE


def test_a_removed_file_that_still_exists_is_not_committed_by_its_name(scene: Repo) -> None:
    scene.must("add", "src", "docs")
    scene.must("rm", "-q", "--cached", "docs/z.md")
    label, command = offered(scene.git("commit", "-qm", "both", agent=OTHER))
    assert label == UNSTAGE
    paste(scene, command)
    assert scene.git("commit", "-qm", "both", agent=OTHER).code == 0
    assert changed(scene) == ["docs/y.md", "docs/z.md"]


@pytest.mark.parametrize(("old", "new"), [("src/x.py", "docs/x.py"), ("docs/z.md", "src/z.md")])
def test_half_a_rename_is_not_committed(scene: Repo, old: str, new: str) -> None:
    scene.must("checkout", "-q", "src/x.py")
    scene.must("mv", old, new)
    scene.must("add", "docs")
    label, command = offered(scene.git("commit", "-qm", "both", agent=OTHER))
    assert label == UNSTAGE
    paste(scene, command)
    assert scene.git("commit", "-qm", "both", agent=OTHER).code == 0
    assert changed(scene) == ["docs/y.md"]


def test_nothing_is_named_if_the_rest_is_half_a_rename_and_nothing_else(scene: Repo) -> None:
    scene.must("checkout", "-q", ".")
    scene.must("mv", "src/x.py", "docs/x.py")
    assert offered(scene.git("commit", "-qm", "both", agent=OTHER)) == ("", "")


def test_before_the_first_commit_the_refused_path_is_taken_out_of_the_index(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "new")
    repo.path.mkdir()
    repo.must("init", "-q")
    assert repo.agentlock("init").code == 0
    repo.write("src/x.py")
    repo.write("docs/y.md")
    repo.reserve(HOLDER, "src/")
    repo.must("add", ".")
    written = {"GIT_EDITOR": "printf first >"}
    label, command = offered(repo.git("commit", "-q", agent=OTHER, env=written))
    assert (label, command) == (UNSTAGE, "git rm --cached -- src/x.py")
    paste(repo, command)
    assert repo.git("commit", "-q", agent=OTHER, env=written).code == 0
    assert repo.must("ls-files") == "docs/y.md"
    repo.must("update-ref", "-d", "HEAD")
    repo.must("add", ".")
    label, command = offered(repo.git("commit", "-qm", "first", agent=OTHER))
    assert (label, command) == (COMMIT, "git commit --only -m 'first' -- docs/y.md")
    paste(repo, command)
    assert repo.must("ls-tree", "-r", "--name-only", "HEAD") == "docs/y.md"


def test_a_commit_from_another_folder_is_named_with_that_folder(
    scene: Repo, tmp_path: Path
) -> None:
    refused = scene.git("-C", "repo/docs", "commit", "-qam", "both", agent=OTHER, cwd=tmp_path)
    command = offered(refused)[1]
    assert command == "git -C repo/docs commit --only -m 'both' -- ':(top,literal)docs/y.md'"
    assert run("sh", "-c", command, cwd=tmp_path, agent=OTHER).code == 0
    assert changed(scene) == ["docs/y.md"]


def test_an_index_that_somebody_chose_is_left_alone(scene: Repo) -> None:
    chosen = {"GIT_INDEX_FILE": str(scene.path / "chosen")}
    scene.must("read-tree", "HEAD", env=chosen)
    scene.must("add", "src", "docs", env=chosen)
    refused = scene.git("commit", "-qm", "both", agent=OTHER, env=chosen)
    assert offered(refused) == ("", "")


def test_a_commit_that_is_only_warned_about_needs_no_command(scene: Repo) -> None:
    assert scene.agentlock("policy", "set", "enforcement", "warn", "--reason", "try").code == 0
    warned = scene.git("commit", "-qam", "both", agent=OTHER)
    assert warned.code == 0
    assert "the rest" not in warned.err


@pytest.mark.parametrize(
    ("words", "commit"),
    [
        ("git commit -m x", " -m 'x'"),
        ("git commit -am x -- a b", " -m 'x'"),
        ("git commit -sam x", " -m 'x' -s"),
        ("git commit -S -vFfile", " -F file -S"),
        ("git commit -u no -m x", " -m 'x'"),
        ("git commit --gpg-sign=key --message x", " -m 'x' --gpg-sign=key"),
        ("git commit --author A --date=now -m x", " -m 'x' --author=A --date=now"),
        ("git -c user.name=A --no-pager commit -m x", " -m 'x'"),
        ("git commit -p -m x", None),
        ("git commit -m x --fixup HEAD", None),
        ("git commit --mess x", None),
        ("git commit -- -m x", None),
        ("git commit -F /dev/fd/63", None),
        ("git -c core.autocrlf=true commit -m x", None),
        ("git commit", None),
    ],
)
def test_only_a_command_line_that_is_understood_is_typed_again(
    words: str, commit: str | None
) -> None:
    typed = parse(words.encode().split())
    assert isinstance(typed, Typed)
    assert typed.commit == commit


@pytest.mark.parametrize("words", ["git", "git merge -m x", "git -C commit", "git status commit"])
def test_another_command_is_no_commit(words: str) -> None:
    assert parse(words.encode().split()) is None
