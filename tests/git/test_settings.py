"""The settings that are read from git's files are those that git itself would have told."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as some
from support import HOLDER, Repo, assert_passed, assert_refused

from agentlock.errors import GitError
from agentlock.git.config_file import WITHOUT_VALUE, UnclearError, parse
from agentlock.git.settings import Settings
from agentlock.git.system_config import FILE, known, learn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agentlock.git.settings import Entry

    Told = Callable[[], tuple[list[Entry] | str, bool]]

NOBODY = 65534
FOLDING = "[core]\n\tignoreCase = true\n"


@pytest.fixture
def inside(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """The current directory, with git's variables as people have them."""
    monkeypatch.chdir(repo.path)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    return repo


@pytest.fixture
def told(inside: Repo, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Asks for the settings here: what git tells, and whether it had to be asked."""

    def ask() -> tuple[list[Entry] | str, bool]:
        trace = inside.path.parent / "trace"
        with monkeypatch.context() as patch:
            patch.setenv("GIT_TRACE", str(trace))
            answer = _answer(Settings())
        asked = trace.exists() or isinstance(answer, str)  # a file that git refuses is not traced
        trace.unlink(missing_ok=True)
        assert answer == _answer(Settings(os.getcwdb())), "not what git tells"
        return answer, asked

    return ask


def _answer(settings: Settings) -> list[Entry] | str:
    try:
        return settings.entries()
    except GitError as error:
        return str(error)


def _value(answer: list[Entry] | str, name: bytes) -> bytes | None:
    assert isinstance(answer, list), answer
    return {entry[2]: entry[3] for entry in answer}.get(name)


# What the files say

READ = {
    "as git writes it": '[remote "origin"]\n\turl = git@host:a/b.git\n\tfetch = +refs/*:refs/*\n',
    "comments": "# one\n; two\n  \n[core] \n\t ignoreCase = true # so\n",
    "quotes": '[agentlock]\n\tproject = "a # b" c\\\\d\\t\\n\\b "" \n'
    '[alias]\n\tx = "!f() { :; }; f"\n',
    "names in another case": "[CORE]\n\tHooksPath=/x\n[Remote.Origin]\n\tURL = x\n",
    "values that are missing": "[core]\n\tignoreCase\n[agentlock]\n\tagent =\n",
    "names with a part in the middle": '[agentlock "x"]\n\ty = 1\n'
    '[remote "A.b"]\n\tpartialCloneFilter = tree:0\n',
    "a remote without a name": '[remote ""]\n\tpartialCloneFilter = tree:0\n'
    "[remote]\n\tpartialCloneFilter = x\n",
    "the same twice": "[core]\n\tignoreCase = true\n[user]\n\tname = x\n"
    "[core]\n\tignoreCase = no\n",
    "no newline at the end": "[core]\n\tignoreCase = yes",
    "letters of others": "[agentlock]\n\tproject = käse\n[user]\n\tname = Zoë\n",
    "two spaces inside": "[agentlock]\n\tproject = a  b\n",
    "a file for each worktree": "[extensions]\n\tworktreeConfig = true\n",
    "harmless extensions": "[extensions]\n\tobjectFormat = sha1\n\tworktreeConfig = false\n"
    "[core]\n\trepositoryFormatVersion = 1\n",
}
ASKED = {
    "an included file": "[include]\n\tpath = ../more\n",
    "one that is included for some folders": '[includeIf "gitdir:/"]\n\tpath = ../more\n',
    "one that is included by another name": "[Include]\n\tpath = ../more\n",
    "lines of Windows": "[core]\r\n\tignoreCase = true\r\n",
    "a value on two lines": "[core]\n\thooksPath = /a\\\n/b\n",
    "a tab inside": "[agentlock]\n\tproject = a\tb\n",
    "a setting behind a section": "[core] ignoreCase = true\n",
    "a comment behind a section": "[core] # ours\n\tignoreCase = true\n",
    "an escape in a section": '[remote "a\\"b"]\n\tpartialCloneFilter = x\n',
    "a byte order mark": "\ufeff[core]\n\tignoreCase = true\n",
    "another version of the format": "[core]\n\trepositoryFormatVersion = 9\n",
    "an extension that is not known": "[core]\n\trepositoryFormatVersion = 1\n"
    "[extensions]\n\tnew = 1\n",
    "no boolean": "[extensions]\n\tworktreeConfig = perhaps\n",
    "a name of ours with letters of others": '[agentlock "ä"]\n\tx = 1\n',
    "a quote that does not end": '[user]\n\tname = "x\n',
    "an escape that is none": "[user]\n\tname = \\x\n",
    "a key that is none": "[user]\n\t1name = x\n",
    "a section that does not end": "[user\n\tname = x\n",
    "a backslash at the end": "[user]\n\tname = x\\",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_a_plain_file_is_read_as_git_reads_it(text: str, inside: Repo, told: Told) -> None:
    (inside.path / ".git" / "config.worktree").write_text("[agentlock]\n\tagent = Side\n")
    with (inside.path / ".git" / "config").open("a", encoding="utf-8") as file:
        file.write(text)
    answer, asked = told()
    assert not asked
    assert (_value(answer, b"agentlock.agent") == b"Side") == ("worktreeConfig = true" in text)


@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED)
def test_git_is_asked_about_every_other_file(text: str, inside: Repo, told: Told) -> None:
    (inside.path / "more").write_text("[agentlock]\n\tagent = Wrong\n")
    with (inside.path / ".git" / "config").open("a", encoding="utf-8") as file:
        file.write(text)
    assert told()[1]


_LINES = (
    *(
        "[core]",
        "[agentlock]",
        '[remote "origin"]',
        '[remote "A b"]',
        "[a.B]",
        "[a-1]",
        "[]",
        "[a b]",
    ),
    *('[a "b"] x = y', "[ core]", "[core ]", '[a  "b"]', '[a "b" ]', '[a "]"]', '[a"b"]', "[x]y=z"),
    *(
        "x",
        "x = y",
        "x=y # z",
        "x ; y",
        "X-1 = ' y '",
        'x = "y',
        'x = "y" z',
        "x = y\\",
        "x = \\t y",
    ),
    *(
        "= y",
        "-x = y",
        "x y = z",
        "x.y = z",
        "# [core]",
        ";",
        " ",
        "x = a\tb",
        'x = a "\t" b',
        "\tx = ",
    ),
    *(
        'x = "a ; b" ; c',
        "x = \\q",
        'x = a"b"c  ',
        'x = a "" ',
        'x = "" a',
        "x == y",
        "x = [y]",
        "ä = b",
    ),
    *("x = ä", '[ä "b"]', '[a "ä"]', "x = \x0b y", "\x0cx = y", "x\x0b = y", "x = a\rb", "x = y\r"),
)


@limits(max_examples=150)
@given(some.lists(some.sampled_from(_LINES) | some.text('[]"\\#;= ax\t-.', max_size=8), max_size=6))
@example(["[a]", 'x = " y  " # "'])
def test_no_file_is_read_as_git_would_not(lines: list[str]) -> None:
    text = "\n".join(["[start]", *lines])
    read, skipped = _read(text, wanted=True), _read(text, wanted=False)
    assert (read is None) == (skipped is None) or "\t" in text
    if skipped is not None:
        by_git = _by_git(text)
        assert read in (by_git, None)


def _read(text: str, *, wanted: bool) -> list[tuple[bytes, bytes]] | None:
    try:
        return parse(text.encode(), lambda _: wanted)
    except UnclearError:
        return None


def _by_git(text: str) -> list[tuple[bytes, bytes]]:
    command = ("git", "config", "-z", "--file", "-", "--list")
    listed = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    assert listed.returncode == 0, (text, listed.stderr)
    entries = [entry.partition(b"\n") for entry in listed.stdout.split(b"\0")[:-1]]
    return [(name, value if separator else WITHOUT_VALUE) for name, separator, value in entries]


# Which files there are


def _in_home(home: Path, _: pytest.MonkeyPatch) -> None:
    (home / ".gitconfig").write_text(FOLDING)


def _in_xdg(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    (home / "xdg" / "git").mkdir(parents=True)
    (home / "xdg" / "git" / "config").write_text(FOLDING)


def _in_dot_config(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("XDG_CONFIG_HOME", "")
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "config").write_text(FOLDING)


def _named_as_global(home: Path, patch: pytest.MonkeyPatch) -> None:
    (home / "named").write_text(FOLDING)
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / "named"))


def _named_as_system(home: Path, patch: pytest.MonkeyPatch) -> None:
    (home / "named").write_text(FOLDING)
    patch.setenv("GIT_CONFIG_SYSTEM", str(home / "named"))
    patch.delenv("GIT_CONFIG_NOSYSTEM")


def _another_home(home: Path, patch: pytest.MonkeyPatch) -> None:
    (home / "other").mkdir()
    (home / "other" / ".gitconfig").write_text(FOLDING)
    patch.setenv("HOME", str(home / "other"))


@pytest.mark.parametrize(
    "put",
    [_in_home, _in_xdg, _in_dot_config, _named_as_global, _named_as_system, _another_home],
)
def test_a_setting_elsewhere_counts_at_once(
    put: Callable[[Path, pytest.MonkeyPatch], None],
    told: Told,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learn(b".git")
    assert _value(told()[0], b"core.ignorecase") is None
    put(home, monkeypatch)
    answer, asked = told()
    assert not asked
    assert _value(answer, b"core.ignorecase") == b"true"


def _count(patch: pytest.MonkeyPatch, _: Repo) -> None:
    for name, value in {"COUNT": "1", "KEY_0": "core.ignoreCase", "VALUE_0": "true"}.items():
        patch.setenv(f"GIT_CONFIG_{name}", value)


def _parameters(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.setenv("GIT_CONFIG_PARAMETERS", "'core.ignoreCase=true'")


def _switch_of_gits_tests(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")


def _git_dir(patch: pytest.MonkeyPatch, repo: Repo) -> None:
    patch.setenv("GIT_DIR", f"../{repo.path.name}/.git")


def _ceiling(patch: pytest.MonkeyPatch, repo: Repo) -> None:
    patch.setenv("GIT_CEILING_DIRECTORIES", str(repo.path.parent))


def _work_tree(patch: pytest.MonkeyPatch, repo: Repo) -> None:
    patch.setenv("GIT_WORK_TREE", str(repo.path))


def _below_the_root(patch: pytest.MonkeyPatch, repo: Repo) -> None:
    (repo.path / "src").mkdir()
    patch.chdir(repo.path / "src")


def _no_home(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.delenv("HOME")


def _relative_home(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.setenv("HOME", ".")


def _relative_xdg(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.setenv("XDG_CONFIG_HOME", "x")


def _relative_path(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.delenv("GIT_CONFIG_NOSYSTEM")
    patch.setenv("PATH", f"bin:{os.environ['PATH']}")


def _odd_boolean(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.setenv("GIT_CONFIG_NOSYSTEM", "yes")


def _relative_global(patch: pytest.MonkeyPatch, _: Repo) -> None:
    patch.setenv("GIT_CONFIG_GLOBAL", "x")


def _folder_as_file(_: pytest.MonkeyPatch, repo: Repo) -> None:
    (repo.path.parent / "home" / ".gitconfig").unlink()
    (repo.path.parent / "home" / ".gitconfig").mkdir()


def _no_file(_: pytest.MonkeyPatch, repo: Repo) -> None:
    (repo.path / ".git" / "config").unlink()


def _large_file(_: pytest.MonkeyPatch, repo: Repo) -> None:
    with (repo.path / ".git" / "config").open("a", encoding="utf-8") as file:
        file.write("# a comment\n" * 30_000)


def _another_owner(_: pytest.MonkeyPatch, repo: Repo) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(repo.path / ".git", NOBODY, NOBODY)


@pytest.mark.parametrize(
    "change",
    [
        *(_count, _parameters, _git_dir, _ceiling, _work_tree, _below_the_root, _no_home),
        *(_relative_home, _relative_xdg, _relative_path, _odd_boolean, _relative_global),
        *(_folder_as_file, _no_file, _switch_of_gits_tests, _large_file, _another_owner),
    ],
)
def test_git_is_asked_where_it_is_not_certain_what_it_reads(
    change: Callable[[pytest.MonkeyPatch, Repo], None],
    inside: Repo,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learn(b".git")
    assert not told()[1]
    change(monkeypatch, inside)
    assert told()[1]


# Which git that is


def _kept_in(repo: Repo) -> Path:
    return repo.path / ".git" / f"{FILE.decode()}{os.geteuid()}"


@pytest.fixture
def unknown_git(inside: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's settings count, and nobody has asked this git yet where they are."""
    monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    _kept_in(inside).unlink(missing_ok=True)


@pytest.mark.usefixtures("unknown_git")
def test_git_is_asked_once_which_file_is_the_machines(inside: Repo, told: Told) -> None:
    assert known(b".git") is None
    assert told()[1]
    assert (known(b".git") or b"").startswith(b"/")
    assert not told()[1]
    inside.must("config", "core.ignoreCase", "yes")
    answer, asked = told()
    assert not asked
    assert _value(answer, b"core.ignorecase") == b"yes"


def _torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _gone(file: Path) -> None:
    file.unlink()


def _of_somebody_else(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(file, NOBODY, NOBODY)


def _led_elsewhere(file: Path) -> None:
    file.rename(file.parent / "kept")
    file.symlink_to("kept")


def _of_another_git(file: Path) -> None:
    identity, rest = file.read_bytes().split(b" ", 1)
    file.write_bytes(b"%d %b" % (int(identity) + 1, rest))


@pytest.mark.usefixtures("unknown_git")
@pytest.mark.parametrize(
    "harm", [_torn, _empty, _gone, _of_somebody_else, _led_elsewhere, _of_another_git]
)
def test_an_answer_that_cannot_be_trusted_is_none(
    harm: Callable[[Path], None], inside: Repo, told: Told
) -> None:
    assert told()[1]
    harm(_kept_in(inside))
    assert known(b".git") is None
    assert told()[1]
    assert not told()[1]


@pytest.mark.usefixtures("unknown_git")
@pytest.mark.parametrize("body", ['exec {git} "$@"', 'exec {git} -c core.ignoreCase=true "$@"'])
def test_a_script_that_starts_git_is_asked_each_time(
    body: str, inside: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = inside.must("--exec-path").strip() + "/git"
    script = tmp_path / "bin" / "git"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\n{body.format(git=real)}\n")
    script.chmod(0o755)
    assert _answer(Settings())
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    for _ in range(2):
        ignoring = _value(_answer(Settings()), b"core.ignorecase")
        assert ignoring == (b"true" if "true" in body else None)
    assert known(b".git") == b""


@pytest.mark.usefixtures("unknown_git")
def test_a_folder_that_cannot_be_written_keeps_no_answer_and_refuses_nothing(inside: Repo) -> None:
    _kept_in(inside).mkdir()
    assert _answer(Settings())
    assert known(b".git") is None


@pytest.mark.usefixtures("unknown_git")
def test_the_answer_goes_with_an_uninstall(inside: Repo) -> None:
    inside.write("x")
    assert_passed(inside.commit_all())
    assert _kept_in(inside).exists()
    assert_passed(inside.agentlock("hooks", "uninstall", "--everywhere", "--yes"))
    assert not _kept_in(inside).exists()


# What a commit makes of it


def test_each_change_of_a_setting_counts_for_the_next_commit(inside: Repo) -> None:
    inside.reserve(HOLDER, "SRC/**")
    inside.write("src/x.py", "1\n")
    assert_passed(inside.commit_all())
    inside.must("config", "--global", "core.ignoreCase", "true")
    inside.write("src/x.py", "2\n")
    assert_refused(inside.commit_all(), "src/x.py")
    inside.must("config", "core.ignoreCase", "false")
    assert_passed(inside.commit_all())
    (inside.path / ".more").write_text(FOLDING)
    inside.must("config", "include.path", "../.more")
    inside.write("src/x.py", "3\n")
    assert_refused(inside.commit_all(), "src/x.py")


def test_a_commit_asks_git_one_question(inside: Repo, tmp_path: Path) -> None:
    inside.write("x")
    inside.must("add", "x")
    trace = tmp_path / "trace"
    env = {"GIT_TRACE": str(trace)}
    assert_passed(inside.git("commit", "-qm", "x", env=env))
    lines = [line.partition("built-in: git ")[2] for line in trace.read_text().splitlines()]
    started = {line.split()[0] for line in lines if line}
    assert started == {"commit", "diff-index", "maintenance"}
