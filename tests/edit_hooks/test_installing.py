"""Our entries come into the settings of agents' programs, and go again, to the byte."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edit_hooks.payloads import EDITS, sent
from support import HOLDER, OTHER, run
from support.terminal import in_a_terminal

from agentlock.edit_hooks.programs import NAMES, dialect_of
from agentlock.errors import UsageError
from agentlock.install import edit_hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from support import Repo

MERGED = ("claude", "codex", "gemini", "cursor")  # whose files others write too


def file_of(program: str) -> Path:
    return Path(edit_hooks.file_of(dialect_of(program), None))


def put(program: str, text: str) -> Path:
    path = file_of(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def files(program: str) -> list[str]:
    """Settings as people have them: every indent, order, line end, and hooks of others."""
    before = dialect_of(program).event_of("before a tool")
    theirs: Any = {"hooks": [{"type": "command", "command": "lint --fix"}]}
    if program == "cursor":
        theirs = {"command": "lint --fix"}
    shapes: list[Any] = [
        {},
        {"model": "opus"},
        {"hooks": {}},
        {"hooks": {before: []}},
        {"hooks": {before: [theirs]}},
        {"hooks": {before: [theirs, theirs], "Other": [theirs]}},
        {"hooks": {"Other": [theirs]}, "last": [1, 2.5e3, None, True, "a\\u00e9\\n"]},
        {"first": {"deep": {"er": []}}, "hooks": {before: [theirs]}, "last": "ü"},
    ]
    texts = []
    for indent in (None, 2, 4, "\t"):
        texts += [json.dumps(shape, indent=indent) for shape in shapes]
    texts += [text + "\n" for text in texts[8:20]]
    texts += [text.replace("\n", "\r\n") for text in texts[10:16]]
    if program == "gemini":
        texts += [text.replace("{", "{ // why\n /* { */", 1) for text in texts[8:16]]
    return texts


@pytest.mark.parametrize("program", MERGED)
def test_taking_the_entries_out_restores_every_byte(program: str) -> None:
    several = files(program)
    assert len(several) >= 50
    for text in several:
        path = put(program, text)
        assert edit_hooks.install(program).state == "installed", text
        installed = path.read_bytes()
        assert not edit_hooks.install(program).changed, text
        assert path.read_bytes() == installed, text
        assert edit_hooks.uninstall(program).changed, text
        assert path.read_bytes() == text.encode(), text


@pytest.mark.parametrize("program", MERGED)
def test_what_others_write_meanwhile_stays_when_the_entries_go(program: str) -> None:
    for text in files(program):
        path = put(program, text)
        edit_hooks.install(program)
        data = path.read_bytes()
        path.write_bytes(data.replace(b"{", b'{"new": 1,', 1))
        edit_hooks.uninstall(program)
        left = path.read_bytes()
        assert b"agentlock" not in left, text
        assert b'"new": 1' in left, text
        assert b"lint --fix" not in text.encode() or b"lint --fix" in left


@pytest.mark.parametrize("program", NAMES)
def test_a_file_that_only_we_made_is_gone_afterwards(program: str) -> None:
    path = file_of(program)
    assert edit_hooks.status(program).state == "missing"
    assert edit_hooks.install(program).state == "installed"
    assert path.exists()
    assert edit_hooks.uninstall(program).state == "missing"
    assert not path.exists()


@pytest.mark.parametrize("program", MERGED)
@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1,}', '{"hooks": []}', "3", '{"a" 1}'])
def test_a_file_that_cannot_be_read_is_an_error_and_stays(program: str, text: str) -> None:
    path = put(program, text)
    with pytest.raises(UsageError):
        edit_hooks.install(program)
    assert path.read_text(encoding="utf-8") == text


def test_a_comment_is_an_error_where_the_program_takes_none() -> None:
    put("claude", "{ // mine\n}")
    with pytest.raises(UsageError):
        edit_hooks.install("claude")


def test_entries_of_another_installation_are_renewed_where_they_stand() -> None:
    path = put("codex", '{"hooks": {}}')
    edit_hooks.install("codex")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("/__main__.py", "/old/__main__.py"), encoding="utf-8")
    assert edit_hooks.status("codex").state == "outdated"
    edit_hooks.install("codex")
    assert path.read_text(encoding="utf-8") == text


def test_a_file_behind_a_symbolic_link_stays_behind_it(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}", encoding="utf-8")
    path = file_of("claude")
    path.parent.mkdir(parents=True)
    path.symlink_to(real)
    edit_hooks.install("claude")
    assert path.is_symlink()
    assert "agentlock" in real.read_text(encoding="utf-8")


def entry(program: str, path: Path) -> str:
    """The command that the program runs before a tool."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    first = settings["hooks"][dialect_of(program).event_of("before a tool")][0]
    command = first.get("bash") or first.get("command") or first["hooks"][0]["command"]
    assert isinstance(command, str)
    return command


@pytest.mark.parametrize("program", ["claude", "copilot"])
def test_the_entry_itself_denies_allows_and_denies_when_it_is_broken(
    repo: Repo, program: str
) -> None:
    repo.reserve(HOLDER, "src/**")
    edit_hooks.install(program)
    command = entry(program, file_of(program))
    _, event, payload = EDITS[f"{program} {'Edit' if program == 'claude' else 'edit'}"]
    assert event in command
    held, free = (sent(payload, repo.path, path) for path in ("src/x.py", "free.py"))
    broken = command.replace("__main__.py", "gone.py")
    for shell in ("sh", "bash"):
        denied = run(shell, "-c", command, cwd=repo.path, agent=OTHER, stdin=held)
        assert denied.code == 2, denied
        assert HOLDER in denied.err
        assert run(shell, "-c", command, cwd=repo.path, agent=OTHER, stdin=free).code == 0
        refused = run(shell, "-c", broken, cwd=repo.path, stdin=free)
        assert refused.code == 2, refused
        assert "gave no answer" in refused.err
        assert run(shell, "-c", broken, cwd=Path("/"), stdin=free).code == 0


def test_the_command_line_installs_shows_and_takes_out(repo: Repo) -> None:
    installed = repo.agentlock("edit-hooks", "install", "claude", "--json")
    assert installed.code == 0, installed
    assert [one["state"] for one in installed.json] == ["installed"]
    put("gemini", "{}")
    assert repo.agentlock("edit-hooks", "status").code == 1  # nothing guards Gemini
    assert repo.agentlock("edit-hooks", "install", "gemini", "--project").code == 0
    assert (repo.path / ".gemini/settings.json").exists()
    assert repo.agentlock("edit-hooks", "status").code == 0
    assert repo.agentlock("edit-hooks", "uninstall", "claude").code == 0
    assert not file_of("claude").exists()
    wrong = repo.agentlock("edit-hooks", "install", "nobody")
    assert wrong.code == 2
    assert "claude" in wrong.err


def test_opencodes_plugin_is_valid_javascript() -> None:
    edit_hooks.install("opencode")
    text = file_of("opencode").read_text(encoding="utf-8")
    assert "@PYTHON@" not in text
    node = subprocess.run(["node", "--version"], capture_output=True, check=False)
    if node.returncode == 0:
        checked = file_of("opencode").with_suffix(".mjs")
        checked.write_text(text, encoding="utf-8")
        subprocess.run(["node", "--check", checked], check=True)


def test_doctor_names_entries_of_another_installation_and_how_to_renew_them(repo: Repo) -> None:
    path = put("claude", "{}")

    def said() -> list[tuple[str, str | None]]:
        found = repo.agentlock("doctor", "--json", agent=OTHER).json["findings"]
        return [(one["level"], one["mend"]) for one in found if one["check"] == "edit hooks"]

    assert said() == []
    edit_hooks.install("claude")
    assert [level for level, _ in said()] == ["ok"]
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("/__main__.py", "/old/__main__.py"), encoding="utf-8")
    assert said() == [("warning", "agentlock edit-hooks install claude")]


@pytest.mark.parametrize(("answer", "state"), [("y", "installed"), ("n", "missing")])
def test_init_offers_the_entries_at_a_terminal(
    new_repo: Callable[..., Repo], home: Path, answer: str, state: str
) -> None:
    (home / ".claude").mkdir()
    repo = new_repo()
    answers = {"Write the guide": "n", "Write these entries?": answer}
    code, shown = in_a_terminal(repo, "init", answers=answers)
    assert code == 0, shown
    assert "Claude Code, by entries in" in shown
    found = repo.agentlock("edit-hooks", "status", "claude", "--json").json
    assert [one["state"] for one in found if one["place"] == "user"] == [state]


def test_init_names_the_entries_where_nobody_can_be_asked(
    new_repo: Callable[..., Repo], home: Path
) -> None:
    (home / ".claude").mkdir()
    repo = new_repo()
    assert "agentlock edit-hooks install" in repo.agentlock("init").err
    assert not (home / ".claude" / "settings.json").exists()
    assert "agentlock edit-hooks install" not in repo.agentlock("init").err
