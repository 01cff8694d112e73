"""What a command line plainly writes, moves, removes or throws away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.test_denying import hook, is_silent, why
from hypothesis import example, given, settings
from hypothesis import strategies as some
from support import HOLDER, OTHER, run

from agentlock.edit_hooks.run import ALLOWED
from agentlock.edit_hooks.shell import effects_of
from agentlock.edit_hooks.signs import may_write

if TYPE_CHECKING:
    from pathlib import Path

    from support import Repo, Result

WRITES: dict[str, list[str]] = {
    "echo x > a.py": ["a.py"],
    "echo x >> a.py": ["a.py"],
    "echo x &> a.py": ["a.py"],
    "echo x >| a.py": ["a.py"],
    "echo x > a.py and more": ["a.py"],
    "> a.py echo x": ["a.py"],
    "rm > /dev/null a.py b.py": ["a.py", "b.py", "/dev/null"],
    "rm a.py 2>&1 > log b.py": ["a.py", "b.py", "log"],
    "tee a.py <<E > b.py c.py\ntext\nE": ["a.py", "c.py", "b.py"],
    "true && ! ls | tee > a.py b.py": ["b.py", "a.py"],
    "{ rm a.py; } > b.py": ["a.py", "b.py"],
    "make 2>&1 | tee -a a.py b.py": ["a.py", "b.py"],
    "cat > 'a b.py' <<EOF\nrm -rf other\nEOF": ["a b.py"],
    "cat <<'EOF' > a.py && echo > b.py\ntext > c.py\nEOF": ["a.py", "b.py"],
    "cd src && echo x > a.py": ["src/a.py"],
    "(cd src; echo x > a.py); echo y > b.py": ["src/a.py", "b.py"],
    "cd src; cd ..; echo x > a.py": ["a.py"],
    "cd src; cd -; echo x > a.py": ["a.py"],
    "cd -P -- src; echo x > a.py": ["src/a.py"],
    "pushd src; echo x > a.py; popd; echo y > b.py": ["src/a.py", "b.py"],
    "pushd src; (popd; echo x > a.py); echo y > b.py": ["a.py", "src/b.py"],
    "pushd src; pushd; echo x > a.py; pushd +1; popd; echo y > b.py": ["a.py", "src/b.py"],
    "popd; echo x > a.py": ["a.py"],
    "rm src/{a,b}.py {c,'d e'} ,": ["src/a.py", "src/b.py", "c", "d e", ","],
    "cp a.py{,.bak}": ["a.py.bak"],
    "touch {a,b}{1,2} x{y{1,2},z}": ["a1", "a2", "b1", "b2", "xy1", "xy2", "xz"],
    "touch {} {a} '{a,b}' \\{a,b\\} {a,b x}": ["{}", "{a}", "{a,b}", "x}"],
    "touch {a,$x}.py b.py": ["b.py"],
    "rm $'a.py' b$'\\x2e'py $'it\\'s' $'\\u00e9\\\\\\t'": ["a.py", "b.py", "it's", "é\\\t"],
    "rm $'\\xc3\\xa9' $'\\ca' $'\\0' a.py": ["a.py"],
    "sed -i 's/a/b/' a.py b.py": ["a.py", "b.py"],
    "sed -i.bak -e 's/a/b/' a.py": ["a.py"],
    "sed 's/a/b/' a.py": [],
    "sed -Ei 's/a/b/' a.py": ["a.py"],
    "sed -En 's/i/b/p' a.py": [],
    "sed --in-place --expression='s/a/b/' a.py": ["a.py"],
    "perl -pi -e 's/a/b/' a.py": ["a.py"],
    "perl -0777pi -e 's/a/b/' a.py": ["a.py"],
    "perl -Mstrict -ne 'print' a.py": [],
    "cp x.py a.py": ["a.py"],
    "cp x.py y.py src": ["src/x.py", "src/y.py"],
    "cp -t src x.py": ["src/x.py"],
    "cp --target-directory=src x.py": ["src/x.py"],
    "mv x.py a.py": ["x.py", "a.py"],
    "mv x.py src/": ["x.py", "src/x.py"],
    "rm -rf a.py src": ["a.py", "src"],
    "rm src/*.txt": ["src/one.txt", "src/two.txt"],
    "touch a.py": ["a.py"],
    "ln -s x.py a.py": ["a.py"],
    "truncate -s 0 a.py": ["a.py"],
    "dd if=/dev/zero of=a.py count=1": ["a.py"],
    "sudo env A=1 rm a.py": ["a.py"],
    "sudo -u root timeout 5s dd of=a.py": ["a.py"],
    "nice -n 10 touch a.py": ["a.py"],
    "command -v rm sed": [],
    "bash -c 'echo x > a.py'": ["a.py"],
    "bash -lc 'echo x > a.py'": ["a.py"],
    "sh -e -c 'rm a.py' --": ["a.py"],
    "bash --norc change.sh": [],
    "eval 'rm a.py'": ["a.py"],
    "make >& a.py": ["a.py"],
    "make >&2": [],
    "git mv x.py a.py": ["x.py", "a.py"],
    "git rm a.py": ["a.py"],
    "git rm --cached a.py": [],
    "git -C src mv x.py a.py": ["src/x.py", "src/a.py"],
    "git apply change.patch": ["patched.py"],
    "patch -p1 -i change.patch": ["patched.py"],
    "patch -p1 < change.patch": ["patched.py"],
    "git apply < change.patch": ["patched.py"],
    "git apply <<'EOF'\n--- a/a.py\n+++ b/a.py\n@@\nEOF": ["a.py"],
    "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a.py\n+x\n*** End Patch\nEOF": ["a.py"],
    'echo x > "a.py"': ["a.py"],
    "echo x > a\\ b.py": ["a b.py"],
    "if true; then echo x > a.py; fi": ["a.py"],
    "for one in 1 2; do echo $one >> a.py; done": ["a.py"],
    "echo x > a.py &": ["a.py"],
    # What cannot be read from the line, and what writes nothing
    "echo x > $FILE": [],
    'echo x > "$(name)"': [],
    "python edit.py a.py": [],
    "grep '>' a.py": [],
    "ls > /dev/null 2>&1": ["/dev/null"],
    "f() { rm a.py; }": [],
    "agentlock reserve 'src/**' > a.py": ["a.py"],
    "git status": [],
    "echo tee rm > /dev/null": ["/dev/null"],
}
DISCARDS: dict[str, list[tuple[str, tuple[str, ...], bool]]] = {
    "git stash": [("git stash", (), False)],
    "git stash push -u": [("git stash", (), True)],
    "git stash -m 'half done'": [("git stash", (), False)],
    "git stash pop": [],
    "git stash list": [],
    "git reset --hard HEAD~1": [("git reset --hard", (), False)],
    "git reset HEAD a.py": [],
    "git checkout -- a.py": [("git checkout", ("a.py",), False)],
    "git checkout HEAD -- a.py": [("git checkout", ("a.py",), False)],
    "git checkout .": [("git checkout", (".",), False)],
    "git checkout src/one.txt": [("git checkout", ("src/one.txt",), False)],
    "git checkout HEAD src/one.txt": [("git checkout", ("src/one.txt",), False)],
    "git checkout main": [],
    "git checkout -f main": [("git checkout -f", (), False)],
    "git checkout -b new": [],
    "git switch -f main": [("git switch -f", (), False)],
    "git switch main": [],
    "git restore a.py": [("git restore", ("a.py",), False)],
    "git restore --staged a.py": [],
    "git clean -fd": [("git clean", (), True)],
    "git clean -n": [],
    "git clean -fdn": [],
    "git clean --dry-run --exclude=f": [],
    "cd src && git -C .. stash": [("git stash", (), False)],
    "git commit -m 'git reset --hard'": [],
}


# What agents type most: the grammar is not loaded for it.
HARMLESS = (
    *("pytest -q 2>&1 | tail -5", "git status", "git log --oneline -5", "ls >/dev/null 2>&1"),
    *("git commit -m 'used to format names'", "cd src && make &>/dev/null; echo done", "pip list"),
    *("npm test 2>/dev/null | head", "grep -rn farm .", "git diff >/dev/null", "make 1>&2;ls"),
)
PIECES = (
    *("rm", "touch", "git", "stash", "mv", "a.py", " ", " ", " ", ";", "&&", "|", "\n", "'", '"'),
    *(
        "\\",
        ">",
        ">&1",
        ">/dev/null",
        "2>&1",
        "x",
        "sh -c ",
        "eval ",
        "cd src",
        "$x",
        "(",
        ")",
        "/",
    ),
    *(
        ")",
        "-",
        "=",
        "`",
        "tee",
        "sed -i",
        "restore",
        "\u00a0",
        "1",
        "{",
        "}",
        "<<E",
        "E",
        "#",
        "!",
        *("pushd", "popd", "{rm,a}", "$'", ","),
    ),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    for name in ("one.txt", "two.txt"):
        (tmp_path / "src" / name).touch()
    (tmp_path / "change.patch").write_text("--- a/patched.py\n+++ b/patched.py\n@@\n", "utf-8")
    return tmp_path


def test_what_a_line_writes(folder: Path) -> None:
    for line, expected in WRITES.items():
        found = effects_of(line, str(folder)).writes
        here = [one.removeprefix(f"{folder}/") for one in found]
        assert [one for one in here if not one.startswith(("a/", "b/"))] == expected, line


def test_what_git_would_throw_away(folder: Path) -> None:
    for line, expected in DISCARDS.items():
        found = effects_of(line, str(folder)).discards
        assert [(one.command, one.paths, one.untracked) for one in found] == expected, line


def test_a_line_that_may_write_is_known_without_the_grammar(folder: Path) -> None:
    for line, expected in {**WRITES, **DISCARDS}.items():
        if expected and expected != ["/dev/null"]:
            assert may_write(line), line
    for line in HARMLESS:
        assert not may_write(line), line
        assert set(effects_of(line, str(folder)).writes) <= {"/dev/null"}, line


@settings(max_examples=300)
@given(some.lists(some.sampled_from(PIECES), max_size=12).map("".join))
@example("r''m a.py")
@example("'rm' a.py")
@example("\\rm a.py")
@example("x>/dev/nullx")
@example("x>&12")
@example("/bin/rm a.py")
@example("rmrm>&1 git")
@example("$'\\x72m' a.py")
@example("sudo r{m,x} a.py")
@example("git re{set,x} --hard")
def test_whatever_has_an_effect_may_write(line: str) -> None:
    effects = effects_of(line, "/")
    if set(effects.writes) - {"/dev/null"} or effects.discards:
        assert may_write(line)


@pytest.mark.parametrize("line", ["echo '", "((((", "> > >", "\0 > a", "rm", "git", "cd", "sed -i"])
def test_a_line_that_is_no_command_has_no_effects(folder: Path, line: str) -> None:
    effects_of(line, str(folder))


def shell(line: str, *, cwd: Path, agent: str | None = OTHER) -> Result:
    """Claude Code is about to run a command."""
    given = {"session_id": "S", "cwd": str(cwd), "hook_event_name": "PreToolUse"}
    given |= {"permission_mode": "default", "tool_name": "Bash"}
    payload: dict[str, Any] = {**given, "tool_input": {"command": line}}
    return hook("claude", "PreToolUse", json.dumps(payload).encode(), cwd=cwd, agent=agent)


def test_a_command_that_writes_a_held_file_is_stopped(repo: Repo) -> None:
    repo.reserve(HOLDER, "src/**")
    repo.write("src/x.py")
    for line in ("echo hi >> src/x.py", "cd src && sed -i s/a/b/ x.py", "rm -r src"):
        assert HOLDER in why(shell(line, cwd=repo.path)), line
    for line in ("cat src/x.py > copy.py", "rm copy.py", "agentlock list > src.txt"):
        assert is_silent(shell(line, cwd=repo.path)), line
    assert is_silent(shell("echo hi >> src/x.py", cwd=repo.path, agent=HOLDER))


@pytest.mark.parametrize("key", ["workdir", "working_directory", "dir_path"])
def test_a_command_runs_in_the_folder_that_its_tool_is_given(
    repo: Repo, tmp_path: Path, key: str
) -> None:
    repo.reserve(HOLDER, "src/x.py")
    repo.write("src/x.py")
    (tmp_path / "link").symlink_to(repo.path)

    def run_in(folder: str, line: str, cwd: Path = tmp_path) -> Result:
        given = {"session_id": "S", "cwd": str(cwd), "tool_name": "bash"}
        payload = {**given, "tool_input": {"command": line, key: folder}}
        stdin = json.dumps(payload).encode()
        return hook("opencode", "tool.execute.before", stdin, cwd=cwd, agent=OTHER)

    assert HOLDER in why(run_in(str(repo.path / "src"), "echo hi >> x.py"), "opencode")
    assert HOLDER in why(run_in("link", "cd src && rm x.py"), "opencode")
    assert is_silent(run_in(str(repo.path), "echo hi >> x.py"))
    refused = run_in("\ud800", "rm x.py", repo.path)
    assert "no file can have" in why(refused, "opencode")


def test_git_throws_nothing_away_that_somebody_else_has_changed_here(repo: Repo) -> None:
    repo.write("src/x.py")
    repo.write("free.py")
    repo.commit_unguarded("files")
    repo.reserve(HOLDER, "src/**")
    repo.write("free.py", "mine\n")
    lines = ("git stash", "git reset --hard", "git checkout .", "git checkout -f", "git restore .")
    for line in lines:
        assert is_silent(shell(line, cwd=repo.path)), line
    repo.write("src/x.py", "theirs\n")
    repo.write("src/new.py", "theirs\n")
    for line in (*lines, "git clean -fd", "cd src && git restore ."):
        reason = why(shell(line, cwd=repo.path))
        assert HOLDER in reason, line
        assert "git " in reason.splitlines()[0], line
    for line in ("git restore free.py", "git stash push -- free.py", "git stash list"):
        assert is_silent(shell(line, cwd=repo.path)), line
    for line in lines:
        assert is_silent(shell(line, cwd=repo.path, agent=HOLDER)), line


def test_no_worktree_is_removed_with_what_somebody_else_has_changed_there(repo: Repo) -> None:
    side = repo.path.parent / "side"
    repo.must("worktree", "add", "-q", "-b", "side", str(side))
    removals = ("rm -rf ../side", f"rm -r {side}/", "git worktree remove --force ../side")
    repo.reserve(HOLDER, "new.py", cwd=side)
    for line in removals:
        assert is_silent(shell(line, cwd=repo.path)), line
    (side / "new.py").write_text("x = 1\n", "utf-8")
    for line in removals:
        assert HOLDER in why(shell(line, cwd=repo.path)), line
    assert is_silent(shell("git worktree remove ../side", cwd=repo.path))  # git refuses it itself
    assert is_silent(shell(removals[0], cwd=repo.path, agent=HOLDER))
    assert repo.agentlock("list", "--json", agent=OTHER).json[1:] == []


def test_geminis_shell_runs_the_hooks_that_it_would_switch_off(repo: Repo, new_repo: Any) -> None:
    payload = {"session_id": "S", "hook_event_name": "BeforeTool", "tool_name": "run_shell_command"}

    def answer(line: str, folder: Path) -> Result:
        given = {**payload, "cwd": str(folder), "tool_input": {"command": line}}
        return hook("gemini", "BeforeTool", json.dumps(given).encode(), cwd=folder, agent=OTHER)

    changed = answer("git commit -qm 'x'", repo.path)
    assert changed.code == ALLOWED, changed
    command = changed.json["hookSpecificOutput"]["tool_input"]["command"]
    assert command.endswith("git commit -qm 'x'")
    switched_off = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath"}
    switched_off |= {"GIT_CONFIG_VALUE_0": "", "GIT_CONFIG_GLOBAL": "/dev/null"}
    repo.reserve(HOLDER, "src/**")
    repo.write("src/x.py")
    repo.must("add", ".")
    refused = run("bash", "-c", command, cwd=repo.path, agent=OTHER, env=switched_off)
    assert HOLDER in refused.err
    assert is_silent(answer("ls", repo.path))
    assert is_silent(answer("git commit -qm x", new_repo("other").path))
