"""The entry of `agentlock mcp` comes into the settings of programs, and goes again, to the byte."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit

from agentlock.errors import UsageError
from agentlock.install import mcp_entries
from agentlock.install.mcp_entries import NAMES

if TYPE_CHECKING:
    from support import Repo

JSON = [name for name in NAMES if name != "codex"]
COMMAND = [sys.executable, "-I", "-m", "agentlock", "mcp"]
CODEX = """\
# mine
model = "o3"   # why

[mcp_servers.other]
command = "x"
args = [ "y",'z' ]

[tools]
web = true
"""


def file_of(name: str) -> Path:
    return Path(mcp_entries.file_of(mcp_entries.program(name), None))


def put(name: str, text: str) -> Path:
    path = file_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def entry_of(name: str, path: Path) -> Any:
    key = mcp_entries.program(name).key
    text = path.read_text(encoding="utf-8")
    whole = tomlkit.parse(text).unwrap() if name == "codex" else json.loads(text)
    return whole[key]["agentlock"]


def texts(name: str) -> list[str]:
    """Settings as people have them."""
    if name == "codex":
        return ["", "\n", CODEX, CODEX.replace("\n", "\r\n"), "[mcp_servers]\n", 'model = "x"']
    key = mcp_entries.program(name).key
    theirs = {"command": "npx", "args": ["-y", "other"], "env": {"KEY": "s3cret"}}
    shapes: list[Any] = [
        {},
        {"theme": "dark", "n": 2.5e3},
        {key: {}},
        {key: {"other": theirs}},
        {"a": [1, None], key: {"other": theirs, "more": theirs}, "z": "ü"},
    ]
    return [json.dumps(one, indent=indent) for indent in (None, 2, "\t") for one in shapes]


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_comes_and_goes_and_the_file_is_what_it_was(name: str) -> None:
    for text in texts(name):
        path = put(name, text)
        assert mcp_entries.status(name).state == "missing"
        done = mcp_entries.install(name, None)
        assert (done.state, done.changed) == ("installed", True)
        entry = entry_of(name, path)
        words = entry["command"] if isinstance(entry["command"], list) else [entry["command"]]
        assert [*words, *entry.get("args", [])] == COMMAND
        assert not mcp_entries.install(name, None).changed
        assert mcp_entries.uninstall(name, None).changed
        assert path.read_bytes() == text.encode()
        assert not mcp_entries.uninstall(name, None).changed


@pytest.mark.parametrize("name", NAMES)
def test_without_what_was_kept_only_the_entry_is_taken_out(name: str, home: Path) -> None:
    for text in texts(name):
        if not text.strip():
            continue
        path = put(name, text)
        mcp_entries.install(name, None)
        shutil.rmtree(home / ".local/share/agentlock/mcp-entries")
        mcp_entries.uninstall(name, None)
        now = path.read_text(encoding="utf-8")
        if name == "codex":
            wanted = tomlkit.parse(text).unwrap()
            if not wanted.get("mcp_servers", True):
                del wanted["mcp_servers"]
            assert tomlkit.parse(now).unwrap() == wanted
            assert all(line in now for line in text.splitlines() if "#" in line)
        else:
            wanted = json.loads(text)
            if wanted.get(key := mcp_entries.program(name).key) == {}:
                del wanted[key]
            assert json.loads(now) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_there_is_made_and_goes_again(name: str) -> None:
    assert not file_of(name).exists()
    assert mcp_entries.install(name, None, ["--as", "BlueLake"]).state == "installed"
    words = json.dumps(entry_of(name, file_of(name)))
    assert '"mcp", "--as", "BlueLake"' in words
    mcp_entries.uninstall(name, None)
    assert not file_of(name).exists()


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_of_another_installation_is_renewed(name: str) -> None:
    mcp_entries.install(name, None)
    path = file_of(name)
    text = path.read_text(encoding="utf-8").replace(sys.executable, "/gone/python")
    path.write_text(text, encoding="utf-8")
    assert mcp_entries.status(name).state == "outdated"
    assert mcp_entries.install(name, None).state == "installed"
    assert "/gone/python" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_another_server_of_our_name_is_left_alone(name: str) -> None:
    key = mcp_entries.program(name).key
    theirs = {"command": "other-agentlock", "args": ["serve"]}
    document: Any = {key: {"agentlock": theirs}}
    text = tomlkit.dumps(document) if name == "codex" else json.dumps(document)
    path = put(name, text)
    with pytest.raises(UsageError, match="another server that is called agentlock"):
        mcp_entries.install(name, None)
    assert mcp_entries.status(name).state == "missing"
    assert not mcp_entries.uninstall(name, None).changed
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["{", "[1", "\x00"])
def test_a_file_that_cannot_be_read_stays_as_it_is(name: str, text: str) -> None:
    path = put(name, text)
    with pytest.raises(UsageError, match="nothing was changed"):
        mcp_entries.install(name, None)
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("name", JSON)
def test_servers_in_another_form_are_left_alone(name: str) -> None:
    text = json.dumps({mcp_entries.program(name).key: []})
    path = put(name, text)
    with pytest.raises(UsageError, match="in a form that agentlock does not know"):
        mcp_entries.install(name, None)
    assert path.read_bytes() == text.encode()


def test_what_is_kept_of_a_file_with_keys_is_for_this_user_only(home: Path) -> None:
    path = put("claude", '{"oauth": "s3cret"}')
    path.chmod(0o600)
    mcp_entries.install("claude", None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for kept in (home / ".local/share/agentlock/mcp-entries").iterdir():
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_projects_file_names_no_path_of_this_machine(repo: Repo) -> None:
    done = repo.agentlock("mcp", "install", "claude", "opencode", "--project", "--json")
    assert done.code == 0, done
    assert [one["state"] for one in done.json] == ["installed", "installed"]
    assert entry_of("claude", repo.path / ".mcp.json")["command"] == "agentlock"
    assert entry_of("opencode", repo.path / "opencode.json")["command"] == ["agentlock", "mcp"]
    refused = repo.agentlock("mcp", "install", "copilot", "--project")
    assert refused.code == 2
    assert "reads no MCP servers from a project" in refused.err
    listed = repo.agentlock("mcp", "status", "claude", "--json")
    assert {one["place"]: one["state"] for one in listed.json} == {
        "user": "missing",
        "project": "installed",
    }
    assert listed.code == 0
    assert repo.agentlock("mcp", "status", "cursor").code == 1
    assert repo.agentlock("mcp", "uninstall", "--project").code == 0
    assert not (repo.path / ".mcp.json").exists()


def test_a_program_that_nobody_knows_is_named(repo: Repo) -> None:
    done = repo.agentlock("mcp", "install", "emacs")
    assert done.code == 2
    assert "one of: claude, codex" in done.err
